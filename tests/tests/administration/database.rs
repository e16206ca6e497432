//! `perdure db` and `perdure replay check --database`.

use std::time::Duration;

use anyhow::{Context, Result};
use perdure_tests::{Database, Server};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use tokio::time::{Instant, sleep};

use crate::{Ran, on_both_databases, on_database, workflows::Workflows};

on_both_databases!(migrations_may_meet, a_newer_schema_is_refused, damage_is_found);

/// Changes the database behind everybody's back.
pub(crate) async fn execute(database: &Database, statement: &str) -> Result<()> {
    let statement = AssertSqlSafe(statement.to_owned());
    match database {
        Database::Postgres(options) => {
            PgConnection::connect_with(options).await?.execute(statement).await?;
        }
        Database::SqliteFile(file) => {
            let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
            connection.execute(statement).await?;
            connection.close().await?;
        }
        Database::SqliteMemory => anyhow::bail!("nobody else reaches it"),
    }
    Ok(())
}

fn status(database: &Database) -> Result<Value> {
    Ran::of(&mut on_database(&["db", "status", "-o", "json"], database)?)?.ok()?.json()
}

async fn migrations_may_meet(name: &str, database: Database) -> Result<()> {
    if let Database::Postgres(_) = &database {
        let empty = status(&database)?;
        assert_eq!((&empty["schema"]["version"], &empty["tables"]), (&Value::Null, &json!([])));
    } else {
        let missing = Ran::of(&mut on_database(&["db", "status"], &database)?)?;
        assert!(!missing.success && missing.err.contains("a server makes it when it starts"), "{missing:?}");
    }
    let migrate = || on_database(&["db", "migrate"], &database);
    let together: Vec<_> = (0..4).map(|_| Ok(migrate()?.output()?)).collect::<Result<Vec<_>>>()?;
    assert!(together.iter().all(|output| output.status.success()), "{together:?}");
    let children = (0..4).map(|_| Ok(migrate()?.stdout(std::process::Stdio::null()).spawn()?));
    for mut child in children.collect::<Result<Vec<_>>>()? {
        assert!(child.wait()?.success());
    }
    let migrated = status(&database)?;
    assert_eq!(migrated["schema"]["pending"], json!([]));
    assert!(migrated["leases"].as_array().is_some_and(|leases| leases.iter().all(|lease| lease["owner"] == "")));

    let mut server = Server::start(name, database.clone()).await?;
    let mut workflows = Workflows::create(&server, "ns", 24).await?;
    for number in 0..3 {
        workflows.start(&format!("w{number}"), None).await?;
    }
    let running = status(&database)?;
    let rows = |status: &Value, table: &str| {
        let tables = status["tables"].as_array().cloned().unwrap_or_default();
        tables
            .into_iter()
            .find(|found| found["name"] == table)
            .map(|found| (found["rows"].clone(), found["exact"].clone()))
    };
    assert_eq!(rows(&running, "runs"), Some((json!(3), json!(true))));
    assert_eq!(rows(&running, "namespaces"), Some((json!(2), json!(true))));
    assert_eq!(running["leases"][0]["connected"], json!(true), "{running}");
    assert!(running["bytes"].as_i64().is_some_and(|bytes| bytes > 0));
    // A server that died holds what it had until the next one comes.
    server.kill9()?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while status(&database)?["leases"][0]["connected"] != json!(false) {
        assert!(Instant::now() < deadline, "{}", status(&database)?);
        sleep(Duration::from_millis(20)).await;
    }
    let text = Ran::of(&mut on_database(&["db", "status"], &database)?)?.ok()?.out;
    assert!(text.contains("up to date") && text.contains("which is gone"), "{text}");
    Ok(())
}

async fn a_newer_schema_is_refused(name: &str, database: Database) -> Result<()> {
    Ran::of(&mut on_database(&["db", "migrate"], &database)?)?.ok()?;
    let columns = "(version, description, success, checksum, execution_time)";
    let (yes, checksum) = match database {
        Database::Postgres(_) => ("true", "'\\x00'"),
        _ => ("1", "x'00'"),
    };
    let insert = format!("INSERT INTO _sqlx_migrations {columns} VALUES (9999, 'later', {yes}, {checksum}, 0)");
    execute(&database, &insert).await?;
    assert_eq!(status(&database)?["schema"]["newer"], json!(9999));
    let refused = Server::start(name, database.clone()).await.map(drop);
    let text = format!("{:#}", refused.err().context("a server has started")?);
    assert!(text.contains("schema version 9999, which is newer than this perdure"), "{text}");
    for arguments in [&["db", "migrate"][..], &["replay", "check", "--database"]] {
        let ran = Ran::of(&mut on_database(arguments, &database)?)?;
        assert!(!ran.success && ran.err.contains("newer than this perdure"), "{ran:?}");
    }
    Ok(())
}

async fn damage_is_found(name: &str, database: Database) -> Result<()> {
    let mut server = Server::start(name, database.clone()).await?;
    let mut workflows = Workflows::create(&server, "ns", 24).await?;
    // So many rows that a snapshot is written.
    let (one, other) = (workflows.start("one", None).await?, workflows.start("other", None).await?);
    for _ in 0..70 {
        workflows.signal("one").await?;
        workflows.signal("other").await?;
    }
    workflows.terminate("one").await?;
    let check = |more: &[&str]| {
        let arguments = [&["replay", "check", "--database", "-o", "json"], more].concat();
        Ran::of(&mut on_database(&arguments, &database)?)
    };
    let sound = check(&[])?.ok()?.json()?;
    assert_eq!((&sound["checked"], &sound["wrong"]), (&json!(2), &json!([])), "also while the server runs");
    server.stop().await?;
    assert_eq!(check(&["--namespace", "ns", "--workflow-id", "one"])?.ok()?.json()?["checked"], json!(1));
    assert_eq!(check(&["--namespace", "default"])?.ok()?.json()?["checked"], json!(0));

    let id = |run_id: &str| match database {
        Database::Postgres(_) => format!("'{run_id}'"),
        _ => format!("x'{}'", run_id.replace('-', "")),
    };
    let (one_id, other_id) = (id(&one), id(&other));
    let cases = [
        (
            format!(
                "UPDATE runs SET snapshot = (SELECT snapshot FROM runs WHERE run_id = {other_id}), snapshot_seq = \
                     (SELECT snapshot_seq FROM runs WHERE run_id = {other_id}) WHERE run_id = {one_id}"
            ),
            "is not what the journal leads to",
            0,
        ),
        (
            format!("UPDATE journal SET event_count = 9 WHERE run_id = {other_id} AND seq = 5"),
            "row 5 says that it has 9",
            0,
        ),
        (format!("DELETE FROM journal WHERE run_id = {other_id} AND seq = 4"), "has row 5 where row 4 should be", 0),
    ];
    for (statement, expected, event_id) in cases {
        execute(&database, &statement).await?;
        let ran = check(&[])?;
        let wrong = ran.json()?["wrong"].clone();
        let violations = wrong.as_array().into_iter().flatten().filter_map(|found| found["violations"].as_array());
        let found = violations.flatten().any(|violation| {
            violation["eventId"] == json!(event_id)
                && violation["what"].as_str().is_some_and(|what| what.contains(expected))
        });
        assert!(!ran.success && found, "{expected}: {wrong}");
    }
    Ok(())
}
