//! One batch: everything that a shard makes durable at once, in one transaction and one round trip.

use bytes::Bytes;
use perdure_engine::Nanos;

use crate::{
    keys::{RunKey, WorkflowKey},
    store::Lease,
    visibility::VisibilityRow,
};

/// All writes of a batch stand or fall together, under the shard's lease.
#[derive(Clone, Debug)]
pub struct Batch {
    pub lease: Lease,
    /// At most one entry per run.
    pub runs: Vec<RunWrite>,
}

/// What a batch writes of one run. Everything is optional except the key.
#[derive(Clone, Debug)]
pub struct RunWrite {
    pub key: RunKey,
    /// The run is new: insert its row.
    pub create: Option<CreateRun>,
    /// In order. More than one only where one would be too large to be read at once.
    pub journal: Vec<JournalRow>,
    pub snapshot: Option<Snapshot>,
    /// Journal rows of earlier batches that the snapshot covers go: nobody reads the events of this run.
    pub trim: bool,
    pub wake_at: WakeAt,
    pub visibility: Option<VisibilityRow>,
    /// The run goes, with all that is stored of it. Then nothing else of it is written.
    pub delete: Option<DeleteRun>,
}

#[derive(Clone, Debug)]
pub struct CreateRun {
    pub workflow: WorkflowKey,
    /// The run becomes the current one of its workflow id. If a batch creates several such runs, the last one is current.
    pub make_current: bool,
}

/// A run that no longer exists after the batch. If it is the current one, its workflow id has none any more.
#[derive(Clone, Debug)]
pub struct DeleteRun {
    pub workflow: WorkflowKey,
}

/// What happened to a run in one commit, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// 1, 2, 3, … per run.
    pub seq: i64,
    /// Id of the first event in `events`; where there is none, the id that the next event will have.
    pub first_event_id: i64,
    pub event_count: i32,
    /// The events as an encoded `History`.
    pub events: Bytes,
    /// The changes that are not events, as an encoded `ChangeList`, with the places of the events among them.
    pub changes: Bytes,
}

/// The whole state, encoded, as it is after the journal row `seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub seq: i64,
    pub state: Bytes,
}

/// A time not later than the next moment at which the run needs attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WakeAt {
    /// Leave what is stored: it is early enough.
    #[default]
    Keep,
    Set(Nanos),
    /// The run owes nothing any more.
    Clear,
}

impl RunWrite {
    /// Nothing to write.
    pub fn new(key: RunKey) -> Self {
        Self {
            key,
            create: None,
            journal: Vec::new(),
            snapshot: None,
            trim: false,
            wake_at: WakeAt::Keep,
            visibility: None,
            delete: None,
        }
    }

    pub fn delete(key: RunKey, workflow: WorkflowKey) -> Self {
        Self { delete: Some(DeleteRun { workflow }), ..Self::new(key) }
    }

    /// The last journal row that goes.
    pub(crate) fn trims_to(&self) -> Option<i64> {
        self.snapshot.as_ref().filter(|_| self.trim).map(|snapshot| snapshot.seq)
    }

    /// Something of a run's row changes that exists already.
    pub(crate) fn updates_run(&self) -> bool {
        self.create.is_none() && (self.snapshot.is_some() || self.wake_at != WakeAt::Keep)
    }
}

impl WakeAt {
    pub(crate) fn to_set(self) -> Option<Nanos> {
        match self {
            Self::Set(time) => Some(time),
            Self::Keep | Self::Clear => None,
        }
    }
}
