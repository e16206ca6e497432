//! A worker takes an activity's attempt.

use perdure_proto::api::common::Priority;

use super::running_attempt;
use crate::{
    change::{ActivityStartedChange, Kind},
    outcome::{ActivityTaskStarted, Reply},
    pause,
    reject::Reject,
    state::{ActivityPhase, RunState},
    tx::Tx,
    versioning::{self, ActivityTaken},
    workflow_task::{self, Poller},
};

/// The same request may come again after a lost answer; any other call for a started attempt is stale. The answer is
/// `Done` where the activity is held, because the worker's version made the run begin a transition.
pub(crate) fn start(tx: &mut Tx, scheduled_event_id: i64, attempt: i32, poller: Poller) -> Result<Reply, Reject> {
    let Poller { identity, request_id, worker_version, taken_by } = poller;
    let run = &tx.state.run;
    let activity = run.activities.get(&scheduled_event_id).filter(|_| run.close.is_none()).ok_or(Reject::StaleTask)?;
    if activity.attempt != attempt || (pause::is_paused(run) && running_attempt(activity).is_none()) {
        return Err(Reject::StaleTask);
    }
    match &activity.phase {
        Some(ActivityPhase::Scheduled(_)) if activity.pause.is_none() => {
            match versioning::activity_taken(run, &taken_by) {
                ActivityTaken::Started => {}
                ActivityTaken::Held => return Err(Reject::StaleTask),
                ActivityTaken::HeldByNewTransition => {
                    versioning::start_transition(tx, &taken_by);
                    workflow_task::ensure_scheduled(tx);
                    workflow_task::redirect(tx);
                    return Ok(Reply::Done);
                }
            }
            let (time, deployment_version) = (tx.now(), taken_by.version);
            let change = ActivityStartedChange {
                scheduled_event_id,
                time,
                identity,
                request_id,
                worker_version,
                deployment_version,
            };
            tx.durable(Kind::ActivityStarted(change));
        }
        Some(ActivityPhase::Started(started)) if !request_id.is_empty() && started.request_id == request_id => {}
        Some(ActivityPhase::Scheduled(_) | ActivityPhase::Started(_) | ActivityPhase::Backoff(_)) | None => {
            return Err(Reject::StaleTask);
        }
    }
    task(&tx.state.run, scheduled_event_id).map(|task| Reply::ActivityStarted(Box::new(task))).ok_or(Reject::StaleTask)
}

/// What the worker gets.
fn task(run: &RunState, scheduled_event_id: i64) -> Option<ActivityTaskStarted> {
    let mut activity = (**run.activities.get(&scheduled_event_id)?).clone();
    let started_time = running_attempt(&activity)?.time;
    activity.priority = merge_priority(run.priority.as_ref(), activity.priority.as_ref());
    Some(ActivityTaskStarted {
        activity,
        workflow_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
        workflow_type: run.workflow_type.clone(),
        namespace: run.namespace.clone(),
        started_time,
    })
}

/// What an activity or child does not say about its priority comes from its workflow, field by field.
pub fn merge_priority(workflow: Option<&Priority>, own: Option<&Priority>) -> Option<Priority> {
    let (Some(base), Some(own)) = (workflow, own) else {
        return own.or(workflow).cloned();
    };
    Some(Priority {
        priority_key: if own.priority_key == 0 { base.priority_key } else { own.priority_key },
        fairness_key: if own.fairness_key.is_empty() { &base.fairness_key } else { &own.fairness_key }.clone(),
        fairness_weight: if own.fairness_weight == 0.0 { base.fairness_weight } else { own.fairness_weight },
    })
}
