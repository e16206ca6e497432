//! Histories of others: which are sound, and what an import makes of them.

use perdure_engine::{
    Ctx, Ids, Import, Input, Limits, Reject, Start, WorkflowState, import, journal, next_deadline, obligations,
    state::Parent, verify,
};
use perdure_proto::api::{
    command::{StartTimerCommandAttributes, command::Attributes as C},
    common::Callback,
    enums::{CommandType, EventType as T, ParentClosePolicy, WorkflowExecutionStatus},
    history::{HistoryEvent, history_event::Attributes as A},
};

use crate::{
    activity::{schedule, schedule_attributes},
    close::start_child,
    world::{EPOCH, SECOND, World, command, seconds},
};

struct NoIds;

impl Ids for NoIds {
    fn run_id(&mut self) -> String {
        panic!("an import makes no ids")
    }

    fn message_id(&mut self) -> String {
        panic!("an import makes no ids")
    }
}

/// Events 1 to 16: a timer that fires, an activity that completes, a child that is never started, the end.
fn closed() -> World {
    let mut world = World::with(|start: &mut Start| {
        start.parent = Some(Parent { workflow_id: "parent".into(), run_id: "parent-run".into(), ..Default::default() });
        start.completion_callbacks = vec![Callback::default()];
    });
    let timer = StartTimerCommandAttributes { timer_id: "t".into(), start_to_fire_timeout: seconds(5) };
    world.complete(vec![
        command(CommandType::StartTimer, C::StartTimerCommandAttributes(timer)),
        schedule(schedule_attributes("a")),
        start_child("child", ParentClosePolicy::Terminate),
    ]);
    world.wake_after(5 * SECOND);
    let activity = world.take(world.event_id(T::ActivityTaskScheduled));
    world.step(Input::ActivityCompleted { activity, result: None, identity: "worker".into() }).unwrap();
    world.complete(vec![]);
    world
        .step(Input::Terminate { reason: "r".into(), details: None, identity: "i".into(), links: Vec::new() })
        .unwrap();
    world
}

fn run_import(change: impl FnOnce(&mut Import)) -> Result<(WorkflowState, perdure_engine::Outcome), Reject> {
    let mut wanted = Import {
        namespace_id: "ns-id".into(),
        namespace: "ns".into(),
        workflow_id: "wf".into(),
        run_id: "00000000-0000-7000-8000-aaaaaaaaaaaa".into(),
        events: closed().history,
    };
    change(&mut wanted);
    let limits = Limits { history_count: 100, ..Limits::default() };
    import(wanted, &mut Ctx { now: EPOCH + 3_600 * SECOND, ids: &mut NoIds, limits: &limits })
}

#[test]
fn an_imported_run_is_as_it_closed_and_owes_nothing() {
    let original = closed();
    assert!(!obligations(&original.state).is_empty(), "the original still tells others of its end");
    let (state, outcome) = run_import(|_| {}).unwrap();

    assert_eq!(state.status(), WorkflowExecutionStatus::Terminated);
    assert_eq!(state.run.close, original.state.run.close);
    assert_eq!(state.run.start_time, EPOCH);
    assert_eq!(state.run.history_size_bytes, original.state.run.history_size_bytes);
    assert_eq!(state.run.next_event_id, original.state.run.next_event_id);
    assert!(obligations(&state).is_empty() && outcome.tasks.is_empty() && next_deadline(&state).is_none());
    assert!(outcome.visibility_changed);

    let row = journal::encode(&outcome.changes);
    let mut stored = WorkflowState::default();
    journal::apply(&mut stored, &row.events, &row.changes).unwrap();
    assert_eq!(stored, state, "the stored row does not lead to the state");
    assert_eq!(journal::decode_events(&row.events).unwrap(), original.history);
}

#[test]
fn imports_that_are_refused() {
    type Change = fn(&mut Import);
    let cases: [(&str, Change); 6] = [
        ("has no events", |import| import.events.clear()),
        ("does not end with the close", |import| drop(import.events.pop())),
        ("is of workflow wf, not of other", |import| import.workflow_id = "other".into()),
        ("event 3: stands where event 2 should", |import| drop(import.events.remove(1))),
        ("and 3 more", |import| import.events.iter_mut().take(8).for_each(|event| event.event_time = None)),
        ("has 101 events and", |import| {
            let signal = World::new().step(signal()).unwrap().events.remove(0);
            let close = import.events.pop();
            while import.events.len() < 100 {
                import.events.push(HistoryEvent { event_id: import.events.len() as i64 + 1, ..signal.clone() });
            }
            import.events.extend(close.map(|close| HistoryEvent { event_id: 101, ..close }));
        }),
    ];
    for (expected, change) in cases {
        match run_import(change) {
            Err(Reject::InvalidArgument(text)) => assert!(text.contains(expected), "{expected}: {text}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

fn signal() -> Input {
    let signal = perdure_engine::Signal { name: "s".into(), ..Default::default() };
    Input::Signal(Box::new(signal))
}

/// The attributes of the first event of this type, to be changed.
fn first(events: &mut [HistoryEvent], event_type: T) -> &mut A {
    let event = events.iter_mut().find(|event| event.event_type() == event_type).expect("such an event");
    event.attributes.as_mut().expect("attributes")
}

#[test]
fn each_rule_names_the_event_that_breaks_it() {
    let history = closed().history;
    assert_eq!(verify(&history), []);
    assert_eq!(verify(&history[..7]), [], "an open run is sound too");
    let place = |event_type| history.iter().position(|event| event.event_type() == event_type).expect("such an event");
    let [scheduled, started, fired, completed] =
        [T::ActivityTaskScheduled, T::ActivityTaskStarted, T::TimerFired, T::ActivityTaskCompleted]
            .map(|event_type| place(event_type) as i64 + 1);
    let last = history.len() as i64;

    type Change = Box<dyn Fn(&mut Vec<HistoryEvent>)>;
    let set = |event_type: T, change: fn(&mut A)| -> Change { Box::new(move |e| change(first(e, event_type))) };
    let cases: Vec<(i64, &str, Change)> = vec![
        (1, "a history begins with", Box::new(|e| e[0].event_type = T::WorkflowExecutionSignaled as i32)),
        (2, "a history begins with", Box::new(|e| e[1] = HistoryEvent { event_id: 2, ..e[0].clone() })),
        (
            last + 1,
            "comes after the close",
            Box::new(|e| {
                let event_id = e.len() as i64 + 1;
                e.push(HistoryEvent { event_id, ..e[7].clone() });
            }),
        ),
        (2, "has no attributes", Box::new(|e| e[1].attributes = None)),
        (3, "is of EVENT_TYPE_TIMER_FIRED", Box::new(|e| e[2].event_type = T::TimerFired as i32)),
        (3, "is of an unknown type", Box::new(|e| e[2].event_type = 9_999)),
        (
            scheduled,
            "names 1 as its completed workflow task",
            set(T::ActivityTaskScheduled, |a| {
                if let A::ActivityTaskScheduledEventAttributes(a) = a {
                    a.workflow_task_completed_event_id = 1
                }
            }),
        ),
        (
            started,
            "names 99, which no activity before it began with",
            set(T::ActivityTaskStarted, |a| {
                if let A::ActivityTaskStartedEventAttributes(a) = a {
                    a.scheduled_event_id = 99
                }
            }),
        ),
        (
            completed,
            "names 1 as the start of the activity",
            set(T::ActivityTaskCompleted, |a| {
                if let A::ActivityTaskCompletedEventAttributes(a) = a {
                    a.started_event_id = 1
                }
            }),
        ),
        (
            fired,
            "which no timer before it began with",
            set(T::TimerFired, |a| {
                if let A::TimerFiredEventAttributes(a) = a {
                    a.started_event_id = 2
                }
            }),
        ),
        (
            completed + 1,
            "which has ended",
            Box::new(move |e| {
                let at = completed as usize;
                e.insert(at, HistoryEvent { event_id: completed + 1, ..e[at - 1].clone() });
            }),
        ),
        (
            started + 1,
            "again after",
            Box::new(move |e| {
                let at = started as usize;
                e.insert(at, HistoryEvent { event_id: started + 1, ..e[at - 1].clone() });
            }),
        ),
        (3, "while the one of event 2 is pending", Box::new(|e| e[2] = HistoryEvent { event_id: 3, ..e[1].clone() })),
    ];
    for (event_id, expected, change) in cases {
        let mut events = history.clone();
        change(&mut events);
        let wrong = verify(&events);
        let found = wrong.iter().any(|one| one.event_id == event_id && one.what.contains(expected));
        assert!(found, "event {event_id}: {expected}, in {wrong:?}");
    }
}
