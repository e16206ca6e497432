//! UpdateWorkflowExecutionOptions, and overrides of versioning at the start.

use anyhow::Result;
use perdure_proto::api::{
    common::{Priority, TimeSkippingConfig, WorkflowExecution},
    deployment::{Deployment, WorkerDeploymentVersion},
    enums::VersioningBehavior as Behavior,
    workflow::{
        VersioningOverride, WorkflowExecutionOptions as Options,
        versioning_override::{OneTimeOverride, Override, PinnedOverride},
    },
    workflowservice::{
        UpdateWorkflowExecutionOptionsRequest as Update, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use prost_types::FieldMask;
use tonic::Code;

use crate::{
    starts::{Start, start},
    table::{Row, check},
};

const UPDATE: &str = "UpdateWorkflowExecutionOptions";
const ABSENT: &str = "Pinned version 'd:1' is not present in task queue 'q' of type 'Workflow'";

fn update(path: &str, options: Options) -> Update {
    Update {
        namespace: "default".into(),
        workflow_execution: Some(WorkflowExecution { workflow_id: "open".into(), run_id: String::new() }),
        workflow_execution_options: Some(options),
        update_mask: Some(FieldMask { paths: vec![path.into()] }),
        ..Default::default()
    }
}

fn overriding(given: VersioningOverride) -> Update {
    update("versioning_override", Options { versioning_override: Some(given), ..Default::default() })
}

fn newest(kind: Override) -> VersioningOverride {
    VersioningOverride { r#override: Some(kind), ..Default::default() }
}

fn version() -> Option<WorkerDeploymentVersion> {
    Some(WorkerDeploymentVersion { deployment_name: "d".into(), build_id: "1".into() })
}

fn pinned(behavior: i32, version: Option<WorkerDeploymentVersion>) -> VersioningOverride {
    newest(Override::Pinned(PinnedOverride { behavior, version }))
}

fn older(behavior: Behavior, deployment: Option<(&str, &str)>, pinned_version: &str) -> VersioningOverride {
    VersioningOverride {
        behavior: behavior.into(),
        deployment: deployment
            .map(|(name, build_id)| Deployment { series_name: name.into(), build_id: build_id.into() }),
        pinned_version: pinned_version.into(),
        r#override: None,
    }
}

/// Overrides that are wrong wherever they are set.
fn overrides() -> Vec<(VersioningOverride, Code, &'static str)> {
    let invalid = |given: VersioningOverride, text: &'static str| (given, Code::InvalidArgument, text);
    let absent = |given: VersioningOverride| (given, Code::FailedPrecondition, ABSENT);
    let one_time = |target_deployment_version| newest(Override::OneTime(OneTimeOverride { target_deployment_version }));
    vec![
        invalid(VersioningOverride::default(), "override behavior is required"),
        invalid(newest(Override::AutoUpgrade(false)), "override behavior is required"),
        invalid(pinned(0, version()), "must specify pinned override behavior if override is pinned."),
        invalid(one_time(None), "must provide target deployment version if override is one-time."),
        invalid(
            older(Behavior::Pinned, None, ""),
            "must provide deployment (deprecated) or pinned version if behavior is 'PINNED'",
        ),
        invalid(
            older(Behavior::Pinned, None, "x"),
            "invalid version string \"x\", expected format is \"<deployment_name>.<build_id>\"",
        ),
        invalid(older(Behavior::Pinned, Some(("a.b", "1")), ""), "deployment name cannot contain '.' or ':'"),
        invalid(older(Behavior::AutoUpgrade, Some(("d", "1")), ""), "only provide deployment if behavior is 'PINNED'"),
        invalid(VersioningOverride { behavior: 9, ..Default::default() }, "override behavior 9 not recognized"),
        absent(pinned(1, version())),
        absent(one_time(version())),
        absent(older(Behavior::Pinned, None, "d.1")),
        absent(older(Behavior::Pinned, Some(("d", "1")), "")),
    ]
}

fn updates() -> Vec<Row> {
    let row = |request: Update, text: &str| Row::invalid(UPDATE, &request, text);
    let mask = |path: &str| update(path, Options::default());
    let path = |path: &str| {
        format!(
            "error parsing UpdateMask: proto: invalid path {path:?} for message \
             \"temporal.api.workflow.v1.WorkflowExecutionOptions\""
        )
    };
    let together = "error applying update_options: versioning_override fields must be updated together";
    let negative =
        Options { priority: Some(Priority { priority_key: -2, ..Default::default() }), ..Default::default() };
    let of = |workflow_id: &str| Update {
        workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.into(), run_id: String::new() }),
        ..mask("priority")
    };
    let skipping = Options { time_skipping_config: Some(TimeSkippingConfig::default()), ..Default::default() };
    vec![
        row(of(""), "WorkflowId is not set on request."),
        row(Update { update_mask: None, ..mask("") }, "UpdateMask is required"),
        row(Update { workflow_execution_options: None, ..mask("priority") }, "WorkflowExecutionOptions is required"),
        row(mask("nope"), &path("nope")),
        row(mask("versioningOverride"), &path("versioningOverride")),
        row(mask("versioning_override.nope"), &path("versioning_override.nope")),
        row(mask("versioning_override.behavior"), together),
        row(
            mask("versioning_override.auto_upgrade"),
            "error applying update_options: versioning_override doesn't support partial updates",
        ),
        row(update("priority", negative), "priority key can't be negative"),
        Row::new(
            UPDATE,
            &update("time_skipping_config", skipping),
            Code::Unimplemented,
            "The Time-Skipping feature is not enabled for namespace.",
        ),
        Row::new(
            UPDATE,
            &overriding(pinned(1, None)),
            Code::FailedPrecondition,
            "must specify a specific pinned override version because workflow with id open has behavior Unspecified \
             and is not yet pinned to any version",
        ),
        Row::new(UPDATE, &of("absent"), Code::NotFound, "workflow not found for ID: absent"),
        row(Update { identity: "\0".into(), ..mask("priority") }, "Identity must not contain a NUL byte."),
    ]
}

#[tokio::test]
async fn are_refused() -> Result<()> {
    let server = Server::start("bad_inputs_workflow_options", Database::SqliteMemory).await?;
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    client.start_workflow_execution(Start { workflow_id: "open".into(), ..start() }).await?;
    let mut rows = updates();
    for (given, code, text) in overrides() {
        rows.push(Row::new(UPDATE, &overriding(given.clone()), code, text));
        let started = Start { workflow_id: "new".into(), versioning_override: Some(given), ..start() };
        rows.push(Row::new("StartWorkflowExecution", &started, code, text));
    }
    let unnamed = Start { versioning_override: Some(pinned(1, None)), ..start() };
    rows.push(Row::invalid("StartWorkflowExecution", &unnamed, "must provide version if override is pinned."));
    check(&server, rows).await
}
