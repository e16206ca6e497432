//! What a run's history says so far, and that nothing in it is there twice.

use std::collections::HashSet;

use perdure_proto::api::{
    enums::EventType,
    history::{HistoryEvent, history_event::Attributes},
};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// The run, as its first event names it: a name for its children.
    pub(crate) run_id: String,
    pub(crate) is_child: bool,
    pub(crate) activities: u32,
    /// Activities that completed, by the event that scheduled them.
    pub(crate) activities_done: HashSet<i64>,
    pub(crate) children: u32,
    /// Children that completed, by the event that asked for them.
    pub(crate) children_done: HashSet<i64>,
    pub(crate) timer_started: bool,
    pub(crate) timer_fired: bool,
    /// The driver gives each signal a name of its own.
    pub(crate) signals: HashSet<String>,
    /// The ids of the updates that came, with a task or with the history.
    pub(crate) updates: HashSet<String>,
    /// What should not have happened.
    pub(crate) broken: Option<&'static str>,
}

impl Progress {
    pub(crate) fn apply(&mut self, event: &HistoryEvent) {
        match event.event_type() {
            EventType::ActivityTaskScheduled => self.activities += 1,
            EventType::ActivityTaskFailed | EventType::ActivityTaskTimedOut => {
                self.broken = Some("an activity did not complete");
            }
            EventType::StartChildWorkflowExecutionInitiated => self.children += 1,
            EventType::StartChildWorkflowExecutionFailed
            | EventType::ChildWorkflowExecutionFailed
            | EventType::ChildWorkflowExecutionTerminated
            | EventType::ChildWorkflowExecutionTimedOut => self.broken = Some("a child did not complete"),
            EventType::TimerStarted => self.timer_started = true,
            EventType::TimerFired => self.timer_fired = true,
            _ => {}
        }
        match &event.attributes {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
                self.run_id.clone_from(&started.original_execution_run_id);
                self.is_child = started.parent_workflow_execution.is_some();
            }
            Some(Attributes::ActivityTaskCompletedEventAttributes(completed)) => {
                self.once(
                    |own| own.activities_done.insert(completed.scheduled_event_id),
                    "an activity completed twice",
                );
            }
            Some(Attributes::ChildWorkflowExecutionCompletedEventAttributes(completed)) => {
                self.once(|own| own.children_done.insert(completed.initiated_event_id), "a child completed twice");
            }
            Some(Attributes::WorkflowExecutionSignaledEventAttributes(signal)) => {
                self.once(|own| own.signals.insert(signal.signal_name.clone()), "a signal came twice");
            }
            Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) => {
                self.updates.insert(accepted.protocol_instance_id.clone());
            }
            _ => {}
        }
    }

    fn once(&mut self, insert: impl FnOnce(&mut Self) -> bool, otherwise: &'static str) {
        if !insert(self) {
            self.broken = Some(otherwise);
        }
    }
}
