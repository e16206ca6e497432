//! 553 requests, each with the answer that Temporal's server gave: ours gives the same, or a better one that
//! `tests/bad_inputs/better.jsonl` lists with its reason.

mod case;
mod placeholders;
mod run;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use perdure_tests::{
    Database, Server,
    raw::{RETRIED, Raw, descriptors, inside},
};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};
use tonic::Code;

use case::{Call, Case, Expected};
use placeholders::{Namespaces, lookup};
use run::{Client, Got, run};

/// So many cases run at the same time.
const PARALLEL: usize = 16;
/// The recordings of the set-up `settings`, as far as they are limits that exist here.
const SETTINGS: [&str; 5] = [
    "history.maxTotalUpdates=3",
    "history.maximumSignalsPerExecution=5",
    "history.workflowTaskHeartbeatTimeout=3s",
    "frontend.disableListVisibilityByFilter=true",
    r#"component.callbacks.allowedAddresses=[{"Pattern":"localhost:1","AllowInsecure":true}]"#,
];
/// The set-up `authorizer`: a server that lets nobody in without this key.
const KEY: &str = "recorded-requests";
const KEY_HASH: &str = "39b89811523090c148e889fdd733ec0acccd1c8151eeff43a7858a8cce86a2bc";
/// Set-ups of one setting each.
const RATES: [(&str, &str); 3] = [
    ("namespace-rps", "frontend.namespaceRPS=5"),
    ("pollers", "frontend.namespaceCount=1"),
    ("host-rps", "frontend.rps=5"),
];
const WORKFLOWS: &str = "temporal.api.workflowservice.v1.WorkflowService";
const OPERATORS: &str = "temporal.api.operatorservice.v1.OperatorService";

#[tokio::test]
async fn on_sqlite() -> Result<()> {
    let server = Server::start("bad_inputs_sqlite", Database::SqliteMemory).await?;
    check(server, |case| case.server.is_none() || case.server.as_deref() == Some("1.32")).await
}

#[tokio::test]
async fn on_postgres() -> Result<()> {
    let database = Database::fresh_postgres("bad_inputs").await?;
    let server = Server::start("bad_inputs_postgres", database).await?;
    check(server, |case| case.server.is_none() && !case.slow).await
}

#[tokio::test]
async fn with_other_limits() -> Result<()> {
    let server = Server::start_with("bad_inputs_settings", Database::SqliteMemory, &SETTINGS).await?;
    check(server, |case| case.server.as_deref() == Some("settings")).await
}

#[tokio::test]
async fn without_a_key() -> Result<()> {
    let flags = ["--api-key-hash", KEY_HASH];
    let server = Server::start_set("bad_inputs_authorizer", Database::SqliteMemory, &flags, &[]).await?;
    check(server, |case| case.server.as_deref() == Some("authorizer")).await
}

#[tokio::test]
async fn with_other_rates() -> Result<()> {
    for (set_up, setting) in RATES {
        let name = format!("bad_inputs_{set_up}");
        let server = Server::start_with(&name, Database::SqliteMemory, &[setting]).await?;
        check(server, |case| case.server.as_deref() == Some(set_up)).await.context(set_up)?;
    }
    Ok(())
}

/// Every other set-up is one that no server of ours can have.
#[test]
fn no_case_is_forgotten() -> Result<()> {
    let mut count = 0;
    for (case, expected) in case::all()? {
        count += 1;
        let is_known = case.server.as_deref().is_none_or(|set_up| {
            matches!(set_up, "1.32" | "settings" | "authorizer") || RATES.iter().any(|(known, _)| *known == set_up)
        });
        ensure!(is_known || matches!(expected, Expected::NotSent), "{} is sent by no test", case.id);
    }
    ensure!(count == 553, "{count} cases");
    Ok(())
}

async fn check(server: Server, wanted: impl Fn(&Case) -> bool) -> Result<()> {
    let client = Client { raw: Raw::new(server.channel().await?), pool: descriptors()? };
    let namespaces = namespaces(&client).await?;
    let permits = Arc::new(Semaphore::new(PARALLEL));
    let mut running = JoinSet::new();
    for (case, expected) in case::all()?.into_iter().filter(|(case, _)| wanted(case)) {
        if matches!(expected, Expected::NotSent) {
            continue;
        }
        let (client, namespaces, permits) = (client.clone(), namespaces.clone(), permits.clone());
        running.spawn(async move {
            let _permit = permits.acquire_owned().await?;
            let got = run(&client, &namespaces, &case).await.with_context(|| case.id.clone())?;
            Ok::<_, anyhow::Error>((case, expected, got))
        });
    }
    let (mut good, mut wrong) = (0, BTreeMap::new());
    while let Some(done) = running.join_next().await {
        match done? {
            Ok((case, expected, got)) => match judge(expected, got) {
                Ok(()) => good += 1,
                Err(error) => {
                    wrong.insert(case.id.clone(), format!("{} {}: {error:#}", case.id, case.call.rpc));
                }
            },
            Err(error) => {
                wrong.insert(format!("{error:#}"), format!("{error:#}"));
            }
        }
    }
    println!("{good} answers as they must be, {} not", wrong.len());
    let wrong: Vec<String> = wrong.into_values().collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.panics()
}

fn judge(expected: Expected, got: Got) -> Result<()> {
    let (answer, code) = match (&expected, got) {
        (Expected::Unimplemented, Got::NotBuilt) => return Ok(()),
        (_, Got::NotBuilt) => anyhow::bail!("a step is not built"),
        (_, Got::Answer { answer, code }) => (answer, code),
    };
    let told = answer["message"].as_str().unwrap_or_default();
    ensure!(!RETRIED.contains(&code), "would be sent again: {answer}");
    ensure!(!inside(told), "tells of the inside: {told}");
    match expected {
        Expected::Unimplemented => {
            ensure!(answer["code"] == "UNIMPLEMENTED", "is built now, so it leaves waiting.jsonl: {answer}");
        }
        // Each client words it in its own way.
        Expected::Answer(wanted) if wanted["code"] == "DEADLINE_EXCEEDED" => {
            ensure!(answer["code"] == wanted["code"], "{answer}\n  instead of\n{wanted}");
        }
        Expected::Answer(wanted) => ensure!(answer == wanted, "{answer}\n  instead of\n{wanted}"),
        Expected::NotSent => {}
    }
    Ok(())
}

/// Two namespaces; the first has a search attribute of each type.
async fn namespaces(client: &Client) -> Result<Namespaces> {
    let tag = uuid::Uuid::new_v4().simple().to_string();
    let (first, second) = (format!("bad-a-{}", &tag[..8]), format!("bad-b-{}", &tag[..8]));
    for namespace in [&first, &second] {
        let request = json!({"namespace": namespace, "workflowExecutionRetentionPeriod": "86400s"});
        must(client, &format!("{WORKFLOWS}/RegisterNamespace"), request).await?;
    }
    let described = must(client, &format!("{WORKFLOWS}/DescribeNamespace"), json!({"namespace": first})).await?;
    let first_id = lookup(&described, "namespaceInfo.id").as_str().context("no id")?.to_owned();
    let types = ["Int", "Double", "Bool", "Datetime", "Keyword", "Text"];
    let mut attributes: BTreeMap<String, String> =
        types.map(|name| (format!("Custom{name}"), format!("INDEXED_VALUE_TYPE_{}", name.to_uppercase()))).into();
    attributes.insert("CustomKeywordList".into(), "INDEXED_VALUE_TYPE_KEYWORD_LIST".into());
    let request = json!({"namespace": first, "searchAttributes": attributes});
    must(client, &format!("{OPERATORS}/AddSearchAttributes"), request).await?;
    Ok(Namespaces { first, first_id, second })
}

async fn must(client: &Client, rpc: &str, request: Value) -> Result<Value> {
    let call: Call =
        serde_json::from_value(json!({"rpc": rpc, "metadata": {"authorization": format!("Bearer {KEY}")}}))?;
    loop {
        match client.send(rpc, request.clone(), &call).await? {
            // Where rates are tested.
            Err(status) if status.code() == Code::ResourceExhausted => sleep(Duration::from_millis(100)).await,
            answer => return Ok(answer?),
        }
    }
}
