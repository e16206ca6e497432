//! Random scripts: whatever happens to a run in whatever order, its state stays sound, its history says the same, its
//! deadlines are exact, and what it owes can be found again. (`check` runs inside every step of a debug build.)

use perdure_engine::{
    ActivityOperation, ActivityRef, ActivitySelector, Input, Jitter, OptionField, PauseRequest, RunState, Signal,
    TakenBy, Task, WorkflowState, change::Created, journal, next_deadline, obligations, replay,
};
use perdure_proto::api::{
    activity::ActivityOptions,
    command::{
        CancelTimerCommandAttributes, Command, CompleteWorkflowExecutionCommandAttributes,
        ModifyWorkflowPropertiesCommandAttributes, RecordMarkerCommandAttributes,
        RequestCancelActivityTaskCommandAttributes, ScheduleActivityTaskCommandAttributes,
        SignalExternalWorkflowExecutionCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
        StartTimerCommandAttributes, command::Attributes as A,
    },
    common::{ActivityType, Memo, RetryPolicy, WorkflowExecution, WorkflowType},
    enums::{CommandType as C, EventType},
    history::{HistoryEvent, WorkflowExecutionCompletedEventAttributes, history_event::Attributes},
    taskqueue::{StickyExecutionAttributes, TaskQueue},
    workflowservice::{RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest},
};
use proptest::prelude::*;

use crate::world::{
    SECOND, Step, World, application_failure, command, payloads, seconds, start_activity, update_request,
};

/// One thing that happens: what, and a number that its details are made of.
type Act = (u8, u8);

fn commands(world: &World, seed: u8) -> Vec<Command> {
    let at = format!("{}-{seed}", world.state.run.next_event_id);
    let timers: Vec<&String> = world.state.run.timers.keys().collect();
    let mut commands = Vec::new();
    if seed & 1 != 0 {
        commands.push(command(
            C::ScheduleActivityTask,
            A::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
                activity_id: at.clone(),
                activity_type: Some(ActivityType { name: "act".into() }),
                task_queue: Some(TaskQueue { name: "queue".into(), ..Default::default() }),
                input: payloads("1"),
                start_to_close_timeout: seconds(20),
                schedule_to_start_timeout: seconds(i64::from(seed)),
                heartbeat_timeout: seconds(7),
                retry_policy: Some(RetryPolicy { maximum_attempts: i32::from(seed % 3), ..Default::default() }),
                ..Default::default()
            }),
        ));
    }
    if seed & 2 != 0 {
        let attributes = StartTimerCommandAttributes {
            timer_id: at.clone(),
            start_to_fire_timeout: seconds(i64::from(seed % 40) + 1),
        };
        commands.push(command(C::StartTimer, A::StartTimerCommandAttributes(attributes)));
    }
    if let Some(timer_id) = timers.first().filter(|_| seed & 4 != 0) {
        let attributes = CancelTimerCommandAttributes { timer_id: (*timer_id).clone() };
        commands.push(command(C::CancelTimer, A::CancelTimerCommandAttributes(attributes)));
    }
    if seed & 8 != 0 {
        commands.push(command(
            C::StartChildWorkflowExecution,
            A::StartChildWorkflowExecutionCommandAttributes(StartChildWorkflowExecutionCommandAttributes {
                workflow_id: at.clone(),
                workflow_type: Some(WorkflowType { name: "child".into() }),
                parent_close_policy: i32::from(seed % 4),
                ..Default::default()
            }),
        ));
    }
    if let Some(&scheduled_event_id) = world.state.run.activities.keys().next().filter(|_| seed & 16 != 0) {
        let attributes = RequestCancelActivityTaskCommandAttributes { scheduled_event_id };
        commands.push(command(C::RequestCancelActivityTask, A::RequestCancelActivityTaskCommandAttributes(attributes)));
    }
    if seed & 32 != 0 {
        let attributes = SignalExternalWorkflowExecutionCommandAttributes {
            execution: Some(WorkflowExecution { workflow_id: "other".into(), ..Default::default() }),
            signal_name: "s".into(),
            ..Default::default()
        };
        commands.push(command(
            C::SignalExternalWorkflowExecution,
            A::SignalExternalWorkflowExecutionCommandAttributes(attributes),
        ));
    }
    if seed & 64 != 0 {
        let attributes = RecordMarkerCommandAttributes { marker_name: "m".into(), ..Default::default() };
        commands.push(command(C::RecordMarker, A::RecordMarkerCommandAttributes(attributes)));
        let fields = [(at, payloads("2").unwrap().payloads[0].clone())].into();
        let attributes = ModifyWorkflowPropertiesCommandAttributes { upserted_memo: Some(Memo { fields }) };
        commands.push(command(C::ModifyWorkflowProperties, A::ModifyWorkflowPropertiesCommandAttributes(attributes)));
    }
    if seed > 245 {
        let attributes = CompleteWorkflowExecutionCommandAttributes { result: payloads("3") };
        commands.push(command(C::CompleteWorkflowExecution, A::CompleteWorkflowExecutionCommandAttributes(attributes)));
    }
    commands
}

/// The activity that a number picks, by its id so that any attempt may be meant.
fn activity(state: &WorkflowState, seed: u8) -> ActivityRef {
    let ids: Vec<&String> = state.run.activities.values().map(|activity| &activity.activity_id).collect();
    ActivityRef::Id(ids.get(usize::from(seed) % ids.len().max(1)).map(|id| (*id).clone()).unwrap_or_default())
}

fn initiated(ids: impl Iterator<Item = i64>, seed: u8) -> i64 {
    let ids: Vec<i64> = ids.collect();
    ids.get(usize::from(seed) % ids.len().max(1)).copied().unwrap_or(0)
}

fn operation(seed: u8) -> ActivityOperation {
    let jitter = Jitter { within: i64::from(seed % 3) * SECOND, seed: seed.into() };
    let (one, other) = (seed & 8 != 0, seed & 16 != 0);
    match seed % 5 {
        0 | 1 => ActivityOperation::Pause {
            identity: "operator".into(),
            reason: "r".into(),
            request_id: (seed % 2).to_string(),
        },
        2 => ActivityOperation::Unpause { reset_attempts: one, reset_heartbeat: other, jitter },
        3 => ActivityOperation::Reset { reset_heartbeat: one, keep_paused: other, restore_options: one, jitter },
        _ => ActivityOperation::UpdateOptions {
            options: Box::new(ActivityOptions {
                schedule_to_close_timeout: seconds(i64::from(seed)),
                ..Default::default()
            }),
            fields: vec![OptionField::ScheduleToCloseTimeout],
        },
    }
}

fn input(world: &World, (what, seed): Act) -> Input {
    let state = &world.state;
    let run = &state.run;
    let token = world.token();
    let identity = || String::from("worker");
    match what % 22 {
        0 | 1 => Input::Signal(Box::new(Signal {
            name: "s".into(),
            request_id: (seed % 16).to_string(),
            ..Default::default()
        })),
        2 => Input::RequestCancel {
            reason: "r".into(),
            identity: identity(),
            request_id: "c".into(),
            external: None,
            links: vec![],
        },
        3 | 4 => Input::WorkflowTaskStart {
            scheduled_event_id: token.scheduled_event_id,
            attempt: token.attempt,
            identity: identity(),
            request_id: (seed % 4).to_string(),
            worker_version: None,
            taken_by: TakenBy::default(),
        },
        5..=7 => Input::WorkflowTaskCompleted {
            token,
            request: Box::new(RespondWorkflowTaskCompletedRequest {
                commands: commands(world, seed),
                force_create_new_workflow_task: seed == 0,
                return_new_workflow_task: what % 2 == 0,
                sticky_attributes: (what == 5).then(|| StickyExecutionAttributes {
                    worker_task_queue: Some(TaskQueue { name: "sticky".into(), ..Default::default() }),
                    schedule_to_start_timeout: seconds(5),
                }),
                ..Default::default()
            }),
            nexus_endpoints: Default::default(),
        },
        8 => {
            let request = RespondWorkflowTaskFailedRequest { cause: 24, ..Default::default() };
            Input::WorkflowTaskFailed { token, request: Box::new(request) }
        }
        9 | 10 => {
            let id = initiated(run.activities.keys().copied(), seed);
            let attempt = run.activities.get(&id).map_or(0, |activity| activity.attempt);
            start_activity(id, attempt, &seed.to_string())
        }
        11 => Input::ActivityCompleted { activity: activity(state, seed), result: payloads("4"), identity: identity() },
        12 => Input::ActivityFailed {
            activity: activity(state, seed),
            failure: Box::new(application_failure("E")),
            last_heartbeat_details: None,
            identity: identity(),
        },
        13 => {
            Input::ActivityHeartbeat { activity: activity(state, seed), details: payloads("5"), identity: identity() }
        }
        14 => Input::ChildStarted {
            initiated_event_id: initiated(run.children.keys().copied(), seed),
            run_id: "child-run".into(),
            header: None,
        },
        15 => {
            let id = initiated(run.children.keys().copied(), seed);
            let attributes = WorkflowExecutionCompletedEventAttributes { result: payloads("6"), ..Default::default() };
            let event = HistoryEvent {
                event_type: EventType::WorkflowExecutionCompleted as i32,
                attributes: Some(Attributes::WorkflowExecutionCompletedEventAttributes(attributes)),
                ..Default::default()
            };
            Input::ChildClosed {
                initiated_event_id: id,
                workflow_id: run.children.get(&id).map(|child| child.workflow_id.clone()).unwrap_or_default(),
                run_id: "child-run".into(),
                event: Box::new(event),
            }
        }
        16 => Input::ExternalSignalDone {
            initiated_event_id: initiated(run.external_signals.keys().copied(), seed),
            failed_cause: (seed % 2 == 0).then_some(1),
        },
        17 => update_request(&(seed % 8).to_string()),
        18 if seed < 8 => Input::Terminate { reason: "r".into(), details: None, identity: identity(), links: vec![] },
        18 => Input::ResetSticky,
        21 if seed % 2 == 0 => Input::Pause(PauseRequest { request_id: (seed % 4).to_string(), ..Default::default() }),
        21 => Input::Unpause(PauseRequest::default()),
        20 => Input::OperateActivity { activity: ActivitySelector::All, operation: Box::new(operation(seed)) },
        _ => Input::Wake,
    }
}

/// Lets one thing happen and looks at what must hold around it.
fn act(world: &mut World, act: Act) {
    if act.0 % 22 == 19 {
        wake_exactly(world);
        return;
    }
    world.advance(i64::from(act.1) * SECOND / 64);
    if let Ok(step) = world.step(input(world, act)) {
        owed(world, &step);
    }
}

/// Just before the deadline nothing happens; at the deadline something does.
fn wake_exactly(world: &mut World) {
    // Deadlines that have passed are worked on first.
    world.step(Input::Wake).unwrap();
    let Some(deadline) = next_deadline(&world.state) else { return };
    assert!(deadline > world.now, "{deadline} is not after {}", world.now);
    world.now = deadline - 1;
    let before = world.state.clone();
    world.step(Input::Wake).unwrap();
    assert_eq!(before, world.state, "something happened before the deadline");
    world.now = deadline;
    let step = world.step(Input::Wake).unwrap();
    assert_ne!(before, world.state, "nothing happened at the deadline");
    assert!(next_deadline(&world.state).is_none_or(|next| next > world.now));
    owed(world, &step);
}

/// What a step owes can be found in the state, as far as the step itself has not dealt with it.
fn owed(world: &World, step: &Step) {
    let found = obligations(&world.state);
    let run = &world.state.run;
    for task in &step.tasks {
        let stands = match task {
            Task::DispatchActivity { scheduled_event_id, attempt } => {
                run.activities.get(scheduled_event_id).is_some_and(|activity| activity.attempt == *attempt)
            }
            Task::StartChild { initiated_event_id } => run.children.contains_key(initiated_event_id),
            _ => true,
        };
        assert!(found.contains(task) || run.close.is_some() || !stands, "{task:?} is not in {found:?}");
    }
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
    run.task_failures = 0;
    run.problems_reported = false;
    run.state_transition_count = 0;
    run.cancel_request_id.clear();
    if run.close.is_some() {
        // What others acknowledged after the close is not in the history.
        run.owed_at_close = None;
        run.children.clear();
    }
    for activity in run.activities.values_mut() {
        *activity = perdure_engine::state::Activity {
            scheduled_event_id: activity.scheduled_event_id,
            activity_id: std::mem::take(&mut activity.activity_id),
            cancel_requested_event_id: activity.cancel_requested_event_id,
            ..Default::default()
        };
    }
    run
}

fn replayed(world: &World) {
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
        request_id: "start".into(),
    };
    let snapshot = journal::decode_snapshot(&journal::encode_snapshot(&world.state)).unwrap();
    assert_eq!(snapshot.run, world.state.run);
    let state = replay(created, world.history.iter().cloned()).unwrap();
    assert_eq!(told(&state), told(&world.state));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_script(acts in prop::collection::vec(any::<Act>(), 1..120), kind in 0..4u8) {
        let mut world = World::with(|start| match kind {
            0 => {}
            1 => start.run_timeout = Some(300 * SECOND),
            2 => {
                start.retry_policy = Some(RetryPolicy { initial_interval: seconds(1), backoff_coefficient: 2.0, ..Default::default() });
                start.execution_timeout = 500 * SECOND;
            }
            _ => start.start_delay = 3 * SECOND,
        });
        for (number, one) in acts.into_iter().enumerate() {
            act(&mut world, one);
            if number % 16 == 0 {
                replayed(&world);
            }
        }
        replayed(&world);
    }
}
