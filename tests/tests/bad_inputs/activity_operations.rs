//! What operators do to activities: calls that name none, or say what cannot be.

use anyhow::Result;
use perdure_proto::api::{
    activity::ActivityOptions,
    common::WorkflowExecution,
    workflowservice::{
        PauseActivityExecutionRequest, PauseActivityRequest, ResetActivityExecutionRequest, ResetActivityRequest,
        UnpauseActivityExecutionRequest, UnpauseActivityRequest, UpdateActivityExecutionOptionsRequest,
        UpdateActivityOptionsRequest, pause_activity_request, reset_activity_request, unpause_activity_request,
        update_activity_options_request, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use prost_types::{Duration, FieldMask};
use tonic::Code;

use crate::{
    starts::{Start, start},
    table::{Row, check},
};

const NOT_SELECTED: &str = "Either Activity.Id or Activity.Type should be set on request.";
const NOT_PENDING: &str = "Can't find pending activity with such ID. Invalid activityID or activity already completed";
/// Without a workflow the calls mean an activity of its own.
const STANDALONE: &str = "activity not found for ID: a";

fn execution() -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: "open".into(), run_id: String::new() })
}

fn pause() -> PauseActivityRequest {
    let activity = Some(pause_activity_request::Activity::Id("a".into()));
    PauseActivityRequest { namespace: "default".into(), execution: execution(), activity, ..Default::default() }
}

fn unpause() -> UnpauseActivityRequest {
    let activity = Some(unpause_activity_request::Activity::UnpauseAll(true));
    UnpauseActivityRequest { namespace: "default".into(), execution: execution(), activity, ..Default::default() }
}

fn reset() -> ResetActivityRequest {
    let activity = Some(reset_activity_request::Activity::Type("t".into()));
    ResetActivityRequest { namespace: "default".into(), execution: execution(), activity, ..Default::default() }
}

fn update() -> UpdateActivityOptionsRequest {
    UpdateActivityOptionsRequest {
        namespace: "default".into(),
        execution: execution(),
        activity: Some(update_activity_options_request::Activity::Id("a".into())),
        activity_options: Some(ActivityOptions::default()),
        update_mask: mask("start_to_close_timeout"),
        ..Default::default()
    }
}

fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask { paths: vec![path.into()] })
}

fn negative() -> Option<Duration> {
    Some(Duration { seconds: -1, nanos: 0 })
}

#[tokio::test]
async fn operators_of_workflow_activities() -> Result<()> {
    let server = Server::start("bad_inputs_operators", Database::SqliteMemory).await?;
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    client.start_workflow_execution(Start { workflow_id: "open".into(), ..start() }).await?;
    let (pausing, unpausing, resetting) = ("PauseActivity", "UnpauseActivity", "ResetActivity");
    let updating = "UpdateActivityOptions";
    let no_workflow = "WorkflowId is not set on request.";
    let nobody = Some(WorkflowExecution { workflow_id: "nobody".into(), run_id: String::new() });
    let both = "Both UpdateMask and RestoreOriginal are provided";
    let path = "unsupported update_mask path: \"start_delay\"";
    let rows = vec![
        Row::invalid(pausing, &PauseActivityRequest { execution: None, ..pause() }, no_workflow),
        Row::invalid(pausing, &PauseActivityRequest { activity: None, ..pause() }, NOT_SELECTED),
        Row::invalid(
            pausing,
            &PauseActivityRequest { reason: "x".repeat(2 * 1024 * 1024 + 1), ..pause() },
            "reason exceeds length limit",
        ),
        Row::new(pausing, &pause(), Code::NotFound, NOT_PENDING),
        Row::new(
            pausing,
            &PauseActivityRequest { execution: nobody, ..pause() },
            Code::NotFound,
            "workflow not found for ID: nobody",
        ),
        Row::invalid(unpausing, &UnpauseActivityRequest { execution: None, ..unpause() }, no_workflow),
        Row::invalid(unpausing, &UnpauseActivityRequest { activity: None, ..unpause() }, NOT_SELECTED),
        Row::invalid(
            unpausing,
            &UnpauseActivityRequest { jitter: negative(), ..unpause() },
            "invalid jitter: negative duration",
        ),
        Row::new(unpausing, &unpause(), Code::NotFound, NOT_PENDING),
        Row::invalid(resetting, &ResetActivityRequest { execution: None, ..reset() }, no_workflow),
        Row::invalid(resetting, &ResetActivityRequest { activity: None, ..reset() }, NOT_SELECTED),
        Row::new(resetting, &reset(), Code::NotFound, NOT_PENDING),
        Row::invalid(updating, &UpdateActivityOptionsRequest { activity: None, ..update() }, NOT_SELECTED),
        Row::invalid(updating, &UpdateActivityOptionsRequest { restore_original: true, ..update() }, both),
        Row::invalid(updating, &UpdateActivityOptionsRequest { update_mask: mask("start_delay"), ..update() }, path),
        Row::new(updating, &update(), Code::NotFound, NOT_PENDING),
    ];
    check(&server, rows).await
}

#[tokio::test]
async fn operators_of_activity_executions() -> Result<()> {
    let server = Server::start("bad_inputs_executions", Database::SqliteMemory).await?;
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    client.start_workflow_execution(Start { workflow_id: "open".into(), ..start() }).await?;
    let (pausing, unpausing) = ("PauseActivityExecution", "UnpauseActivityExecution");
    let (resetting, updating) = ("ResetActivityExecution", "UpdateActivityExecutionOptions");
    let pause = PauseActivityExecutionRequest {
        namespace: "default".into(),
        workflow_id: "open".into(),
        activity_id: "a".into(),
        ..Default::default()
    };
    let unpause = UnpauseActivityExecutionRequest {
        namespace: "default".into(),
        workflow_id: "open".into(),
        activity_id: "a".into(),
        ..Default::default()
    };
    let reset = ResetActivityExecutionRequest {
        namespace: "default".into(),
        workflow_id: "open".into(),
        activity_id: "a".into(),
        ..Default::default()
    };
    let update = UpdateActivityExecutionOptionsRequest {
        namespace: "default".into(),
        workflow_id: "open".into(),
        activity_id: "a".into(),
        ..Default::default()
    };
    let alone = || String::new();
    let rows = vec![
        Row::new(
            pausing,
            &PauseActivityExecutionRequest { workflow_id: alone(), ..pause.clone() },
            Code::NotFound,
            STANDALONE,
        ),
        Row::invalid(
            pausing,
            &PauseActivityExecutionRequest { activity_id: alone(), ..pause.clone() },
            "activity ID is required",
        ),
        Row::invalid(
            pausing,
            &PauseActivityExecutionRequest { identity: "x".repeat(1001), ..pause.clone() },
            "identity exceeds length limit. Length=1001 Limit=1000",
        ),
        Row::new(pausing, &pause, Code::NotFound, NOT_PENDING),
        Row::invalid(
            unpausing,
            &UnpauseActivityExecutionRequest { run_id: "r".into(), ..unpause.clone() },
            "invalid run id: must be a valid UUID",
        ),
        Row::new(unpausing, &unpause, Code::NotFound, NOT_PENDING),
        Row::invalid(
            resetting,
            &ResetActivityExecutionRequest { jitter: negative(), ..reset.clone() },
            "invalid jitter: negative duration",
        ),
        Row::new(resetting, &reset, Code::NotFound, NOT_PENDING),
        Row::invalid(updating, &update, "ActivityOptions are not provided"),
        Row::new(
            updating,
            &UpdateActivityExecutionOptionsRequest { restore_original: true, ..update.clone() },
            Code::NotFound,
            NOT_PENDING,
        ),
    ];
    check(&server, rows).await
}
