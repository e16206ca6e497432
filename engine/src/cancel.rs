//! Requests to cancel a run: the workflow is told, and decides itself.
//!
//! | run | event | workflow task |
//! |---|---|---|
//! | open | CancelRequested, kept back while a task is started | wanted at once, even before the first one's backoff is over |
//! | open, requested before | – | – |
//! | closed | – (no error: what was asked for has happened) | – |
//! | open, not a child of the sender that asks for its child | rejected | – |

use perdure_proto::api::{
    common::{Link, WorkflowExecution},
    history::{WorkflowExecutionCancelRequestedEventAttributes, history_event::Attributes},
};

use crate::{
    apply::Corrupt,
    change::Kind,
    input::ExternalInitiator,
    outcome::Reply,
    reject::Reject,
    state::RunState,
    tx::{EventExtras, Tx},
    workflow_task,
};

pub(crate) struct Request {
    pub(crate) reason: String,
    pub(crate) identity: String,
    pub(crate) request_id: String,
    pub(crate) external: Option<ExternalInitiator>,
    pub(crate) links: Vec<Link>,
}

pub(crate) fn request(tx: &mut Tx, request: Request) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    if run.close.is_some() {
        return Ok(Reply::Done);
    }
    if request.external.as_ref().is_some_and(|sender| sender.child_workflow_only && !is_child_of(run, sender)) {
        return Err(Reject::NotFound("workflow parent does not match".into()));
    }
    if run.cancel_requested {
        return Ok(Reply::Done);
    }
    let mut attributes = WorkflowExecutionCancelRequestedEventAttributes {
        cause: request.reason,
        identity: request.identity,
        ..Default::default()
    };
    if let Some(sender) = request.external {
        attributes.external_initiated_event_id = sender.initiated_event_id;
        attributes.external_workflow_execution =
            Some(WorkflowExecution { workflow_id: sender.workflow_id, run_id: sender.run_id });
    }
    let extras = EventExtras { links: request.links, ..Default::default() };
    tx.event_or_buffer_with(Attributes::WorkflowExecutionCancelRequestedEventAttributes(attributes), extras);
    if !request.request_id.is_empty() {
        tx.durable(Kind::CancelRequestSeen(request.request_id));
    }
    workflow_task::schedule_now(tx);
    Ok(Reply::Done)
}

fn is_child_of(run: &RunState, sender: &ExternalInitiator) -> bool {
    run.parent.as_ref().is_some_and(|parent| parent.workflow_id == sender.workflow_id && parent.run_id == sender.run_id)
}

pub(crate) fn apply(run: &mut RunState) -> Result<(), Corrupt> {
    run.cancel_requested = true;
    Ok(())
}
