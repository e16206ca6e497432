use perdure_engine::{Input, Reply, Task};
use perdure_proto::api::{
    command::{
        CancelTimerCommandAttributes, Command, CompleteWorkflowExecutionCommandAttributes, StartTimerCommandAttributes,
        command::Attributes as C,
    },
    enums::{CommandType, EventType as T},
    history::history_event::Attributes,
};

use crate::world::{SECOND, World, command, seconds};

pub(crate) fn start(id: &str, after: i64) -> Command {
    let attributes = StartTimerCommandAttributes { timer_id: id.into(), start_to_fire_timeout: seconds(after) };
    command(CommandType::StartTimer, C::StartTimerCommandAttributes(attributes))
}

fn cancel(id: &str) -> Command {
    let attributes = CancelTimerCommandAttributes { timer_id: id.into() };
    command(CommandType::CancelTimer, C::CancelTimerCommandAttributes(attributes))
}

fn complete() -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes::default();
    command(CommandType::CompleteWorkflowExecution, C::CompleteWorkflowExecutionCommandAttributes(attributes))
}

fn failure_of(reply: &Reply) -> &str {
    match reply {
        Reply::WorkflowTaskCompleted(reply) => reply.failed.as_deref().unwrap_or_default(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn fires_at_its_time_and_not_before() {
    let mut world = World::new();
    world.complete(vec![start("t", 10)]);
    assert_eq!(world.wake_after(10 * SECOND - 1).types(), []);
    let fired = world.wake_after(1);
    assert_eq!(fired.types(), [T::TimerFired, T::WorkflowTaskScheduled]);
    let Attributes::TimerFiredEventAttributes(attributes) = fired.attributes(T::TimerFired) else { panic!() };
    assert_eq!((attributes.timer_id.as_str(), attributes.started_event_id), ("t", world.event_id(T::TimerStarted)));
    assert!(world.state.run.timers.is_empty());
    assert_eq!(world.wake_after(100 * SECOND).types(), []);
}

#[test]
fn without_a_time_fires_at_once() {
    let mut world = World::new();
    let attributes = StartTimerCommandAttributes { timer_id: "t".into(), start_to_fire_timeout: None };
    world.complete(vec![command(CommandType::StartTimer, C::StartTimerCommandAttributes(attributes))]);
    assert_eq!(world.wake_after(0).types(), [T::TimerFired, T::WorkflowTaskScheduled]);
}

#[test]
fn several_fire_in_the_order_of_their_times() {
    let mut world = World::new();
    world.complete(vec![start("c", 3), start("a", 2), start("b", 1), start("later", 9)]);
    let fired = world.wake_after(5 * SECOND);
    let ids: Vec<&str> = fired
        .events
        .iter()
        .filter_map(|event| match event.attributes.as_ref().unwrap() {
            Attributes::TimerFiredEventAttributes(fired) => Some(fired.timer_id.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["b", "a", "c"]);
    assert_eq!(fired.tasks.iter().filter(|task| matches!(task, Task::DispatchWorkflowTask { .. })).count(), 1);
    assert_eq!(world.state.run.timers.keys().collect::<Vec<_>>(), ["later"]);
}

#[test]
fn none_cannot_be_canceled() {
    let mut world = World::new();
    let step = world.complete(vec![cancel("t")]);
    let expected = "BadCancelTimerAttributes: invalid history builder state for action: \
                    add-timer-canceled-event, TimerID: t";
    assert_eq!(failure_of(&step.reply), expected);
}

#[test]
fn running_cannot_be_started_again() {
    let mut world = World::new();
    let step = world.complete(vec![start("t", 10), start("t", 20)]);
    let expected = "StartTimerDuplicateId: invalid history builder state for action: \
                    add-timer-started-event, TimerID: t";
    assert_eq!(failure_of(&step.reply), expected);
    assert!(world.state.run.timers.is_empty(), "the first command is undone too");
}

#[test]
fn running_is_canceled() {
    let mut world = World::new();
    let step = world.complete(vec![start("t", 10), cancel("t")]);
    assert_eq!(step.types(), [T::WorkflowTaskCompleted, T::TimerStarted, T::TimerCanceled]);
    let Attributes::TimerCanceledEventAttributes(canceled) = step.attributes(T::TimerCanceled) else { panic!() };
    assert_eq!(canceled.started_event_id, world.event_id(T::TimerStarted));
    assert_eq!(canceled.identity, "worker");
    assert_eq!(world.wake_after(20 * SECOND).types(), []);
}

#[test]
fn id_may_be_used_again_after_the_end() {
    let mut world = World::new();
    let step = world.complete(vec![start("t", 10), cancel("t"), start("t", 20)]);
    assert_eq!(step.types(), [T::WorkflowTaskCompleted, T::TimerStarted, T::TimerCanceled, T::TimerStarted]);
    assert_eq!(world.wake_after(10 * SECOND).types(), []);
    assert_eq!(world.wake_after(10 * SECOND).types(), [T::TimerFired, T::WorkflowTaskScheduled]);
}

/// A run with a started workflow task, whose timer has fired without the worker knowing.
fn fired_unseen() -> (World, perdure_engine::WorkflowTaskRef) {
    let mut world = World::new();
    world.complete(vec![start("t", 5), start("wakes the run", 1)]);
    world.wake_after(SECOND);
    let token = world.start_task();
    assert_eq!(world.wake_after(4 * SECOND).types(), [], "the event waits for the workflow task to end");
    assert_eq!(world.state.run.buffered.len(), 1);
    (world, token)
}

#[test]
fn fired_unseen_appears_behind_the_completion() {
    let (mut world, token) = fired_unseen();
    let step = world.try_complete(token, Vec::new()).unwrap();
    assert_eq!(step.types(), [T::WorkflowTaskCompleted, T::TimerFired, T::WorkflowTaskScheduled]);
    assert!(world.state.run.buffered.is_empty());
}

#[test]
fn fired_unseen_can_be_canceled_and_vanishes() {
    let (mut world, token) = fired_unseen();
    let step = world.try_complete(token, vec![cancel("t")]).unwrap();
    assert_eq!(step.types(), [T::WorkflowTaskCompleted, T::TimerCanceled]);
    assert!(world.state.run.buffered.is_empty());
}

#[test]
fn fired_unseen_stops_the_close_unless_it_is_canceled_first() {
    let (mut world, token) = fired_unseen();
    let step = world.try_complete(token, vec![complete()]).unwrap();
    assert_eq!(failure_of(&step.reply), "UnhandledCommand");
    assert_eq!(step.types(), [T::WorkflowTaskFailed, T::TimerFired, T::WorkflowTaskScheduled]);
    let (mut world, token) = fired_unseen();
    let step = world.try_complete(token, vec![cancel("t"), complete()]).unwrap();
    assert_eq!(step.types(), [T::WorkflowTaskCompleted, T::TimerCanceled, T::WorkflowExecutionCompleted]);
}

#[test]
fn fired_unseen_leaves_its_id_free() {
    let (mut world, token) = fired_unseen();
    let step = world.try_complete(token, vec![start("t", 7)]).unwrap();
    assert_eq!(
        step.types(),
        [T::WorkflowTaskCompleted, T::TimerStarted, T::TimerFired, T::WorkflowTaskScheduled],
        "the flushed event is about the first timer"
    );
    assert!(world.state.run.timers.contains_key("t"));
}

#[test]
fn nothing_fires_in_a_closed_run() {
    let mut world = World::new();
    world.complete(vec![start("t", 10), complete()]);
    world.advance(20 * SECOND);
    let events = world.step(Input::Wake).map(|step| step.types()).unwrap_or_default();
    assert_eq!(events, []);
}
