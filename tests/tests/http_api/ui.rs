//! The port that web UIs ask.

use anyhow::{Context, Result, ensure};
use perdure_tests::{Database, Server, rest::Rest};
use serde_json::{Value, json};

const START: &str = "/api/v1/namespaces/default/workflows/a%2Fb";

fn workflow() -> Value {
    json!({"workflowType": {"name": "t"}, "taskQueue": {"name": "q"}, "input": {"payloads": [
        {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="},
    ]}})
}

#[tokio::test]
async fn settings_and_histories() -> Result<()> {
    let server = Server::start("http_ui_settings", Database::SqliteMemory).await?;
    let client = Rest::new(server.ui_port());
    let settings = client.get("/api/v1/settings").await?.json();
    assert_eq!(settings["Auth"]["Enabled"], json!(false));
    assert_eq!(settings["DefaultNamespace"], json!("default"));
    assert_eq!(settings["Codec"]["Endpoint"], json!(""));
    ensure!(settings["Version"].as_str().is_some_and(|version| version.starts_with("2.")), "{settings}");
    let cluster = client.get("/api/v1/cluster-info").await?;
    assert_eq!(cluster.header("content-type"), Some("application/json"));
    ensure!(cluster.json()["serverVersion"].is_string(), "{}", cluster.text);
    ensure!(cluster.text.contains('\n'), "the UI's server indents");

    let started = client.clone().with("authorization", "x").post(START, &workflow()).await?;
    assert_eq!(started.status, 200, "{}", started.text);
    let run = started.json()["runId"].as_str().context("a run id")?.to_owned();
    let history = client.get(&format!("{START}/run/{run}/history.json")).await?;
    let events = history.json();
    assert_eq!(events.as_array().map(Vec::len), Some(2), "{}", history.text);
    assert_eq!(events[0]["eventType"], json!("EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"));
    let input = &events[0]["workflowExecutionStartedEventAttributes"]["input"];
    assert_eq!(*input, workflow()["input"], "payloads stay as they are");
    let none = client.get(&format!("/api/v1/namespaces/default/workflows/none/run/{run}/history.json")).await?;
    assert_eq!((none.status, &none.json()["code"]), (404, &json!(5)));

    for path in ["/namespaces", "/api/v1/nothing", "/api/v1"] {
        assert_eq!(client.get(path).await?.status, 404, "{path}");
    }
    Ok(())
}

/// A page of another site can make a browser send a request, with its cookies; it cannot read them.
#[tokio::test]
async fn requests_of_other_sites() -> Result<()> {
    let server = Server::start("http_ui_csrf", Database::SqliteMemory).await?;
    let client = Rest::new(server.ui_port());
    let first = client.get("/api/v1/settings").await?;
    let cookie = first.header("set-cookie").context("a cookie")?.split(';').next().context("its value")?.to_owned();
    ensure!(first.header("set-cookie").is_some_and(|cookie| cookie.contains("SameSite=Strict")), "{first:?}");
    let token = cookie.strip_prefix("_csrf=").context("the cookie's name")?.to_owned();
    let with_cookie = client.clone().with("cookie", &format!("a=b; {cookie}"));
    let other = "0".repeat(token.len());
    let cases = [
        (client.clone(), 400, "missing csrf token in request header"),
        (with_cookie.clone(), 400, "missing csrf token in request header"),
        (client.clone().with("x-csrf-token", &token), 403, "invalid csrf token"),
        (with_cookie.clone().with("x-csrf-token", &other), 403, "invalid csrf token"),
        (with_cookie.clone().with("x-csrf-token", ""), 403, "invalid csrf token"),
        (client.clone().with("cookie", "_csrf=").with("x-csrf-token", ""), 403, "invalid csrf token"),
    ];
    for (client, status, message) in cases {
        let answer = client.post(START, &workflow()).await?;
        assert_eq!((answer.status, &answer.json()["message"]), (status, &json!(message)), "{client:?}");
    }
    assert_eq!(client.get(START).await?.status, 404, "nothing has started");
    let answer = with_cookie.with("X-CSRF-TOKEN", &token).post(START, &workflow()).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    Ok(())
}

#[tokio::test]
async fn pages_of_named_origins() -> Result<()> {
    let server = Server::start("http_ui_cors", Database::SqliteMemory).await?;
    let client = Rest::new(server.ui_port()).with("origin", "http://localhost:8080");
    for method in ["GET", "OPTIONS"] {
        let answer = client.send(method, "/api/v1/settings", "").await?;
        assert_eq!(answer.status, if method == "GET" { 200 } else { 204 });
        assert_eq!(answer.header("access-control-allow-origin"), None, "no origin is named");
    }
    Ok(())
}
