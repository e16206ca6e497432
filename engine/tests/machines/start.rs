//! Starts: the first events, and whether a workflow id may be started again.

use perdure_engine::{
    Admission, Ctx, CurrentRun, Ids, Input, Limits, Reject, Start, TakenBy, Task, WorkflowState, admit,
    input::Continued, next_deadline, state::Parent,
};
use perdure_proto::api::{
    common::{Link, RetryPolicy},
    enums::{
        ContinueAsNewInitiator, EventType as T, WorkflowExecutionStatus as Status,
        WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse,
    },
    history::{WorkflowExecutionStartedEventAttributes, history_event::Attributes},
};

use crate::world::{EPOCH, SECOND, World, payloads, seconds, update_request};

fn started(world: &World) -> WorkflowExecutionStartedEventAttributes {
    match world.history[0].attributes.clone() {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => *started,
        other => panic!("{other:?}"),
    }
}

fn types(world: &World) -> Vec<T> {
    world.history.iter().map(|event| event.event_type()).collect()
}

#[test]
fn the_plain_start() {
    let world = World::with(|start| {
        start.input = payloads("1");
        start.execution_timeout = Some(60 * SECOND);
    });
    assert_eq!(types(&world), [T::WorkflowExecutionStarted, T::WorkflowTaskScheduled]);
    let started = started(&world);
    let run = &world.state.run;
    assert_eq!(started.workflow_id, "wf");
    assert_eq!((&started.first_execution_run_id, &started.original_execution_run_id), (&run.run_id, &run.run_id));
    assert_eq!((started.attempt, started.initiator), (1, 0));
    // The run's time-out is filled in from the chain's.
    assert_eq!((started.workflow_run_timeout, started.workflow_execution_timeout), (seconds(60), seconds(60)));
    assert_eq!((started.workflow_task_timeout, started.first_workflow_task_backoff), (seconds(10), seconds(0)));
    assert_eq!(started.workflow_execution_expiration_time.unwrap().seconds, EPOCH / SECOND + 60);
    assert!(started.parent_workflow_execution.is_none() && started.root_workflow_execution.is_none());
    assert_eq!((run.root_workflow_id.as_str(), &run.root_run_id), ("wf", &run.run_id));
    assert_eq!(run.execution_time, run.start_time);
    assert_eq!(next_deadline(&world.state), Some(EPOCH + 60 * SECOND));
}

#[test]
fn a_child_knows_its_parent_and_root() {
    let world = World::with(|start| {
        start.parent = Some(Parent {
            namespace_id: "ns-id".into(),
            namespace: "ns".into(),
            workflow_id: "parent".into(),
            run_id: "parent-run".into(),
            initiated_event_id: 5,
        });
        start.root_workflow_id = "root".into();
        start.root_run_id = "root-run".into();
    });
    let started = started(&world);
    assert_eq!(started.parent_workflow_namespace, "ns");
    assert_eq!(started.parent_initiated_event_id, 5);
    assert_eq!(started.parent_workflow_execution.unwrap().run_id, "parent-run");
    assert_eq!(started.root_workflow_execution.unwrap().workflow_id, "root");
    assert_eq!(world.state.run.parent.as_ref().unwrap().workflow_id, "parent");
    assert_eq!(world.state.run.root_run_id, "root-run");
}

#[test]
fn a_first_signal_stands_behind_the_start() {
    let world = World::with(|start| {
        start.signal = Some(perdure_engine::Signal { name: "s".into(), request_id: "r".into(), ..Default::default() });
    });
    assert_eq!(types(&world), [T::WorkflowExecutionStarted, T::WorkflowExecutionSignaled, T::WorkflowTaskScheduled]);
}

#[test]
fn the_first_task_waits() {
    let mut world = World::with(|start| {
        start.start_delay = 30 * SECOND;
        start.run_timeout = Some(10 * SECOND);
    });
    assert_eq!(types(&world), [T::WorkflowExecutionStarted]);
    assert_eq!(world.state.run.execution_time, EPOCH + 30 * SECOND);
    assert_eq!(next_deadline(&world.state), Some(EPOCH + 30 * SECOND));
    // A signal does not end the wait.
    let signal = perdure_engine::Signal { name: "s".into(), ..Default::default() };
    let step = world.step(Input::Signal(Box::new(signal))).unwrap();
    assert_eq!(step.types(), [T::WorkflowExecutionSignaled]);
    assert!(step.tasks.is_empty());
    assert!(world.wake_after(30 * SECOND - 1).events.is_empty());
    assert_eq!(world.wake_after(1).types(), [T::WorkflowTaskScheduled]);
    // The run's time-out begins with the first task.
    assert_eq!(next_deadline(&world.state), Some(EPOCH + 40 * SECOND));
}

#[test]
fn a_cancel_does_not_wait() {
    let mut world = World::with(|start| start.start_delay = 30 * SECOND);
    let cancel = Input::RequestCancel {
        reason: "r".into(),
        identity: "i".into(),
        request_id: "c".into(),
        external: None,
        links: vec![Link::default()],
    };
    let step = world.step(cancel.clone()).unwrap();
    assert_eq!(step.types(), [T::WorkflowExecutionCancelRequested, T::WorkflowTaskScheduled]);
    assert_eq!(step.events[0].links.len(), 1);
    assert_eq!(world.state.run.cancel_request_id, "c");
    // Once is enough.
    assert!(world.step(cancel).unwrap().events.is_empty());
}

/// Its task, the first one, leaves nothing behind where the update is not accepted: the wait goes on.
#[test]
fn an_update_does_not_wait() {
    let mut world = World::with(|start| start.start_delay = 30 * SECOND);
    let step = world.step(update_request("u")).unwrap();
    assert_eq!(step.tasks, [Task::DispatchWorkflowTask { scheduled_event_id: 2, attempt: 1 }]);
    assert!(step.events.is_empty());
    let take = Input::WorkflowTaskStart {
        scheduled_event_id: 2,
        attempt: 1,
        identity: "worker".into(),
        request_id: "poll".into(),
        worker_version: None,
        taken_by: TakenBy::default(),
    };
    world.step(take).unwrap();
    let step = world.try_complete(world.token(), vec![]).unwrap();
    assert!(step.events.is_empty());
    assert_eq!(next_deadline(&world.state), Some(EPOCH + 30 * SECOND));
}

#[test]
fn the_first_cron_run_waits_too() {
    // 2023-11-14T22:13:20Z.
    let world = World::with(|start| start.cron_schedule = "*/15 * * * *".into());
    let started = started(&world);
    assert_eq!(started.initiator(), ContinueAsNewInitiator::CronSchedule);
    assert_eq!(started.first_workflow_task_backoff, seconds(100));
    assert_eq!(types(&world), [T::WorkflowExecutionStarted]);
}

#[test]
fn task_timeouts_are_bounded() {
    for (task, run, expected) in [(0, 0, 10), (300, 0, 120), (20, 0, 20), (20, 5, 5)] {
        let world = World::with(|start| {
            start.task_timeout = task * SECOND;
            start.run_timeout = Some(run * SECOND);
        });
        assert_eq!(world.state.run.task_timeout, expected * SECOND, "{task} {run}");
    }
}

#[test]
fn a_start_that_is_attached_is_known_afterwards() {
    let mut world = World::new();
    let attach = Input::AttachStart {
        request_id: "second".into(),
        attach_request_id: true,
        attach_callbacks: false,
        attach_links: true,
        callbacks: vec![],
        links: vec![Link::default()],
    };
    let step = world.step(attach).unwrap();
    assert_eq!(step.types(), [T::WorkflowExecutionOptionsUpdated]);
    assert!(step.tasks.is_empty());
    let again = Start { request_id: "second".into(), ..Default::default() };
    assert_eq!(admitted(Some(&world.state), &again, &world.limits), Ok(Admission::Deduplicate { started: false }));
}

struct NoIds;

impl Ids for NoIds {
    fn run_id(&mut self) -> String {
        unreachable!("admission makes no ids")
    }

    fn message_id(&mut self) -> String {
        unreachable!("admission makes no ids")
    }
}

fn admitted(current: Option<&WorkflowState>, start: &Start, limits: &Limits) -> Result<Admission, Reject> {
    let ctx = Ctx { now: EPOCH + SECOND / 2, ids: &mut NoIds, limits };
    admit(current.map(CurrentRun::of).as_ref(), start, &ctx)
}

fn closed(status: Status) -> World {
    let mut world = World::new();
    world.state.run.close = Some(perdure_engine::state::Close { status: status as i32, ..Default::default() });
    world
}

#[test]
fn every_policy() {
    let limits = Limits::default();
    let start = |reuse_policy, conflict_policy| Start {
        workflow_id: "wf".into(),
        request_id: "other".into(),
        reuse_policy,
        conflict_policy,
        ..Default::default()
    };
    assert_eq!(admitted(None, &start(Reuse::RejectDuplicate, Conflict::Fail), &limits), Ok(Admission::Start));
    let open = World::new();
    let refused = |result: Result<Admission, Reject>| matches!(result, Err(Reject::AlreadyStarted { .. }));
    for reuse in [Reuse::Unspecified, Reuse::AllowDuplicate, Reuse::AllowDuplicateFailedOnly, Reuse::RejectDuplicate] {
        let with = |conflict| admitted(Some(&open.state), &start(reuse, conflict), &limits);
        assert!(refused(with(Conflict::Unspecified)));
        assert!(refused(with(Conflict::Fail)));
        assert_eq!(with(Conflict::UseExisting), Ok(Admission::UseExisting));
        assert_eq!(with(Conflict::TerminateExisting), Ok(Admission::TerminateThenStart));
    }
    let terminate_if_running = Reuse::try_from(4).unwrap();
    let terminate = start(terminate_if_running, Conflict::Unspecified);
    assert_eq!(admitted(Some(&open.state), &terminate, &limits), Ok(Admission::TerminateThenStart));

    let statuses = [
        (Status::Completed, false),
        (Status::ContinuedAsNew, false),
        (Status::Failed, true),
        (Status::Canceled, true),
        (Status::Terminated, true),
        (Status::TimedOut, true),
    ];
    for (status, failed) in statuses {
        let current = closed(status);
        let with = |reuse| admitted(Some(&current.state), &start(reuse, Conflict::Fail), &limits);
        for reuse in [Reuse::Unspecified, Reuse::AllowDuplicate, terminate_if_running] {
            assert_eq!(with(reuse), Ok(Admission::Start), "{status:?}");
        }
        assert!(refused(with(Reuse::RejectDuplicate)), "{status:?}");
        assert_eq!(with(Reuse::AllowDuplicateFailedOnly).is_ok(), failed, "{status:?}");
        let same = Start { request_id: "start".into(), ..start(Reuse::RejectDuplicate, Conflict::Fail) };
        let answer = admitted(Some(&current.state), &same, &limits);
        assert_eq!(answer, Ok(Admission::Deduplicate { started: true }), "{status:?}");
    }
}

#[test]
fn the_texts_of_refusals() {
    let start = Start { workflow_id: "wf".into(), request_id: "other".into(), ..Default::default() };
    let world = World::new();
    let run_id = world.state.run.run_id.clone();
    assert_eq!(
        admitted(Some(&world.state), &start, &Limits::default()).unwrap_err(),
        Reject::AlreadyStarted {
            message: format!("Workflow execution is already running. WorkflowId: wf, RunId: {run_id}."),
            start_request_id: "start".into(),
            run_id: run_id.clone(),
            first_execution_run_id: run_id,
        }
    );
    let limits = Limits { min_start_interval: SECOND, ..Limits::default() };
    let terminate = Start { conflict_policy: Conflict::TerminateExisting, ..start.clone() };
    let cases = [(World::new(), terminate, "restarts"), (closed(Status::Completed), start, "starts")];
    for (world, start, what) in cases {
        let text = format!("Too many {what} for workflow wf. Time since last start: 500 ms");
        assert_eq!(admitted(Some(&world.state), &start, &limits), Err(Reject::BusyWorkflow(text)));
    }
}

#[test]
fn a_continued_run_says_where_it_comes_from() {
    let world = World::with(|start| {
        start.retry_policy = Some(RetryPolicy::default());
        start.continued = Some(Continued {
            run_id: "before".into(),
            first_execution_run_id: "first".into(),
            initiator: ContinueAsNewInitiator::Retry,
            attempt: 3,
            backoff: 4 * SECOND,
            execution_expiration: EPOCH + 60 * SECOND,
            last_completion_result: payloads("7"),
            ..Default::default()
        });
    });
    let started = started(&world);
    assert_eq!(started.continued_execution_run_id, "before");
    assert_eq!(started.first_execution_run_id, "first");
    assert_eq!((started.initiator(), started.attempt), (ContinueAsNewInitiator::Retry, 3));
    assert_eq!(started.first_workflow_task_backoff, seconds(4));
    assert_eq!(started.last_completion_result, payloads("7"));
    assert_eq!(started.original_execution_run_id, world.state.run.run_id);
    assert_eq!(next_deadline(&world.state), Some(EPOCH + 4 * SECOND));
}
