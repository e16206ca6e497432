//! Child workflows, as their parent sees them.
//!
//! | state | StartChild command | ChildStarted | ChildStartFailed | ChildClosed |
//! |---|---|---|---|---|
//! | none | initiated: …Initiated | not awaited | not awaited | not awaited |
//! | initiated | (another child) | running: …Started | none: StartChild…Failed | none: …Started, then the close |
//! | running | (another child) | nothing if it is the same run, else not awaited | not awaited | none: the close |
//!
//! A close that overtakes the news of the start brings both. The run id of a child may change (retry, cron,
//! continue-as-new): the close names the run that really ended.

use perdure_proto::api::{
    common::{Header, WorkflowExecution, WorkflowType},
    history::{
        ChildWorkflowExecutionCanceledEventAttributes, ChildWorkflowExecutionCompletedEventAttributes,
        ChildWorkflowExecutionFailedEventAttributes, ChildWorkflowExecutionStartedEventAttributes,
        ChildWorkflowExecutionTerminatedEventAttributes, ChildWorkflowExecutionTimedOutEventAttributes, HistoryEvent,
        StartChildWorkflowExecutionFailedEventAttributes, StartChildWorkflowExecutionInitiatedEventAttributes,
        history_event::Attributes,
    },
};

use crate::{
    apply::Corrupt,
    external::request_id,
    outcome::Reply,
    reject::Reject,
    state::{Child, RunState},
    tx::Tx,
    workflow_task,
};

/// The child runs, as far as the parent knows. (Its Started event may still wait in the buffer, without an id.)
pub(crate) fn is_started(child: &Child) -> bool {
    !child.run_id.is_empty()
}

pub(crate) fn apply(run: &mut RunState, event: &HistoryEvent, attributes: &Attributes) -> Result<(), Corrupt> {
    use Attributes as A;
    match attributes {
        A::StartChildWorkflowExecutionInitiatedEventAttributes(initiated) => {
            let child = initiate(run, event, initiated);
            run.children.insert(event.event_id, child);
        }
        A::ChildWorkflowExecutionStartedEventAttributes(started) => {
            // Gone already where start and close were buffered together.
            if let Some(child) = run.children.get_mut(&started.initiated_event_id) {
                let started_name = name(&child.workflow_type, &child.workflow_id);
                run.replaced_children.retain(|replaced| *replaced != started_name);
                child.started_event_id = event.event_id;
                child.run_id = started.workflow_execution.as_ref().map(|run| run.run_id.clone()).unwrap_or_default();
                child.initiated = None;
            }
        }
        attributes => {
            let not_a_child = Corrupt::at(event.event_id, "not an event of children");
            run.children.remove(&ended(attributes).ok_or(not_a_child)?);
        }
    }
    Ok(())
}

/// Names a child across the runs that resets make of one another.
pub fn name(workflow_type: &str, workflow_id: &str) -> String {
    format!("{workflow_type}:{workflow_id}")
}

/// The child that an event initiates.
pub(crate) fn initiated_name(attributes: &Attributes) -> Option<String> {
    let Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(initiated) = attributes else { return None };
    Some(name(initiated.workflow_type.as_ref().map_or("", |kind| &kind.name), &initiated.workflow_id))
}

/// The start or the end of a child, from the history that this run was forked from, as this run's own. None: it is about
/// something else, or no news.
pub(crate) fn again(run: &RunState, attributes: &Attributes) -> Option<Attributes> {
    use Attributes as A;
    let mut again = attributes.clone();
    match &mut again {
        A::ChildWorkflowExecutionStartedEventAttributes(started) => {
            run.children.get(&started.initiated_event_id).filter(|child| !is_started(child))?;
        }
        A::StartChildWorkflowExecutionFailedEventAttributes(failed) => {
            run.children.get(&failed.initiated_event_id)?;
        }
        A::ChildWorkflowExecutionCompletedEventAttributes(end) => {
            end.started_event_id = run.children.get(&end.initiated_event_id)?.started_event_id;
        }
        A::ChildWorkflowExecutionFailedEventAttributes(end) => {
            end.started_event_id = run.children.get(&end.initiated_event_id)?.started_event_id;
        }
        A::ChildWorkflowExecutionCanceledEventAttributes(end) => {
            end.started_event_id = run.children.get(&end.initiated_event_id)?.started_event_id;
        }
        A::ChildWorkflowExecutionTimedOutEventAttributes(end) => {
            end.started_event_id = run.children.get(&end.initiated_event_id)?.started_event_id;
        }
        A::ChildWorkflowExecutionTerminatedEventAttributes(end) => {
            end.started_event_id = run.children.get(&end.initiated_event_id)?.started_event_id;
        }
        _ => return None,
    }
    Some(again)
}

/// The initiated event id of the child whose end this is.
fn ended(attributes: &Attributes) -> Option<i64> {
    use Attributes as A;
    Some(match attributes {
        A::StartChildWorkflowExecutionFailedEventAttributes(failed) => failed.initiated_event_id,
        A::ChildWorkflowExecutionCompletedEventAttributes(closed) => closed.initiated_event_id,
        A::ChildWorkflowExecutionFailedEventAttributes(closed) => closed.initiated_event_id,
        A::ChildWorkflowExecutionCanceledEventAttributes(closed) => closed.initiated_event_id,
        A::ChildWorkflowExecutionTimedOutEventAttributes(closed) => closed.initiated_event_id,
        A::ChildWorkflowExecutionTerminatedEventAttributes(closed) => closed.initiated_event_id,
        _ => return None,
    })
}

fn initiate(
    run: &RunState,
    event: &HistoryEvent,
    initiated: &StartChildWorkflowExecutionInitiatedEventAttributes,
) -> Child {
    Child {
        initiated_event_id: event.event_id,
        workflow_id: initiated.workflow_id.clone(),
        workflow_type: initiated.workflow_type.as_ref().map(|name| name.name.clone()).unwrap_or_default(),
        namespace: initiated.namespace.clone(),
        namespace_id: initiated.namespace_id.clone(),
        parent_close_policy: initiated.parent_close_policy,
        started_event_id: 0,
        run_id: String::new(),
        create_request_id: request_id(run, event.event_id),
        initiated: Some(Box::new(event.clone())),
    }
}

/// The child that a message is about.
fn awaited(tx: &Tx, initiated_event_id: i64) -> Result<Child, Reject> {
    let run = &tx.state.run;
    let child = run.children.get(&initiated_event_id).filter(|_| run.close.is_none());
    child.cloned().ok_or(Reject::NotAwaited)
}

/// The child was started, with this run id.
pub(crate) fn started(
    tx: &mut Tx,
    initiated_event_id: i64,
    run_id: String,
    header: Option<Header>,
) -> Result<Reply, Reject> {
    let child = awaited(tx, initiated_event_id)?;
    if is_started(&child) {
        return if child.run_id == run_id { Ok(Reply::Done) } else { Err(Reject::NotAwaited) };
    }
    write_started(tx, &child, run_id, header);
    workflow_task::ensure_scheduled(tx);
    Ok(Reply::Done)
}

/// Returns the event's id; 0 where it was kept back.
fn write_started(tx: &mut Tx, child: &Child, run_id: String, header: Option<Header>) -> i64 {
    tx.event_or_buffer(Attributes::ChildWorkflowExecutionStartedEventAttributes(
        ChildWorkflowExecutionStartedEventAttributes {
            namespace: child.namespace.clone(),
            namespace_id: child.namespace_id.clone(),
            initiated_event_id: child.initiated_event_id,
            workflow_execution: Some(WorkflowExecution { workflow_id: child.workflow_id.clone(), run_id }),
            workflow_type: Some(WorkflowType { name: child.workflow_type.clone() }),
            header,
        },
    ))
}

/// The child cannot be started; `cause` is a StartChildWorkflowExecutionFailedCause.
pub(crate) fn start_failed(tx: &mut Tx, initiated_event_id: i64, cause: i32) -> Result<Reply, Reject> {
    let child = awaited(tx, initiated_event_id)?;
    let Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(initiated)) =
        child.initiated.filter(|_| child.run_id.is_empty()).and_then(|event| event.attributes)
    else {
        return Err(Reject::NotAwaited);
    };
    tx.event_or_buffer(Attributes::StartChildWorkflowExecutionFailedEventAttributes(
        StartChildWorkflowExecutionFailedEventAttributes {
            namespace: initiated.namespace,
            namespace_id: initiated.namespace_id,
            workflow_id: initiated.workflow_id,
            workflow_type: initiated.workflow_type,
            cause,
            control: initiated.control,
            initiated_event_id,
            // Temporal never sets it.
            workflow_task_completed_event_id: 0,
        },
    ));
    workflow_task::ensure_scheduled(tx);
    Ok(Reply::Done)
}

/// The child ended with this close event of its run `run_id`.
pub(crate) fn closed(
    tx: &mut Tx,
    initiated_event_id: i64,
    workflow_id: String,
    run_id: String,
    event: HistoryEvent,
) -> Result<Reply, Reject> {
    let child = awaited(tx, initiated_event_id)?;
    let Some(close) = event.attributes.filter(|close| child.workflow_id == workflow_id && ends_child(close)) else {
        return Err(Reject::NotAwaited);
    };
    let started_event_id =
        if is_started(&child) { child.started_event_id } else { write_started(tx, &child, run_id.clone(), None) };
    let execution = WorkflowExecution { workflow_id, run_id };
    if let Some(attributes) = close_attributes(child, execution, started_event_id, close) {
        tx.event_or_buffer(attributes);
    }
    workflow_task::ensure_scheduled(tx);
    Ok(Reply::Done)
}

/// A run that continues as new has not ended its chain.
fn ends_child(close: &Attributes) -> bool {
    use Attributes as A;
    matches!(
        close,
        A::WorkflowExecutionCompletedEventAttributes(_)
            | A::WorkflowExecutionFailedEventAttributes(_)
            | A::WorkflowExecutionCanceledEventAttributes(_)
            | A::WorkflowExecutionTimedOutEventAttributes(_)
            | A::WorkflowExecutionTerminatedEventAttributes(_)
    )
}

/// The parent's event for a close of the child; None for attributes that end no child (see [`ends_child`]).
fn close_attributes(
    child: Child,
    execution: WorkflowExecution,
    started_event_id: i64,
    close: Attributes,
) -> Option<Attributes> {
    use Attributes as A;
    let Child { namespace, namespace_id, initiated_event_id, .. } = child;
    let workflow_execution = Some(execution);
    let workflow_type = Some(WorkflowType { name: child.workflow_type });
    // An event's own fields, and those that all ends of children have.
    macro_rules! end {
        ($event:ident { $($field:ident),* }) => {
            A::$event($event {
                namespace,
                namespace_id,
                workflow_execution,
                workflow_type,
                initiated_event_id,
                started_event_id,
                $($field,)*
            })
        };
    }
    Some(match close {
        A::WorkflowExecutionCompletedEventAttributes(close) => {
            let result = close.result;
            end!(ChildWorkflowExecutionCompletedEventAttributes { result })
        }
        A::WorkflowExecutionFailedEventAttributes(close) => {
            let (failure, retry_state) = (close.failure, close.retry_state);
            end!(ChildWorkflowExecutionFailedEventAttributes { failure, retry_state })
        }
        A::WorkflowExecutionCanceledEventAttributes(close) => {
            let details = close.details;
            end!(ChildWorkflowExecutionCanceledEventAttributes { details })
        }
        A::WorkflowExecutionTimedOutEventAttributes(close) => {
            let retry_state = close.retry_state;
            end!(ChildWorkflowExecutionTimedOutEventAttributes { retry_state })
        }
        A::WorkflowExecutionTerminatedEventAttributes(_) => end!(ChildWorkflowExecutionTerminatedEventAttributes {}),
        _ => return None,
    })
}
