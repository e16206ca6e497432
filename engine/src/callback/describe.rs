//! What DescribeWorkflowExecution tells about completion callbacks.

use perdure_proto::api::{
    common::callback,
    enums::CallbackState,
    workflow::{
        CallbackInfo,
        callback_info::{Trigger, UpdateWorkflowExecutionCompleted, WorkflowClosed, trigger::Variant},
    },
};

use super::in_order;
use crate::{
    state::{Callback, CallbackPhase, RunState},
    time::{optional_timestamp, timestamp},
};

/// The server's own are not shown.
pub(crate) fn infos(run: &RunState) -> Vec<CallbackInfo> {
    let internal = |callback: &&Callback| {
        let variant = callback.callback.as_ref().and_then(|callback| callback.variant.as_ref());
        matches!(variant, Some(callback::Variant::Internal(_)))
    };
    in_order(run).into_iter().filter(|callback| !internal(callback)).map(info).collect()
}

fn trigger(callback: &Callback) -> Variant {
    match callback.update_id.as_str() {
        "" => Variant::WorkflowClosed(WorkflowClosed {}),
        update_id => {
            let update_id = update_id.to_owned();
            Variant::UpdateWorkflowExecutionCompleted(UpdateWorkflowExecutionCompleted { update_id })
        }
    }
}

fn info(callback: &Callback) -> CallbackInfo {
    let (state, next_attempt) = match &callback.phase {
        Some(CallbackPhase::Standby(_)) | None => (CallbackState::Standby, None),
        Some(CallbackPhase::Scheduled(_)) => (CallbackState::Scheduled, None),
        Some(CallbackPhase::Backoff(backoff)) => (CallbackState::BackingOff, Some(timestamp(backoff.until))),
        Some(CallbackPhase::Failed(_)) => (CallbackState::Failed, None),
        Some(CallbackPhase::Succeeded(_)) => (CallbackState::Succeeded, None),
    };
    CallbackInfo {
        callback: callback.callback.clone(),
        trigger: Some(Trigger { variant: Some(trigger(callback)) }),
        registration_time: Some(timestamp(callback.registration_time)),
        state: state as i32,
        attempt: callback.attempt,
        last_attempt_complete_time: optional_timestamp(callback.last_attempt_complete_time),
        last_attempt_failure: callback.last_attempt_failure.as_deref().cloned(),
        next_attempt_schedule_time: next_attempt,
        blocked_reason: String::new(),
        request_id: callback.request_id.clone(),
    }
}
