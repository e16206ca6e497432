//! ExecuteMultiOperation: the answer tells of each operation, and what is refused neither starts nor updates anything.

use anyhow::{Context, Result, ensure};
use perdure_proto::{
    api::{
        common::WorkflowExecution,
        enums::{UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowIdConflictPolicy as Conflict},
        errordetails::MultiOperationExecutionFailure,
        update::{Input, Meta, Request, WaitPolicy},
        workflowservice::{
            DescribeWorkflowExecutionRequest, ExecuteMultiOperationRequest, UpdateWorkflowExecutionRequest,
            execute_multi_operation_request::{Operation as Item, operation::Operation},
            workflow_service_client::WorkflowServiceClient,
        },
    },
    google::rpc,
};
use perdure_tests::{Database, Server};
use prost::Message;
use tonic::Code;

use crate::{
    starts::{Start, start},
    table::{Row, check},
};

type Update = UpdateWorkflowExecutionRequest;
const ABORTED: (Code, &str) = (Code::Aborted, "Operation was aborted.");

fn update() -> Update {
    UpdateWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: Some(WorkflowExecution { workflow_id: "w".into(), run_id: String::new() }),
        request: Some(Request {
            meta: Some(Meta { update_id: "u".into(), ..Default::default() }),
            input: Some(Input { name: "n".into(), ..Default::default() }),
            ..Default::default()
        }),
        wait_policy: Some(WaitPolicy { lifecycle_stage: Stage::Accepted.into() }),
        ..Default::default()
    }
}

fn request(operations: Vec<Operation>) -> ExecuteMultiOperationRequest {
    ExecuteMultiOperationRequest {
        namespace: "default".into(),
        operations: operations.into_iter().map(|operation| Item { operation: Some(operation) }).collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn operations_are_a_start_and_an_update() -> Result<()> {
    let server = Server::start("bad_inputs_multi_kinds", Database::SqliteMemory).await?;
    let started = || Operation::StartWorkflow(start());
    let updated = || Operation::UpdateWorkflow(update());
    let given = [
        vec![],
        vec![started()],
        vec![updated(), started()],
        vec![started(), started()],
        vec![started(), updated(), updated()],
    ];
    let message = "Operations have to be exactly [Start, Update].";
    check(&server, given.map(|given| Row::invalid("ExecuteMultiOperation", &request(given), message)).into()).await
}

#[tokio::test]
async fn each_operation_has_a_status() -> Result<()> {
    let server = Server::start("bad_inputs_multi", Database::SqliteMemory).await?;
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    let invalid = |message| (Code::InvalidArgument, message);
    let other_namespace = invalid("Operation namespace did not match request's namespace.");
    let unnamed = Request { input: Some(Input::default()), ..update().request.unwrap_or_default() };
    let on = |workflow_id: &str, run_id: &str| {
        let execution = WorkflowExecution { workflow_id: workflow_id.into(), run_id: run_id.into() };
        Update { workflow_execution: Some(execution), ..update() }
    };
    let cases = [
        (Start { namespace: "other".into(), ..start() }, update(), [other_namespace, ABORTED]),
        (start(), Update { namespace: "other".into(), ..update() }, [ABORTED, other_namespace]),
        (start(), on("v", ""), [ABORTED, invalid("WorkflowId is not consistent with previous operation(s).")]),
        (
            start(),
            Update { request: Some(unnamed), ..update() },
            [ABORTED, invalid("Update name is not set on request.")],
        ),
        (
            Start { workflow_id: String::new(), ..start() },
            update(),
            [invalid("WorkflowId is not set on request."), ABORTED],
        ),
        (Start { task_queue: None, ..start() }, update(), [invalid("taskQueue is not set"), ABORTED]),
        (
            Start { task_queue: None, ..start() },
            on("", ""),
            [invalid("taskQueue is not set"), invalid("WorkflowId is not set on request.")],
        ),
        (
            Start { cron_schedule: "* * * * *".into(), ..start() },
            update(),
            [invalid("CronSchedule is not allowed."), ABORTED],
        ),
        (
            Start { request_eager_execution: true, ..start() },
            update(),
            [invalid("RequestEagerExecution is not supported."), ABORTED],
        ),
        (
            Start { workflow_start_delay: Some(prost_types::Duration { seconds: 1, nanos: 0 }), ..start() },
            update(),
            [invalid("WorkflowStartDelay is not supported."), ABORTED],
        ),
        (
            start(),
            Update { first_execution_run_id: "r".into(), ..update() },
            [ABORTED, invalid("FirstExecutionRunId is not allowed.")],
        ),
        (start(), on("w", "0f000000-0000-4000-8000-000000000000"), [ABORTED, invalid("RunId is not allowed.")]),
    ];
    for (start, update, expected) in cases {
        let operations = vec![Operation::StartWorkflow(start), Operation::UpdateWorkflow(update)];
        let status = client.execute_multi_operation(request(operations)).await.err().context("accepted")?;
        expect(&status, Code::InvalidArgument, expected)?;
    }
    let describe = DescribeWorkflowExecutionRequest {
        namespace: "default".into(),
        execution: Some(WorkflowExecution { workflow_id: "w".into(), run_id: String::new() }),
    };
    let unknown = client.describe_workflow_execution(describe).await.err().context("something was started")?;
    assert_eq!(unknown.code(), Code::NotFound);

    let run_id = client.start_workflow_execution(start()).await?.into_inner().run_id;
    let again = Start { request_id: "again".into(), workflow_id_conflict_policy: Conflict::Fail.into(), ..start() };
    let operations = vec![Operation::StartWorkflow(again), Operation::UpdateWorkflow(update())];
    let status = client.execute_multi_operation(request(operations)).await.err().context("accepted")?;
    let running = format!("Workflow execution is already running. WorkflowId: w, RunId: {run_id}.");
    expect(&status, Code::AlreadyExists, [(Code::AlreadyExists, &running), ABORTED])
}

fn expect(status: &tonic::Status, code: Code, expected: [(Code, &str); 2]) -> Result<()> {
    ensure!(status.code() == code, "{status:?}");
    ensure!(status.message() == "Update-with-Start could not be executed.", "{status:?}");
    let details = rpc::Status::decode(status.details())?.details;
    let detail = details.first().context("no detail")?;
    ensure!(detail.type_url.ends_with("errordetails.v1.MultiOperationExecutionFailure"), "{detail:?}");
    let failure = MultiOperationExecutionFailure::decode(detail.value.as_slice())?;
    let told: Vec<_> =
        failure.statuses.iter().map(|status| (Code::from(status.code), status.message.as_str())).collect();
    ensure!(told == expected, "{told:?} instead of {expected:?}");
    for status in failure.statuses.iter().filter(|status| status.code == i32::from(Code::Aborted)) {
        let url = status.details.first().map(|detail| detail.type_url.as_str());
        ensure!(url == Some("type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted"), "{url:?}");
    }
    Ok(())
}
