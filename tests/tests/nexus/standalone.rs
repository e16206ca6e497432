//! Operations without a workflow, on both databases: what they go through survives `kill -9`.

use anyhow::{Context, Result};
use perdure_proto::api::{
    enums::{
        NexusOperationCancellationState as Cancellation, NexusOperationExecutionStatus as Status,
        NexusOperationIdConflictPolicy, NexusOperationWaitStage as Stage, PendingNexusOperationState as State,
    },
    nexus::{CancelOperationResponse, NexusOperationExecutionInfo, request, response},
    workflowservice::{
        CountNexusOperationExecutionsRequest, DeleteNexusOperationExecutionRequest,
        DescribeNexusOperationExecutionRequest, DescribeNexusOperationExecutionResponse,
        ListNexusOperationExecutionsRequest, PollNexusOperationExecutionRequest, PollNexusOperationExecutionResponse,
        RequestCancelNexusOperationExecutionRequest, StartNexusOperationExecutionRequest,
        StartNexusOperationExecutionResponse, StartWorkflowExecutionRequest, TerminateNexusOperationExecutionRequest,
        poll_nexus_operation_execution_response::Outcome,
    },
};
use perdure_tests::Database;
use tonic::Code;

use crate::world::{ENDPOINT, HANDLERS, World, callback, complete, json, start_request, started, sync, worker_target};

fn namespace() -> String {
    "default".to_owned()
}

fn operation(operation_id: &str) -> StartNexusOperationExecutionRequest {
    StartNexusOperationExecutionRequest {
        namespace: namespace(),
        operation_id: operation_id.into(),
        request_id: format!("start {operation_id}"),
        endpoint: ENDPOINT.into(),
        service: "service".into(),
        operation: "operation".into(),
        input: Some(json("\"in\"")),
        nexus_header: [("Key".to_owned(), "value".to_owned())].into(),
        identity: "client".into(),
        ..Default::default()
    }
}

impl World {
    async fn start_operation(&mut self, operation_id: &str) -> Result<StartNexusOperationExecutionResponse> {
        Ok(self.client.start_nexus_operation_execution(operation(operation_id)).await?.into_inner())
    }

    async fn describe_operation(&mut self, operation_id: &str) -> Result<DescribeNexusOperationExecutionResponse> {
        let request = DescribeNexusOperationExecutionRequest {
            namespace: namespace(),
            operation_id: operation_id.into(),
            include_input: true,
            include_outcome: true,
            ..Default::default()
        };
        Ok(self.client.describe_nexus_operation_execution(request).await?.into_inner())
    }

    async fn operation_info(&mut self, operation_id: &str) -> Result<NexusOperationExecutionInfo> {
        self.describe_operation(operation_id).await?.info.context("info")
    }

    async fn poll_operation(
        &mut self,
        operation_id: &str,
        stage: Stage,
    ) -> Result<PollNexusOperationExecutionResponse> {
        let request = PollNexusOperationExecutionRequest {
            namespace: namespace(),
            operation_id: operation_id.into(),
            wait_stage: stage.into(),
            ..Default::default()
        };
        Ok(self.client.poll_nexus_operation_execution(request).await?.into_inner())
    }

    async fn cancel_operation(&mut self, operation_id: &str, request_id: &str) -> Result<(), tonic::Status> {
        let request = RequestCancelNexusOperationExecutionRequest {
            namespace: namespace(),
            operation_id: operation_id.into(),
            request_id: request_id.into(),
            reason: "why".into(),
            ..Default::default()
        };
        self.client.request_cancel_nexus_operation_execution(request).await.map(|_| ())
    }

    async fn terminate_operation(&mut self, operation_id: &str, request_id: &str) -> Result<(), tonic::Status> {
        let request = TerminateNexusOperationExecutionRequest {
            namespace: namespace(),
            operation_id: operation_id.into(),
            request_id: request_id.into(),
            reason: "enough".into(),
            ..Default::default()
        };
        self.client.terminate_nexus_operation_execution(request).await.map(|_| ())
    }

    async fn listed_operations(&mut self, query: &str) -> Result<Vec<(String, Status)>> {
        let request =
            ListNexusOperationExecutionsRequest { namespace: namespace(), query: query.into(), ..Default::default() };
        let found = self.client.list_nexus_operation_executions(request).await?.into_inner().operations;
        let count = CountNexusOperationExecutionsRequest { namespace: namespace(), query: query.into() };
        let counted = self.client.count_nexus_operation_executions(count).await?.into_inner().count;
        assert_eq!(counted, found.len() as i64, "{query}");
        for info in &found {
            let told = (info.endpoint.as_str(), info.service.as_str(), info.operation.as_str());
            assert_eq!(told, (ENDPOINT, "service", "operation"));
            assert!(info.search_attributes.clone().unwrap_or_default().indexed_fields.is_empty());
        }
        Ok(found.into_iter().map(|info| (info.operation_id.clone(), info.status())).collect())
    }
}

async fn with_endpoint(name: &str, database: Database) -> Result<World> {
    let mut world = World::new(name, database, &[]).await?;
    world.endpoint(ENDPOINT, worker_target(HANDLERS)).await?;
    Ok(world)
}

/// Each step of an operation that a workflow works on, with a crash after it.
async fn survives_crashes(name: &str, database: Database) -> Result<()> {
    let mut world = with_endpoint(name, database).await?;
    let run = world.start_operation("op").await?;
    assert!(run.started);
    world.crash().await?;

    let again = world.start_operation("op").await?;
    assert_eq!((again.run_id, again.started), (run.run_id.clone(), false), "the same request");
    let other = StartNexusOperationExecutionRequest { request_id: "other".into(), ..operation("op") };
    let refused = world.client.start_nexus_operation_execution(other.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let expected = format!("nexus operation execution already started: request_id=start op, run_id={}", run.run_id);
    assert_eq!(refused.message(), expected);
    let id_conflict_policy = NexusOperationIdConflictPolicy::UseExisting.into();
    let existing = StartNexusOperationExecutionRequest { id_conflict_policy, ..other };
    let existing = world.client.start_nexus_operation_execution(existing).await?.into_inner();
    assert_eq!((existing.run_id, existing.started), (run.run_id.clone(), false));

    let task = world.nexus_task(HANDLERS).await?;
    let request = start_request(&task)?;
    let link = format!("temporal:///namespaces/default/nexus-operations/op/{}/details", run.run_id);
    assert_eq!((request.links[0].url.as_str(), &request.payload), (link.as_str(), &Some(json("\"in\""))));
    let start = StartWorkflowExecutionRequest {
        request_id: request.request_id.clone(),
        completion_callbacks: vec![callback(&request)],
        ..Default::default()
    };
    world.start("handler", HANDLERS, start).await?;
    world.answer(&task, started("token", Vec::new())).await?;
    let polled = world.poll_operation("op", Stage::Started).await?;
    assert_eq!((polled.wait_stage(), polled.operation_token.as_str()), (Stage::Started, "token"));
    world.crash().await?;

    let info = world.operation_info("op").await?;
    assert_eq!((info.status(), info.state(), info.attempt), (Status::Running, State::Started, 1));
    assert_eq!((info.nexus_header["key"].as_str(), info.identity.as_str()), ("value", "client"));
    world.workflow_task(HANDLERS, vec![complete(json("\"done\""))]).await?;
    let polled = world.poll_operation("op", Stage::Closed).await?;
    assert_eq!((polled.wait_stage(), polled.run_id), (Stage::Closed, run.run_id));
    assert_eq!(polled.outcome, Some(Outcome::Result(json("\"done\""))));
    world.crash().await?;

    let described = world.describe_operation("op").await?;
    assert_eq!(described.info.map(|info| info.status()), Some(Status::Completed));
    assert_eq!(described.input, Some(json("\"in\"")));
    assert_eq!(world.listed_operations("").await?, [("op".to_owned(), Status::Completed)]);
    world.server.panics()
}

async fn canceled_and_terminated(name: &str, database: Database) -> Result<()> {
    let mut world = with_endpoint(name, database).await?;
    world.start_operation("op").await?;
    world.cancel_operation("op", "c").await?;
    world.cancel_operation("op", "c").await?;
    let refused = world.cancel_operation("op", "d").await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::FailedPrecondition, "cancellation already requested with request ID c")
    );
    // It waits for the start, whose token it needs.
    let task = world.nexus_task(HANDLERS).await?;
    world.answer(&task, started("token", Vec::new())).await?;
    let _lost = world.nexus_task(HANDLERS).await?;
    world.crash().await?;
    let task = world.nexus_task(HANDLERS).await?;
    let asked = task.request.clone().context("a request")?.variant;
    assert!(matches!(asked, Some(request::Variant::CancelOperation(cancel)) if cancel.operation_token == "token"));
    world.answer(&task, response::Variant::CancelOperation(CancelOperationResponse {})).await?;

    let token = world.describe_operation("op").await?.long_poll_token;
    assert!(!token.is_empty());
    world.terminate_operation("op", "t").await?;
    world.crash().await?;
    world.terminate_operation("op", "t").await?;
    let info = world.operation_info("op").await?;
    assert_eq!(info.status(), Status::Terminated);
    let cancellation = info.cancellation_info.context("a cancellation")?;
    assert_eq!((cancellation.state(), cancellation.reason.as_str()), (Cancellation::Succeeded, "why"));
    // What has changed since is told at once.
    let request = DescribeNexusOperationExecutionRequest {
        namespace: namespace(),
        operation_id: "op".into(),
        run_id: info.run_id,
        long_poll_token: token,
        ..Default::default()
    };
    let changed = world.client.describe_nexus_operation_execution(request).await?.into_inner();
    assert_eq!(changed.info.map(|info| info.status()), Some(Status::Terminated));
    let Some(Outcome::Failure(failure)) = world.poll_operation("op", Stage::Closed).await?.outcome else { panic!() };
    assert_eq!(failure.message, "enough");
    Ok(())
}

async fn listed_and_deleted(name: &str, database: Database) -> Result<()> {
    let mut world = with_endpoint(name, database).await?;
    for id in ["one", "two"] {
        world.start_operation(id).await?;
        let task = world.nexus_task(HANDLERS).await?;
        world.answer(&task, sync(json("1"))).await?;
        world.poll_operation(id, Stage::Closed).await?;
    }
    world.start_operation("three").await?;
    let all = [("three", Status::Running), ("two", Status::Completed), ("one", Status::Completed)];
    let all = all.map(|(id, status)| (id.to_owned(), status));
    assert_eq!(world.listed_operations("Endpoint = 'endpoint' AND Service = 'service'").await?, all);
    assert_eq!(world.listed_operations("ExecutionStatus = 'Completed'").await?, all[1..]);
    assert_eq!(world.listed_operations("`OperationId` = 'one'").await?, all[2..]);
    assert_eq!(world.listed_operations("Operation = 'other'").await?, []);
    for id in ["one", "three"] {
        let request = DeleteNexusOperationExecutionRequest {
            namespace: namespace(),
            operation_id: id.into(),
            ..Default::default()
        };
        world.client.delete_nexus_operation_execution(request).await?;
        let gone = world.describe_operation(id).await.unwrap_err();
        let gone = gone.downcast::<tonic::Status>()?;
        assert_eq!(
            (gone.code(), gone.message().to_owned()),
            (Code::NotFound, format!("nexus operation not found for ID: {id}"))
        );
    }
    assert_eq!(world.listed_operations("").await?, all[1..2]);
    Ok(())
}

async fn bad_input_is_refused(name: &str, database: Database) -> Result<()> {
    type Request = StartNexusOperationExecutionRequest;
    let mut world = with_endpoint(name, database).await?;
    let long = "x".repeat(1_001);
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let header = |key: &str, size: usize| [(key.to_owned(), "v".repeat(size))].into();
    let valid = || operation("op");
    let cases = [
        (Request { operation_id: String::new(), ..valid() }, "operation_id is required"),
        (
            Request { operation_id: long.clone(), ..valid() },
            "operation_id exceeds length limit. Length=1001 Limit=1000",
        ),
        (Request { endpoint: String::new(), ..valid() }, "endpoint is required"),
        (Request { service: String::new(), ..valid() }, "service is required"),
        (Request { operation: long, ..valid() }, "operation exceeds length limit. Length=1001 Limit=1000"),
        (
            Request { schedule_to_close_timeout: negative, ..valid() },
            "schedule_to_close_timeout is invalid: negative duration",
        ),
        (
            Request { nexus_header: header("Request-Timeout", 1), ..valid() },
            "nexus_header contains a disallowed key: \"Request-Timeout\"",
        ),
        (Request { nexus_header: header("key", 8_190), ..valid() }, "nexus_header exceeds size limit"),
    ];
    for (request, text) in cases {
        let refused = world.client.start_nexus_operation_execution(request).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, text));
    }
    let nowhere = Request { endpoint: "nowhere".into(), ..valid() };
    let refused = world.client.start_nexus_operation_execution(nowhere).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(world.listed_operations("").await?, []);
    let refused = world.cancel_operation("op", "c").await.unwrap_err();
    assert_eq!(refused.message(), "nexus operation not found for ID: op");
    Ok(())
}

on_both!(survives_crashes, canceled_and_terminated, listed_and_deleted, bad_input_is_refused);
