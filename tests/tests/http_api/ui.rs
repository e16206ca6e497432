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

/// SHA-256 of `secret`.
const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

/// A browser asks beforehand, without a key, whether a page of another origin may ask; and shows the page no answer that does not
/// name its origin, a refusal neither.
#[tokio::test]
async fn pages_of_named_origins() -> Result<()> {
    let database = Database::fresh_postgres("http_ui_cors").await?;
    let environment =
        [("TEMPORAL_CORS_ORIGINS", "http://localhost:8080, https://ui.example"), ("PERDURE_API_KEY_HASHES", SECRET)];
    let server = Server::start_set("http_ui_cors", database, &[], &environment).await?;
    let path = "/api/v1/namespaces/default/workflows";
    for (origin, is_named) in
        [("http://localhost:8080", true), ("https://ui.example", true), ("https://other.example", false)]
    {
        let page = Rest::new(server.ui_port()).with("origin", origin);
        let allowed = is_named.then_some(origin);
        let asks = page.clone().with("access-control-request-method", "POST");
        let asks = asks.with("access-control-request-headers", "authorization, x-csrf-token");
        let told = asks.send("OPTIONS", path, "").await?;
        assert_eq!((told.status, told.header("access-control-allow-origin")), (200, allowed), "{told:?}");
        assert_eq!(told.text, "");
        for (header, names) in [
            ("access-control-allow-credentials", &["true"][..]),
            ("access-control-allow-methods", &["GET", "POST", "PUT", "DELETE"]),
            ("access-control-allow-headers", &["authorization", "x-csrf-token", "content-type"]),
        ] {
            let told = told.header(header).unwrap_or_default();
            assert!(names.iter().all(|name| told.split(',').any(|one| one == *name)), "{header}: {told}");
        }
        for (client, status) in [(page.clone(), 403), (page.with("authorization", "Bearer secret"), 200)] {
            let answer = client.get(path).await?;
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, allowed), "{answer:?}");
        }
    }
    // Whoever asks without an origin is no page; the API for programs knows none.
    assert_eq!(Rest::new(server.ui_port()).get(path).await?.header("access-control-allow-origin"), None);
    let asks = Rest::new(server.http_port()).with("origin", "http://localhost:8080");
    assert_eq!(asks.with("access-control-request-method", "POST").send("OPTIONS", path, "").await?.status, 403);
    Ok(())
}
