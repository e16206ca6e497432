//! Transitions: a run that is not pinned moves to the version of a worker that took one of its tasks.

use perdure_proto::api::{enums::VersioningBehavior, workflow::DeploymentVersionTransition};

use super::{TakenBy, effective, in_transition};
use crate::{
    change::{Kind, VersionTransitionChange},
    obligations::obligations,
    outcome::Task,
    state::RunState,
    tx::Tx,
};

/// The run is on its way to the worker's version, which is another than its own. The next workflow task goes to any
/// worker of that version; activities wait.
pub(crate) fn start_transition(tx: &mut Tx, taken_by: &TakenBy) {
    let change = VersionTransitionChange { version: taken_by.version.clone(), revision: taken_by.revision() };
    tx.durable(Kind::VersionTransitionStarted(change));
}

pub(crate) fn apply_transition(run: &mut RunState, change: &VersionTransitionChange) {
    let info = run.versioning.info.get_or_insert_default();
    info.version_transition =
        Some(DeploymentVersionTransition { deployment_version: change.version.clone(), ..Default::default() });
    info.revision_number = change.revision;
    run.sticky = None;
}

/// Hands out what was handed out under another version: those activities that wait, unless a transition holds them.
pub(super) fn redirect_waiting_activities(tx: &mut Tx) {
    if in_transition(&tx.state.run) {
        return;
    }
    let waiting = obligations(tx.state).into_iter().filter(|task| matches!(task, Task::DispatchActivity { .. }));
    for task in waiting {
        if !tx.out.tasks.contains(&task) {
            tx.task(task);
        }
    }
}

/// A pinned run's workflow task is not for this worker.
pub(crate) fn is_refused(run: &RunState, taken_by: &TakenBy) -> bool {
    let now = effective(run);
    now.behavior == VersioningBehavior::Pinned && now.version != taken_by.version
}

/// The worker that took the workflow task is of another version: routing sent it there.
pub(crate) fn moves(run: &RunState, taken_by: &TakenBy) -> bool {
    taken_by.target.is_some() && effective(run).version != taken_by.version
}

/// What becomes of an activity that a worker takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActivityTaken {
    Started,
    /// It waits for the end of the transition.
    Held,
    /// It waits for the end of the transition that begins now.
    HeldByNewTransition,
}

pub(crate) fn activity_taken(run: &RunState, taken_by: &TakenBy) -> ActivityTaken {
    if in_transition(run) {
        return ActivityTaken::Held;
    }
    let now = effective(run);
    if now.behavior == VersioningBehavior::Pinned || now.version == taken_by.version {
        return ActivityTaken::Started;
    }
    match &taken_by.target {
        Some(target) if target.version == taken_by.version => ActivityTaken::HeldByNewTransition,
        _ => ActivityTaken::Started,
    }
}
