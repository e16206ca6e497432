//! Pauses of workflows, and what is to be done after a reset: calls that cannot be.

use anyhow::Result;
use perdure_proto::api::{
    common::Priority,
    workflow::{
        PostResetOperation, WorkflowExecutionOptions,
        post_reset_operation::{SignalWorkflow, UpdateWorkflowOptions, Variant},
    },
    workflowservice::{
        PauseWorkflowExecutionRequest, ResetWorkflowExecutionRequest, UnpauseWorkflowExecutionRequest,
        workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use prost_types::FieldMask;
use tonic::Code;

use crate::{
    starts::{Start, start},
    table::{Row, check},
};

fn pause() -> PauseWorkflowExecutionRequest {
    PauseWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_id: "open".into(),
        request_id: "r".into(),
        ..Default::default()
    }
}

fn unpause() -> UnpauseWorkflowExecutionRequest {
    UnpauseWorkflowExecutionRequest { namespace: "default".into(), workflow_id: "open".into(), ..Default::default() }
}

/// A reset that is right but for this operation.
fn reset(variant: Variant) -> ResetWorkflowExecutionRequest {
    ResetWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: Some(perdure_proto::api::common::WorkflowExecution {
            workflow_id: "open".into(),
            run_id: String::new(),
        }),
        workflow_task_finish_event_id: 2,
        request_id: "r".into(),
        post_reset_operations: vec![PostResetOperation { variant: Some(variant) }],
        ..Default::default()
    }
}

fn signal(name: &str) -> Variant {
    Variant::SignalWorkflow(SignalWorkflow { signal_name: name.into(), ..Default::default() })
}

fn options(path: &str, priority_key: i32) -> Variant {
    let priority = Some(Priority { priority_key, ..Default::default() });
    Variant::UpdateWorkflowOptions(UpdateWorkflowOptions {
        workflow_execution_options: Some(WorkflowExecutionOptions { priority, ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec![path.into()] }),
    })
}

#[tokio::test]
async fn pauses_of_workflows() -> Result<()> {
    let server = Server::start("bad_inputs_pauses", Database::SqliteMemory).await?;
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    client.start_workflow_execution(Start { workflow_id: "open".into(), ..start() }).await?;
    let (pausing, unpausing) = ("PauseWorkflowExecution", "UnpauseWorkflowExecution");
    let long = "x".repeat(1001);
    let rows = vec![
        Row::invalid(
            pausing,
            &PauseWorkflowExecutionRequest { namespace: String::new(), ..pause() },
            "Namespace is empty.",
        ),
        Row::invalid(
            pausing,
            &PauseWorkflowExecutionRequest { workflow_id: String::new(), ..pause() },
            "WorkflowId is not set on request.",
        ),
        Row::invalid(pausing, &PauseWorkflowExecutionRequest { run_id: "x".into(), ..pause() }, "Invalid RunId."),
        Row::invalid(
            pausing,
            &PauseWorkflowExecutionRequest { reason: long.clone(), ..pause() },
            "reason is too long.",
        ),
        Row::invalid(
            pausing,
            &PauseWorkflowExecutionRequest { request_id: long.clone(), ..pause() },
            "request id is too long.",
        ),
        Row::invalid(
            pausing,
            &PauseWorkflowExecutionRequest { identity: long.clone(), ..pause() },
            "identity is too long.",
        ),
        Row::invalid(
            pausing,
            &PauseWorkflowExecutionRequest { reason: "a\0b".into(), ..pause() },
            "reason must not contain a NUL byte.",
        ),
        Row::new(
            pausing,
            &PauseWorkflowExecutionRequest { workflow_id: "nobody".into(), ..pause() },
            Code::NotFound,
            "workflow not found for ID: nobody",
        ),
        Row::new(unpausing, &unpause(), Code::FailedPrecondition, "workflow is not paused."),
        Row::invalid(unpausing, &UnpauseWorkflowExecutionRequest { reason: long, ..unpause() }, "reason is too long."),
        Row::new(
            unpausing,
            &UnpauseWorkflowExecutionRequest { workflow_id: "nobody".into(), ..unpause() },
            Code::NotFound,
            "workflow not found for ID: nobody",
        ),
    ];
    check(&server, rows).await
}

#[tokio::test]
async fn operations_after_a_reset() -> Result<()> {
    let server = Server::start("bad_inputs_post_reset", Database::SqliteMemory).await?;
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    client.start_workflow_execution(Start { workflow_id: "open".into(), ..start() }).await?;
    let method = "ResetWorkflowExecution";
    let none = vec![PostResetOperation { variant: None }];
    let none = ResetWorkflowExecutionRequest { post_reset_operations: none, ..reset(signal("s")) };
    let mask = "error parsing UpdateMask: proto: invalid path \"nope\" for message \
                \"temporal.api.workflow.v1.WorkflowExecutionOptions\"";
    let rows = vec![
        Row::invalid(method, &none, "unsupported post reset operation: <nil>"),
        Row::invalid(method, &reset(signal("")), "SignalName is not set on request."),
        Row::invalid(method, &reset(signal("a\0b")), "SignalName must not contain a NUL byte."),
        Row::invalid(method, &reset(options("nope", 1)), mask),
        Row::invalid(method, &reset(options("priority", -1)), "priority key can't be negative"),
    ];
    check(&server, rows).await
}
