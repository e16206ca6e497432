//! Bad input to the calls on activities of their own, and calls that come too late.

use anyhow::Result;
use perdure_proto::api::{
    activity::ActivityOptions,
    common::{
        ActivityType, Callback, Link, OnConflictOptions, Payload, Payloads, Priority, RetryPolicy, SearchAttributes,
        callback,
    },
    taskqueue::TaskQueue,
    workflowservice::{
        CountActivityExecutionsRequest, DeleteActivityExecutionRequest, DescribeActivityExecutionRequest,
        ListActivityExecutionsRequest, PauseActivityExecutionRequest, PollActivityExecutionRequest,
        RequestCancelActivityExecutionRequest, RespondActivityTaskCompletedByIdRequest,
        StartActivityExecutionRequest as Start, TerminateActivityExecutionRequest,
        UpdateActivityExecutionOptionsRequest, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use prost_types::{Duration, FieldMask};
use tonic::Code;

use crate::table::{Row, check};

const NOT_FOUND: &str = "activity not found for ID: none";
const ID: &str = "activity ID is required";
const RUN_ID: &str = "invalid run id: must be a valid UUID";
const LONG_ID: &str = "activity ID exceeds length limit. Length=1001 Limit=1000";
const STRANGER: &str = "00000000-0000-4000-8000-000000000000";

fn namespace() -> String {
    "default".to_owned()
}

fn long() -> String {
    "x".repeat(1001)
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

fn start() -> Start {
    Start {
        namespace: namespace(),
        activity_id: "a".into(),
        activity_type: Some(ActivityType { name: "t".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        start_to_close_timeout: seconds(60),
        ..Default::default()
    }
}

fn starts() -> Vec<Row> {
    let row = |request: Start, text: &str| Row::invalid("StartActivityExecution", &request, text);
    let queue = |name: &str| Some(TaskQueue { name: name.into(), ..Default::default() });
    let large = Payload { data: vec![0; 2 * 1024 * 1024 + 1].into(), ..Default::default() };
    let unknown = [("Nope".to_owned(), Payload::default())].into();
    let conflict = |attach_request_id, attach_completion_callbacks| {
        Some(OnConflictOptions { attach_request_id, attach_completion_callbacks, attach_links: false })
    };
    let ftp = callback::Nexus { url: "ftp://x".into(), ..Default::default() };
    let ftp = Callback { variant: Some(callback::Variant::Nexus(ftp)), ..Default::default() };
    let no_timeout = "a valid StartToClose or ScheduleToCloseTimeout is not set on ScheduleActivityTaskCommand. \
                      ActivityId=a ActivityType=t";
    vec![
        row(Start { activity_id: String::new(), ..start() }, "activityId is not set"),
        row(Start { activity_type: None, ..start() }, "activityType is not set"),
        row(Start { task_queue: None, ..start() }, "taskQueue is not set"),
        row(Start { task_queue: queue(""), ..start() }, "missing task queue name"),
        row(
            Start { task_queue: queue("/_sys/x"), ..start() },
            "task queue name cannot start with reserved prefix /_sys/",
        ),
        row(Start { start_to_close_timeout: None, ..start() }, no_timeout),
        row(Start { heartbeat_timeout: seconds(-1), ..start() }, "invalid HeartbeatTimeout: negative duration"),
        row(Start { start_delay: seconds(-1), ..start() }, "invalid StartDelay: negative duration"),
        row(Start { activity_id: long(), ..start() }, "activityId exceeds length limit. Length=1001 Limit=1000"),
        row(Start { activity_id: "a\0".into(), ..start() }, "ActivityId must not contain a NUL byte."),
        row(Start { request_id: long(), ..start() }, "request ID exceeds length limit. Length=1001 Limit=1000"),
        row(Start { identity: long(), ..start() }, "identity exceeds length limit. Length=1001 Limit=1000"),
        row(
            Start { priority: Some(Priority { priority_key: -1, ..Default::default() }), ..start() },
            "invalid priorities: priority key can't be negative",
        ),
        row(
            Start { retry_policy: Some(RetryPolicy { backoff_coefficient: 0.5, ..Default::default() }), ..start() },
            "BackoffCoefficient cannot be less than 1 on retry policy.",
        ),
        row(Start { id_reuse_policy: 9, ..start() }, "unsupported ID reuse policy: 9"),
        row(Start { id_conflict_policy: 9, ..start() }, "unsupported ID conflict policy: 9"),
        row(Start { input: Some(Payloads { payloads: vec![large] }), ..start() }, "input exceeds length limit"),
        row(
            Start { search_attributes: Some(SearchAttributes { indexed_fields: unknown }), ..start() },
            "Namespace default has no mapping defined for search attribute Nope",
        ),
        row(Start { completion_callbacks: vec![ftp], ..start() }, "invalid url: unknown scheme: ftp://x"),
        row(Start { links: vec![Link::default()], ..start() }, "unsupported link variant"),
        row(
            Start { on_conflict_options: conflict(false, true), ..start() },
            "on_conflict_options: attach_completion_callbacks requires attach_request_id to be set",
        ),
        row(
            Start { on_conflict_options: conflict(true, false), ..start() },
            "on_conflict_options: attach_request_id requires at least one completion callback or link",
        ),
    ]
}

/// Every call that names an activity execution, with these ids.
fn calls(activity_id: &str, run_id: &str, code: Code, text: &str) -> Vec<Row> {
    let ids = || (namespace(), activity_id.to_owned(), run_id.to_owned());
    let (namespace, activity_id, run_id) = ids();
    let describe = DescribeActivityExecutionRequest { namespace, activity_id, run_id, ..Default::default() };
    let (namespace, activity_id, run_id) = ids();
    let poll = PollActivityExecutionRequest { namespace, activity_id, run_id };
    let (namespace, activity_id, run_id) = ids();
    let cancel = RequestCancelActivityExecutionRequest { namespace, activity_id, run_id, ..Default::default() };
    let (namespace, activity_id, run_id) = ids();
    let terminate = TerminateActivityExecutionRequest { namespace, activity_id, run_id, ..Default::default() };
    let (namespace, activity_id, run_id) = ids();
    let delete = DeleteActivityExecutionRequest { namespace, activity_id, run_id };
    let (namespace, activity_id, run_id) = ids();
    let pause = PauseActivityExecutionRequest { namespace, activity_id, run_id, ..Default::default() };
    vec![
        Row::new("DescribeActivityExecution", &describe, code, text),
        Row::new("PollActivityExecution", &poll, code, text),
        Row::new("RequestCancelActivityExecution", &cancel, code, text),
        Row::new("TerminateActivityExecution", &terminate, code, text),
        Row::new("DeleteActivityExecution", &delete, code, text),
        Row::new("PauseActivityExecution", &pause, code, text),
    ]
}

fn lists() -> Vec<Row> {
    let list = |query: &str, text: &str| {
        let request =
            ListActivityExecutionsRequest { namespace: namespace(), query: query.into(), ..Default::default() };
        Row::invalid("ListActivityExecutions", &request, text)
    };
    let token =
        ListActivityExecutionsRequest { namespace: namespace(), next_page_token: "x".into(), ..Default::default() };
    let count = CountActivityExecutionsRequest { namespace: namespace(), query: "GROUP BY RunId".into() };
    vec![
        list("Nope = 1", "invalid query: invalid expression: column name 'Nope' is not a valid search attribute"),
        list("garbage", "invalid query: invalid expression: incomplete expression"),
        Row::invalid("ListActivityExecutions", &token, "Invalid NextPageToken."),
        Row::invalid(
            "CountActivityExecutions",
            &count,
            "invalid query: operation is not supported: 'GROUP BY' clause is not supported for search attribute RunId",
        ),
    ]
}

#[tokio::test]
async fn calls_on_activity_executions() -> Result<()> {
    let server = Server::start("bad_inputs_standalone", Database::SqliteMemory).await?;
    check(&server, starts()).await?;
    check(&server, lists()).await?;
    check(&server, calls("", "", Code::InvalidArgument, ID)).await?;
    check(&server, calls(&long(), "", Code::InvalidArgument, LONG_ID)).await?;
    check(&server, calls("none", "r", Code::InvalidArgument, RUN_ID)).await?;
    check(&server, calls("none", "", Code::NotFound, NOT_FOUND)).await?;
    check(&server, calls("none", STRANGER, Code::NotFound, NOT_FOUND)).await?;
    let by_id = RespondActivityTaskCompletedByIdRequest {
        namespace: namespace(),
        activity_id: "none".into(),
        ..Default::default()
    };
    check(&server, vec![Row::new("RespondActivityTaskCompletedById", &by_id, Code::NotFound, NOT_FOUND)]).await?;

    // Nothing of it started anything.
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    let count = CountActivityExecutionsRequest { namespace: namespace(), query: String::new() };
    assert_eq!(client.count_activity_executions(count).await?.into_inner().count, 0);
    Ok(())
}

#[tokio::test]
async fn calls_that_do_not_fit_the_state() -> Result<()> {
    let server = Server::start("bad_inputs_standalone_states", Database::SqliteMemory).await?;
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    let run_id = client.start_activity_execution(start()).await?.into_inner().run_id;
    let describe = DescribeActivityExecutionRequest {
        namespace: namespace(),
        activity_id: "a".into(),
        long_poll_token: "x".into(),
        ..Default::default()
    };
    let update = UpdateActivityExecutionOptionsRequest {
        namespace: namespace(),
        activity_id: "a".into(),
        activity_options: Some(ActivityOptions { start_delay: seconds(1), ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["start_delay".into()] }),
        ..Default::default()
    };
    let terminate = TerminateActivityExecutionRequest {
        namespace: namespace(),
        activity_id: "a".into(),
        request_id: "t".into(),
        ..Default::default()
    };
    let started = "activity execution already started";
    let rows = vec![
        Row::new("StartActivityExecution", &start(), Code::AlreadyExists, started)
            .with_detail("ActivityExecutionAlreadyStartedFailure"),
        Row::invalid("DescribeActivityExecution", &describe, "run id is required when long poll token is provided"),
        Row::invalid(
            "DescribeActivityExecution",
            &DescribeActivityExecutionRequest { run_id, ..describe },
            "invalid long poll token",
        ),
        Row::new(
            "UpdateActivityExecutionOptions",
            &update,
            Code::FailedPrecondition,
            "cannot update start_delay: the first activity attempt has already been dispatched",
        ),
        Row::invalid(
            "TerminateActivityExecution",
            &TerminateActivityExecutionRequest { reason: "x".repeat(2 * 1024 * 1024 + 1), ..terminate.clone() },
            "reason exceeds length limit",
        ),
    ];
    check(&server, rows).await?;
    client.terminate_activity_execution(terminate.clone()).await?;
    let cancel =
        RequestCancelActivityExecutionRequest { namespace: namespace(), activity_id: "a".into(), ..Default::default() };
    let again = TerminateActivityExecutionRequest { request_id: "other".into(), ..terminate };
    let rows = vec![
        Row::new(
            "RequestCancelActivityExecution",
            &cancel,
            Code::FailedPrecondition,
            "invalid transition from Terminated",
        ),
        Row::new(
            "TerminateActivityExecution",
            &again,
            Code::FailedPrecondition,
            "already terminated with request ID t",
        ),
    ];
    check(&server, rows).await
}
