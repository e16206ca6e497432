//! Completion callbacks of activities and of Nexus operations without a workflow, on both databases: the handler of a workflow's
//! operation starts one, and its end is the operation's. Also after a `kill -9`.

use anyhow::{Context, Result, ensure};
use perdure_proto::api::{
    activity,
    common::{ActivityType, Callback, OnConflictOptions, Payloads, link::Variant},
    enums::{ActivityIdConflictPolicy, CallbackState, EventType},
    failure::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    history::{HistoryEvent, history_event::Attributes},
    nexus::StartOperationRequest,
    taskqueue::TaskQueue,
    workflowservice::{
        DescribeActivityExecutionRequest, DescribeNexusOperationExecutionRequest, PollActivityTaskQueueRequest,
        PollNexusTaskQueueResponse, RequestCancelActivityExecutionRequest, RespondActivityTaskCompletedRequest,
        RespondActivityTaskFailedRequest, StartActivityExecutionRequest, StartNexusOperationExecutionRequest,
        StartWorkflowExecutionRequest, TerminateActivityExecutionRequest,
    },
};
use perdure_tests::Database;
use prost_types::Duration;
use tonic::Code;

use crate::world::{
    ENDPOINT, HANDLERS, World, callback, json, result, schedule, start_request, started, sync, worker_target,
};

const NAMESPACE: &str = "default";
/// Where the handler's own operations go.
const INNER: &str = "inner";

fn activity(activity_id: &str, completion_callbacks: Vec<Callback>) -> StartActivityExecutionRequest {
    StartActivityExecutionRequest {
        namespace: NAMESPACE.into(),
        activity_id: activity_id.into(),
        request_id: format!("start {activity_id}"),
        activity_type: Some(ActivityType { name: "t".into() }),
        task_queue: Some(TaskQueue { name: HANDLERS.into(), ..Default::default() }),
        start_to_close_timeout: Some(Duration { seconds: 600, nanos: 0 }),
        completion_callbacks,
        ..Default::default()
    }
}

impl World {
    /// A workflow that asks for an operation: the handler's task. It has a queue of its own, for there will be more tasks.
    async fn ask(&mut self, workflow_id: &str) -> Result<PollNexusTaskQueueResponse> {
        self.start(workflow_id, workflow_id, StartWorkflowExecutionRequest::default()).await?;
        self.workflow_task(workflow_id, vec![schedule(ENDPOINT)]).await?;
        self.nexus_task(HANDLERS).await
    }

    /// A workflow that waits for an operation, whose handler is to call this back.
    async fn caller(&mut self, workflow_id: &str) -> Result<Callback> {
        let task = self.ask(workflow_id).await?;
        let callback = callback(&start_request(&task)?);
        self.answer(&task, started("token", Vec::new())).await?;
        self.event(workflow_id, EventType::NexusOperationStarted).await?;
        Ok(callback)
    }

    async fn take_activity(&mut self) -> Result<bytes::Bytes> {
        let task_queue = Some(TaskQueue { name: HANDLERS.into(), ..Default::default() });
        let poll = PollActivityTaskQueueRequest { namespace: NAMESPACE.into(), task_queue, ..Default::default() };
        let token = self.client.poll_activity_task_queue(poll).await?.into_inner().task_token;
        ensure!(!token.is_empty(), "no activity task");
        Ok(token)
    }

    async fn complete_activity(&mut self, text: &str) -> Result<()> {
        let task_token = self.take_activity().await?;
        let result = Some(Payloads { payloads: vec![json(text), json("\"more\"")] });
        let request = RespondActivityTaskCompletedRequest {
            task_token,
            namespace: NAMESPACE.into(),
            result,
            ..Default::default()
        };
        self.client.respond_activity_task_completed(request).await?;
        Ok(())
    }

    async fn activity_callbacks(&mut self, activity_id: &str) -> Result<Vec<activity::CallbackInfo>> {
        let request = DescribeActivityExecutionRequest {
            namespace: NAMESPACE.into(),
            activity_id: activity_id.into(),
            ..Default::default()
        };
        Ok(self.client.describe_activity_execution(request).await?.into_inner().callbacks)
    }

    /// Waits until all callbacks of the activity have been called.
    async fn activity_calls(&mut self, activity_id: &str) -> Result<Vec<activity::CallbackInfo>> {
        for _ in 0..3_000 {
            let infos = self.activity_callbacks(activity_id).await?;
            let called = |info: &activity::CallbackInfo| state(info) == CallbackState::Succeeded;
            if infos.iter().all(called) {
                return Ok(infos);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        anyhow::bail!("not all callbacks were called")
    }
}

fn state(info: &activity::CallbackInfo) -> CallbackState {
    info.info.as_ref().map_or(CallbackState::Unspecified, |info| info.state())
}

/// Another start of the same id, which leaves its callbacks with the activity that is open.
fn attaching(activity_id: &str, callbacks: Vec<Callback>) -> StartActivityExecutionRequest {
    StartActivityExecutionRequest {
        request_id: "other".into(),
        id_conflict_policy: ActivityIdConflictPolicy::UseExisting.into(),
        on_conflict_options: Some(OnConflictOptions {
            attach_request_id: true,
            attach_completion_callbacks: true,
            attach_links: false,
        }),
        ..activity(activity_id, callbacks)
    }
}

/// The failure of an operation's end, without what wraps it.
fn failure(event: &HistoryEvent) -> Option<&Failure> {
    let wrapped = match &event.attributes {
        Some(Attributes::NexusOperationFailedEventAttributes(end)) => end.failure.as_ref(),
        Some(Attributes::NexusOperationCanceledEventAttributes(end)) => end.failure.as_ref(),
        _ => None,
    }?;
    wrapped.cause.as_deref()
}

async fn with_endpoint(name: &str, database: Database) -> Result<World> {
    let mut world = World::new(name, database, &[]).await?;
    world.endpoint(ENDPOINT, worker_target(HANDLERS)).await?;
    Ok(world)
}

async fn an_activity_completes(name: &str, database: Database) -> Result<()> {
    let mut world = with_endpoint(name, database).await?;
    let (first, second) = (world.caller("first").await?, world.caller("second").await?);
    world.client.start_activity_execution(activity("a", vec![first])).await?;
    // The second caller's handler finds it open, and leaves its callback there. A repetition changes nothing.
    let attached = attaching("a", vec![second]);
    for _ in 0..2 {
        let answer = world.client.start_activity_execution(attached.clone()).await?.into_inner();
        assert!(!answer.started);
    }
    let infos = world.activity_callbacks("a").await?;
    assert_eq!(infos.iter().map(state).collect::<Vec<_>>(), [CallbackState::Standby; 2]);
    world.crash().await?;

    world.complete_activity("\"done\"").await?;
    for caller in ["first", "second"] {
        let end = world.event(caller, EventType::NexusOperationCompleted).await?;
        assert_eq!(result(&end), Some(&json("\"done\"")));
    }
    let infos = world.activity_calls("a").await?;
    assert!(infos.iter().all(|info| info.info.as_ref().is_some_and(|info| info.attempt == 1)), "{infos:?}");
    world.server.panics()
}

async fn an_activity_ends_otherwise(name: &str, database: Database) -> Result<()> {
    let mut world = with_endpoint(name, database).await?;
    let id = |what: &str| (NAMESPACE.to_owned(), what.to_owned());

    let callback = world.caller("of failed").await?;
    world.client.start_activity_execution(activity("failed", vec![callback])).await?;
    let info = ApplicationFailureInfo { non_retryable: true, ..Default::default() };
    let failed = Failure {
        message: "no".into(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    };
    let (task_token, namespace) = (world.take_activity().await?, NAMESPACE.to_owned());
    let request =
        RespondActivityTaskFailedRequest { task_token, namespace, failure: Some(failed), ..Default::default() };
    world.client.respond_activity_task_failed(request).await?;

    let callback = world.caller("of canceled").await?;
    world.client.start_activity_execution(activity("canceled", vec![callback])).await?;
    let (namespace, activity_id) = id("canceled");
    let request = RequestCancelActivityExecutionRequest { namespace, activity_id, ..Default::default() };
    world.client.request_cancel_activity_execution(request).await?;

    let callback = world.caller("of terminated").await?;
    world.client.start_activity_execution(activity("terminated", vec![callback])).await?;
    let (namespace, activity_id) = id("terminated");
    let reason = "because".to_owned();
    let request = TerminateActivityExecutionRequest { namespace, activity_id, reason, ..Default::default() };
    world.client.terminate_activity_execution(request).await?;

    let cases = [
        ("of failed", EventType::NexusOperationFailed, "no"),
        ("of canceled", EventType::NexusOperationCanceled, "Activity canceled"),
        ("of terminated", EventType::NexusOperationFailed, "because"),
    ];
    for (caller, kind, expected) in cases {
        let end = world.event(caller, kind).await?;
        assert_eq!(failure(&end).map(|failure| failure.message.as_str()), Some(expected), "{caller}: {end:?}");
    }
    world.server.panics()
}

async fn an_operation_completes(name: &str, database: Database) -> Result<()> {
    let mut world = with_endpoint(name, database).await?;
    world.endpoint(INNER, worker_target(INNER)).await?;
    // The end comes before the answer that it has started, and says so itself.
    let task = world.ask("caller").await?;
    let callback = callback(&start_request(&task)?);
    let request = StartNexusOperationExecutionRequest {
        namespace: NAMESPACE.into(),
        operation_id: "op".into(),
        request_id: "start".into(),
        endpoint: INNER.into(),
        service: "service".into(),
        operation: "operation".into(),
        completion_callbacks: vec![callback],
        ..Default::default()
    };
    world.client.start_nexus_operation_execution(request).await?;
    let task = world.nexus_task(INNER).await?;
    world.answer(&task, sync(json("\"done\""))).await?;
    let end = world.event("caller", EventType::NexusOperationCompleted).await?;
    assert_eq!(result(&end), Some(&json("\"done\"")));
    let started = world.event("caller", EventType::NexusOperationStarted).await?;
    let link = started.links.first().and_then(|link| link.variant.clone()).context("a link")?;
    assert!(matches!(&link, Variant::NexusOperation(operation) if operation.operation_id == "op"), "{link:?}");
    let describe = DescribeNexusOperationExecutionRequest {
        namespace: NAMESPACE.into(),
        operation_id: "op".into(),
        ..Default::default()
    };
    let told = world.client.describe_nexus_operation_execution(describe).await?.into_inner().completion_callbacks;
    assert_eq!(told.len(), 1);
    world.server.panics()
}

#[tokio::test]
async fn too_many_are_refused() -> Result<()> {
    let limits = ["callback.maxPerExecution=2"];
    let mut world = World::new("nexus_too_many_callbacks", Database::SqliteMemory, &limits).await?;
    let request = StartOperationRequest { callback: "temporal://system".into(), ..Default::default() };
    let callbacks = |count: usize| vec![callback(&request); count];
    let refused = world.client.start_activity_execution(activity("a", callbacks(3))).await.unwrap_err();
    let expected = (Code::InvalidArgument, "cannot attach more than 2 callbacks to an execution");
    assert_eq!((refused.code(), refused.message()), expected);

    world.client.start_activity_execution(activity("a", callbacks(1))).await?;
    let refused = world.client.start_activity_execution(attaching("a", callbacks(2))).await.unwrap_err();
    let expected = "cannot attach more than 2 callbacks to an activity (1 callbacks already attached)";
    assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, expected));
    assert_eq!(world.activity_callbacks("a").await?.len(), 1);
    Ok(())
}

on_both!(an_activity_completes, an_activity_ends_otherwise, an_operation_completes);
