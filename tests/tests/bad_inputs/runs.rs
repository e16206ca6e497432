//! Calls on runs that do not exist, have ended, or do not take what is sent.

use std::time::Duration;

use anyhow::Result;
use perdure_proto::api::{
    common::{Payload, Payloads, WorkflowExecution},
    enums::{UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowIdReusePolicy},
    filter::WorkflowExecutionFilter,
    query::WorkflowQuery,
    update::{Input, Meta, Request, UpdateRef, WaitPolicy},
    workflowservice::{
        CountWorkflowExecutionsRequest, DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest,
        GetWorkflowExecutionHistoryReverseRequest, ListOpenWorkflowExecutionsRequest, ListWorkflowExecutionsRequest,
        PollWorkflowExecutionUpdateRequest, QueryWorkflowRequest, RequestCancelWorkflowExecutionRequest,
        ResetStickyTaskQueueRequest, ResetWorkflowExecutionRequest, SignalWorkflowExecutionRequest,
        TerminateWorkflowExecutionRequest, UpdateWorkflowExecutionRequest,
        list_open_workflow_executions_request::Filters, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use tonic::{Code, transport::Channel};

use crate::{
    starts::{Start, start},
    table::{Row, check},
};

const NO_RUN: &str = "0f000000-0000-4000-8000-000000000000";
const CLOSED: &str = "workflow execution already completed";

type Client = WorkflowServiceClient<Channel>;

fn namespace() -> String {
    "default".to_owned()
}

fn run(workflow_id: &str, run_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: run_id.to_owned() })
}

fn signal(workflow_execution: Option<WorkflowExecution>) -> SignalWorkflowExecutionRequest {
    let signal_name = "s".to_owned();
    SignalWorkflowExecutionRequest { namespace: namespace(), workflow_execution, signal_name, ..Default::default() }
}

fn update(workflow_execution: Option<WorkflowExecution>) -> UpdateWorkflowExecutionRequest {
    let meta = Some(Meta { update_id: "u".into(), ..Default::default() });
    let input = Some(Input { name: "n".into(), ..Default::default() });
    let request = Some(Request { meta, input, ..Default::default() });
    let wait_policy = Some(WaitPolicy { lifecycle_stage: Stage::Accepted.into() });
    UpdateWorkflowExecutionRequest {
        namespace: namespace(),
        workflow_execution,
        request,
        wait_policy,
        ..Default::default()
    }
}

fn query(execution: Option<WorkflowExecution>) -> QueryWorkflowRequest {
    let query = Some(WorkflowQuery { query_type: "q".into(), ..Default::default() });
    QueryWorkflowRequest { namespace: namespace(), execution, query, ..Default::default() }
}

fn cancel(workflow_execution: Option<WorkflowExecution>) -> RequestCancelWorkflowExecutionRequest {
    RequestCancelWorkflowExecutionRequest { namespace: namespace(), workflow_execution, ..Default::default() }
}

fn terminate(workflow_execution: Option<WorkflowExecution>) -> TerminateWorkflowExecutionRequest {
    TerminateWorkflowExecutionRequest { namespace: namespace(), workflow_execution, ..Default::default() }
}

fn reset(
    workflow_execution: Option<WorkflowExecution>,
    workflow_task_finish_event_id: i64,
) -> ResetWorkflowExecutionRequest {
    let request_id = "reset".to_owned();
    let namespace = namespace();
    ResetWorkflowExecutionRequest {
        namespace,
        workflow_execution,
        workflow_task_finish_event_id,
        request_id,
        ..Default::default()
    }
}

fn history(execution: Option<WorkflowExecution>) -> GetWorkflowExecutionHistoryRequest {
    GetWorkflowExecutionHistoryRequest { namespace: namespace(), execution, ..Default::default() }
}

fn history_reverse(execution: Option<WorkflowExecution>) -> GetWorkflowExecutionHistoryReverseRequest {
    GetWorkflowExecutionHistoryReverseRequest { namespace: namespace(), execution, ..Default::default() }
}

/// Every call on one run, with this execution.
fn each(execution: &Option<WorkflowExecution>, code: Code, message: &str) -> Vec<Row> {
    let run = || execution.clone();
    let describe = DescribeWorkflowExecutionRequest { namespace: namespace(), execution: run() };
    let reset_sticky = ResetStickyTaskQueueRequest { namespace: namespace(), execution: run() };
    vec![
        Row::new("SignalWorkflowExecution", &signal(run()), code, message),
        Row::new("RequestCancelWorkflowExecution", &cancel(run()), code, message),
        Row::new("TerminateWorkflowExecution", &terminate(run()), code, message),
        Row::new("DescribeWorkflowExecution", &describe, code, message),
        Row::new("QueryWorkflow", &query(run()), code, message),
        Row::new("UpdateWorkflowExecution", &update(run()), code, message),
        Row::new("GetWorkflowExecutionHistory", &history(run()), code, message),
        Row::new("GetWorkflowExecutionHistoryReverse", &history_reverse(run()), code, message),
        Row::new("ResetStickyTaskQueue", &reset_sticky, code, message),
        Row::new("ResetWorkflowExecution", &reset(run(), 4), code, message),
    ]
}

async fn begin(client: &mut Client, workflow_id: &str) -> Result<String> {
    let request = Start { workflow_id: workflow_id.to_owned(), request_id: String::new(), ..start() };
    Ok(client.start_workflow_execution(request).await?.into_inner().run_id)
}

#[tokio::test]
async fn every_call_names_a_run_that_exists() -> Result<()> {
    let server = Server::start("bad_inputs_runs", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    begin(&mut client, "open").await?;
    let long = "x".repeat(1001);
    let unknown = format!("workflow execution not found for workflow ID \"open\" and run ID \"{NO_RUN}\"");
    let none = format!("workflow not found for ID: {long}");
    let cases = [
        (None, Code::InvalidArgument, "Execution is not set on request."),
        (run("", ""), Code::InvalidArgument, "WorkflowId is not set on request."),
        (run("open", "not-a-uuid"), Code::InvalidArgument, "Invalid RunId."),
        (run("w\0", ""), Code::InvalidArgument, "WorkflowId must not contain a NUL byte."),
        (run("nobody", ""), Code::NotFound, "workflow not found for ID: nobody"),
        (run(&long, ""), Code::NotFound, &none),
        (run("open", NO_RUN), Code::NotFound, &unknown),
    ];
    for (execution, code, message) in cases {
        check(&server, each(&execution, code, message)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_open_run_takes_only_what_is_valid() -> Result<()> {
    let server = Server::start("bad_inputs_open", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    let run_id = begin(&mut client, "open").await?;
    let long = "x".repeat(1001);
    let open = || run("open", "");
    let input = Some(Payloads { payloads: vec![Payload { data: vec![0; 2 << 20].into(), ..Default::default() }] });
    let refuse = |method, request, message: &str| Row::invalid(method, &request, message);
    let signals = [
        refuse(
            "SignalWorkflowExecution",
            SignalWorkflowExecutionRequest { signal_name: String::new(), ..signal(open()) },
            "SignalName is not set on request.",
        ),
        refuse(
            "SignalWorkflowExecution",
            SignalWorkflowExecutionRequest { signal_name: long.clone(), ..signal(open()) },
            "SignalName length exceeds limit.",
        ),
        refuse(
            "SignalWorkflowExecution",
            SignalWorkflowExecutionRequest { request_id: long.clone(), ..signal(open()) },
            "RequestId length exceeds limit.",
        ),
        refuse(
            "SignalWorkflowExecution",
            SignalWorkflowExecutionRequest { input, ..signal(open()) },
            "Blob data size exceeds limit.",
        ),
    ];
    let other_chain = "workflow execution not found";
    let first_execution_run_id = NO_RUN.to_owned();
    let cancel = RequestCancelWorkflowExecutionRequest { first_execution_run_id, ..cancel(open()) };
    let first_execution_run_id = "not-a-uuid".to_owned();
    let terminate = TerminateWorkflowExecutionRequest { first_execution_run_id, ..terminate(open()) };
    let again = Start { workflow_id: "open".into(), request_id: "other".into(), ..start() };
    let running = format!("Workflow execution is already running. WorkflowId: open, RunId: {run_id}.");
    let mut rows = Vec::from(signals);
    rows.extend([
        Row::new("RequestCancelWorkflowExecution", &cancel, Code::NotFound, other_chain),
        Row::new("TerminateWorkflowExecution", &terminate, Code::NotFound, other_chain),
        Row::new("StartWorkflowExecution", &again, Code::AlreadyExists, running),
    ]);
    rows.extend(bad_updates(&open, &long));
    rows.extend(bad_queries(&open));
    rows.extend(bad_resets(&open, &long));
    check(&server, rows).await?;
    let request = history(open());
    let events = client.get_workflow_execution_history(request).await?.into_inner().history.unwrap_or_default();
    assert_eq!(events.events()?.len(), 2, "something changed the run");
    Ok(())
}

fn bad_updates(open: &dyn Fn() -> Option<WorkflowExecution>, long: &str) -> Vec<Row> {
    let with = |request: Request| UpdateWorkflowExecutionRequest { request: Some(request), ..update(open()) };
    let valid = || update(open()).request.unwrap_or_default();
    let meta = Some(Meta { update_id: long.to_owned(), ..Default::default() });
    let row = |request: UpdateWorkflowExecutionRequest, message: &str| {
        Row::invalid("UpdateWorkflowExecution", &request, message)
    };
    let wait_policy = Some(WaitPolicy { lifecycle_stage: Stage::Admitted.into() });
    let admitted = UpdateWorkflowExecutionRequest { wait_policy, ..update(open()) };
    let poll =
        |update_ref| PollWorkflowExecutionUpdateRequest { namespace: namespace(), update_ref, ..Default::default() };
    let unknown = poll(Some(UpdateRef { workflow_execution: open(), update_id: "nope".into() }));
    let nowhere = poll(Some(UpdateRef { workflow_execution: None, update_id: "u".into() }));
    vec![
        row(with(Request { meta: None, ..valid() }), "Update meta is not set on request."),
        row(with(Request { input: None, ..valid() }), "Update input is not set on request."),
        row(with(Request { input: Some(Input::default()), ..valid() }), "Update name is not set on request."),
        row(with(Request { meta, ..valid() }), "UpdateId length exceeds limit."),
        Row::new(
            "UpdateWorkflowExecution",
            &admitted,
            Code::PermissionDenied,
            "UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported.",
        ),
        Row::invalid("PollWorkflowExecutionUpdate", &poll(None), "UpdateRef is not set on request."),
        Row::invalid("PollWorkflowExecutionUpdate", &nowhere, "Can't load workflow execution.  WorkflowId not set."),
        Row::new("PollWorkflowExecutionUpdate", &unknown, Code::NotFound, "update \"nope\" not found"),
    ]
}

/// Of a run with two events, of which the second has no workflow task before it that could end.
fn bad_resets(open: &dyn Fn() -> Option<WorkflowExecution>, long: &str) -> Vec<Row> {
    let row = |request: ResetWorkflowExecutionRequest, message: &str| {
        Row::invalid("ResetWorkflowExecution", &request, message)
    };
    let mut rows = vec![
        row(
            ResetWorkflowExecutionRequest { request_id: String::new(), ..reset(open(), 2) },
            "RequestId is not set on request.",
        ),
        row(
            ResetWorkflowExecutionRequest { request_id: long.to_owned(), ..reset(open(), 2) },
            "RequestId length exceeds limit.",
        ),
        row(
            ResetWorkflowExecutionRequest { reset_reapply_type: 99, ..reset(open(), 2) },
            "unknown reset reapply type: 99",
        ),
        row(
            reset(open(), 2),
            "StateRebuilder unable to Rebuild mutable state to event ID: 1, version: 0, this event must be at the boundary",
        ),
    ];
    let outside = "Workflow task finish ID must be > 1 && <= workflow last event ID.";
    rows.extend([-1, 0, 1, 3, 100, i64::MAX].map(|finish| row(reset(open(), finish), outside)));
    rows
}

fn bad_queries(open: &dyn Fn() -> Option<WorkflowExecution>) -> Vec<Row> {
    let none = QueryWorkflowRequest { query: None, ..query(open()) };
    let unnamed = QueryWorkflowRequest { query: Some(WorkflowQuery::default()), ..query(open()) };
    let short = Duration::from_millis(500);
    let unanswered = "query timed out before a worker could process it";
    vec![
        Row::invalid("QueryWorkflow", &none, "WorkflowQuery is not set on request."),
        Row::invalid("QueryWorkflow", &unnamed, "QueryType is not set on request."),
        // Nobody answers.
        Row::new("QueryWorkflow", &query(open()), Code::DeadlineExceeded, unanswered).with_timeout(short),
    ]
}

#[tokio::test]
async fn a_closed_run_takes_nothing() -> Result<()> {
    let server = Server::start("bad_inputs_closed", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    let run_id = begin(&mut client, "closed").await?;
    let closed = || run("closed", "");
    client.terminate_workflow_execution(terminate(closed())).await?;
    let again = Start {
        workflow_id: "closed".into(),
        workflow_id_reuse_policy: WorkflowIdReusePolicy::RejectDuplicate.into(),
        ..start()
    };
    let refused = format!(
        "Workflow execution already finished. WorkflowId: closed, RunId: {run_id}. Workflow Id reuse policy: reject duplicate workflow Id."
    );
    let never = "Workflow execution closed before WorkflowTaskStarted event";
    let rows = vec![
        Row::new("SignalWorkflowExecution", &signal(closed()), Code::NotFound, CLOSED),
        Row::new("TerminateWorkflowExecution", &terminate(closed()), Code::NotFound, CLOSED),
        Row::new("UpdateWorkflowExecution", &update(closed()), Code::NotFound, CLOSED),
        Row::new("QueryWorkflow", &query(closed()), Code::FailedPrecondition, never)
            .with_detail("WorkflowNotReadyFailure"),
        Row::new("StartWorkflowExecution", &again, Code::AlreadyExists, refused),
    ];
    check(&server, rows).await?;
    client.request_cancel_workflow_execution(cancel(closed())).await?;
    Ok(())
}

/// Some stores cannot be asked for such a text at all.
#[tokio::test]
async fn lists_are_not_asked_for_nul_bytes() -> Result<()> {
    let server = Server::start("bad_inputs_lists", Database::SqliteMemory).await?;
    let message = "invalid query: a value must not contain a NUL byte";
    let queries = ["WorkflowId = 'a\0'", "WorkflowType IN ('a\\0')", "NOT RunId STARTS_WITH '\0'", "BuildIds = '\0'"];
    let mut rows = Vec::new();
    for query in queries.map(str::to_owned) {
        let list = ListWorkflowExecutionsRequest { namespace: namespace(), query: query.clone(), ..Default::default() };
        let count = CountWorkflowExecutionsRequest { namespace: namespace(), query };
        rows.push(Row::invalid("ListWorkflowExecutions", &list, message));
        rows.push(Row::invalid("CountWorkflowExecutions", &count, message));
    }
    let filter = WorkflowExecutionFilter { workflow_id: "a\0".into(), run_id: String::new() };
    let filters = Some(Filters::ExecutionFilter(filter));
    let open = ListOpenWorkflowExecutionsRequest { namespace: namespace(), filters, ..Default::default() };
    rows.push(Row::invalid("ListOpenWorkflowExecutions", &open, "Filter must not contain a NUL byte."));
    check(&server, rows).await
}

#[tokio::test]
async fn page_tokens_go_on_with_their_own_read_only() -> Result<()> {
    let server = Server::start("bad_inputs_pages", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    let first = begin(&mut client, "pages").await?;
    client.signal_workflow_execution(signal(run("pages", ""))).await?;
    client.terminate_workflow_execution(terminate(run("pages", ""))).await?;
    let second = begin(&mut client, "pages").await?;
    begin(&mut client, "others").await?;
    let page = GetWorkflowExecutionHistoryRequest { maximum_page_size: 1, ..history(run("pages", &first)) };
    let next_page_token = client.get_workflow_execution_history(page).await?.into_inner().next_page_token;
    assert!(!next_page_token.is_empty());
    let forward = |execution| GetWorkflowExecutionHistoryRequest {
        next_page_token: next_page_token.clone(),
        ..history(execution)
    };
    let reverse = GetWorkflowExecutionHistoryReverseRequest {
        next_page_token: next_page_token.clone(),
        ..history_reverse(run("pages", &first))
    };
    let mut forged = forward(run("pages", &first));
    forged.next_page_token = [&next_page_token[..], b"x"].concat().into();
    let mismatch = "RunId in the request does not match the NextPageToken.";
    let bad = "Invalid NextPageToken.";
    let rows = vec![
        Row::invalid("GetWorkflowExecutionHistory", &forward(run("pages", &second)), mismatch),
        Row::invalid("GetWorkflowExecutionHistory", &forward(run("others", "")), bad),
        Row::invalid("GetWorkflowExecutionHistory", &forged, bad),
        Row::invalid("GetWorkflowExecutionHistoryReverse", &reverse, bad),
    ];
    check(&server, rows).await?;
    // Without a run id the token's own run goes on, though it is not the current one.
    let rest = client.get_workflow_execution_history(forward(run("pages", ""))).await?.into_inner();
    assert!(!rest.history.unwrap_or_default().is_empty());
    Ok(())
}
