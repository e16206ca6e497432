//! Ends of runs, what follows them, and what they owe.

use perdure_engine::{Input, Nanos, Notice, Reject, Start, Task, next_deadline, obligations, state::Parent};
use perdure_proto::api::{
    command::{
        CancelWorkflowExecutionCommandAttributes, Command, CompleteWorkflowExecutionCommandAttributes,
        ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
        StartChildWorkflowExecutionCommandAttributes, command::Attributes as A,
    },
    common::{Memo, RetryPolicy, WorkflowType},
    enums::{
        CommandType, ContinueAsNewInitiator as Initiator, EventType as T, ParentClosePolicy, RetryState,
        WorkflowExecutionStatus as Status,
    },
    failure::Failure,
    history::history_event::Attributes,
    protocol::Message,
    workflowservice::RespondWorkflowTaskCompletedRequest,
};

use crate::world::{EPOCH, SECOND, Step, World, application_failure, command, payloads, seconds, update_request};

/// How a run is brought to its end.
type End = fn(&mut World) -> Step;

fn complete(result: &str) -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes { result: payloads(result) };
    command(CommandType::CompleteWorkflowExecution, A::CompleteWorkflowExecutionCommandAttributes(attributes))
}

fn fail(failure: Failure) -> Command {
    let attributes = FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
    command(CommandType::FailWorkflowExecution, A::FailWorkflowExecutionCommandAttributes(attributes))
}

fn cancel() -> Command {
    let attributes = CancelWorkflowExecutionCommandAttributes { details: payloads("d") };
    command(CommandType::CancelWorkflowExecution, A::CancelWorkflowExecutionCommandAttributes(attributes))
}

fn continue_as_new(attributes: ContinueAsNewWorkflowExecutionCommandAttributes) -> Command {
    command(CommandType::ContinueAsNewWorkflowExecution, A::ContinueAsNewWorkflowExecutionCommandAttributes(attributes))
}

pub(crate) fn start_child(id: &str, policy: ParentClosePolicy) -> Command {
    let attributes = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: id.into(),
        workflow_type: Some(WorkflowType { name: "child".into() }),
        parent_close_policy: policy as i32,
        ..Default::default()
    };
    command(CommandType::StartChildWorkflowExecution, A::StartChildWorkflowExecutionCommandAttributes(attributes))
}

fn child(start: &mut Start) {
    start.parent = Some(Parent { workflow_id: "parent".into(), run_id: "parent-run".into(), ..Default::default() });
}

fn retrying(start: &mut Start) {
    start.input = payloads("in");
    start.retry_policy = Some(RetryPolicy {
        initial_interval: seconds(2),
        backoff_coefficient: 2.0,
        maximum_interval: seconds(100),
        maximum_attempts: 3,
        non_retryable_error_types: vec!["Fatal".into()],
    });
}

fn terminate() -> Input {
    Input::Terminate { reason: "r".into(), details: payloads("d"), identity: "i".into(), links: vec![] }
}

/// The new run's id and the retry state that the close event shows.
fn shown(step: &Step) -> (String, Option<RetryState>) {
    match step.events.last().and_then(|event| event.attributes.clone()) {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(a)) => (a.new_execution_run_id, None),
        Some(Attributes::WorkflowExecutionFailedEventAttributes(a)) => {
            (a.new_execution_run_id.clone(), Some(a.retry_state()))
        }
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(a)) => {
            (a.new_execution_run_id.clone(), Some(a.retry_state()))
        }
        Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(a)) => (a.new_execution_run_id, None),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_end() {
    let ends: [(End, T, Status); 6] = [
        (|world| world.complete(vec![complete("1")]), T::WorkflowExecutionCompleted, Status::Completed),
        (|world| world.complete(vec![fail(application_failure("E"))]), T::WorkflowExecutionFailed, Status::Failed),
        (|world| world.complete(vec![cancel()]), T::WorkflowExecutionCanceled, Status::Canceled),
        (|world| world.wake_after(60 * SECOND), T::WorkflowExecutionTimedOut, Status::TimedOut),
        (|world| world.step(terminate()).unwrap(), T::WorkflowExecutionTerminated, Status::Terminated),
        (
            |world| world.complete(vec![continue_as_new(Default::default())]),
            T::WorkflowExecutionContinuedAsNew,
            Status::ContinuedAsNew,
        ),
    ];
    for (end, event_type, status) in ends {
        let mut world = World::with(|start| {
            child(start);
            start.run_timeout = Some(60 * SECOND);
        });
        let step = end(&mut world);
        assert_eq!(step.types().last(), Some(&event_type));
        assert!(step.notices.contains(&Notice::Closed));
        let close = world.state.run.close.clone().unwrap();
        assert_eq!(
            (close.status(), close.time, close.event_id),
            (status, world.now, step.events.last().unwrap().event_id)
        );
        assert_eq!(close.event.as_deref(), step.events.last());
        assert_eq!(next_deadline(&world.state), None);
        // A parent waits for the end of the chain.
        let continues = status == Status::ContinuedAsNew;
        assert_eq!(step.next_run.is_some(), continues);
        assert_eq!(obligations(&world.state), if continues { vec![] } else { vec![Task::NotifyParent] });
        if !continues {
            assert!(step.tasks.contains(&Task::NotifyParent));
            world.step(Input::ParentNotified).unwrap();
        }
        assert_eq!(obligations(&world.state), []);
        assert_eq!(world.step(Input::ParentNotified).unwrap_err(), Reject::NotAwaited);
        assert!(world.step(Input::Wake).unwrap().events.is_empty());
    }
}

#[test]
fn failures_are_retried() {
    let cases: [(&str, i32, RetryState, Option<Nanos>); 4] = [
        ("E", 1, RetryState::InProgress, Some(2 * SECOND)),
        ("E", 2, RetryState::InProgress, Some(4 * SECOND)),
        ("E", 3, RetryState::MaximumAttemptsReached, None),
        ("Fatal", 1, RetryState::NonRetryableFailure, None),
    ];
    for (error_type, attempt, retry_state, backoff) in cases {
        let mut world = World::with(|start| {
            retrying(start);
            start.continued = Some(perdure_engine::input::Continued { attempt, ..Default::default() });
        });
        let first = world.state.run.first_execution_run_id.clone();
        let step = world.complete(vec![fail(application_failure(error_type))]);
        let next = step.next_run.clone();
        let run_id = next.as_ref().map(|next| next.run_id.clone()).unwrap_or_default();
        assert_eq!(shown(&step), (run_id, Some(retry_state)), "{error_type} {attempt}");
        assert_eq!(next.is_some(), backoff.is_some());
        if let (Some(next), Some(backoff)) = (next, backoff) {
            let continued = next.continued.unwrap();
            assert_eq!((continued.initiator, continued.attempt), (Initiator::Retry, attempt + 1));
            assert_eq!((continued.backoff, continued.run_id), (backoff, world.state.run.run_id.clone()));
            assert_eq!((continued.failure, continued.first_execution_run_id), (Some(application_failure("E")), first));
            assert_eq!((next.input, next.retry_policy.is_some()), (payloads("in"), true));
            assert_eq!((next.workflow_type.as_str(), next.task_queue.as_str()), ("type", "queue"));
        }
    }
}

#[test]
fn no_policy_no_retry() {
    let mut world = World::new();
    let step = world.complete(vec![fail(application_failure("E"))]);
    assert_eq!(shown(&step), (String::new(), Some(RetryState::RetryPolicyNotSet)));
}

#[test]
fn a_run_that_times_out_is_retried_until_its_chain_expires() {
    let mut world = World::with(|start| {
        retrying(start);
        start.run_timeout = Some(10 * SECOND);
        start.execution_timeout = Some(15 * SECOND);
    });
    world.start_task();
    assert_eq!(next_deadline(&world.state), Some(EPOCH + 10 * SECOND));
    let step = world.wake_after(10 * SECOND);
    assert_eq!(step.types(), [T::WorkflowTaskFailed, T::WorkflowExecutionTimedOut]);
    let next = step.next_run.clone().unwrap();
    assert_eq!(shown(&step), (next.run_id.clone(), Some(RetryState::InProgress)));
    assert_eq!(next.continued.as_ref().unwrap().failure.as_ref().unwrap().message, "workflow timeout");
    assert_eq!(next.continued.as_ref().unwrap().execution_expiration, EPOCH + 15 * SECOND);

    let mut world = World::with(|start| {
        retrying(start);
        start.execution_timeout = Some(15 * SECOND);
    });
    let step = world.wake_after(15 * SECOND);
    assert_eq!(shown(&step), (String::new(), Some(RetryState::Timeout)));
    assert!(step.next_run.is_none());

    let mut world = World::with(|start| start.run_timeout = Some(SECOND));
    let step = world.wake_after(SECOND);
    assert_eq!(shown(&step), (String::new(), Some(RetryState::RetryPolicyNotSet)));
}

#[test]
fn cron_goes_on_after_any_end_of_its_own() {
    // 22:13:20; the schedule's times are the full minutes.
    let ends: [(End, Option<RetryState>, bool); 3] = [
        (|world| world.complete(vec![complete("new")]), None, false),
        (|world| world.complete(vec![fail(application_failure("E"))]), Some(RetryState::RetryPolicyNotSet), true),
        (|world| world.wake_after(30 * SECOND), Some(RetryState::RetryPolicyNotSet), true),
    ];
    for (end, retry_state, failed) in ends {
        let mut world = World::with(|start| {
            start.cron_schedule = "* * * * *".into();
            start.run_timeout = Some(30 * SECOND);
            start.continued = Some(perdure_engine::input::Continued {
                initiator: Initiator::CronSchedule,
                attempt: 1,
                backoff: 40 * SECOND,
                last_completion_result: payloads("old"),
                ..Default::default()
            });
        });
        world.wake_after(40 * SECOND);
        let step = end(&mut world);
        let next = step.next_run.clone().unwrap();
        assert_eq!(shown(&step), (next.run_id.clone(), retry_state));
        let continued = next.continued.unwrap();
        assert_eq!((continued.initiator, continued.attempt), (Initiator::CronSchedule, 1));
        // Ends at 22:14:00 or 22:14:30; the next minute is 22:15:00.
        assert_eq!(world.now + continued.backoff, EPOCH + 100 * SECOND);
        assert_eq!(continued.failure.is_some(), failed);
        assert_eq!(continued.last_completion_result, payloads(if failed { "old" } else { "new" }));
        assert_eq!(next.cron_schedule, "* * * * *");
    }
}

#[test]
fn continue_as_new_inherits_what_the_command_leaves_open() {
    let mut world = World::with(|start| {
        child(start);
        start.memo = Some(Memo { fields: [("k".to_owned(), payloads("1").unwrap().payloads[0].clone())].into() });
        start.run_timeout = Some(50 * SECOND);
        start.execution_timeout = Some(500 * SECOND);
        start.task_timeout = 7 * SECOND;
    });
    world.advance(200_000_000);
    let attributes = ContinueAsNewWorkflowExecutionCommandAttributes {
        workflow_type: Some(WorkflowType { name: "next-type".into() }),
        input: payloads("in"),
        ..Default::default()
    };
    let step = world.complete(vec![continue_as_new(attributes)]);
    let next = step.next_run.clone().unwrap();
    assert_eq!(shown(&step).0, next.run_id);
    assert_eq!((next.workflow_type.as_str(), next.task_queue.as_str()), ("next-type", "queue"));
    assert_eq!((next.memo, next.parent), (None, world.state.run.parent.as_deref().cloned()));
    assert_eq!(
        (next.run_timeout, next.execution_timeout, next.task_timeout),
        (Some(50 * SECOND), Some(500 * SECOND), 7 * SECOND)
    );
    let continued = next.continued.unwrap();
    assert_eq!((continued.initiator, continued.attempt), (Initiator::Workflow, 1));
    assert_eq!(continued.execution_expiration, EPOCH + 500 * SECOND);
    // A second lies between the first tasks of two runs.
    assert_eq!(continued.backoff, 800_000_000);
}

#[test]
fn a_wait_that_is_asked_for_counts() {
    for (lifetime, wanted, backoff) in [(0, 0, SECOND), (2 * SECOND, 0, 0), (0, 5 * SECOND, 5 * SECOND)] {
        let mut world = World::new();
        world.advance(lifetime);
        let attributes = ContinueAsNewWorkflowExecutionCommandAttributes {
            backoff_start_interval: seconds(wanted / SECOND),
            ..Default::default()
        };
        let step = world.complete(vec![continue_as_new(attributes)]);
        assert_eq!(step.next_run.unwrap().continued.unwrap().backoff, backoff);
    }
}

#[test]
fn children_get_their_policy() {
    use ParentClosePolicy as P;
    let mut world = World::new();
    let children = [
        start_child("terminated", P::Terminate),
        start_child("canceled", P::RequestCancel),
        start_child("abandoned", P::Abandon),
        start_child("not-started", P::Terminate),
        start_child("to-be-abandoned", P::Abandon),
    ];
    let step = world.complete(children.to_vec());
    let ids: Vec<i64> = step
        .events
        .iter()
        .filter(|event| event.event_type() == T::StartChildWorkflowExecutionInitiated)
        .map(|event| event.event_id)
        .collect();
    for id in &ids[..3] {
        let run_id = format!("child-{id}");
        world.step(Input::ChildStarted { initiated_event_id: *id, run_id, header: None }).unwrap();
    }
    let step = world.step(terminate()).unwrap();
    let policy = |id: i64| Task::ApplyParentClosePolicy { initiated_event_id: id };
    assert_eq!(step.tasks, [policy(ids[0]), policy(ids[1]), policy(ids[3])]);
    let start = Task::StartChild { initiated_event_id: ids[4] };
    assert_eq!(obligations(&world.state), [start, policy(ids[0]), policy(ids[1]), policy(ids[3])]);

    let unknown = Input::ChildReleased { initiated_event_id: ids[2] };
    assert_eq!(world.step(unknown).unwrap_err(), Reject::NotAwaited);
    let late = Input::ChildStarted { initiated_event_id: ids[3], run_id: "late".into(), header: None };
    assert_eq!(world.step(late).unwrap_err(), Reject::NotAwaited);
    let started = Input::ChildStarted { initiated_event_id: ids[4], run_id: "child".into(), header: None };
    world.step(started).unwrap();
    for id in [ids[0], ids[1], ids[3]] {
        world.step(Input::ChildReleased { initiated_event_id: id }).unwrap();
    }
    assert_eq!(obligations(&world.state), []);
    assert!(world.state.run.children.is_empty());
}

#[test]
fn a_closed_run_answers() {
    let mut world = World::new();
    let signal = |request_id: &str| {
        let signal = perdure_engine::Signal { name: "s".into(), request_id: request_id.into(), ..Default::default() };
        Input::Signal(Box::new(signal))
    };
    world.step(signal("seen")).unwrap();
    world.complete(vec![complete("1")]);
    // A repeated signal was taken; a cancel has what it asked for.
    assert!(world.step(signal("seen")).unwrap().events.is_empty());
    let cancel = Input::RequestCancel {
        reason: String::new(),
        identity: String::new(),
        request_id: String::new(),
        external: None,
        links: vec![],
    };
    assert!(world.step(cancel).unwrap().events.is_empty());
    assert_eq!(world.step(signal("new")).unwrap_err(), Reject::WorkflowClosed);
    assert_eq!(world.step(terminate()).unwrap_err(), Reject::WorkflowClosed);
    assert_eq!(world.step(Input::ResetSticky).unwrap_err(), Reject::WorkflowClosed);
    let attach = Input::AttachStart {
        request_id: "r".into(),
        attach_request_id: true,
        attach_callbacks: false,
        attach_links: false,
        callbacks: vec![],
        links: vec![],
    };
    assert_eq!(world.step(attach).unwrap_err(), Reject::WorkflowClosed);
}

#[test]
fn signals_have_a_limit() {
    let mut world = World::new();
    world.limits.signals = 2;
    let signal = || Input::Signal(Box::new(perdure_engine::Signal { name: "s".into(), ..Default::default() }));
    world.step(signal()).unwrap();
    world.start_task();
    // One in the history, one in the buffer.
    world.step(signal()).unwrap();
    let text = "exceeded workflow execution limit for signal events";
    assert_eq!(world.step(signal()).unwrap_err(), Reject::InvalidArgument(text.into()));
}

/// A rejection has no command that gives it a place: it counts also where the same answer closes the run.
#[test]
fn a_rejection_comes_before_the_close() {
    let mut world = World::new();
    world.step(update_request("u")).unwrap();
    let token = world.start_task();
    let rejection = Message {
        protocol_instance_id: "u".into(),
        body: Some(prost_types::Any {
            type_url: "type.googleapis.com/temporal.api.update.v1.Rejection".into(),
            value: Vec::new(),
        }),
        ..Default::default()
    };
    let request = RespondWorkflowTaskCompletedRequest {
        commands: vec![complete("r")],
        messages: vec![rejection],
        ..Default::default()
    };
    let step = world
        .step(Input::WorkflowTaskCompleted { token, request: Box::new(request), nexus_endpoints: Default::default() })
        .unwrap();
    assert_eq!(step.types(), [T::WorkflowTaskCompleted, T::WorkflowExecutionCompleted]);
    let answered = |notice: &Notice| matches!(notice, Notice::Update { outcome: Some(_), .. });
    assert!(step.notices.iter().any(answered), "{:?}", step.notices);
    assert!(!step.notices.iter().any(|notice| matches!(notice, Notice::UpdateAborted { .. })));
}
