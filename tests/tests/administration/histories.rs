//! `perdure history export` and `import`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use perdure_tests::{Database, Server, fresh_folder, python};
use serde_json::{Value, json};

use crate::{Ran, command, on_both_databases, workflows::Workflows};

on_both_databases!(
    histories_move_between_servers,
    what_is_refused_changes_nothing,
    a_run_that_closed_before_it_started,
    an_export_that_was_killed_goes_on,
);

/// `perdure history WHAT` against a server, with its answer as JSON.
fn history(server: &Server, namespace: &str, arguments: &[&str]) -> Result<Ran> {
    let mut command = command(&["history"])?;
    command.args(arguments).args(["--address", &server.address(), "--namespace", namespace, "--output", "json"]);
    Ran::of(&mut command)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// To a server on the other database.
async fn histories_move_between_servers(name: &str, database: Database) -> Result<()> {
    let other = match database {
        Database::Postgres(_) => Database::fresh_sqlite_file(&format!("{name}_other"))?,
        _ => Database::fresh_postgres("adm_other").await?,
    };
    let (here, mut there) = (Server::start(name, database).await?, Server::start(&format!("{name}_to"), other).await?);
    let mut from = Workflows::create(&here, "from", 24).await?;
    from.add_attribute(&here).await?;
    for (id, attribute) in [("plain", None), ("with/slash", Some("c1")), ("chain", Some("c2")), ("chain", None)] {
        from.closed(id, attribute).await?;
    }
    from.start("open", None).await?;

    let folder = fresh_folder(&format!("{name}_files"))?;
    let (plain, packed) = (text(&folder.join("json")), text(&folder.join("binary")));
    let counts = |ran: &Ran, new: &str| -> Result<(Value, Value)> {
        let json = ran.json()?;
        Ok((json[new].clone(), json["wereThere"].clone()))
    };
    let export = |target: &str, more: &[&str]| -> Result<(Value, Value)> {
        let arguments = [&["export", "--to", target], more].concat();
        counts(&history(&here, "from", &arguments)?.ok()?, "exported")
    };
    assert_eq!(export(&plain, &["--query", "WorkflowId = 'chain' OR WorkflowId = 'plain'"])?, (json!(3), json!(0)));
    assert_eq!(export(&plain, &[])?, (json!(1), json!(3)), "the open one is not exported");
    assert_eq!(export(&packed, &["--format", "binary", "--workflow-id", "with/slash"])?, (json!(1), json!(0)));
    assert_eq!(files(Path::new(&plain))?.len(), 4);

    let mut to = Workflows::create(&there, "to", 24).await?;
    to.add_attribute(&there).await?;
    let import = |server: &Server, from: &str| counts(&history(server, "to", &["import", from])?.ok()?, "imported");
    assert_eq!(import(&there, &packed)?, (json!(1), json!(0)));
    assert_eq!(import(&there, &plain)?, (json!(3), json!(1)));
    assert_eq!(import(&there, &plain)?, (json!(0), json!(4)));

    // Also after all memory is lost.
    there.kill9()?;
    there.restart().await?;
    to.client = perdure_proto::api::workflowservice::workflow_service_client::WorkflowServiceClient::new(
        there.channel().await?,
    );
    assert_eq!(to.listed("").await?, from.listed("ExecutionStatus = 'Terminated'").await?);
    assert_eq!(to.listed("CustomerId = 'c2'").await?.len(), 1);
    let again = text(&folder.join("again"));
    let ran = history(&there, "to", &["export", "--to", &again])?.ok()?;
    assert_eq!(counts(&ran, "exported")?, (json!(4), json!(0)));
    for file in files(&Path::new(&plain).join("from"))? {
        let place = file.strip_prefix(Path::new(&plain).join("from"))?;
        assert_eq!(fs::read(Path::new(&again).join("to").join(place))?, fs::read(&file)?, "{}", place.display());
    }
    // A new run of an imported id.
    to.start("chain", None).await?;
    assert_eq!(import(&there, &plain)?, (json!(0), json!(4)));
    there.panics()
}

async fn what_is_refused_changes_nothing(name: &str, database: Database) -> Result<()> {
    let server = Server::start(name, database).await?;
    let mut from = Workflows::create(&server, "from", 24).await?;
    from.add_attribute(&server).await?;
    from.closed("w", Some("c")).await?;
    let mut to = Workflows::create(&server, "to", 24).await?;
    let folder = fresh_folder(&format!("{name}_files"))?;
    history(&server, "from", &["export", "--to", &text(&folder.join("good"))])?.ok()?;
    let good: Value = serde_json::from_slice(&fs::read(&files(&folder.join("good"))?[0])?)?;

    /// Of a run that is nowhere yet, without what the other namespace lacks.
    fn another(history: &Value) -> Value {
        let mut history = history.clone();
        let started = &mut history["events"][0]["workflowExecutionStartedEventAttributes"];
        started["originalExecutionRunId"] = json!(uuid::Uuid::new_v4().to_string());
        started["searchAttributes"] = Value::Null;
        history
    }
    fn events(history: &mut Value) -> &mut Vec<Value> {
        history["events"].as_array_mut().expect("a list of events")
    }
    type Change = fn(&Value, &mut Value);
    let cases: [(&str, &str, Change); 10] = [
        ("not-json", "it is not the JSON of a history", |_, history| *history = json!("text")),
        ("empty", "it has no events", |_, history| events(history).clear()),
        ("open", "does not end with the close", |_, history| drop(events(history).pop())),
        ("hole", "stands where event 2 should", |_, history| drop(events(history).remove(1))),
        ("nameless", "does not say of which run it is", |_, history| {
            history["events"][0]["workflowExecutionStartedEventAttributes"]["workflowId"] = json!("");
        }),
        ("attribute", "no mapping defined for search attribute CustomerId", |good, history| history.clone_from(good)),
        ("other", "a server has each run id once", |good, history| {
            let id = &good["events"][0]["workflowExecutionStartedEventAttributes"]["originalExecutionRunId"];
            history["events"][0]["workflowExecutionStartedEventAttributes"]["originalExecutionRunId"].clone_from(id);
        }),
        ("future", "Event 3 has a time before 1970 or in the future", |_, history| {
            events(history)[2]["eventTime"] = json!("2200-01-01T00:00:00Z");
        }),
        ("nul", "WorkflowType must not contain a NUL byte", |_, history| {
            history["events"][0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"] = json!("a\u{0}b");
        }),
        ("too-old", "it would be deleted at once", |_, history| {
            events(history).iter_mut().for_each(|event| event["eventTime"] = json!("2020-01-01T00:00:00Z"));
        }),
    ];
    for (file, expected, change) in cases {
        let mut bad = another(&good);
        change(&good, &mut bad);
        let path = folder.join(format!("{file}.json"));
        fs::write(&path, bad.to_string())?;
        let ran = history(&server, "to", &["import", &text(&path)])?;
        assert!(!ran.success && ran.err.contains(expected), "{file}: {ran:?}");
        assert_eq!(ran.json()?["refused"], json!(1), "{file}");
    }
    assert_eq!(to.listed("").await?, []);
    // The run that is there stays as it is.
    let changed = folder.join("changed.json");
    fs::write(&changed, good.to_string().replace("\"reason\":\"test\"", "\"reason\":\"another\""))?;
    let ran = history(&server, "from", &["import", &text(&changed)])?;
    assert!(!ran.success && ran.err.contains("exists with another history"), "{ran:?}");
    let nothing = history(&server, "from", &["import", &text(&fresh_folder(&format!("{name}_empty"))?)])?;
    assert!(!nothing.success && nothing.err.contains("there are no histories"), "{nothing:?}");
    server.panics()
}

/// By clocks of two machines that are not alike. It is imported, and lists find it by both of its times.
async fn a_run_that_closed_before_it_started(name: &str, database: Database) -> Result<()> {
    let server = Server::start(name, database).await?;
    let mut from = Workflows::create(&server, "from", 24).await?;
    from.closed("w", None).await?;
    let folder = fresh_folder(&format!("{name}_files"))?;
    history(&server, "from", &["export", "--to", &text(&folder)])?.ok()?;
    let mut skewed: Value = serde_json::from_slice(&fs::read(&files(&folder)?[0])?)?;
    let events = skewed["events"].as_array_mut().context("events")?;
    let started = events[0]["eventTime"].as_str().context("a time")?.to_owned();
    let before = "2026-01-02T03:04:05Z";
    assert!(*before < *started);
    if let Some(last) = events.last_mut() {
        last["eventTime"] = json!(before);
    }
    let attributes = &mut events[0]["workflowExecutionStartedEventAttributes"];
    attributes["originalExecutionRunId"] = json!(uuid::Uuid::new_v4().to_string());
    let path = folder.join("skewed.json");
    fs::write(&path, skewed.to_string())?;

    let mut to = Workflows::create(&server, "to", 24 * 365 * 10).await?;
    assert_eq!(history(&server, "to", &["import", &text(&path)])?.ok()?.json()?["imported"], json!(1));
    for (query, found) in [
        (String::new(), 1),
        (format!("StartTime = '{started}'"), 1),
        (format!("StartTime BETWEEN '{started}' AND '{started}'"), 1),
        (format!("StartTime >= '{started}' AND CloseTime >= '{started}'"), 1),
        (format!("StartTime > '{started}'"), 0),
        (format!("CloseTime < '{started}'"), 0),
        (format!("StartTime < '{started}'"), 0),
    ] {
        assert_eq!(to.listed(&query).await?.len(), found, "{query}");
    }
    server.panics()
}

async fn an_export_that_was_killed_goes_on(name: &str, database: Database) -> Result<()> {
    const RUNS: usize = 60;
    let server = Server::start(name, database).await?;
    let mut from = Workflows::create(&server, "from", 24).await?;
    for number in 0..RUNS {
        from.closed(&format!("w{number}"), None).await?;
    }
    let folder = fresh_folder(&format!("{name}_files"))?;
    let target = text(&folder);
    let arguments = ["export", "--to", &target, "--concurrency", "2"];
    let mut killed = command(&["history"])?;
    killed.args(arguments).args(["--address", &server.address(), "--namespace", "from"]);
    let mut killed = killed.stdout(std::process::Stdio::null()).spawn()?;
    while files(&folder)?.is_empty() && killed.try_wait()?.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    killed.kill()?;
    killed.wait()?;
    let whole = |folder: &Path| -> Result<usize> {
        let found = files(folder)?.into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "json"));
        let mut count = 0;
        for file in found {
            let history: Value = serde_json::from_slice(&fs::read(&file)?).with_context(|| text(&file))?;
            assert_eq!(history["events"].as_array().map(Vec::len), Some(4), "{}", file.display());
            count += 1;
        }
        Ok(count)
    };
    let before = whole(&folder)?;
    let ran = history(&server, "from", &arguments)?.ok()?.json()?;
    assert_eq!((&ran["exported"], &ran["wereThere"]), (&json!(RUNS - before), &json!(before)));
    assert_eq!(whole(&folder)?, RUNS);
    Ok(())
}

/// Workflows of a real worker, exported, replayed by the SDK's own replayer, and imported into another server.
#[tokio::test]
async fn the_python_sdk_replays_what_was_exported() -> Result<()> {
    let name = "administration_replay";
    let server = Server::start(name, Database::SqliteMemory).await?;
    let program = "../tests/histories/replay.py";
    python("administration_replay_run", &[program, "run", &server.address()]).await?;
    let folder = text(&fresh_folder(name)?);
    history(&server, "default", &["export", "--to", &folder])?.ok()?;
    python("administration_replay_sdk", &[program, "replay", &folder]).await?;

    let other = Server::start("administration_replay_other", Database::SqliteMemory).await?;
    history(&other, "default", &["import", &folder])?.ok()?;
    python("administration_replay_imported", &[program, "imported", &other.address()]).await?;
    let checked =
        Ran::of(command(&["replay", "check", "--address", &other.address(), "-o", "json"])?.env("HOME", "/"))?;
    assert_eq!(checked.ok()?.json()?["wrong"], json!([]));
    other.panics()
}
