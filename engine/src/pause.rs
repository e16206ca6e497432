//! Runs that operators pause: time and others go on, workers get nothing new.
//!
//! | event | running | paused | closed |
//! |---|---|---|---|
//! | pause | Paused, kept back while a task is started; a task that no worker has fails | the same request id: –; else rejected | rejected |
//! | unpause | rejected | Unpaused, kept back while a task is started; a task unless the first one's wait lasts; activities are offered | rejected |
//! | a workflow task is wanted | scheduled | comes with the unpause | – |
//! | a worker takes a task | started | stale | stale |
//! | a worker completes, fails or loses the task that it has | as it says | as it says; no next task | not found |
//! | … and asks for the next one | scheduled | rejected | not found |
//! | timer, signal, cancel request, end of an activity or child | event, task | event | – |
//! | activity is scheduled, or its backoff is over | offered | comes with the unpause | – |
//! | time-out of a run, of a task or activity that a worker has | as ever | as ever | – |
//! | time-out of an activity that waits for a worker | as ever | begins anew with the unpause | – |
//! | update | admitted | rejected | rejected |
//! | terminate, reset | as ever | as ever; the run of a reset is not paused | – |
//!
//! Queries of a paused run are rejected by the host, which is the one that knows them.

use perdure_proto::api::{
    enums::WorkflowTaskFailedCause,
    history::{
        HistoryEvent, WorkflowExecutionPausedEventAttributes, WorkflowExecutionUnpausedEventAttributes,
        history_event::Attributes,
    },
};

use crate::{
    activity,
    apply::Corrupt,
    event::event_time,
    outcome::Reply,
    reject::Reject,
    state::{RunState, WorkflowPause},
    tx::{EventExtras, Tx},
    workflow_task,
};

/// Who asks, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PauseRequest {
    pub identity: String,
    pub reason: String,
    pub request_id: String,
}

pub(crate) fn pause(tx: &mut Tx, request: PauseRequest) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    if run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    if let Some(pause) = &run.pause {
        if !request.request_id.is_empty() && pause.request_id == request.request_id {
            return Ok(Reply::Done);
        }
        return Err(Reject::FailedPrecondition("workflow is already paused.".into()));
    }
    workflow_task::fail_unstarted(tx, WorkflowTaskFailedCause::WorkflowPauseRequestedBeforeTaskStarted);
    let PauseRequest { identity, reason, request_id } = request;
    let attributes = WorkflowExecutionPausedEventAttributes { identity, reason, request_id };
    write(tx, Attributes::WorkflowExecutionPausedEventAttributes(attributes));
    Ok(Reply::Done)
}

pub(crate) fn unpause(tx: &mut Tx, request: PauseRequest) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    if run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    if run.pause.is_none() {
        return Err(Reject::FailedPrecondition("workflow is not paused.".into()));
    }
    let PauseRequest { identity, reason, request_id } = request;
    let attributes = WorkflowExecutionUnpausedEventAttributes { identity, reason, request_id };
    write(tx, Attributes::WorkflowExecutionUnpausedEventAttributes(attributes));
    activity::offer_waiting(tx);
    // What ended the first task's wait while it could not be scheduled counts now.
    let run = &tx.state.run;
    if run.cancel_requested || run.first_task_backoff_until <= tx.ctx.now {
        workflow_task::schedule_now(tx);
    }
    Ok(Reply::Done)
}

fn write(tx: &mut Tx, attributes: Attributes) {
    tx.event_or_buffer_with(attributes, EventExtras { worker_may_ignore: true, ..Default::default() });
}

/// Nothing is handed out to workers.
pub(crate) fn is_paused(run: &RunState) -> bool {
    run.pause.is_some()
}

pub(crate) fn apply(run: &mut RunState, event: &HistoryEvent, attributes: &Attributes) -> Result<(), Corrupt> {
    match attributes {
        Attributes::WorkflowExecutionPausedEventAttributes(paused) => {
            run.pause = Some(Box::new(WorkflowPause {
                time: event_time(event),
                identity: paused.identity.clone(),
                reason: paused.reason.clone(),
                request_id: paused.request_id.clone(),
            }));
        }
        Attributes::WorkflowExecutionUnpausedEventAttributes(_) => {
            run.pause = None;
            if run.workflow_task.is_none() {
                // The history has gone on since the last task failed.
                run.task_attempt = 1;
            }
        }
        _ => return Err(Corrupt::at(event.event_id, "not an event of a pause")),
    }
    Ok(())
}
