//! What a completed workflow task says about the run's version.

use perdure_proto::api::{
    deployment::WorkerDeploymentVersion,
    enums::{VersioningBehavior, WorkerVersioningMode},
    history::{HistoryEvent, WorkflowTaskCompletedEventAttributes},
    workflowservice::RespondWorkflowTaskCompletedRequest,
};

use super::{Effective, effective, in_transition, overrides, reset_points, transition, version_text};
use crate::{
    event::event_time,
    state::{ActivityPhase, Nanos, RunState},
    tx::Tx,
};

/// The version of the worker that completes a task. None: it is unversioned.
pub(crate) fn reported_version(request: &RespondWorkflowTaskCompletedRequest) -> Option<WorkerDeploymentVersion> {
    let options = request.deployment_options.as_ref();
    let (deployment_name, build_id) = match (options, &request.deployment) {
        (Some(options), _) if options.worker_versioning_mode() == WorkerVersioningMode::Versioned => {
            (&options.deployment_name, &options.build_id)
        }
        (_, Some(deployment)) => (&deployment.series_name, &deployment.build_id),
        _ => return None,
    };
    let is_whole = !deployment_name.is_empty() && !build_id.is_empty();
    is_whole.then(|| WorkerDeploymentVersion { deployment_name: deployment_name.clone(), build_id: build_id.clone() })
}

/// `scheduled_time`: of the task, whose way the activities that wait are not charged for.
pub(crate) fn apply_completed(
    run: &mut RunState,
    event: &HistoryEvent,
    completed: &WorkflowTaskCompletedEventAttributes,
    scheduled_time: Nanos,
) {
    let reported = completed.deployment_version.as_ref();
    run.versioning.worker_deployment_name.clone_from(&completed.worker_deployment_name);
    let transition = run.versioning.info.as_ref().and_then(|info| info.version_transition.as_ref());
    let arrived = transition.is_some_and(|transition| transition.deployment_version.as_ref() == reported);
    if let Some(info) = run.versioning.info.as_mut().filter(|_| arrived) {
        info.version_transition = None;
    }
    let before = effective(run);
    take_over(run, completed);
    if arrived || effective(run) != before {
        let latency = (event_time(event) - scheduled_time).max(0);
        let waits = |phase: &Option<ActivityPhase>| matches!(phase, Some(ActivityPhase::Scheduled(_)));
        let waiting = run.activities.values_mut().filter(|activity| waits(&activity.phase));
        waiting.for_each(|activity| activity.attempt_scheduled_time += latency);
    }
    let stamp = completed.worker_version.as_ref();
    let stamped = stamp.map_or("", |stamp| stamp.build_id.as_str());
    let build_id = reported.map_or(stamped, |version| version.build_id.as_str());
    reset_points::add(run, event, &completed.binary_checksum, build_id);
    let known = &mut run.versioning;
    note(&mut known.builds, stamped);
    note(&mut known.used_versions, &reported.map(version_text).unwrap_or_default());
}

fn note(known: &mut Vec<String>, value: &str) {
    if !value.is_empty() && !known.iter().any(|one| one == value) {
        known.push(value.to_owned());
    }
}

fn take_over(run: &mut RunState, completed: &WorkflowTaskCompletedEventAttributes) {
    let reported = completed.deployment_version.as_ref();
    if completed.versioning_behavior() == VersioningBehavior::Unspecified {
        if let Some(info) = &mut run.versioning.info {
            info.behavior = VersioningBehavior::Unspecified as i32;
            info.deployment_version = None;
        }
    } else {
        let info = run.versioning.info.get_or_insert_default();
        info.behavior = completed.versioning_behavior;
        info.deployment_version = reported.cloned();
    }
    if let Some(info) = &mut run.versioning.info {
        let target = info.versioning_override.as_ref().and_then(overrides::one_time_target);
        if target.is_some() && target == reported {
            info.versioning_override = None;
        }
    }
}

/// The worker is one that the run's next tasks may go to: it may take them at once, and keep the run in its cache.
pub(crate) fn takes_along(run: &RunState, version: Option<&WorkerDeploymentVersion>) -> bool {
    let now = effective(run);
    now.behavior == VersioningBehavior::Unspecified || now.version.as_ref() == version
}

/// After a completion that moved the run: activities that wait are for other workers now, or may go on.
pub(crate) fn redirect_activities(tx: &mut Tx, before: &Effective, was_in_transition: bool) {
    let run = &tx.state.run;
    if was_in_transition && !in_transition(run) || effective(run) != *before {
        transition::redirect_waiting_activities(tx);
    }
}
