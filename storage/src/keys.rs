//! Keys of runs and workflows.

use std::sync::Arc;

use perdure_engine::Archetype;
use uuid::Uuid;

/// Number of slots, for good: a workflow's slot is stored in its rows.
pub const SLOTS: u16 = 16_384;

/// Hash of (namespace id, workflow id) modulo [`SLOTS`]: the unit that moves between nodes.
pub type Slot = u16;

/// An id in a namespace, of a workflow or of another kind of run: names a chain of runs, of which at most one is open.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkflowKey {
    pub namespace_id: Uuid,
    pub archetype: Archetype,
    pub workflow_id: Arc<str>,
}

impl WorkflowKey {
    pub fn new(namespace_id: Uuid, workflow_id: impl Into<Arc<str>>) -> Self {
        Self::of(Archetype::Workflow, namespace_id, workflow_id)
    }

    /// Of a run of any kind.
    pub fn of(archetype: Archetype, namespace_id: Uuid, id: impl Into<Arc<str>>) -> Self {
        Self { namespace_id, archetype, workflow_id: id.into() }
    }

    /// FNV-1a: written out here, because stored keys depend on it. Other kinds than workflows add their number.
    pub fn slot(&self) -> Slot {
        let kind = (self.archetype != Archetype::Workflow).then_some(self.archetype as u8);
        let bytes = self.namespace_id.as_bytes().iter().chain(self.workflow_id.as_bytes()).chain(&kind);
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        ((hash ^ (hash >> 32)) % u64::from(SLOTS)) as Slot
    }
}

/// One run. Run ids are UUIDv7, so rows keyed by them lie in order of their start. The slot says who may write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunKey {
    pub slot: Slot,
    pub run_id: Uuid,
}
