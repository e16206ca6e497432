//! StartWorkflowExecution and SignalWithStartWorkflowExecution: what is refused starts nothing.

use anyhow::Result;
use perdure_proto::api::{
    common::{
        Callback, Link, Memo, Payload, Payloads, Priority, RetryPolicy, SearchAttributes, WorkflowType,
        callback::{Nexus, Variant},
    },
    enums::{WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse},
    sdk::UserMetadata,
    taskqueue::TaskQueue,
    workflow::{OnConflictOptions, VersioningOverride},
    workflowservice::{
        CountWorkflowExecutionsRequest, DeprecateNamespaceRequest, RegisterNamespaceRequest,
        SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest,
        workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use prost_types::Duration;
use tonic::Code;

use crate::table::{Row, check};

pub(crate) type Start = StartWorkflowExecutionRequest;
type SignalWithStart = SignalWithStartWorkflowExecutionRequest;
const NAMESPACE: &str = "default";
const START: &str = "StartWorkflowExecution";
const SIGNAL_WITH_START: &str = "SignalWithStartWorkflowExecution";

/// A request that would be accepted.
pub(crate) fn start() -> Start {
    Start {
        namespace: NAMESPACE.into(),
        workflow_id: "w".into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: queue("q"),
        request_id: "r".into(),
        ..Default::default()
    }
}

fn signal_with_start() -> SignalWithStart {
    SignalWithStart {
        namespace: NAMESPACE.into(),
        workflow_id: "w".into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: queue("q"),
        request_id: "r".into(),
        signal_name: "s".into(),
        ..Default::default()
    }
}

fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue { name: name.into(), ..Default::default() })
}

fn long() -> String {
    "x".repeat(1001)
}

fn payload(len: usize) -> Payload {
    Payload { data: vec![0; len].into(), ..Default::default() }
}

fn large() -> Option<Payloads> {
    Some(Payloads { payloads: vec![payload(2 * 1024 * 1024)] })
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

fn ids_and_queues() -> Vec<Row> {
    let row = |request: Start, message: &str| Row::invalid(START, &request, message);
    let unknown = Start { namespace: "none".into(), ..start() };
    vec![
        row(Start { namespace: String::new(), ..start() }, "Namespace is empty."),
        row(Start { namespace: long(), ..start() }, "Namespace length exceeds limit."),
        Row::new(START, &unknown, Code::NotFound, "Namespace none is not found.")
            .with_detail("NamespaceNotFoundFailure"),
        row(Start { workflow_id: String::new(), ..start() }, "WorkflowId is not set on request."),
        row(Start { workflow_id: long(), ..start() }, "WorkflowId exceeds maximum allowed length (1001/1000)"),
        row(Start { workflow_id: "w\0".into(), ..start() }, "WorkflowId must not contain a NUL byte."),
        row(Start { workflow_type: None, ..start() }, "WorkflowType is not set on request."),
        row(
            Start { workflow_type: Some(WorkflowType { name: long() }), ..start() },
            "WorkflowType length exceeds limit.",
        ),
        row(
            Start { workflow_type: Some(WorkflowType { name: "t\0".into() }), ..start() },
            "WorkflowType must not contain a NUL byte.",
        ),
        row(Start { task_queue: None, ..start() }, "taskQueue is not set"),
        row(Start { task_queue: queue(""), ..start() }, "missing task queue name"),
        row(Start { task_queue: queue(&long()), ..start() }, "taskQueue length exceeds limit"),
        row(Start { task_queue: queue("q\0"), ..start() }, "TaskQueue must not contain a NUL byte."),
        row(
            Start { task_queue: queue("/_sys/x"), ..start() },
            "task queue name cannot start with reserved prefix /_sys/",
        ),
        row(
            Start { task_queue: queue("temporal-sys-per-ns-tq"), ..start() },
            "cannot use internal per-namespace task queue:temporal-sys-per-ns-tq",
        ),
        row(Start { request_id: long(), ..start() }, "RequestId length exceeds limit."),
        row(Start { identity: long(), ..start() }, "Identity length exceeds limit."),
    ]
}

fn times() -> Vec<Row> {
    let row = |request: Start, message: &str| Row::invalid(START, &request, message);
    let mixed = Some(Duration { seconds: 1, nanos: -1 });
    let policy = |policy: RetryPolicy| Start { retry_policy: Some(policy), ..start() };
    let base = RetryPolicy::default;
    vec![
        row(
            Start { workflow_execution_timeout: seconds(-1), ..start() },
            "An invalid WorkflowExecutionTimeoutSeconds is set on request. cause: negative duration",
        ),
        row(
            Start { workflow_run_timeout: mixed, ..start() },
            "An invalid WorkflowRunTimeoutSeconds is set on request. cause: duration has seconds and nanos with different signs",
        ),
        row(
            Start { workflow_task_timeout: seconds(-1), ..start() },
            "An invalid WorkflowTaskTimeoutSeconds is set on request. cause: negative duration",
        ),
        row(
            Start { workflow_start_delay: seconds(-1), ..start() },
            "An invalid WorkflowStartDelaySeconds is set on request. cause: negative duration",
        ),
        row(Start { cron_schedule: "abc".into(), ..start() }, "invalid CronSchedule."),
        row(
            Start { cron_schedule: "0 0 30 2 *".into(), ..start() },
            "invalid CronSchedule, no time can be found to satisfy the schedule",
        ),
        row(
            Start { cron_schedule: "* * * * *".into(), workflow_start_delay: seconds(5), ..start() },
            "CronSchedule and WorkflowStartDelay may not be used together.",
        ),
        row(
            policy(RetryPolicy { backoff_coefficient: 0.5, ..base() }),
            "BackoffCoefficient cannot be less than 1 on retry policy.",
        ),
        row(
            policy(RetryPolicy { initial_interval: seconds(10), maximum_interval: seconds(1), ..base() }),
            "MaximumInterval cannot be less than InitialInterval on retry policy.",
        ),
        row(
            policy(RetryPolicy { maximum_interval: seconds(-1), ..base() }),
            "invalid MaximumInterval set on retry policy: negative duration",
        ),
        row(
            policy(RetryPolicy { maximum_attempts: -1, ..base() }),
            "MaximumAttempts cannot be negative on retry policy.",
        ),
        row(
            policy(RetryPolicy { non_retryable_error_types: vec!["TemporalTimeout:Foo".into()], ..base() }),
            "Invalid timeout type value: Foo.",
        ),
    ]
}

fn policies_and_sizes() -> Vec<Row> {
    let row = |request: Start, message: &str| Row::invalid(START, &request, message);
    let policies = |reuse: Reuse, conflict: i32| Start {
        workflow_id_reuse_policy: reuse.into(),
        workflow_id_conflict_policy: conflict,
        ..start()
    };
    let memo = Memo { fields: [("m".to_owned(), payload(2 * 1024 * 1024))].into() };
    let metadata = UserMetadata { summary: Some(payload(401)), details: None };
    let attach = OnConflictOptions { attach_completion_callbacks: true, ..Default::default() };
    vec![
        row(
            policies(Reuse::TerminateIfRunning, Conflict::Fail.into()),
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a \
             WorkflowIDConflictPolicy",
        ),
        row(
            policies(Reuse::RejectDuplicate, Conflict::TerminateExisting.into()),
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with \
             WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING",
        ),
        row(policies(Reuse::AllowDuplicate, 99), "unknown WorkflowIdConflictPolicy: 99"),
        row(
            Start { on_conflict_options: Some(attach), ..start() },
            "attaching request ID is required for attaching completion callbacks",
        ),
        row(Start { input: large(), ..start() }, "Blob data size exceeds limit."),
        row(Start { memo: Some(memo), ..start() }, "Memo size exceeds limit."),
        row(
            Start { user_metadata: Some(metadata), ..start() },
            "user_metadata.summary exceeds size limit. Length=404 Limit=400",
        ),
        row(
            Start { priority: Some(Priority { priority_key: -1, ..Default::default() }), ..start() },
            "priority key can't be negative",
        ),
        row(Start { links: vec![Link::default()], ..start() }, "unsupported link variant"),
        row(
            Start { links: vec![Link::default(); 11], ..start() },
            "cannot attach more than 10 links per request, got 11",
        ),
    ]
}

fn search_attributes() -> Vec<Row> {
    let row = |name: &str, json: &str, message: &str| {
        let value = Payload {
            metadata: [("encoding".to_owned(), "json/plain".into())].into(),
            data: json.to_owned().into(),
            ..Default::default()
        };
        let attributes = SearchAttributes { indexed_fields: [(name.to_owned(), value)].into() };
        Row::invalid(START, &Start { search_attributes: Some(attributes), ..start() }, message)
    };
    let value = format!("[\"{}\"]", "a".repeat(2045));
    vec![
        row("Nope", "1", "Namespace default has no mapping defined for search attribute Nope"),
        row("StartTime", "\"2026-01-01T00:00:00Z\"", "StartTime attribute can't be set in SearchAttributes"),
        row("TemporalWorkerDeployment", "\"d\"", "TemporalWorkerDeployment attribute can't be set in SearchAttributes"),
        row("BuildIds", "5", "invalid value for search attribute BuildIds of type KeywordList: 5"),
        row(
            "TemporalSchedulePaused",
            "\"x\"",
            "invalid value for search attribute TemporalSchedulePaused of type Bool: x",
        ),
        row("BuildIds", &value, "search attribute BuildIds value size 2049 exceeds size limit 2048"),
        row("BuildIds", "[\"a\\u0000\"]", "search attribute BuildIds must not contain a NUL byte"),
    ]
}

fn not_built() -> Vec<Row> {
    let with = |url: &str| {
        let nexus = Nexus { url: url.to_owned(), ..Default::default() };
        Start {
            completion_callbacks: vec![Callback { variant: Some(Variant::Nexus(nexus)), ..Default::default() }],
            ..start()
        }
    };
    let row = |url: &str, message: &str| Row::invalid(START, &with(url), message);
    let none = Start { completion_callbacks: vec![Callback::default()], ..start() };
    let pinned = Start { versioning_override: Some(VersioningOverride::default()), ..start() };
    vec![
        row("ftp://localhost/x", "invalid url: unknown scheme: ftp://localhost/x"),
        row("http:///x", "invalid url: missing host"),
        row("http://a/x", "invalid url: url does not match any configured callback address: http://a/x"),
        Row::new(START, &none, Code::Unimplemented, "unknown callback variant: <nil>"),
        Row::invalid(START, &pinned, "override behavior is required"),
    ]
}

fn signals_with_start() -> Vec<Row> {
    let row = |request: SignalWithStart, message: &str| Row::invalid(SIGNAL_WITH_START, &request, message);
    let base = signal_with_start;
    let policy = Conflict::Fail.into();
    vec![
        row(SignalWithStart { signal_name: String::new(), ..base() }, "signal not set"),
        row(
            SignalWithStart { signal_name: long(), ..base() },
            "signal name exceeds maximum allowed length (1001/1000)",
        ),
        row(SignalWithStart { workflow_type: None, ..base() }, "workflow type not set"),
        row(SignalWithStart { workflow_id: String::new(), ..base() }, "WorkflowId is not set on request."),
        row(SignalWithStart { task_queue: None, ..base() }, "taskQueue is not set"),
        row(SignalWithStart { signal_input: large(), ..base() }, "Blob data size exceeds limit."),
        row(SignalWithStart { cron_schedule: "abc".into(), ..base() }, "invalid CronSchedule."),
        row(SignalWithStart { request_id: long(), ..base() }, "Request ID exceeds maximum allowed length (1001/1000)"),
        row(
            SignalWithStart { workflow_id_conflict_policy: policy, ..base() },
            "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.",
        ),
    ]
}

#[tokio::test]
async fn refused_starts_start_nothing() -> Result<()> {
    let server = Server::start("bad_inputs_starts", Database::SqliteMemory).await?;
    for rows in
        [ids_and_queues(), times(), policies_and_sizes(), search_attributes(), not_built(), signals_with_start()]
    {
        check(&server, rows).await?;
    }
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    let count = CountWorkflowExecutionsRequest { namespace: NAMESPACE.into(), ..Default::default() };
    assert_eq!(client.count_workflow_executions(count).await?.into_inner().count, 0);
    Ok(())
}

#[tokio::test]
async fn a_deprecated_namespace_takes_no_starts() -> Result<()> {
    let server = Server::start("bad_inputs_deprecated", Database::SqliteMemory).await?;
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    let namespace = "old".to_owned();
    let workflow_execution_retention_period = seconds(86_400);
    let register = RegisterNamespaceRequest {
        namespace: namespace.clone(),
        workflow_execution_retention_period,
        ..Default::default()
    };
    client.register_namespace(register).await?;
    client
        .deprecate_namespace(DeprecateNamespaceRequest { namespace: namespace.clone(), ..Default::default() })
        .await?;
    let message = "Namespace has invalid state: Deprecated. Must be Registered.";
    let request = Start { namespace, ..start() };
    let row = Row::new(START, &request, Code::FailedPrecondition, message).with_detail("NamespaceInvalidStateFailure");
    check(&server, vec![row]).await
}
