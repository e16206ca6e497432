//! What must hold whatever happened, seen from outside the engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use perdure_engine::{
    Outcome, RunState, Task, WorkflowState,
    change::Created,
    obligations, replay,
    state::{Activity, NexusOperation},
};
use perdure_proto::api::{
    enums::EventType,
    history::{HistoryEvent, history_event::Attributes as A},
};

use crate::world::World;

/// What a step owes can be found in the state, as far as the step itself has not dealt with it.
pub(crate) fn owed(world: &World, outcome: &Outcome) {
    let run = &world.state.run;
    let found = obligations(&world.state);
    for task in &outcome.tasks {
        let stands = match task {
            Task::DispatchActivity { scheduled_event_id, attempt } => {
                run.activities.get(scheduled_event_id).is_some_and(|activity| activity.attempt == *attempt)
            }
            Task::DispatchWorkflowTask { scheduled_event_id, attempt } => {
                let task = run.workflow_task.as_ref().or(world.state.volatile.speculative_task.as_deref());
                task.is_some_and(|task| (task.scheduled_event_id, task.attempt) == (*scheduled_event_id, *attempt))
            }
            Task::StartChild { initiated_event_id } => run.children.contains_key(initiated_event_id),
            Task::StartNexusOperation { scheduled_event_id, .. }
            | Task::CancelNexusOperation { scheduled_event_id, .. } => {
                run.nexus_operations.contains_key(scheduled_event_id)
            }
            _ => true,
        };
        assert!(found.contains(task) || run.close.is_some() || !stands, "{task:?} is not in {found:?}");
    }
}

/// The history alone leads to the state, but for what no event says.
pub(crate) fn replayed(world: &World) {
    if !world.state.run.buffered.is_empty() {
        // What is kept back has had its effect, but has no event yet.
        return;
    }
    let run = &world.state.run;
    let created = Created {
        namespace_id: run.namespace_id.clone(),
        namespace: run.namespace.clone(),
        workflow_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
        request_id: world.request_id.clone(),
    };
    let state = replay(created, world.history.iter().cloned()).unwrap_or_else(|corrupt| {
        let events = world.history.iter().map(|event| format!("{event:?}\n")).collect::<String>();
        panic!("{corrupt} in\n{events}");
    });
    let mut again = told(&state);
    if world.state.run.original_start_time != 0 {
        (again.run_expiration, again.execution_expiration, again.execution_time) = (0, 0, 0);
    }
    let known = &world.state.run;
    if known.close.is_some() {
        // That an activity no worker had was canceled is dropped where the run closes with the same answer.
        let asked_at_close =
            |id: &i64, asked: i64| !known.activities.contains_key(id) && asked > known.last_completed_event_id;
        again.activities.retain(|id, activity| !asked_at_close(id, activity.cancel_requested_event_id));
    }
    same(&again, &told(&world.state), "the history leads to");
}

/// Equal; where not, tells only what differs: a state is long.
pub(crate) fn same<T: Debug + PartialEq>(left: &T, right: &T, what: &str) {
    if left == right {
        return;
    }
    let (left, right) = (format!("{left:#?}"), format!("{right:#?}"));
    // What is not even equal to itself is a NaN.
    let differs = |(left, right): (&str, &str)| left != right || left.contains("NaN");
    let line = left.lines().zip(right.lines()).position(differs).unwrap_or(0);
    let around = |text: &str| text.lines().skip(line.saturating_sub(8)).take(16).collect::<Vec<_>>().join("\n");
    panic!("{what}:\n{}\nbut it is:\n{}", around(&left), around(&right));
}

/// What the history alone says about a run.
fn told(state: &WorkflowState) -> RunState {
    let mut run = state.run.clone();
    let written = run.workflow_task.take().filter(|task| task.attempt == 1);
    run.workflow_task = written.map(|mut task| {
        task.task_queue.clear();
        task.sticky = false;
        task.schedule_to_start_deadline = 0;
        task.original_scheduled_time = 0;
        task
    });
    run.sticky = None;
    run.task_attempt = 0;
    run.last_task_failed_cause = 0;
    run.state_transition_count = 0;
    run.cancel_request_id.clear();
    run.reset_run_id.clear();
    run.reset_request_id.clear();
    run.replaced_children.clear();
    // A rejection is no event.
    run.reapplied_updates.clear();
    run.task_failures = 0;
    run.problems_reported = false;
    run.delete_requested = false;
    if let Some(info) = &mut run.versioning.info {
        // Where a run is on its way to is what its queues said.
        (info.version_transition, info.deployment_transition, info.revision_number) = (None, None, 0);
    }
    run.versioning.info = run.versioning.info.take().filter(|info| *info != Default::default());
    if run.original_start_time != 0 {
        // A reset began the run anew, with a history that is older.
        (run.start_time, run.original_start_time) = (run.original_start_time, 0);
        (run.run_expiration, run.execution_expiration, run.execution_time) = (0, 0, 0);
    }
    if run.close.is_some() {
        // What others acknowledged after the close is not in the history.
        run.owed_at_close = None;
        run.children.clear();
    }
    for activity in run.activities.values_mut() {
        **activity = Activity {
            scheduled_event_id: activity.scheduled_event_id,
            activity_id: std::mem::take(&mut activity.activity_id),
            cancel_requested_event_id: activity.cancel_requested_event_id,
            ..Default::default()
        };
    }
    for operation in run.nexus_operations.values_mut() {
        *operation = NexusOperation { scheduled_event_id: operation.scheduled_event_id, ..Default::default() };
    }
    for callback in run.callbacks.values_mut() {
        // How far its delivery is.
        (callback.phase, callback.rejection) = (None, None);
        (callback.attempt, callback.last_attempt_complete_time) = (0, 0);
        callback.last_attempt_failure = None;
    }
    run
}

/// A history is whole: its events are numbered, in the order of their times, each end belongs to a beginning, nothing begins
/// or ends twice, and nothing follows the close.
pub(crate) fn history(world: &World) {
    let mut open = Open::default();
    let mut last_time = (0, 0);
    let mut closed = false;
    for (place, event) in world.history.iter().enumerate() {
        assert_eq!(event.event_id, place as i64 + 1, "events are numbered");
        assert!(!closed, "{:?} follows the close", event.event_type());
        let time = event.event_time.as_ref().map(|time| (time.seconds, time.nanos)).expect("an event has a time");
        assert!(time >= last_time || is_kept_time(event), "{:?} is older than the event before it", event.event_type());
        last_time = last_time.max(time);
        closed = is_close(event.event_type());
        open.take(event);
    }
    let run = &world.state.run;
    assert_eq!(run.next_event_id, world.history.len() as i64 + 1);
    assert_eq!(run.close.is_some(), closed, "the state and the history agree on the close");
    let wrong = perdure_engine::verify(&world.history);
    assert!(wrong.is_empty(), "{wrong:?}");
    if !closed && run.buffered.is_empty() {
        let timers: BTreeSet<i64> = run.timers.values().map(|timer| timer.started_event_id).collect();
        assert_eq!(open.timers, timers, "the timers that run");
        let activities: BTreeSet<i64> = run.activities.keys().copied().collect();
        assert_eq!(open.activities.keys().copied().collect::<BTreeSet<_>>(), activities, "the activities that run");
    }
}

/// What was kept back while a workflow task was under way keeps the time at which it happened.
fn is_kept_time(event: &HistoryEvent) -> bool {
    !matches!(event.event_type(), EventType::WorkflowTaskStarted | EventType::WorkflowTaskCompleted)
}

fn is_close(event_type: EventType) -> bool {
    use EventType as E;
    matches!(
        event_type,
        E::WorkflowExecutionCompleted
            | E::WorkflowExecutionFailed
            | E::WorkflowExecutionCanceled
            | E::WorkflowExecutionTerminated
            | E::WorkflowExecutionTimedOut
            | E::WorkflowExecutionContinuedAsNew
    )
}

/// What the events so far have begun and not ended.
#[derive(Default)]
struct Open {
    /// By scheduled event: whether it is started.
    workflow_tasks: BTreeMap<i64, bool>,
    activities: BTreeMap<i64, bool>,
    timers: BTreeSet<i64>,
    children: BTreeMap<i64, bool>,
    messages: BTreeSet<i64>,
    operations: BTreeSet<i64>,
    updates: BTreeMap<String, bool>,
}

impl Open {
    fn take(&mut self, event: &HistoryEvent) {
        let id = event.event_id;
        let ok = match event.attributes.as_ref().expect("an event has attributes") {
            A::WorkflowTaskScheduledEventAttributes(_) => {
                assert!(self.workflow_tasks.is_empty(), "a second workflow task at {id}");
                self.workflow_tasks.insert(id, false).is_none()
            }
            A::WorkflowTaskStartedEventAttributes(e) => begin(&mut self.workflow_tasks, e.scheduled_event_id),
            A::WorkflowTaskCompletedEventAttributes(e) => {
                self.workflow_tasks.remove(&e.scheduled_event_id) == Some(true)
            }
            A::WorkflowTaskFailedEventAttributes(e) => self.workflow_tasks.remove(&e.scheduled_event_id).is_some(),
            A::WorkflowTaskTimedOutEventAttributes(e) => self.workflow_tasks.remove(&e.scheduled_event_id).is_some(),
            A::ActivityTaskScheduledEventAttributes(_) => self.activities.insert(id, false).is_none(),
            A::ActivityTaskStartedEventAttributes(e) => begin(&mut self.activities, e.scheduled_event_id),
            A::ActivityTaskCompletedEventAttributes(e) => self.activities.remove(&e.scheduled_event_id) == Some(true),
            A::ActivityTaskFailedEventAttributes(e) => self.activities.remove(&e.scheduled_event_id) == Some(true),
            A::ActivityTaskTimedOutEventAttributes(e) => self.activities.remove(&e.scheduled_event_id).is_some(),
            A::ActivityTaskCanceledEventAttributes(e) => self.activities.remove(&e.scheduled_event_id).is_some(),
            A::ActivityTaskCancelRequestedEventAttributes(e) => self.activities.contains_key(&e.scheduled_event_id),
            A::TimerStartedEventAttributes(_) => self.timers.insert(id),
            A::TimerFiredEventAttributes(e) => self.timers.remove(&e.started_event_id),
            A::TimerCanceledEventAttributes(e) => self.timers.remove(&e.started_event_id),
            A::StartChildWorkflowExecutionInitiatedEventAttributes(_) => self.children.insert(id, false).is_none(),
            _ => self.take_message(event),
        };
        assert!(ok, "{event:?} has no beginning, or one too many");
    }

    fn take_message(&mut self, event: &HistoryEvent) -> bool {
        let id = event.event_id;
        match event.attributes.as_ref().expect("an event has attributes") {
            A::StartChildWorkflowExecutionFailedEventAttributes(e) => {
                self.children.remove(&e.initiated_event_id) == Some(false)
            }
            A::ChildWorkflowExecutionStartedEventAttributes(e) => begin(&mut self.children, e.initiated_event_id),
            A::ChildWorkflowExecutionCompletedEventAttributes(e) => {
                self.children.remove(&e.initiated_event_id) == Some(true)
            }
            A::ChildWorkflowExecutionFailedEventAttributes(e) => {
                self.children.remove(&e.initiated_event_id) == Some(true)
            }
            A::SignalExternalWorkflowExecutionInitiatedEventAttributes(_) => self.messages.insert(id),
            A::SignalExternalWorkflowExecutionFailedEventAttributes(e) => self.messages.remove(&e.initiated_event_id),
            A::ExternalWorkflowExecutionSignaledEventAttributes(e) => self.messages.remove(&e.initiated_event_id),
            A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_) => self.messages.insert(id),
            A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(e) => {
                self.messages.remove(&e.initiated_event_id)
            }
            A::ExternalWorkflowExecutionCancelRequestedEventAttributes(e) => {
                self.messages.remove(&e.initiated_event_id)
            }
            A::NexusOperationScheduledEventAttributes(_) => self.operations.insert(id),
            A::NexusOperationCompletedEventAttributes(e) => self.operations.remove(&e.scheduled_event_id),
            A::NexusOperationFailedEventAttributes(e) => self.operations.remove(&e.scheduled_event_id),
            A::NexusOperationCanceledEventAttributes(e) => self.operations.remove(&e.scheduled_event_id),
            A::NexusOperationTimedOutEventAttributes(e) => self.operations.remove(&e.scheduled_event_id),
            A::WorkflowExecutionUpdateAcceptedEventAttributes(e) => {
                self.updates.insert(e.protocol_instance_id.clone(), false).is_none()
            }
            A::WorkflowExecutionUpdateCompletedEventAttributes(e) => {
                let update_id = e.meta.as_ref().map(|meta| meta.update_id.clone()).unwrap_or_default();
                self.updates.insert(update_id, true) == Some(false)
            }
            _ => true,
        }
    }
}

/// False where it is not known, or started already.
fn begin(things: &mut BTreeMap<i64, bool>, id: i64) -> bool {
    things.insert(id, true) == Some(false)
}
