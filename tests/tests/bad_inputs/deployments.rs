//! Worker deployments, and the older ways to version workers: calls that cannot be.

use std::time::Duration;

use anyhow::Result;
use perdure_proto::api::{
    common::{Payload, WorkerVersionCapabilities},
    deployment::{WorkerDeploymentOptions, WorkerDeploymentVersion},
    enums::WorkerVersioningMode,
    taskqueue::TaskQueue,
    workflowservice::{self as api, workflow_service_client::WorkflowServiceClient},
};
use perdure_tests::{Database, Server};
use prost::bytes::Bytes;
use tonic::Code;

use crate::table::{Row, check};

const NO_DEPLOYMENT: &str = "no Worker Deployment found with name 'nope'; does your Worker Deployment have pollers?";
const TOO_LONG: &str = "size of WorkerDeploymentName larger than the maximum allowed";

fn namespace() -> String {
    "default".into()
}

fn version(deployment_name: &str, build_id: &str) -> Option<WorkerDeploymentVersion> {
    Some(WorkerDeploymentVersion { deployment_name: deployment_name.into(), build_id: build_id.into() })
}

fn describe(deployment_name: &str) -> api::DescribeWorkerDeploymentRequest {
    api::DescribeWorkerDeploymentRequest { namespace: namespace(), deployment_name: deployment_name.into() }
}

fn describe_version(
    deployment_version: Option<WorkerDeploymentVersion>,
    version: &str,
) -> api::DescribeWorkerDeploymentVersionRequest {
    let version = version.into();
    api::DescribeWorkerDeploymentVersionRequest {
        namespace: namespace(),
        deployment_version,
        version,
        ..Default::default()
    }
}

fn current(deployment_name: &str, build_id: &str) -> api::SetWorkerDeploymentCurrentVersionRequest {
    api::SetWorkerDeploymentCurrentVersionRequest {
        namespace: namespace(),
        deployment_name: deployment_name.into(),
        build_id: build_id.into(),
        ..Default::default()
    }
}

fn ramping(deployment_name: &str, build_id: &str, percentage: f32) -> api::SetWorkerDeploymentRampingVersionRequest {
    api::SetWorkerDeploymentRampingVersionRequest {
        namespace: namespace(),
        deployment_name: deployment_name.into(),
        build_id: build_id.into(),
        percentage,
        ..Default::default()
    }
}

fn delete_version(deployment_version: Option<WorkerDeploymentVersion>) -> api::DeleteWorkerDeploymentVersionRequest {
    api::DeleteWorkerDeploymentVersionRequest { namespace: namespace(), deployment_version, ..Default::default() }
}

fn metadata(
    deployment_version: Option<WorkerDeploymentVersion>,
    bytes: usize,
) -> api::UpdateWorkerDeploymentVersionMetadataRequest {
    let payload = Payload { data: vec![7; bytes].into(), ..Default::default() };
    api::UpdateWorkerDeploymentVersionMetadataRequest {
        namespace: namespace(),
        deployment_version,
        upsert_entries: [("k".to_owned(), payload)].into(),
        ..Default::default()
    }
}

fn create_version(deployment_version: Option<WorkerDeploymentVersion>) -> api::CreateWorkerDeploymentVersionRequest {
    api::CreateWorkerDeploymentVersionRequest { namespace: namespace(), deployment_version, ..Default::default() }
}

/// `d` has the version `1`, which is current and has no pollers.
async fn started() -> Result<Server> {
    let server = Server::start("bad_deployments", Database::SqliteMemory).await?;
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    let first = api::SetWorkerDeploymentCurrentVersionRequest { allow_no_pollers: true, ..current("d", "1") };
    client.set_worker_deployment_current_version(first).await?;
    Ok(server)
}

#[tokio::test]
async fn deployments() -> Result<()> {
    let server = started().await?;
    let before = {
        let mut client = WorkflowServiceClient::new(server.channel().await?);
        client.describe_worker_deployment(describe("d")).await?.into_inner()
    };
    check(&server, [names(), reads(), routes(), writes(), withdrawn()].into_iter().flatten().collect()).await?;
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    assert_eq!(client.describe_worker_deployment(describe("d")).await?.into_inner(), before);
    let listed = api::ListWorkerDeploymentsRequest { namespace: namespace(), ..Default::default() };
    assert_eq!(client.list_worker_deployments(listed).await?.into_inner().worker_deployments.len(), 1);
    Ok(())
}

fn names() -> Vec<Row> {
    let long = "d".repeat(481);
    let of = |name: &str, message: &str| Row::invalid("DescribeWorkerDeployment", &describe(name), message);
    vec![
        of("", "WorkerDeploymentName cannot be empty"),
        of("a.b", "worker deployment name cannot contain '.'"),
        of("a:b", "worker deployment name cannot contain ':'"),
        of("__a", "WorkerDeploymentName cannot start with '__'"),
        of("a\0", "WorkerDeploymentName must not contain a NUL byte."),
        of(&long, TOO_LONG),
        Row::invalid("SetWorkerDeploymentCurrentVersion", &current(&long, "1"), TOO_LONG),
        Row::invalid("SetWorkerDeploymentCurrentVersion", &current("d", "__1"), "BuildID cannot start with '__'"),
        Row::invalid(
            "CreateWorkerDeploymentVersion",
            &create_version(version("d", "b\0")),
            "BuildID must not contain a NUL byte.",
        ),
    ]
}

fn reads() -> Vec<Row> {
    let format =
        |text: &str| format!("invalid version string {text:?}, expected format is \"<deployment_name>.<build_id>\"");
    let of = |version, text: &str, message: String| {
        Row::invalid("DescribeWorkerDeploymentVersion", &describe_version(version, text), message)
    };
    let not_found = "Worker Deployment Version not found";
    let token = api::ListWorkerDeploymentsRequest {
        namespace: namespace(),
        next_page_token: Bytes::from_static(b"garbage"),
        ..Default::default()
    };
    vec![
        Row::new("DescribeWorkerDeployment", &describe("nope"), Code::NotFound, NO_DEPLOYMENT),
        of(None, "", "deployment version cannot be empty".into()),
        of(None, "nodot", format("nodot")),
        of(version("d", ""), "", format("d.")),
        of(None, "__unversioned__", "WorkerDeploymentName cannot be empty".into()),
        Row::new(
            "DescribeWorkerDeploymentVersion",
            &describe_version(version("d", "9"), ""),
            Code::NotFound,
            not_found,
        ),
        Row::new("DescribeWorkerDeploymentVersion", &describe_version(None, "nope.1"), Code::NotFound, not_found),
        Row::invalid("ListWorkerDeployments", &token, "Invalid NextPageToken."),
    ]
}

fn routes() -> Vec<Row> {
    let range = "Percentage must be between 0 and 100 (inclusive)";
    let other = api::SetWorkerDeploymentCurrentVersionRequest { version: "other.1".into(), ..current("d", "") };
    let nodot = api::SetWorkerDeploymentRampingVersionRequest { version: "nodot".into(), ..ramping("d", "", 1.0) };
    let stale = api::SetWorkerDeploymentCurrentVersionRequest {
        conflict_token: Bytes::from_static(b"stale"),
        ..current("d", "")
    };
    let precondition = |method, message: &str| (method, Code::FailedPrecondition, message.to_owned());
    let (current_name, ramping_name) = ("SetWorkerDeploymentCurrentVersion", "SetWorkerDeploymentRampingVersion");
    let not_in = "build ID '9' not found in Worker Deployment 'd'";
    let (method, code, mismatch) = precondition(current_name, "conflict token mismatch");
    let is_current = "requested ramping version d.1 is already current";
    vec![
        Row::invalid(current_name, &current("", "1"), "deployment name cannot be empty"),
        Row::invalid(ramping_name, &ramping("", "1", 1.0), "WorkerDeploymentName cannot be empty"),
        Row::invalid(current_name, &other, "invalid version string 'other.1' does not match deployment name 'd'"),
        Row::invalid(
            ramping_name,
            &nodot,
            "invalid version string: expected delimiter ':' or '.' not found in version string nodot",
        ),
        Row::invalid(ramping_name, &ramping("d", "1", 101.0), range),
        Row::invalid(ramping_name, &ramping("d", "1", -1.0), range),
        Row::invalid(ramping_name, &ramping("d", "1", f32::NAN), range),
        Row::new(current_name, &current("nope", "1"), Code::NotFound, NO_DEPLOYMENT),
        Row::new(ramping_name, &ramping("nope", "1", 1.0), Code::NotFound, NO_DEPLOYMENT),
        Row::new(current_name, &current("d", "9"), Code::NotFound, not_in),
        Row::new(ramping_name, &ramping("d", "9", 1.0), Code::NotFound, not_in),
        Row::new(ramping_name, &ramping("d", "1", 1.0), Code::FailedPrecondition, is_current),
        Row::new(method, &stale, code, mismatch),
    ]
}

fn writes() -> Vec<Row> {
    let manager = |deployment_name: &str, identity: &str| api::SetWorkerDeploymentManagerRequest {
        namespace: namespace(),
        deployment_name: deployment_name.into(),
        identity: identity.into(),
        ..Default::default()
    };
    let nothing = api::UpdateWorkerDeploymentVersionMetadataRequest {
        upsert_entries: Default::default(),
        ..metadata(version("d", "1"), 1)
    };
    let delete = api::DeleteWorkerDeploymentRequest {
        namespace: namespace(),
        deployment_name: "d".into(),
        identity: String::new(),
    };
    let routed = "version 'd:1' cannot be deleted since it is current or ramping";
    let too_large = "the metadata of all versions of Worker Deployment 'd' would exceed 2097152 bytes";
    let validate = api::ValidateWorkerDeploymentVersionComputeConfigRequest {
        namespace: namespace(),
        deployment_version: version("d", "1"),
        ..Default::default()
    };
    let compute = api::UpdateWorkerDeploymentVersionComputeConfigRequest {
        namespace: namespace(),
        deployment_version: version("d", "1"),
        compute_config_scaling_groups: [("g".to_owned(), Default::default())].into(),
        ..Default::default()
    };
    let no_compute = "Compute configurations are not supported: this server does not start workers";
    let nothing_prior = "No prior compute config found, which means nothing can be removed and something needs to be \
                         added to be valid";
    let both = "At least one of remove_entries or upsert_entries must be provided";
    let versions = "deployment has versions, can't be deleted";
    let (not_found, precondition) = (Code::NotFound, Code::FailedPrecondition);
    vec![
        Row::invalid("SetWorkerDeploymentManager", &manager("d", ""), "Identity is required"),
        Row::new("SetWorkerDeploymentManager", &manager("nope", "me"), not_found, NO_DEPLOYMENT),
        Row::invalid("UpdateWorkerDeploymentVersionMetadata", &nothing, both),
        Row::new(
            "UpdateWorkerDeploymentVersionMetadata",
            &metadata(version("d", "9"), 1),
            not_found,
            "build ID '9' not found in Worker Deployment 'd'",
        ),
        Row::invalid("UpdateWorkerDeploymentVersionMetadata", &metadata(version("d", "1"), 2 << 20), too_large),
        Row::new("DeleteWorkerDeployment", &delete, precondition, versions),
        Row::new("DeleteWorkerDeploymentVersion", &delete_version(version("d", "1")), precondition, routed),
        Row::new("DeleteWorkerDeploymentVersion", &delete_version(version("nope", "1")), not_found, NO_DEPLOYMENT),
        Row::invalid("CreateWorkerDeploymentVersion", &create_version(None), "deployment name cannot be empty"),
        Row::invalid("CreateWorkerDeploymentVersion", &create_version(version("d", "")), "build ID cannot be empty"),
        Row::new("CreateWorkerDeploymentVersion", &create_version(version("nope", "1")), not_found, NO_DEPLOYMENT),
        Row::invalid("ValidateWorkerDeploymentVersionComputeConfig", &validate, nothing_prior),
        Row::new("UpdateWorkerDeploymentVersionComputeConfig", &compute, Code::Unimplemented, no_compute),
    ]
}

fn withdrawn() -> Vec<Row> {
    let sets = "Worker versioning v0.1 (Version Set-based, deprecated) is disabled on this namespace.";
    let rules = "Worker versioning v0.2 (Rules-based, deprecated) is disabled on this namespace.";
    let denied = Code::PermissionDenied;
    let update_sets = api::UpdateWorkerBuildIdCompatibilityRequest { namespace: namespace(), ..Default::default() };
    let get_sets = api::GetWorkerBuildIdCompatibilityRequest { namespace: namespace(), ..Default::default() };
    let update_rules = api::UpdateWorkerVersioningRulesRequest { namespace: namespace(), ..Default::default() };
    let get_rules = api::GetWorkerVersioningRulesRequest { namespace: namespace(), ..Default::default() };
    let reachability = api::GetWorkerTaskReachabilityRequest { namespace: namespace(), ..Default::default() };
    let nowhere = api::GetWorkerVersioningRulesRequest { namespace: "nope".into(), ..Default::default() };
    let poll = |mode: WorkerVersioningMode, use_versioning| api::PollWorkflowTaskQueueRequest {
        namespace: namespace(),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        worker_version_capabilities: Some(WorkerVersionCapabilities {
            build_id: "b".into(),
            use_versioning,
            ..Default::default()
        }),
        deployment_options: Some(WorkerDeploymentOptions {
            deployment_name: "a.b".into(),
            build_id: "b".into(),
            worker_versioning_mode: mode.into(),
        }),
        ..Default::default()
    };
    let progress = "Worker versioning in workflow progress APIs is disabled on this namespace.";
    let dot = "worker deployment name cannot contain '.'";
    vec![
        Row::new("UpdateWorkerBuildIdCompatibility", &update_sets, denied, sets),
        Row::new("GetWorkerBuildIdCompatibility", &get_sets, denied, sets),
        Row::new("UpdateWorkerVersioningRules", &update_rules, denied, rules),
        Row::new("GetWorkerVersioningRules", &get_rules, denied, rules),
        Row::new("GetWorkerTaskReachability", &reachability, denied, rules),
        Row::new("GetWorkerVersioningRules", &nowhere, Code::NotFound, "Namespace nope is not found.")
            .with_detail("NamespaceNotFoundFailure"),
        Row::new("PollWorkflowTaskQueue", &poll(WorkerVersioningMode::Unversioned, true), denied, progress),
        Row::invalid("PollWorkflowTaskQueue", &poll(WorkerVersioningMode::Versioned, true), dot)
            .with_timeout(Duration::from_secs(5)),
    ]
}
