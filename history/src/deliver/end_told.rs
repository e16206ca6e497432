//! What a completion callback hears: how a run or an update ended, in the words of a Nexus operation, and where to look.

use perdure_engine::{
    Archetype, NexusResult, RunState, WorkflowState,
    state::{Callback, NexusOutcome},
};
use perdure_proto::api::{
    activity::activity_execution_outcome::Value as ActivityValue,
    common::{
        Link,
        link::{
            Activity, NexusOperation, Variant as LinkVariant, WorkflowEvent,
            workflow_event::{EventReference, Reference, RequestIdReference},
        },
    },
    enums::{EventType, WorkflowExecutionStatus},
    failure::{CanceledFailureInfo, Failure, TerminatedFailureInfo, TimeoutFailureInfo, failure::FailureInfo},
    history::history_event::Attributes,
    update::outcome::Value,
};

use crate::nexus;

/// To what ended.
pub(super) fn link(run: &RunState, callback: &Callback) -> Link {
    let (namespace, id, run_id) = (run.namespace.clone(), run.workflow_id.clone(), run.run_id.clone());
    let variant = match run.archetype() {
        Archetype::Activity => LinkVariant::Activity(Activity { namespace, activity_id: id, run_id }),
        Archetype::NexusOperation => {
            LinkVariant::NexusOperation(NexusOperation { namespace, operation_id: id, run_id })
        }
        Archetype::Workflow | Archetype::Schedule | Archetype::Batch => link_of_start(run, callback),
    };
    Link { variant: Some(variant) }
}

/// None: it has not ended, or goes on.
pub(super) fn result(state: &WorkflowState, callback: &Callback) -> Option<NexusResult> {
    let close = state.run.close.as_ref();
    match (callback.update_id.as_str(), state.run.archetype()) {
        ("", Archetype::Activity) => Some(match state.activity_outcome()?.value? {
            ActivityValue::Result(result) => {
                NexusResult::Succeeded(Some(nexus::or_null(result.payloads.into_iter().next())))
            }
            ActivityValue::Failure(failure) => unsuccessful(close?.status(), failure),
        }),
        ("", Archetype::NexusOperation) => Some(match state.nexus_operation_outcome()? {
            NexusOutcome::Result(result) => NexusResult::Succeeded(Some(result)),
            NexusOutcome::Failure(failure) => unsuccessful(close?.status(), *failure),
        }),
        ("", Archetype::Workflow | Archetype::Schedule | Archetype::Batch) => {
            result_of_workflow(close?.event.as_ref()?.attributes.as_ref()?)
        }
        (update_id, _) => result_of_update(state, update_id, callback),
    }
}

fn unsuccessful(status: WorkflowExecutionStatus, failure: Failure) -> NexusResult {
    let failure = Box::new(failure);
    if status == WorkflowExecutionStatus::Canceled {
        NexusResult::Canceled(failure)
    } else {
        NexusResult::Failed(failure)
    }
}

/// To the event that brought the callback: the start, or one that may have no event id yet.
fn link_of_start(run: &RunState, callback: &Callback) -> LinkVariant {
    let started = i32::from(EventType::WorkflowExecutionStarted);
    let brought = run.start_request_ids.get(&callback.request_id).map_or(started, |brought| brought.event_type);
    let reference = if brought == started {
        Reference::EventRef(EventReference { event_id: 1, event_type: started })
    } else {
        Reference::RequestIdRef(RequestIdReference { request_id: callback.request_id.clone(), event_type: brought })
    };
    LinkVariant::WorkflowEvent(WorkflowEvent {
        namespace: run.namespace.clone(),
        workflow_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
        reference: Some(reference),
    })
}

/// How the update ended, in the words of an operation. None: it has not.
fn result_of_update(state: &WorkflowState, update_id: &str, callback: &Callback) -> Option<NexusResult> {
    if let Some(rejection) = &callback.rejection {
        return Some(NexusResult::Failed(rejection.clone()));
    }
    Some(match state.update_outcome(update_id)?.value? {
        Value::Success(result) => {
            let result = result.payloads.into_iter().next();
            NexusResult::Succeeded(Some(nexus::or_null(result)))
        }
        Value::Failure(failure) => NexusResult::Failed(Box::new(failure)),
    })
}

/// How the workflow ended, in the words of an operation. None: it goes on as another run.
fn result_of_workflow(close: &Attributes) -> Option<NexusResult> {
    use Attributes as A;
    let of = |message: &str, info: FailureInfo| {
        Box::new(Failure { message: message.to_owned(), failure_info: Some(info), ..Failure::default() })
    };
    Some(match close {
        A::WorkflowExecutionCompletedEventAttributes(end) => {
            let result = end.result.as_ref().and_then(|result| result.payloads.first()).cloned();
            NexusResult::Succeeded(Some(nexus::or_null(result)))
        }
        A::WorkflowExecutionFailedEventAttributes(end) => {
            NexusResult::Failed(Box::new(end.failure.clone().unwrap_or_default()))
        }
        A::WorkflowExecutionCanceledEventAttributes(end) => {
            let info = CanceledFailureInfo { details: end.details.clone(), ..CanceledFailureInfo::default() };
            NexusResult::Canceled(of("operation canceled", FailureInfo::CanceledFailureInfo(info)))
        }
        A::WorkflowExecutionTerminatedEventAttributes(_) => {
            let info = FailureInfo::TerminatedFailureInfo(TerminatedFailureInfo::default());
            NexusResult::Failed(of("operation terminated", info))
        }
        A::WorkflowExecutionTimedOutEventAttributes(_) => {
            let info = FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo::default());
            NexusResult::Failed(of("operation exceeded internal timeout", info))
        }
        _ => return None,
    })
}
