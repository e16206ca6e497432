//! Paused runs: each cell of the table in the engine's `pause`.

use perdure_engine::{
    Input, PauseRequest, Reject, Reply, Signal, TakenBy, Task, next_deadline, obligations, search_attributes,
};
use perdure_proto::api::{
    enums::{EventType as T, WorkflowExecutionStatus as Status, WorkflowTaskFailedCause as Cause},
    history::history_event::Attributes as A,
    workflowservice::{RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest},
};

use crate::{
    activity, timer,
    world::{SECOND, Step, World, application_failure, start_activity, update_request},
};

fn pause_as(request_id: &str) -> Input {
    let (identity, reason) = ("operator".into(), "look into it".into());
    Input::Pause(PauseRequest { identity, reason, request_id: request_id.into() })
}

fn pause(world: &mut World) -> Step {
    world.step(pause_as("p")).unwrap()
}

fn unpause(world: &mut World) -> Step {
    world.step(Input::Unpause(PauseRequest::default())).unwrap()
}

fn signal(world: &mut World) -> Step {
    world.step(Input::Signal(Box::new(Signal { name: "s".into(), ..Default::default() }))).unwrap()
}

fn terminate() -> Input {
    Input::Terminate { reason: "r".into(), details: None, identity: "i".into(), links: Vec::new() }
}

/// A run whose only workflow task is done, paused.
fn paused() -> World {
    let mut world = World::new();
    world.complete(Vec::new());
    pause(&mut world);
    world
}

fn pause_info(world: &World) -> Option<String> {
    let all = search_attributes(&world.state.run)?;
    Some(String::from_utf8(all.indexed_fields.get("TemporalPauseInfo")?.data.to_vec()).unwrap())
}

#[test]
fn a_run_between_tasks() {
    let mut world = World::new();
    world.complete(Vec::new());
    let step = pause(&mut world);
    assert_eq!(step.types(), [T::WorkflowExecutionPaused]);
    assert!(step.events[0].worker_may_ignore);
    assert_eq!(world.state.status(), Status::Paused);
    let shown = world.state.describe(world.now);
    let pause = shown.workflow_extended_info.unwrap().pause_info.unwrap();
    assert_eq!((pause.identity.as_str(), pause.reason.as_str()), ("operator", "look into it"));
    assert_eq!(pause_info(&world).unwrap(), r#"["Workflow:wf","Reason:look into it"]"#);
    let step = unpause(&mut world);
    assert_eq!(step.types(), [T::WorkflowExecutionUnpaused, T::WorkflowTaskScheduled]);
    assert_eq!((world.state.status(), pause_info(&world)), (Status::Running, None));
}

#[test]
fn who_may_pause_and_unpause() {
    let refused = |text: &str| Err(Reject::FailedPrecondition(text.into()));
    let answer = |world: &mut World, input: Input| world.step(input).map(|step| step.events.len());
    let mut world = World::new();
    assert_eq!(answer(&mut world, Input::Unpause(PauseRequest::default())), refused("workflow is not paused."));
    pause(&mut world);
    assert_eq!(answer(&mut world, pause_as("p")), Ok(0));
    assert_eq!(answer(&mut world, pause_as("q")), refused("workflow is already paused."));
    unpause(&mut world);
    // Without a request id none is the same.
    world.step(pause_as("")).unwrap();
    assert_eq!(answer(&mut world, pause_as("")), refused("workflow is already paused."));
    world.step(terminate()).unwrap();
    for late in [pause_as("p"), Input::Unpause(PauseRequest::default())] {
        assert_eq!(answer(&mut world, late), Err(Reject::WorkflowClosed));
    }
}

#[test]
fn a_task_that_no_worker_has_fails() {
    let mut world = World::new();
    let task = world.token();
    let step = pause(&mut world);
    assert_eq!(step.types(), [T::WorkflowTaskFailed, T::WorkflowExecutionPaused]);
    let A::WorkflowTaskFailedEventAttributes(failed) = step.attributes(T::WorkflowTaskFailed) else { panic!() };
    assert_eq!(failed.cause(), Cause::WorkflowPauseRequestedBeforeTaskStarted);
    let start = Input::WorkflowTaskStart {
        scheduled_event_id: task.scheduled_event_id,
        attempt: 1,
        identity: "worker".into(),
        request_id: "late".into(),
        worker_version: None,
        taken_by: TakenBy::default(),
    };
    assert_eq!(world.step(start).unwrap_err(), Reject::StaleTask);
    unpause(&mut world);
    assert_eq!(world.state.run.workflow_task.as_ref().unwrap().attempt, 1);
    // The next attempt of a task that failed is forgotten without an event.
    let mut world = World::new();
    let token = world.start_task();
    let request = Box::new(RespondWorkflowTaskFailedRequest::default());
    world.step(Input::WorkflowTaskFailed { token, request }).unwrap();
    assert_eq!(world.state.run.workflow_task.as_ref().unwrap().attempt, 2);
    assert_eq!(pause(&mut world).types(), [T::WorkflowExecutionPaused]);
    assert_eq!(unpause(&mut world).types(), [T::WorkflowExecutionUnpaused, T::WorkflowTaskScheduled]);
}

#[test]
fn a_task_that_a_worker_has_may_end() {
    let mut world = World::new();
    let token = world.start_task();
    assert!(pause(&mut world).events.is_empty(), "it waits for the task's end");
    assert_eq!(world.state.status(), Status::Paused);
    assert!(signal(&mut world).events.is_empty());
    let request = RespondWorkflowTaskCompletedRequest { force_create_new_workflow_task: true, ..Default::default() };
    let heartbeat = Input::WorkflowTaskCompleted {
        token: token.clone(),
        request: Box::new(request),
        nexus_endpoints: Default::default(),
    };
    assert!(matches!(world.step(heartbeat), Err(Reject::FailedPrecondition(text)) if text.contains("force create")));
    let step = world.try_complete(token, vec![timer::start("t", 5)]).unwrap();
    let written = [T::WorkflowTaskCompleted, T::TimerStarted, T::WorkflowExecutionPaused, T::WorkflowExecutionSignaled];
    assert_eq!(step.types(), written);
    assert!(step.tasks.is_empty() && obligations(&world.state).is_empty());
    assert_eq!(world.wake_after(5 * SECOND).types(), [T::TimerFired]);
    assert_eq!(unpause(&mut world).types(), [T::WorkflowExecutionUnpaused, T::WorkflowTaskScheduled]);
}

#[test]
fn a_task_that_a_worker_has_may_fail_or_time_out() {
    for fails in [true, false] {
        let mut world = World::new();
        let token = world.start_task();
        pause(&mut world);
        let step = if fails {
            let request = Box::new(RespondWorkflowTaskFailedRequest::default());
            world.step(Input::WorkflowTaskFailed { token, request }).unwrap()
        } else {
            world.wake_after(10 * SECOND)
        };
        let end = if fails { T::WorkflowTaskFailed } else { T::WorkflowTaskTimedOut };
        assert_eq!(step.types(), [end, T::WorkflowExecutionPaused]);
        assert!(world.state.run.workflow_task.is_none());
        assert_eq!(next_deadline(&world.state), None);
    }
}

#[test]
fn unpaused_before_the_task_ended() {
    let mut world = World::new();
    let token = world.start_task();
    pause(&mut world);
    unpause(&mut world);
    assert_eq!((world.state.status(), pause_info(&world)), (Status::Running, None));
    let step = world.try_complete(token, Vec::new()).unwrap();
    let written =
        [T::WorkflowTaskCompleted, T::WorkflowExecutionPaused, T::WorkflowExecutionUnpaused, T::WorkflowTaskScheduled];
    assert_eq!(step.types(), written);
    assert_eq!(world.state.status(), Status::Running);
}

#[test]
fn an_activity_waits_for_the_unpause() {
    let mut world = World::new();
    let token = world.start_task();
    pause(&mut world);
    let step = world.try_complete(token, vec![activity::schedule(activity::schedule_attributes("a"))]).unwrap();
    let id = world.event_id(T::ActivityTaskScheduled);
    assert!(step.tasks.is_empty() && obligations(&world.state).is_empty());
    assert_eq!(world.step(start_activity(id, 1, "r")).unwrap_err(), Reject::StaleTask);
    let step = unpause(&mut world);
    let offered = Task::DispatchActivity { scheduled_event_id: id, attempt: 1 };
    assert!(step.tasks.contains(&offered) && obligations(&world.state).contains(&offered));
    world.take(id);
}

#[test]
fn an_activity_that_a_worker_has_goes_on() {
    let (mut world, id) = activity::with_activity();
    let taken = world.take(id);
    pause(&mut world);
    // The same call again, after a lost answer.
    let again = world.step(start_activity(id, 1, "take-1")).unwrap().reply;
    assert!(matches!(again, Reply::ActivityStarted(_)));
    let beat = Input::ActivityHeartbeat { activity: taken.clone(), details: None, identity: "w".into() };
    let reply = world.step(beat).unwrap().reply;
    assert!(matches!(reply, Reply::Heartbeat { paused: false, .. }), "only the run is paused: {reply:?}");
    let failure = Box::new(application_failure("E"));
    let failed = Input::ActivityFailed { activity: taken, failure, last_heartbeat_details: None, identity: "w".into() };
    world.step(failed).unwrap();
    assert!(world.wake_after(60 * SECOND).tasks.is_empty(), "the next attempt waits for the unpause");
    let step = unpause(&mut world);
    assert!(step.tasks.contains(&Task::DispatchActivity { scheduled_event_id: id, attempt: 2 }), "{:?}", step.tasks);
}

#[test]
fn the_first_tasks_wait() {
    let with_delay = || {
        let mut world = World::with(|start| start.start_delay = 10 * SECOND);
        pause(&mut world);
        world
    };
    // It lasts longer than the pause.
    let mut world = with_delay();
    assert_eq!(unpause(&mut world).types(), [T::WorkflowExecutionUnpaused]);
    assert_eq!(world.wake_after(10 * SECOND).types(), [T::WorkflowTaskScheduled]);
    // It ends first.
    let mut world = with_delay();
    assert_eq!(next_deadline(&world.state), None);
    assert!(world.wake_after(11 * SECOND).events.is_empty());
    assert_eq!(unpause(&mut world).types(), [T::WorkflowExecutionUnpaused, T::WorkflowTaskScheduled]);
    // A request to cancel ends it.
    let mut world = with_delay();
    let (reason, identity, request_id) = Default::default();
    let cancel = Input::RequestCancel { reason, identity, request_id, external: None, links: Vec::new() };
    assert_eq!(world.step(cancel).unwrap().types(), [T::WorkflowExecutionCancelRequested]);
    assert_eq!(unpause(&mut world).types(), [T::WorkflowExecutionUnpaused, T::WorkflowTaskScheduled]);
}

#[test]
fn updates_are_refused_and_those_that_wait_wait() {
    let mut world = World::new();
    world.complete(Vec::new());
    world.step(update_request("u")).unwrap();
    // The task in memory is gone without a trace.
    assert_eq!(pause(&mut world).types(), [T::WorkflowExecutionPaused]);
    let refused = world.step(update_request("v")).unwrap_err();
    assert_eq!(refused, Reject::FailedPrecondition("Workflow is paused. Cannot update the workflow.".into()));
    unpause(&mut world);
    world.start_task();
    assert!(world.state.volatile.admitted[0].sent_in.is_some());
}

#[test]
fn the_end_and_a_reset_of_a_paused_run() {
    let mut world = paused();
    let step = world.step(terminate()).unwrap();
    assert_eq!(step.types(), [T::WorkflowExecutionTerminated]);
    assert_eq!(world.state.status(), Status::Terminated);
    let mut world = World::with(|start| start.run_timeout = Some(10 * SECOND));
    pause(&mut world);
    assert_eq!(world.wake_after(10 * SECOND).types(), [T::WorkflowExecutionTimedOut]);
    let forked = paused().reset(4, |_| {}).unwrap();
    assert_eq!(forked.state.status(), Status::Running);
    assert!(forked.state.run.workflow_task.is_some());
}

#[test]
fn what_lists_show_of_paused_activities() {
    let (mut world, _) = activity::with_activity();
    assert_eq!(pause_info(&world), None);
    let pause_activity = perdure_engine::ActivityOperation::Pause {
        identity: "operator".into(),
        reason: "r\"".into(),
        request_id: "p".into(),
    };
    let (activity, operation) = (perdure_engine::ActivitySelector::All, Box::new(pause_activity));
    world.step(Input::OperateActivity { activity, operation }).unwrap();
    assert_eq!(pause_info(&world).unwrap(), r#"["property:activityType=act"]"#);
    let reason = "say \"no\"\\\n".to_owned();
    world.step(Input::Pause(PauseRequest { reason, ..Default::default() })).unwrap();
    let shown = pause_info(&world).unwrap();
    assert_eq!(shown, r#"["Workflow:wf","Reason:say \"no\"\\\u000a","property:activityType=act"]"#);
}

#[test]
fn problems_are_reported_after_some_failures_in_a_row() {
    let mut world = World::new();
    let problems = |world: &World| {
        let all = search_attributes(&world.state.run)?;
        Some(String::from_utf8(all.indexed_fields.get("TemporalReportedProblems")?.data.to_vec()).unwrap())
    };
    for _ in 0..4 {
        let token = world.start_task();
        let request = Box::new(RespondWorkflowTaskFailedRequest { cause: 24, ..Default::default() });
        world.step(Input::WorkflowTaskFailed { token, request }).unwrap();
        assert_eq!(problems(&world), None);
    }
    world.start_task();
    world.wake_after(100 * SECOND);
    let timed_out = r#"["category=WorkflowTaskTimedOut","cause=WorkflowTaskTimedOutCauseStartToClose"]"#;
    assert_eq!(problems(&world).unwrap(), timed_out);
    let token = world.start_task();
    let request = Box::new(RespondWorkflowTaskFailedRequest { cause: 24, ..Default::default() });
    world.step(Input::WorkflowTaskFailed { token, request }).unwrap();
    let failed = r#"["category=WorkflowTaskFailed","cause=WorkflowTaskFailedCauseNonDeterministicError"]"#;
    assert_eq!(problems(&world).unwrap(), failed);
    world.complete(Vec::new());
    assert_eq!(problems(&world), None);
}
