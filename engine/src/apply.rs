//! The only mutator of a run's state: `step` emits changes through it, loading and replay fold stored ones through it.
//!
//! Each event has one effect, written once, in the file of its machine. An event that is kept back while a workflow
//! task is started (`Kind::EventBuffered`) takes effect when it is buffered, with event id 0; when the buffer is flushed
//! the same event is applied again with its real id. So the effect of every event that can be buffered must be
//! harmless the second time: removing what is gone already is no error, setting is better than adding.

use perdure_proto::api::history::{HistoryEvent, history_event::Attributes as A};

use crate::{
    activity, attributes, batch, callback, cancel,
    change::{Change, Kind, VolatileChange},
    child, close, external, import, marker, nexus, pause, reset, schedule, signal, standalone_activity,
    standalone_nexus, start,
    state::{RequestIdInfo, RunState, WorkflowState},
    timer, update, versioning, workflow_task,
};

/// A change that contradicts the state: stored data is damaged, or the engine has a defect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("corrupt run at event {event_id}: {what}")]
pub struct Corrupt {
    pub what: &'static str,
    /// The event that could not be applied; 0 where it is not an event.
    pub event_id: i64,
}

impl Corrupt {
    pub(crate) fn at(event_id: i64, what: &'static str) -> Self {
        Self { what, event_id }
    }
}

impl WorkflowState {
    /// Applies one change. After an error the state must be dropped.
    pub fn apply(&mut self, change: &Change) -> Result<(), Corrupt> {
        match change {
            Change::Event { event, encoded } => self.apply_event(event, encoded.len()),
            Change::Durable(durable) => match &durable.kind {
                Some(kind) => self.apply_durable(kind),
                None => Err(Corrupt::at(0, "a change without a kind")),
            },
            Change::Volatile(change) => self.apply_volatile(change),
        }
    }

    /// Applies an event of the history; `encoded_len` counts its field of `History`.
    pub(crate) fn apply_event(&mut self, event: &HistoryEvent, encoded_len: usize) -> Result<(), Corrupt> {
        if event.event_id != self.run.next_event_id {
            return Err(Corrupt::at(event.event_id, "event ids are not contiguous"));
        }
        if self.run.close.is_some() {
            return Err(Corrupt::at(event.event_id, "an event after the close"));
        }
        self.run.next_event_id += 1;
        self.run.history_size_bytes += encoded_len as i64;
        self.apply_effect(event)
    }

    fn apply_durable(&mut self, kind: &Kind) -> Result<(), Corrupt> {
        let run = &mut self.run;
        match kind {
            Kind::Events(_) => return Err(Corrupt::at(0, "a stored mark is not a change")),
            Kind::EventBuffered(event) => {
                workflow_task::keep_back(run, event);
                return self.apply_effect(event);
            }
            Kind::BufferFlushed(_) => workflow_task::drop_buffered(run, |_| true),
            Kind::WorkflowTaskSet(_)
            | Kind::WorkflowTaskStarted(_)
            | Kind::WorkflowTaskCleared(_)
            | Kind::StickySet(_)
            | Kind::StickyCleared(_) => return workflow_task::apply_durable(run, kind),
            Kind::ActivityStarted(_)
            | Kind::ActivityRetry(_)
            | Kind::ActivityHeartbeat(_)
            | Kind::ActivityReady(_)
            | Kind::ActivityPaused(_)
            | Kind::ActivityResumed(_)
            | Kind::ActivityOptionsSet(_)
            | Kind::ActivityDelayed(_) => return activity::apply_durable(run, kind),
            Kind::NexusStartRetry(_)
            | Kind::NexusStartReady(_)
            | Kind::NexusCancelRetry(_)
            | Kind::NexusCancelReady(_) => return nexus::apply_durable(run, kind),
            Kind::CallbackRetry(_)
            | Kind::CallbackReady(_)
            | Kind::CallbackEnded(_)
            | Kind::CallbackRefused(_)
            | Kind::CallbacksAttached(_) => {
                return callback::apply_durable(run, kind);
            }
            Kind::SignalRequestSeen(request_id) => {
                run.signal_request_ids.insert(request_id.clone(), true);
            }
            Kind::StartRequestSeen(seen) => {
                let info = RequestIdInfo { event_type: seen.event_type, event_id: seen.event_id };
                run.start_request_ids.insert(seen.request_id.clone(), info);
            }
            Kind::ParentNotified(_) | Kind::ChildReleased(_) => close::apply_released(run, kind),
            Kind::Transition(count) => run.state_transition_count += count,
            Kind::CancelRequestSeen(request_id) => run.cancel_request_id.clone_from(request_id),
            Kind::VersionTransitionStarted(change) => versioning::apply_transition(run, change),
            Kind::TargetVersionSeen(change) => versioning::apply_target_seen(run, change),
            Kind::Created(created) => start::apply_created(run, created),
            Kind::ResetFrom(from) => reset::apply_reset_from(run, from),
            Kind::ResetInto(run_id) => run.reset_run_id.clone_from(run_id),
            Kind::ProblemsReported(reported) => run.problems_reported = *reported,
            Kind::UpdateForgotten(update_id) => update::forget(self, update_id),
            Kind::DeleteRequested(_) => run.delete_requested = true,
            Kind::Imported(_) => return import::apply_imported(run),
            Kind::Schedule(change) => return schedule::apply(run, change),
            Kind::Batch(change) => return batch::apply(run, change),
            Kind::StandaloneNexus(change) => return standalone_nexus::apply(run, change),
            Kind::StandaloneActivity(change) => return standalone_activity::apply(run, change),
        }
        Ok(())
    }

    fn apply_volatile(&mut self, change: &VolatileChange) -> Result<(), Corrupt> {
        match change {
            VolatileChange::SpeculativeTaskScheduled(_)
            | VolatileChange::SpeculativeTaskStarted(_)
            | VolatileChange::SpeculativeTaskCleared => workflow_task::apply_volatile(&mut self.volatile, change),
            VolatileChange::UpdateAdmitted(_)
            | VolatileChange::UpdateJoined { .. }
            | VolatileChange::UpdateRemoved(_)
            | VolatileChange::UpdatesSent { .. }
            | VolatileChange::UpdatesUnsent => update::apply_volatile(&mut self.volatile, change),
        }
    }

    fn apply_effect(&mut self, event: &HistoryEvent) -> Result<(), Corrupt> {
        let Some(attributes) = &event.attributes else {
            return Err(Corrupt::at(event.event_id, "an event without attributes"));
        };
        let run: &mut RunState = &mut self.run;
        match attributes {
            A::WorkflowExecutionStartedEventAttributes(started) => start::apply(run, event, started),
            A::WorkflowTaskScheduledEventAttributes(_)
            | A::WorkflowTaskStartedEventAttributes(_)
            | A::WorkflowTaskCompletedEventAttributes(_)
            | A::WorkflowTaskTimedOutEventAttributes(_)
            | A::WorkflowTaskFailedEventAttributes(_) => workflow_task::apply(run, event, attributes),
            A::WorkflowExecutionSignaledEventAttributes(signaled) => signal::apply(run, event, signaled),
            A::WorkflowExecutionCancelRequestedEventAttributes(_) => cancel::apply(run),
            A::WorkflowExecutionPausedEventAttributes(_) | A::WorkflowExecutionUnpausedEventAttributes(_) => {
                pause::apply(run, event, attributes)
            }
            A::WorkflowExecutionOptionsUpdatedEventAttributes(options) => start::apply_options(run, event, options),
            A::WorkflowExecutionCompletedEventAttributes(_)
            | A::WorkflowExecutionFailedEventAttributes(_)
            | A::WorkflowExecutionTimedOutEventAttributes(_)
            | A::WorkflowExecutionTerminatedEventAttributes(_)
            | A::WorkflowExecutionCanceledEventAttributes(_)
            | A::WorkflowExecutionContinuedAsNewEventAttributes(_) => close::apply(run, event, attributes),
            A::ActivityTaskScheduledEventAttributes(_)
            | A::ActivityTaskStartedEventAttributes(_)
            | A::ActivityTaskCompletedEventAttributes(_)
            | A::ActivityTaskFailedEventAttributes(_)
            | A::ActivityTaskTimedOutEventAttributes(_)
            | A::ActivityTaskCancelRequestedEventAttributes(_)
            | A::ActivityTaskCanceledEventAttributes(_) => activity::apply(run, event, attributes),
            A::TimerStartedEventAttributes(_)
            | A::TimerFiredEventAttributes(_)
            | A::TimerCanceledEventAttributes(_) => timer::apply(run, event, attributes),
            A::MarkerRecordedEventAttributes(_) => marker::apply(run, event, attributes),
            A::StartChildWorkflowExecutionInitiatedEventAttributes(_)
            | A::StartChildWorkflowExecutionFailedEventAttributes(_)
            | A::ChildWorkflowExecutionStartedEventAttributes(_)
            | A::ChildWorkflowExecutionCompletedEventAttributes(_)
            | A::ChildWorkflowExecutionFailedEventAttributes(_)
            | A::ChildWorkflowExecutionCanceledEventAttributes(_)
            | A::ChildWorkflowExecutionTimedOutEventAttributes(_)
            | A::ChildWorkflowExecutionTerminatedEventAttributes(_) => child::apply(run, event, attributes),
            A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_)
            | A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(_)
            | A::ExternalWorkflowExecutionCancelRequestedEventAttributes(_)
            | A::SignalExternalWorkflowExecutionInitiatedEventAttributes(_)
            | A::SignalExternalWorkflowExecutionFailedEventAttributes(_)
            | A::ExternalWorkflowExecutionSignaledEventAttributes(_) => external::apply(run, event, attributes),
            A::UpsertWorkflowSearchAttributesEventAttributes(_) | A::WorkflowPropertiesModifiedEventAttributes(_) => {
                attributes::apply(run, event, attributes)
            }
            A::WorkflowExecutionUpdateAcceptedEventAttributes(_)
            | A::WorkflowExecutionUpdateRejectedEventAttributes(_)
            | A::WorkflowExecutionUpdateCompletedEventAttributes(_) => update::apply(self, event, attributes),
            A::NexusOperationScheduledEventAttributes(_)
            | A::NexusOperationStartedEventAttributes(_)
            | A::NexusOperationCompletedEventAttributes(_)
            | A::NexusOperationFailedEventAttributes(_)
            | A::NexusOperationCanceledEventAttributes(_)
            | A::NexusOperationTimedOutEventAttributes(_)
            | A::NexusOperationCancelRequestedEventAttributes(_)
            | A::NexusOperationCancelRequestCompletedEventAttributes(_)
            | A::NexusOperationCancelRequestFailedEventAttributes(_) => nexus::apply(run, event, attributes),
            A::WorkflowExecutionUpdateAdmittedEventAttributes(admitted) => {
                update::apply_admitted(self, event, admitted)
            }
            _ => Err(Corrupt::at(event.event_id, "an event type that this version does not write")),
        }
    }
}
