//! What descriptions of runs tell about completion callbacks.

use perdure_proto::{
    api::{
        activity,
        callback::CallbackInfo as Info,
        common::callback,
        enums::CallbackState,
        workflow::{
            CallbackInfo,
            callback_info::{Trigger, UpdateWorkflowExecutionCompleted, WorkflowClosed, trigger::Variant},
        },
    },
    temporal::api::nexusoperation::v1 as nexusoperation,
};

use super::in_order;
use crate::{
    state::{Callback, CallbackPhase, RunState, WorkflowState},
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
    let common = common(callback);
    CallbackInfo {
        trigger: Some(Trigger { variant: Some(trigger(callback)) }),
        request_id: callback.request_id.clone(),
        callback: common.callback,
        registration_time: common.registration_time,
        state: common.state,
        attempt: common.attempt,
        last_attempt_complete_time: common.last_attempt_complete_time,
        last_attempt_failure: common.last_attempt_failure,
        next_attempt_schedule_time: common.next_attempt_schedule_time,
        blocked_reason: common.blocked_reason,
    }
}

/// What is told of callbacks of every kind of run.
fn common(callback: &Callback) -> Info {
    let (state, next_attempt) = match &callback.phase {
        Some(CallbackPhase::Standby(_)) | None => (CallbackState::Standby, None),
        Some(CallbackPhase::Scheduled(_)) => (CallbackState::Scheduled, None),
        Some(CallbackPhase::Backoff(backoff)) => (CallbackState::BackingOff, Some(timestamp(backoff.until))),
        Some(CallbackPhase::Failed(_)) => (CallbackState::Failed, None),
        Some(CallbackPhase::Succeeded(_)) => (CallbackState::Succeeded, None),
    };
    Info {
        callback: callback.callback.clone(),
        registration_time: Some(timestamp(callback.registration_time)),
        state: state as i32,
        attempt: callback.attempt,
        last_attempt_complete_time: optional_timestamp(callback.last_attempt_complete_time),
        last_attempt_failure: callback.last_attempt_failure.as_deref().cloned(),
        next_attempt_schedule_time: next_attempt,
        ..Default::default()
    }
}

impl WorkflowState {
    /// Of an activity of its own.
    pub fn activity_callbacks(&self) -> Vec<activity::CallbackInfo> {
        use activity::callback_info::{ActivityClosed, Trigger, trigger::Variant};
        let trigger = Trigger { variant: Some(Variant::ActivityClosed(ActivityClosed {})) };
        let infos = in_order(&self.run).into_iter().map(common);
        infos.map(|info| activity::CallbackInfo { trigger: Some(trigger), info: Some(info) }).collect()
    }

    /// Of a Nexus operation of its own.
    pub fn nexus_operation_callbacks(&self) -> Vec<nexusoperation::CallbackInfo> {
        use nexusoperation::callback_info::{OperationCompleted, Trigger, trigger::Variant};
        let trigger = Trigger { variant: Some(Variant::OperationCompleted(OperationCompleted {})) };
        let infos = in_order(&self.run).into_iter().map(common);
        infos.map(|info| nexusoperation::CallbackInfo { trigger: Some(trigger), info: Some(info) }).collect()
    }
}
