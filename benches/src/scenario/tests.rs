//! Which commands follow from which events.

use perdure_proto::api::enums::EventType;
use perdure_proto::api::history::{
    ActivityTaskCompletedEventAttributes, ChildWorkflowExecutionCompletedEventAttributes, HistoryEvent,
    WorkflowExecutionSignaledEventAttributes, WorkflowExecutionStartedEventAttributes,
    WorkflowExecutionUpdateAcceptedEventAttributes, history_event::Attributes as Event,
};

use super::*;

fn plan(scenario: Scenario) -> Plan {
    Plan { scenario, task_queue: "queue".into(), payload: payload(8), eager: false }
}

/// So many commands of each type, in their order.
fn types(scenario: Scenario, events: &[HistoryEvent]) -> Vec<(CommandType, usize)> {
    let mut progress = Progress::default();
    events.iter().for_each(|event| progress.apply(event));
    let mut types: Vec<(CommandType, usize)> = Vec::new();
    for command in plan(scenario).decide(&progress) {
        match types.last_mut() {
            Some((last, count)) if *last == command.command_type() => *count += 1,
            _ => types.push((command.command_type(), 1)),
        }
    }
    types
}

fn plain(event_type: EventType) -> HistoryEvent {
    HistoryEvent { event_type: event_type.into(), ..Default::default() }
}

fn event(event_type: EventType, attributes: Event) -> HistoryEvent {
    HistoryEvent { attributes: Some(attributes), ..plain(event_type) }
}

fn completed(scheduled_event_id: i64) -> HistoryEvent {
    let attributes = ActivityTaskCompletedEventAttributes { scheduled_event_id, ..Default::default() };
    event(EventType::ActivityTaskCompleted, Event::ActivityTaskCompletedEventAttributes(attributes))
}

/// `scheduled` activities of which the first `done` have completed.
fn activities(scheduled: usize, done: i64) -> Vec<HistoryEvent> {
    let scheduled = std::iter::repeat_n(plain(EventType::ActivityTaskScheduled), scheduled);
    scheduled.chain((0..done).map(completed)).collect()
}

fn children(initiated: usize, done: i64) -> Vec<HistoryEvent> {
    let end = |initiated_event_id| {
        let attributes = ChildWorkflowExecutionCompletedEventAttributes { initiated_event_id, ..Default::default() };
        let attributes = Event::ChildWorkflowExecutionCompletedEventAttributes(attributes);
        event(EventType::ChildWorkflowExecutionCompleted, attributes)
    };
    let initiated = std::iter::repeat_n(plain(EventType::StartChildWorkflowExecutionInitiated), initiated);
    initiated.chain((0..done).map(end)).collect()
}

fn signals(count: u32) -> Vec<HistoryEvent> {
    let signal = |number: u32| {
        let signal_name = number.to_string();
        let attributes = WorkflowExecutionSignaledEventAttributes { signal_name, ..Default::default() };
        event(EventType::WorkflowExecutionSignaled, Event::WorkflowExecutionSignaledEventAttributes(attributes))
    };
    (0..count).map(signal).collect()
}

fn updates(count: u32) -> Vec<HistoryEvent> {
    let update = |number: u32| {
        let protocol_instance_id = number.to_string();
        let attributes = WorkflowExecutionUpdateAcceptedEventAttributes { protocol_instance_id, ..Default::default() };
        let attributes = Event::WorkflowExecutionUpdateAcceptedEventAttributes(attributes);
        event(EventType::WorkflowExecutionUpdateAccepted, attributes)
    };
    (0..count).map(update).collect()
}

fn a_child() -> Vec<HistoryEvent> {
    let attributes = WorkflowExecutionStartedEventAttributes {
        parent_workflow_execution: Some(Default::default()),
        ..Default::default()
    };
    vec![event(
        EventType::WorkflowExecutionStarted,
        Event::WorkflowExecutionStartedEventAttributes(Box::new(attributes)),
    )]
}

#[test]
fn commands_follow_from_the_events() {
    use CommandType as C;
    use Scenario as S;
    let complete = || vec![(C::CompleteWorkflowExecution, 1)];
    let schedule = |count| vec![(C::ScheduleActivityTask, count)];
    let timer = [plain(EventType::TimerStarted), plain(EventType::TimerFired)];
    let cases = [
        (S::Hello, vec![], complete()),
        (S::List100000, vec![], complete()),
        (S::Schedule, vec![], complete()),
        (S::Local1, vec![], [vec![(C::RecordMarker, 1)], complete()].concat()),
        (S::Activity1, vec![], schedule(1)),
        (S::Activity1, activities(1, 0), vec![]),
        (S::Activity1, activities(1, 1), complete()),
        (S::Activity10seq, activities(9, 9), schedule(1)),
        (S::Activity10seq, activities(10, 9), vec![]),
        (S::Activity10seq, activities(10, 10), complete()),
        (S::Fanout100, vec![], schedule(100)),
        (S::Fanout100, activities(100, 99), vec![]),
        (S::Fanout100, activities(100, 100), complete()),
        (S::Children200, vec![], vec![(C::StartChildWorkflowExecution, 200)]),
        (S::Children200, children(200, 199), vec![]),
        (S::Children200, children(200, 200), complete()),
        (S::Children200, a_child(), complete()),
        (S::Timer, vec![], vec![(C::StartTimer, 1)]),
        (S::Timer, timer[..1].to_vec(), vec![]),
        (S::Timer, timer.to_vec(), complete()),
        (S::Signal, signals(9), vec![]),
        (S::Signal, signals(10), complete()),
        (S::Signal1000, signals(999), vec![]),
        (S::Signal1000, signals(1000), complete()),
        (S::Update, updates(9), vec![]),
        (S::Update, updates(10), complete()),
        (S::Query, vec![], vec![]),
        (S::Query, signals(1), complete()),
    ];
    for (scenario, events, expected) in cases {
        assert_eq!(types(scenario, &events), expected, "{scenario:?} after {} events", events.len());
    }
}

#[test]
fn what_is_lost_or_there_twice_fails_the_workflow() {
    let twice = |mut events: Vec<HistoryEvent>| {
        events.extend(events.last().cloned());
        events
    };
    let cases = [
        (Scenario::Activity1, [activities(1, 0), vec![plain(EventType::ActivityTaskTimedOut)]].concat()),
        (Scenario::Fanout100, twice(activities(100, 100))),
        (Scenario::Children200, twice(children(200, 200))),
        (Scenario::Children200, vec![plain(EventType::ChildWorkflowExecutionTerminated)]),
        (Scenario::Signal, twice(signals(10))),
    ];
    for (scenario, events) in cases {
        assert_eq!(types(scenario, &events), [(CommandType::FailWorkflowExecution, 1)], "{scenario:?}");
    }
}

#[test]
fn children_have_names_of_their_own() {
    let progress = Progress { run_id: "run".into(), ..Default::default() };
    let commands = plan(Scenario::Children200).decide(&progress);
    let ids: std::collections::HashSet<String> = commands
        .into_iter()
        .filter_map(|command| match command.attributes {
            Some(Attributes::StartChildWorkflowExecutionCommandAttributes(child)) => Some(child.workflow_id),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), CHILDREN as usize);
}
