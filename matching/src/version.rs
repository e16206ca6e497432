//! Which workers a task may go to: lanes of a queue, one per version of a worker deployment, and the routing between them.
//!
//! | directive   | routing of the queue                                      | lane                        |
//! |-------------|-----------------------------------------------------------|-----------------------------|
//! | pinned      | any                                                       | that version's              |
//! | by routing  | ramping, and the workflow's hash is below the percentage  | the ramping version's       |
//! | by routing  | a current version                                         | the current version's       |
//! | by routing  | neither                                                   | the unversioned             |
//!
//! A sticky queue belongs to one worker and has only the unversioned lane.

use std::{collections::BTreeSet, fmt, sync::Arc};

use perdure_engine::Nanos;

/// One version of a worker deployment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeploymentVersion {
    pub deployment: Arc<str>,
    pub build_id: Arc<str>,
}

impl DeploymentVersion {
    pub fn new(deployment: impl Into<Arc<str>>, build_id: impl Into<Arc<str>>) -> Self {
        Self { deployment: deployment.into(), build_id: build_id.into() }
    }
}

/// As Temporal writes it: `deployment:build id`.
impl fmt::Display for DeploymentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.deployment, self.build_id)
    }
}

/// Who decides which version gets a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// The queue's routing: unversioned and auto-upgrade workflows, and what belongs to no workflow.
    ByRouting {
        /// [`workflow_hash`]: decides on which side of a ramp the workflow is.
        hash_of: u32,
    },
    /// The workflow.
    Pinned(DeploymentVersion),
}

impl Directive {
    pub fn by_routing(workflow_id: &str) -> Self {
        Self::ByRouting { hash_of: workflow_hash(workflow_id) }
    }
}

/// FNV-1a with a final mix: the same workflow id is always on the same side of a ramp.
pub fn workflow_hash(workflow_id: &str) -> u32 {
    let hash =
        workflow_id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash ^ (hash >> 13)
}

/// Where a queue's tasks go, from the worker deployment that it belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueRouting {
    /// None: unversioned workers.
    pub current: Option<DeploymentVersion>,
    pub ramping: Option<Ramp>,
    /// Of the deployment's routing configuration: an older one never replaces a newer one of the same deployment.
    pub revision: i64,
    /// When it changed last: for those who ask.
    pub update_time: Nanos,
    /// All versions that have the queue, routed to or not: a workflow can be pinned to these.
    pub versions: BTreeSet<DeploymentVersion>,
}

/// The part of the workflows that goes elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Ramp {
    /// None: to unversioned workers.
    pub to: Option<DeploymentVersion>,
    /// 0 to 100.
    pub percentage: f32,
}

impl QueueRouting {
    /// None: the unversioned lane.
    pub fn route(&self, hash_of: u32) -> Option<&DeploymentVersion> {
        match &self.ramping {
            Some(ramp) if is_below(hash_of, ramp.percentage) => ramp.to.as_ref(),
            _ => self.current.as_ref(),
        }
    }
}

/// The hash as a part of its range, against a percentage: 0 takes none, 100 takes all.
fn is_below(hash_of: u32, percentage: f32) -> bool {
    f64::from(hash_of) < f64::from(percentage) / 100.0 * (f64::from(u32::MAX) + 1.0)
}

/// The lane of a task.
pub(crate) fn lane_of<'a>(
    directive: &'a Directive,
    routing: Option<&'a QueueRouting>,
) -> Option<&'a DeploymentVersion> {
    match directive {
        Directive::Pinned(version) => Some(version),
        Directive::ByRouting { hash_of } => routing.and_then(|routing| routing.route(*hash_of)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(build_id: &str) -> DeploymentVersion {
        DeploymentVersion::new("d", build_id)
    }

    fn ramp(build_id: Option<&str>, percentage: f32) -> Option<Ramp> {
        Some(Ramp { to: build_id.map(version), percentage })
    }

    #[test]
    fn lanes_of_the_table() {
        let (low, high) = (0, u32::MAX);
        for (current, ramping, hash_of, expected) in [
            (None, None, low, None),
            (Some("1"), None, low, Some("1")),
            (Some("1"), ramp(Some("2"), 50.0), low, Some("2")),
            (Some("1"), ramp(Some("2"), 50.0), high, Some("1")),
            (Some("1"), ramp(Some("2"), 0.0), low, Some("1")),
            (Some("1"), ramp(Some("2"), 100.0), high, Some("2")),
            (Some("1"), ramp(None, 50.0), low, None),
            (None, ramp(Some("2"), 50.0), low, Some("2")),
            (None, ramp(Some("2"), 50.0), high, None),
        ] {
            let routing = QueueRouting { current: current.map(version), ramping, revision: 1, ..Default::default() };
            let found = lane_of(&Directive::ByRouting { hash_of }, Some(&routing)).cloned();
            assert_eq!(found, expected.map(version), "{routing:?} {hash_of}");
            let pinned = Directive::Pinned(version("9"));
            assert_eq!(lane_of(&pinned, Some(&routing)), Some(&version("9")));
        }
    }

    #[test]
    fn a_ramp_takes_its_share() {
        let routing = QueueRouting { ramping: ramp(Some("2"), 20.0), revision: 1, ..Default::default() };
        let ramped = (0..10_000).filter(|n| routing.route(workflow_hash(&format!("workflow-{n}"))).is_some()).count();
        assert!((1_800..2_200).contains(&ramped), "{ramped} of 10,000");
    }
}
