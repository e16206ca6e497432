//! A pinned workflow is told when its queue's routing points to another version than its own: it may then continue as
//! new there. A next run that stays pinned is not told again about what the run before it was told.

use perdure_proto::api::{enums::VersioningBehavior, history::DeclinedTargetVersionUpgrade};

use super::{TakenBy, effective};
use crate::{
    change::{Kind, TargetVersionChange},
    state::RunState,
    tx::Tx,
};

/// Before the workflow task is started. True: its Started event tells the workflow that the target is another version.
pub(crate) fn note_target(tx: &mut Tx, taken_by: &TakenBy) -> bool {
    let run = &tx.state.run;
    let seen = (run.versioning.target_notified.as_ref(), run.versioning.target_declined.as_ref());
    let (notified, declined) = looked_at(run, taken_by);
    if (notified.as_ref(), declined.as_ref()) != seen {
        tx.durable(Kind::TargetVersionSeen(TargetVersionChange { notified, declined }));
    }
    let run = &tx.state.run;
    run.versioning.target_notified.is_some() && effective(run).behavior == VersioningBehavior::Pinned
}

/// What the run was told about its target, and what the run before it has declined.
fn looked_at(
    run: &RunState,
    taken_by: &TakenBy,
) -> (Option<DeclinedTargetVersionUpgrade>, Option<DeclinedTargetVersionUpgrade>) {
    let (notified, declined) = (&run.versioning.target_notified, &run.versioning.target_declined);
    let kept = || (notified.clone(), declined.clone());
    let now = effective(run);
    let is_overridden = run.versioning.info.as_ref().is_some_and(|info| info.versioning_override.is_some());
    if now.behavior != VersioningBehavior::Unspecified && is_overridden {
        return (None, None);
    }
    let (VersioningBehavior::Pinned, Some(target)) = (now.behavior, &taken_by.target) else { return kept() };
    let revision = |seen: &Option<DeclinedTargetVersionUpgrade>| seen.as_ref().map_or(0, |seen| seen.revision_number);
    let highest = revision(notified).max(revision(declined));
    if now.version == target.version {
        return if target.revision >= highest { (None, None) } else { kept() };
    }
    let is_declined = declined.is_some() && target.revision <= revision(declined);
    if is_declined || target.revision < highest {
        return kept();
    }
    let news =
        DeclinedTargetVersionUpgrade { deployment_version: target.version.clone(), revision_number: target.revision };
    (Some(news), None)
}

pub(crate) fn apply_target_seen(run: &mut RunState, change: &TargetVersionChange) {
    run.versioning.target_notified.clone_from(&change.notified);
    run.versioning.target_declined.clone_from(&change.declined);
}
