//! What began, goes on and ends within a run.
//!
//! | machine | begins | starts | ends | notes |
//! |---|---|---|---|---|
//! | workflow task | Scheduled, while no other is pending | Started | Completed, Failed, TimedOut | – |
//! | activity | Scheduled | Started | Completed, Failed, TimedOut, Canceled | CancelRequested |
//! | timer | Started | – | Fired, Canceled | – |
//! | child | StartChild…Initiated | Started | StartFailed, Completed, Failed, Canceled, TimedOut, Terminated | – |
//! | external signal | Initiated | – | Failed, Signaled | – |
//! | external cancel | Initiated | – | Failed, CancelRequested | – |
//! | Nexus operation | Scheduled | Started | Completed, Failed, Canceled, TimedOut | CancelRequested |
//! | Nexus cancel | CancelRequested | – | CancelRequestCompleted, CancelRequestFailed | – |
//! | update | Accepted | – | Completed | – |
//!
//! Each starts once at most, and ends once at most. An end names the start, where there was one and it has a place for it.
//! A note may come after the end: a cancel that was asked for while the end waited for the workflow task.

use std::collections::BTreeMap;

use perdure_proto::api::history::history_event::Attributes;

use super::Violation;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Machine {
    WorkflowTask,
    Activity,
    Timer,
    Child,
    ExternalSignal,
    ExternalCancel,
    NexusOperation,
    NexusCancel,
    Update,
}

impl Machine {
    fn name(self) -> &'static str {
        match self {
            Self::WorkflowTask => "workflow task",
            Self::Activity => "activity",
            Self::Timer => "timer",
            Self::Child => "child workflow",
            Self::ExternalSignal => "external signal",
            Self::ExternalCancel => "external cancel request",
            Self::NexusOperation => "Nexus operation",
            Self::NexusCancel => "cancel request of a Nexus operation",
            Self::Update => "update",
        }
    }
}

/// What an event does to a machine, which is known by the event that began it.
enum Step {
    Begin,
    Start(i64),
    /// The start that it names; None: it has no place for it.
    End(i64, Option<i64>),
    Note(i64),
}

struct Known {
    machine: Machine,
    started: Option<i64>,
    ended: bool,
}

#[derive(Default)]
pub(super) struct Machines {
    /// By the events that began them. One event begins one machine at most.
    known: BTreeMap<i64, Known>,
    pending_task: Option<i64>,
}

impl Machines {
    pub(super) fn verify(&mut self, id: i64, attributes: &Attributes, wrong: &mut Vec<Violation>) {
        if let Attributes::NexusOperationCancelRequestedEventAttributes(requested) = attributes
            && let Err(what) = self.step(id, Machine::NexusOperation, Step::Note(requested.scheduled_event_id))
        {
            wrong.push(Violation::new(id, what));
        }
        let Some((machine, step)) = step_of(attributes) else { return };
        if let Err(what) = self.step(id, machine, step) {
            wrong.push(Violation::new(id, what));
        }
    }

    fn step(&mut self, id: i64, machine: Machine, step: Step) -> Result<(), String> {
        match step {
            Step::Begin => {
                let before = (machine == Machine::WorkflowTask).then(|| self.pending_task.replace(id)).flatten();
                self.known.insert(id, Known { machine, started: None, ended: false });
                before.map_or(Ok(()), |before| {
                    Err(format!("schedules a workflow task while the one of event {before} is pending"))
                })
            }
            Step::Note(began) => self.find(machine, began).map(|_| ()),
            Step::Start(began) => {
                let known = self.find(machine, began)?;
                if known.ended {
                    return Err(format!("starts the {} of event {began}, which has ended", machine.name()));
                }
                if let Some(started) = known.started.replace(id) {
                    return Err(format!("starts the {} of event {began} again after {started}", machine.name()));
                }
                Ok(())
            }
            Step::End(began, named) => self.end(machine, began, named),
        }
    }

    fn end(&mut self, machine: Machine, began: i64, named: Option<i64>) -> Result<(), String> {
        let known = self.find(machine, began)?;
        let (started, ended) = (known.started.unwrap_or(0), known.ended);
        known.ended = true;
        if machine == Machine::WorkflowTask {
            self.pending_task = None;
        }
        if ended {
            return Err(format!("ends the {} of event {began}, which has ended", machine.name()));
        }
        match named.filter(|named| *named != started) {
            Some(named) => {
                let start = if started == 0 { "was not started".into() } else { format!("was started by {started}") };
                Err(format!("names {named} as the start of the {} of event {began}, which {start}", machine.name()))
            }
            None => Ok(()),
        }
    }

    fn find(&mut self, machine: Machine, began: i64) -> Result<&mut Known, String> {
        let known = self.known.get_mut(&began).filter(|known| known.machine == machine);
        known.ok_or_else(|| format!("names {began}, which no {} before it began with", machine.name()))
    }
}

fn step_of(attributes: &Attributes) -> Option<(Machine, Step)> {
    use Attributes as A;
    let step = match attributes {
        A::WorkflowTaskScheduledEventAttributes(_) => (Machine::WorkflowTask, Step::Begin),
        A::WorkflowTaskStartedEventAttributes(e) => (Machine::WorkflowTask, Step::Start(e.scheduled_event_id)),
        A::WorkflowTaskCompletedEventAttributes(e) => {
            (Machine::WorkflowTask, Step::End(e.scheduled_event_id, Some(e.started_event_id)))
        }
        A::WorkflowTaskFailedEventAttributes(e) => {
            (Machine::WorkflowTask, Step::End(e.scheduled_event_id, Some(e.started_event_id)))
        }
        A::WorkflowTaskTimedOutEventAttributes(e) => {
            (Machine::WorkflowTask, Step::End(e.scheduled_event_id, Some(e.started_event_id)))
        }
        A::TimerStartedEventAttributes(_) => (Machine::Timer, Step::Begin),
        A::TimerFiredEventAttributes(e) => (Machine::Timer, Step::End(e.started_event_id, None)),
        A::TimerCanceledEventAttributes(e) => (Machine::Timer, Step::End(e.started_event_id, None)),
        A::SignalExternalWorkflowExecutionInitiatedEventAttributes(_) => (Machine::ExternalSignal, Step::Begin),
        A::SignalExternalWorkflowExecutionFailedEventAttributes(e) => {
            (Machine::ExternalSignal, Step::End(e.initiated_event_id, None))
        }
        A::ExternalWorkflowExecutionSignaledEventAttributes(e) => {
            (Machine::ExternalSignal, Step::End(e.initiated_event_id, None))
        }
        A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_) => (Machine::ExternalCancel, Step::Begin),
        A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(e) => {
            (Machine::ExternalCancel, Step::End(e.initiated_event_id, None))
        }
        A::ExternalWorkflowExecutionCancelRequestedEventAttributes(e) => {
            (Machine::ExternalCancel, Step::End(e.initiated_event_id, None))
        }
        A::WorkflowExecutionUpdateAcceptedEventAttributes(_) => (Machine::Update, Step::Begin),
        A::WorkflowExecutionUpdateCompletedEventAttributes(e) => {
            (Machine::Update, Step::End(e.accepted_event_id, None))
        }
        _ => return activity_step(attributes).or_else(|| child_step(attributes)).or_else(|| nexus_step(attributes)),
    };
    Some(step)
}

fn activity_step(attributes: &Attributes) -> Option<(Machine, Step)> {
    use Attributes as A;
    let step = match attributes {
        A::ActivityTaskScheduledEventAttributes(_) => Step::Begin,
        A::ActivityTaskStartedEventAttributes(e) => Step::Start(e.scheduled_event_id),
        A::ActivityTaskCompletedEventAttributes(e) => Step::End(e.scheduled_event_id, Some(e.started_event_id)),
        A::ActivityTaskFailedEventAttributes(e) => Step::End(e.scheduled_event_id, Some(e.started_event_id)),
        A::ActivityTaskTimedOutEventAttributes(e) => Step::End(e.scheduled_event_id, Some(e.started_event_id)),
        A::ActivityTaskCanceledEventAttributes(e) => Step::End(e.scheduled_event_id, Some(e.started_event_id)),
        A::ActivityTaskCancelRequestedEventAttributes(e) => Step::Note(e.scheduled_event_id),
        _ => return None,
    };
    Some((Machine::Activity, step))
}

fn child_step(attributes: &Attributes) -> Option<(Machine, Step)> {
    use Attributes as A;
    let step = match attributes {
        A::StartChildWorkflowExecutionInitiatedEventAttributes(_) => Step::Begin,
        A::ChildWorkflowExecutionStartedEventAttributes(e) => Step::Start(e.initiated_event_id),
        A::StartChildWorkflowExecutionFailedEventAttributes(e) => Step::End(e.initiated_event_id, Some(0)),
        A::ChildWorkflowExecutionCompletedEventAttributes(e) => {
            Step::End(e.initiated_event_id, Some(e.started_event_id))
        }
        A::ChildWorkflowExecutionFailedEventAttributes(e) => Step::End(e.initiated_event_id, Some(e.started_event_id)),
        A::ChildWorkflowExecutionCanceledEventAttributes(e) => {
            Step::End(e.initiated_event_id, Some(e.started_event_id))
        }
        A::ChildWorkflowExecutionTimedOutEventAttributes(e) => {
            Step::End(e.initiated_event_id, Some(e.started_event_id))
        }
        A::ChildWorkflowExecutionTerminatedEventAttributes(e) => {
            Step::End(e.initiated_event_id, Some(e.started_event_id))
        }
        _ => return None,
    };
    Some((Machine::Child, step))
}

fn nexus_step(attributes: &Attributes) -> Option<(Machine, Step)> {
    use Attributes as A;
    use Machine::{NexusCancel, NexusOperation};
    Some(match attributes {
        A::NexusOperationScheduledEventAttributes(_) => (NexusOperation, Step::Begin),
        A::NexusOperationStartedEventAttributes(e) => (NexusOperation, Step::Start(e.scheduled_event_id)),
        A::NexusOperationCompletedEventAttributes(e) => (NexusOperation, Step::End(e.scheduled_event_id, None)),
        A::NexusOperationFailedEventAttributes(e) => (NexusOperation, Step::End(e.scheduled_event_id, None)),
        A::NexusOperationCanceledEventAttributes(e) => (NexusOperation, Step::End(e.scheduled_event_id, None)),
        A::NexusOperationTimedOutEventAttributes(e) => (NexusOperation, Step::End(e.scheduled_event_id, None)),
        A::NexusOperationCancelRequestedEventAttributes(_) => (NexusCancel, Step::Begin),
        A::NexusOperationCancelRequestCompletedEventAttributes(e) => {
            (NexusCancel, Step::End(e.requested_event_id, None))
        }
        A::NexusOperationCancelRequestFailedEventAttributes(e) => (NexusCancel, Step::End(e.requested_event_id, None)),
        _ => return None,
    })
}

/// The end of the workflow task whose command wrote the event. 0, where a close has it: the server wrote the event.
pub(super) fn completed_by(attributes: &Attributes) -> Option<i64> {
    use Attributes as A;
    Some(match attributes {
        A::WorkflowExecutionCompletedEventAttributes(e) => e.workflow_task_completed_event_id,
        A::WorkflowExecutionFailedEventAttributes(e) => {
            return Some(e.workflow_task_completed_event_id).filter(|id| *id != 0);
        }
        A::WorkflowExecutionCanceledEventAttributes(e) => e.workflow_task_completed_event_id,
        A::WorkflowExecutionContinuedAsNewEventAttributes(e) => {
            return Some(e.workflow_task_completed_event_id).filter(|id| *id != 0);
        }
        A::ActivityTaskScheduledEventAttributes(e) => e.workflow_task_completed_event_id,
        A::ActivityTaskCancelRequestedEventAttributes(e) => e.workflow_task_completed_event_id,
        A::TimerStartedEventAttributes(e) => e.workflow_task_completed_event_id,
        A::TimerCanceledEventAttributes(e) => e.workflow_task_completed_event_id,
        A::MarkerRecordedEventAttributes(e) => e.workflow_task_completed_event_id,
        A::StartChildWorkflowExecutionInitiatedEventAttributes(e) => e.workflow_task_completed_event_id,
        A::SignalExternalWorkflowExecutionInitiatedEventAttributes(e) => e.workflow_task_completed_event_id,
        A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(e) => e.workflow_task_completed_event_id,
        A::UpsertWorkflowSearchAttributesEventAttributes(e) => e.workflow_task_completed_event_id,
        A::WorkflowPropertiesModifiedEventAttributes(e) => e.workflow_task_completed_event_id,
        A::NexusOperationScheduledEventAttributes(e) => e.workflow_task_completed_event_id,
        A::NexusOperationCancelRequestedEventAttributes(e) => e.workflow_task_completed_event_id,
        _ => return None,
    })
}
