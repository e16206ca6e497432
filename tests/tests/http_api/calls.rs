//! What programs do over HTTP with workflows, schedules, batch operations and the cluster, and what they get for bad input.

use anyhow::{Context, Result, ensure};
use perdure_proto::api::{
    common::{Payload, Payloads},
    query::WorkflowQuery,
    taskqueue::TaskQueue,
    workflowservice::{
        PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse, RespondQueryTaskCompletedRequest,
        RespondWorkflowTaskCompletedRequest, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{
    Database, Server,
    rest::{Answer, Rest},
};
use serde_json::{Value, json};
use tonic::transport::Channel;

const WORKFLOWS: &str = "/namespaces/default/workflows";

fn workflow(input: Value) -> Value {
    json!({
        "workflowType": {"name": "t"}, "taskQueue": {"name": "q"}, "input": input,
        "memo": {"fields": {"note": {"a": [1, null]}}}, "workflowRunTimeout": "3600s",
    })
}

/// What is expected is there; more may be.
fn is_within(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().all(|(name, value)| found.get(name).is_some_and(|found| is_within(value, found)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(expected, found)| is_within(expected, found))
        }
        (expected, found) => expected == found,
    }
}

async fn expect(client: &Rest, method: &str, path: &str, body: Value, status: u16, expected: Value) -> Result<Answer> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = client.send(method, path, &body).await?;
    let found = answer.json();
    ensure!(
        answer.status == status && is_within(&expected, &found),
        "{method} {path} {body}: {} {}, not {status} {expected}",
        answer.status,
        answer.text
    );
    Ok(answer)
}

#[tokio::test]
async fn a_workflow() -> Result<()> {
    for database in [Database::SqliteMemory, Database::fresh_postgres("http_workflow").await?] {
        let server = Server::start("http_workflow", database).await?;
        let client = Rest::new(server.http_port());
        let path = format!("{WORKFLOWS}/a%2Fb");
        let started = json!({"started": true, "status": "WORKFLOW_EXECUTION_STATUS_RUNNING"});
        let answer = expect(&client, "POST", &path, workflow(json!([{"k": "v"}, null])), 200, started).await?;
        let run = answer.json()["runId"].as_str().context("a run id")?.to_owned();
        let again = json!({"code": 6, "details": [{"runId": run}]});
        expect(&client, "POST", &path, workflow(json!([])), 409, again).await?;

        let execution = json!({"workflowId": "a/b", "runId": run});
        let described = json!({"workflowExecutionInfo": {
            "execution": execution, "memo": {"fields": {"note": {"a": [1, null]}}}, "historyLength": "2",
        }});
        expect(&client, "GET", &path, Value::Null, 200, described).await?;
        let listed = json!({"executions": [{"execution": execution}]});
        expect(&client, "GET", &format!("{WORKFLOWS}?query=WorkflowId%3D%27a/b%27"), Value::Null, 200, listed).await?;
        let counted = json!({"count": "1"});
        expect(&client, "GET", "/namespaces/default/workflow-count", Value::Null, 200, counted).await?;

        expect(&client, "POST", &format!("{path}/signal/s"), json!({"input": [5]}), 200, json!({})).await?;
        let started = json!({"history": {"events": [{"workflowExecutionStartedEventAttributes": {
            "input": [{"k": "v"}, {"metadata": {"encoding": "YmluYXJ5L251bGw="}}],
        }}, {"eventType": "EVENT_TYPE_WORKFLOW_TASK_SCHEDULED"}]}});
        let history = format!("{path}/history?maximumPageSize=1");
        let first = expect(&client, "GET", &history, Value::Null, 200, started).await?.json();
        let token = first["nextPageToken"].as_str().context("a token")?.replace('+', "%2B");
        let signaled = json!({"history": {"events": [{"workflowExecutionSignaledEventAttributes": {
            "signalName": "s", "input": [5],
        }}]}});
        expect(&client, "GET", &format!("{history}&nextPageToken={token}"), Value::Null, 200, signaled).await?;

        // A wait for the end, which comes.
        let wait = format!("{path}/history?waitNewEvent=true&historyEventFilterType=2");
        let end = json!({"history": {"events": [{"workflowExecutionTerminatedEventAttributes": {
            "reason": "because", "details": ["why"],
        }}]}});
        let waiting = expect(&client, "GET", &wait, Value::Null, 200, end);
        let ending = async {
            let end = json!({"reason": "because", "details": ["why"], "workflowExecution": {"runId": run}});
            expect(&client, "POST", &format!("{path}/terminate"), end, 200, json!({})).await
        };
        tokio::try_join!(waiting, ending)?;
        let ended = json!({"code": 5, "message": "workflow execution already completed"});
        expect(&client, "POST", &format!("{path}/signal/s"), json!({}), 404, ended).await?;
    }
    Ok(())
}

/// The next workflow task of the queue `q`.
async fn task(worker: &mut WorkflowServiceClient<Channel>) -> Result<PollWorkflowTaskQueueResponse> {
    loop {
        let request = PollWorkflowTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(TaskQueue { name: "q".to_owned(), ..Default::default() }),
            ..Default::default()
        };
        let task = worker.poll_workflow_task_queue(request).await?.into_inner();
        if !task.task_token.is_empty() {
            return Ok(task);
        }
    }
}

#[tokio::test]
async fn a_query() -> Result<()> {
    let server = Server::start("http_query", Database::SqliteMemory).await?;
    let client = Rest::new(server.http_port());
    expect(&client, "POST", &format!("{WORKFLOWS}/w"), workflow(json!([])), 200, json!({})).await?;
    let mut worker = WorkflowServiceClient::new(server.channel().await?);
    let first = task(&mut worker).await?;
    let done = RespondWorkflowTaskCompletedRequest { task_token: first.task_token, ..Default::default() };
    worker.respond_workflow_task_completed(done).await?;

    let shown = json!({"queryResult": [{"asked": 7}, "x"]});
    let query = json!({"query": {"queryArgs": [7]}});
    let path = format!("{WORKFLOWS}/w/query/state");
    let asking = expect(&client, "POST", &path, query, 200, shown);
    let answering = async {
        let task = task(&mut worker).await?;
        let WorkflowQuery { query_type, query_args, .. } = task.query.context("a query")?;
        let argument = query_args.context("arguments")?.payloads.first().context("an argument")?.data.clone();
        ensure!((query_type.as_str(), argument.as_ref()) == ("state", b"7".as_slice()), "{query_type} {argument:?}");
        let payload = |data: &str| Payload {
            metadata: [("encoding".to_owned(), "json/plain".into())].into(),
            data: data.to_owned().into(),
            ..Default::default()
        };
        let answer = RespondQueryTaskCompletedRequest {
            task_token: task.task_token,
            namespace: "default".to_owned(),
            completed_type: 1,
            query_result: Some(Payloads { payloads: vec![payload("{\"asked\":7}"), payload("\"x\"")] }),
            ..Default::default()
        };
        worker.respond_query_task_completed(answer).await?;
        Ok(())
    };
    tokio::try_join!(asking, answering)?;

    // A deadline that the caller names.
    let hurried = client.with("grpc-timeout", "300m");
    expect(&hurried, "POST", &path, json!({}), 504, json!({"code": 4})).await?;
    Ok(())
}

#[tokio::test]
async fn schedules_batches_and_the_cluster() -> Result<()> {
    let server = Server::start("http_table", Database::SqliteMemory).await?;
    let client = Rest::new(server.http_port());
    let action = json!({"startWorkflow": {
        "workflowId": "w", "workflowType": {"name": "t"}, "taskQueue": {"name": "q"}, "input": [1, {"a": "b"}],
    }});
    let schedule = json!({"requestId": "r", "schedule": {
        "spec": {"interval": [{"interval": "3600s"}]}, "action": action, "state": {"paused": true, "notes": "n"},
    }});
    let batch = json!({
        "visibilityQuery": "WorkflowId = 'nothing'", "reason": "r", "cancellationOperation": {"identity": "i"},
    });
    let none = Value::Null;
    let ns = "/namespaces/default";
    let nexus = json!({"spec": {"name": "endpoint", "target": {"worker": {"namespace": "default", "taskQueue": "q"}}}});
    let times = "matching-times?startTime=2026-01-01T00:30:00Z&endTime=2026-01-01T02:30:00Z";
    let cases = [
        ("POST", format!("{ns}/schedules/s"), schedule, 200, json!({})),
        ("POST", format!("{ns}/schedules/s"), json!({"requestId": "x", "schedule": {}}), 409, json!({"code": 6})),
        ("GET", format!("{ns}/schedules/s"), none.clone(), 200, json!({"schedule": {"action": action}})),
        ("GET", format!("{ns}/schedules"), none.clone(), 200, json!({"schedules": [{"scheduleId": "s"}]})),
        ("GET", format!("{ns}/schedule-count"), none.clone(), 200, json!({"count": "1"})),
        (
            "GET",
            format!("{ns}/schedules/s/{times}"),
            none.clone(),
            200,
            json!({"startTime": ["2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z"]}),
        ),
        (
            "POST",
            format!("{ns}/schedules/s/patch"),
            json!({"requestId": "p", "patch": {"unpause": "go"}}),
            200,
            json!({}),
        ),
        ("GET", format!("{ns}/schedules/s"), none.clone(), 200, json!({"schedule": {"state": {"notes": "go"}}})),
        ("DELETE", format!("{ns}/schedules/s?identity=me"), none.clone(), 200, json!({})),
        ("GET", format!("{ns}/schedules/s"), none.clone(), 404, json!({"code": 5})),
        ("POST", format!("{ns}/batch-operations/b"), batch, 200, json!({})),
        ("GET", format!("{ns}/batch-operations/b"), none.clone(), 200, json!({"jobId": "b", "reason": "r"})),
        ("GET", format!("/api/v1{ns}/batch-operations"), none.clone(), 200, json!({"operationInfo": [{"jobId": "b"}]})),
        ("GET", "/cluster/namespaces/default".into(), none.clone(), 200, json!({"namespaceInfo": {"name": "default"}})),
        ("GET", format!("/cluster{ns}/search-attributes"), none.clone(), 200, json!({"systemAttributes": {}})),
        ("GET", "/api/v1/cluster-info".into(), none.clone(), 200, json!({"initialFailoverVersion": "1"})),
        ("GET", "/system-info".into(), none.clone(), 200, json!({"capabilities": {"nexus": true}})),
        ("GET", format!("{ns}/task-queues/q"), none.clone(), 200, json!({})),
        ("POST", "/cluster/nexus/endpoints".into(), nexus, 200, json!({"endpoint": {"spec": {"name": "endpoint"}}})),
        ("GET", "/api/v1/nexus/endpoints?name=endpoint".into(), none.clone(), 200, json!({"endpoints": [{}]})),
    ];
    for (method, path, body, status, expected) in cases {
        expect(&client, method, &path, body, status, expected).await?;
    }
    Ok(())
}

#[tokio::test]
async fn bad_input() -> Result<()> {
    let server = Server::start("http_bad_input", Database::SqliteMemory).await?;
    let client = Rest::new(server.http_port());
    let refused = |code: u32, message: &str| json!({"code": code, "message": message});
    let w = || format!("{WORKFLOWS}/w");
    let none = Value::Null;
    let history = |query: &str| format!("{WORKFLOWS}/w/history?{query}");
    let cases = [
        ("POST", w(), none.clone(), 400, refused(3, "WorkflowType is not set on request.")),
        (
            "POST",
            w(),
            json!([]),
            400,
            refused(3, "the body is no JSON object, which a StartWorkflowExecutionRequest is"),
        ),
        ("POST", w(), json!({"nope": 1}), 400, refused(3, "unknown field \"nope\" in StartWorkflowExecutionRequest")),
        (
            "GET",
            w(),
            none.clone(),
            404,
            json!({"details": [
                {"@type": "type.googleapis.com/temporal.api.errordetails.v1.NotFoundFailure"},
            ]}),
        ),
        ("GET", "/namespaces/nope/workflows".into(), none.clone(), 404, json!({"details": [{"namespace": "nope"}]})),
        ("GET", format!("{WORKFLOWS}?query=a%20%3D"), none.clone(), 400, json!({"code": 3})),
        ("GET", history("execution.runId=abc"), none.clone(), 400, refused(3, "Invalid RunId.")),
        (
            "GET",
            history("maximumPageSize=1&maximumPageSize=2"),
            none.clone(),
            400,
            refused(3, "too many values for field \"maximum_page_size\": 1, 2"),
        ),
        (
            "GET",
            history("historyEventFilterType=9"),
            none.clone(),
            400,
            refused(3, "parsing field \"history_event_filter_type\": \"9\" is not a valid value"),
        ),
        ("GET", "/nope".into(), none.clone(), 404, refused(5, "Not Found")),
        ("GET", "/system-info/".into(), none.clone(), 404, refused(5, "Not Found")),
        ("GET", format!("{WORKFLOWS}/%zz"), none.clone(), 400, refused(3, "the path of the URL cannot be read")),
        ("PUT", "/system-info".into(), none.clone(), 501, refused(12, "Method Not Allowed")),
        ("OPTIONS", "/system-info".into(), none.clone(), 501, refused(12, "Method Not Allowed")),
        (
            "POST",
            w(),
            json!({"identity": "x".repeat(5_000_000)}),
            400,
            refused(3, "the body is larger than 4194304 bytes"),
        ),
    ];
    for (method, path, body, status, expected) in cases {
        expect(&client, method, &path, body, status, expected).await?;
    }
    let head = client.send("HEAD", "/system-info", "").await?;
    assert_eq!((head.status, head.text.as_str()), (501, ""));
    let client = |name: &str, value: &str| Rest::new(server.http_port()).with(name, value);
    let old = client("client-name", "temporal-go").with("client-version", "3.0.0");
    expect(&old, "GET", "/system-info", none.clone(), 400, json!({"code": 9})).await?;
    let soon = refused(3, "invalid grpc-timeout: soon");
    expect(&client("grpc-timeout", "soon"), "GET", "/system-info", none, 400, soon).await?;
    Ok(())
}

/// The caller chooses the form of the JSON, in both directions.
#[tokio::test]
async fn forms() -> Result<()> {
    let server = Server::start("http_forms", Database::SqliteMemory).await?;
    let plain = Rest::new(server.http_port());
    let long = json!({"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "NQ=="}]});
    expect(&plain, "POST", &format!("{WORKFLOWS}/short"), workflow(json!([5])), 200, json!({})).await?;
    expect(&plain, "POST", &format!("{WORKFLOWS}/long"), workflow(long.clone()), 200, json!({})).await?;
    let only_long = plain.clone().with("content-type", "application/json+no-payload-shorthand");
    let mut request = workflow(json!([5]));
    request["memo"] = Value::Null;
    expect(&only_long, "POST", &format!("{WORKFLOWS}/refused"), request.clone(), 400, json!({"code": 3})).await?;
    request["input"] = long.clone();
    expect(&only_long, "POST", &format!("{WORKFLOWS}/canonical"), request, 200, json!({})).await?;

    // Headers, query, the form of payloads, whether lines are broken, the media type of the answer.
    const SHORT: &str = "application/json";
    const LONG: &str = "application/json+no-payload-shorthand";
    const PRETTY: &str = "application/json+pretty";
    const PRETTY_LONG: &str = "application/json+pretty+no-payload-shorthand";
    let short = json!([5]);
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a Value, bool, &'a str);
    let cases: [Case<'_>; 9] = [
        (&[], "", &short, false, SHORT),
        (&[], "?pretty", &short, true, PRETTY),
        (&[], "?noPayloadShorthand", &long, false, LONG),
        (&[], "?noPayloadShorthand&pretty=true", &long, true, PRETTY_LONG),
        (&[("accept", LONG)], "", &long, false, LONG),
        (&[("accept", PRETTY_LONG)], "?pretty", &short, true, PRETTY),
        (&[("accept", "text/html"), ("content-type", PRETTY)], "", &short, true, PRETTY),
        (&[("accept", SHORT), ("content-type", LONG)], "", &short, false, SHORT),
        (&[("accept", "*/*"), ("content-type", "application/x-www-form-urlencoded")], "", &short, false, SHORT),
    ];
    for name in ["short", "long", "canonical"] {
        for (headers, query, input, breaks, media_type) in &cases {
            let client = headers.iter().fold(plain.clone(), |client, (name, value)| client.with(name, value));
            let answer = client.get(&format!("{WORKFLOWS}/{name}/history{query}")).await?;
            let event = &answer.json()["history"]["events"][0]["workflowExecutionStartedEventAttributes"];
            assert_eq!(&event["input"], *input, "{headers:?} {query}");
            assert_eq!((answer.text.contains('\n'), answer.header("content-type")), (*breaks, Some(*media_type)));
        }
    }
    Ok(())
}
