use http::Method;

use super::*;

const ROUTE: &str = "/namespaces/n/workflows/w";

/// The request as JSON, or what is wrong with it.
fn read_request(method: &Method, path: &str, query: &str, body: &str) -> Result<Value, String> {
    let (route, in_path) = SCHEMA.find(method, path).unwrap();
    let query = pairs(&format!("{path}?{query}").parse().unwrap()).unwrap();
    let format = Format { pretty: false, shorthand: true };
    message(route, format, body.as_bytes(), &query, &in_path).map(|message| serde_json::to_value(&message).unwrap())
}

#[test]
fn requests() {
    type Case<'a> = (Method, String, &'a str, &'a str, Value);
    let history = || format!("{ROUTE}/history");
    let cases: [Case<'_>; 6] = [
        (
            Method::POST,
            ROUTE.into(),
            "namespace=x",
            r#"{"identity":"i","workflowId":"x","request_id":"r"}"#,
            json!({"namespace": "n", "workflowId": "w", "identity": "i", "requestId": "r"}),
        ),
        (Method::POST, ROUTE.into(), "", " \n", json!({"namespace": "n", "workflowId": "w"})),
        (
            Method::POST,
            format!("{ROUTE}/terminate"),
            "",
            r#"{"workflowExecution":{"runId":"r","workflowId":"x"}}"#,
            json!({"namespace": "n", "workflowExecution": {"workflowId": "w", "runId": "r"}}),
        ),
        (
            Method::GET,
            history(),
            "execution.runId=r&execution.workflowId=x&namespace=x&pretty",
            "ignored",
            json!({"namespace": "n", "execution": {"workflowId": "w", "runId": "r"}}),
        ),
        (
            Method::GET,
            history(),
            "skip_archival=true&wait_new_event=1",
            "",
            json!({"namespace": "n", "execution": {"workflowId": "w"}, "skipArchival": true, "waitNewEvent": true}),
        ),
        (
            Method::DELETE,
            "/namespaces/n/schedules/s".into(),
            "identity=a%20b%2B+c",
            "",
            json!({"namespace": "n", "scheduleId": "s", "identity": "a b+ c"}),
        ),
    ];
    for (method, path, query, body, expected) in cases {
        assert_eq!(read_request(&method, &path, query, body), Ok(expected), "{method} {path}?{query} {body}");
    }
}

#[test]
fn bad_requests() {
    let cases = [
        ("[1]", "the body is no JSON object, which a StartWorkflowExecutionRequest is"),
        ("null", "the body is no JSON object, which a StartWorkflowExecutionRequest is"),
        ("x", "the body is no JSON: expected value at line 1 column 1"),
        ("{", "the body is no JSON: EOF while parsing an object at line 1 column 1"),
        ("{}{}", "the body is no JSON: trailing characters at line 1 column 3"),
        (r#"{"nope":1}"#, "unknown field \"nope\" in StartWorkflowExecutionRequest"),
        (r#"{"workflowType":{"nam":1}}"#, "unknown field \"nam\" in WorkflowType"),
    ];
    for (body, expected) in cases {
        let found = read_request(&Method::POST, ROUTE, "", body);
        assert_eq!(found, Err(expected.to_owned()), "{body}");
    }
    let unreadable = [
        (r#"{"workflowType":5}"#, "workflowType"),
        (r#"{"workflowIdReusePolicy":"X"}"#, "workflowIdReusePolicy"),
        (r#"{"workflowRunTimeout":"soon"}"#, "workflowRunTimeout"),
        (r#"{"retryPolicy":{"maximumAttempts":1e99}}"#, "retryPolicy.maximumAttempts"),
        (r#"{"input":5}"#, "input"),
        (r#"{"links":[{},{"workflowEvent":1}]}"#, "links[1].workflowEvent"),
        (r#"{"memo":{"fields":[]}}"#, "memo.fields"),
    ];
    for (body, path) in unreadable {
        let found = read_request(&Method::POST, ROUTE, "", body).unwrap_err();
        assert!(found.starts_with(&format!("the body is no request: {path}: ")), "{body}: {found}");
    }
    let twice = read_request(&Method::GET, &format!("{ROUTE}/history"), "maximumPageSize=1&maximum_page_size=2", "");
    assert_eq!(twice, Err("too many values for field \"maximum_page_size\": 1, 2".to_owned()));
}

/// Whatever a body says, it is read or refused.
#[test]
fn deep_bodies() {
    let deep = |open: &str, middle: &str, close: &str| [&open.repeat(5_000), middle, &close.repeat(5_000)].concat();
    for value in [deep("[", "1", "]"), deep(r#"{"cause":"#, "{}", "}"), deep(r#"{"fields":"#, "{}", "}")] {
        for name in ["input", "memo", "lastFailure", "continuedFailure"] {
            let body = format!(r#"{{"{name}":{value}}}"#);
            assert!(read_request(&Method::POST, ROUTE, "", &body).is_err());
        }
    }
}
