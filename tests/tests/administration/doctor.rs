//! `perdure doctor`: each thing is broken for real.

use std::{fs, net::TcpListener, process::Command};

use anyhow::{Context, Result};
use perdure_proto::api::{
    enums::WorkflowTaskFailedCause,
    taskqueue::TaskQueue,
    workflowservice::{PollWorkflowTaskQueueRequest, RespondWorkflowTaskFailedRequest},
};
use perdure_tests::{Database, Server, fresh_folder, perdure, ports};

use crate::{Ran, command, database::execute, on_both_databases, on_database, workflows::Workflows};

on_both_databases!(a_sound_server_has_no_problem, broken_workers_are_found, a_dead_servers_leases_are_seen);

/// Status and text of one check.
fn finding(ran: &Ran, check: &str) -> Result<(String, String)> {
    let json = ran.json()?;
    let found = json["checks"].as_array().into_iter().flatten().find(|found| found["check"] == check);
    let found = found.with_context(|| format!("no check {check} in {ran:?}"))?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    assert!(!matches!(text("status").as_str(), "warn" | "problem") || !text("action").is_empty(), "{found}: no action");
    Ok((text("status"), format!("{} do: {}", text("found"), text("action"))))
}

/// A problem, or a warning, with this in its text.
fn expect(ran: &Ran, check: &str, status: &str, expected: &str) -> Result<()> {
    let (found, text) = finding(ran, check)?;
    assert!(found == status && text.contains(expected), "{check} {status} {expected}: {found} {text}");
    assert_eq!(ran.success, ran.json()?["problems"] == 0, "the exit code says whether there is a problem");
    Ok(())
}

/// Looks as a client at this server, and as a server at its database; free ports for the rest.
fn doctor(server: &Server, namespace: &str) -> Result<Command> {
    let mut command = on_database(&["doctor", "-o", "json", "--address"], server.database())?;
    if let Database::SqliteFile(file) = server.database() {
        // The address is the flag's value.
        command = command_with(&["doctor", "-o", "json", "--db-filename"])?;
        command.arg(file).arg("--address");
    }
    command.arg(server.address()).args(["--namespace", namespace]);
    free_ports(&mut command)?;
    Ok(command)
}

fn command_with(arguments: &[&str]) -> Result<Command> {
    command(arguments)
}

fn free_ports(command: &mut Command) -> Result<()> {
    for name in ["FRONTEND_GRPC_PORT", "FRONTEND_HTTP_PORT", "FRONTEND_UI_PORT"] {
        command.env(name, ports::free()?.to_string());
    }
    Ok(())
}

async fn a_sound_server_has_no_problem(name: &str, database: Database) -> Result<()> {
    let server = Server::start(name, database).await?;
    let ran = Ran::of(&mut doctor(&server, "default")?)?;
    for check in
        ["settings", "ports", "open files", "database", "schema", "durability", "leases", "server", "namespace"]
    {
        expect(&ran, check, "ok", "")?;
    }
    expect(
        &Ran::of(&mut doctor(&server, "none")?)?,
        "namespace",
        "problem",
        "perdure operator namespace create -n none",
    )?;
    let text = Ran::of(&mut command(&["doctor", "--client-only", "--address", &server.address()])?)?.ok()?.out;
    assert!(text.starts_with("ok       server "), "{text}");
    // TLS where there is none.
    let mut tls = doctor(&server, "default")?;
    expect(&Ran::of(tls.arg("--tls"))?, "server", "problem", "does it want TLS")
}

/// A queue that nobody polls, and a worker that fails.
async fn broken_workers_are_found(name: &str, database: Database) -> Result<()> {
    let server = Server::start(name, database).await?;
    let mut workflows = Workflows::create(&server, "ns", 24).await?;
    workflows.start("waits", None).await?;
    let ran = Ran::of(&mut doctor(&server, "ns")?)?;
    expect(&ran, "task queues", "problem", "no worker polls queue (1 workflow tasks)")?;
    expect(&ran, "workflows", "ok", "")?;
    for _ in 0..6 {
        let poll = PollWorkflowTaskQueueRequest {
            namespace: "ns".into(),
            task_queue: Some(TaskQueue { name: "queue".into(), ..Default::default() }),
            ..Default::default()
        };
        let task = workflows.client.poll_workflow_task_queue(poll).await?.into_inner();
        let failed = RespondWorkflowTaskFailedRequest {
            namespace: "ns".into(),
            task_token: task.task_token,
            cause: WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure as i32,
            ..Default::default()
        };
        workflows.client.respond_workflow_task_failed(failed).await?;
    }
    let ran = Ran::of(&mut doctor(&server, "ns")?)?;
    expect(&ran, "workflows", "problem", "perdure workflow describe -w 'waits'")
}

async fn a_dead_servers_leases_are_seen(name: &str, database: Database) -> Result<()> {
    let mut server = Server::start(name, database.clone()).await?;
    server.kill9()?;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let ran = Ran::of(&mut doctor(&server, "default")?)?;
        expect(&ran, "server", "problem", "nobody listens at")?;
        if finding(&ran, "leases")?.0 == "warn" {
            return expect(&ran, "leases", "warn", "is gone");
        }
        // PostgreSQL takes a moment to notice that its client is gone.
        assert!(tokio::time::Instant::now() < deadline, "{ran:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// What a server would stumble over, without one.
#[tokio::test]
async fn settings_and_machine() -> Result<()> {
    let folder = fresh_folder("administration_doctor")?;
    let file = |name: &str, text: &str| -> Result<String> {
        fs::write(folder.join(name), text)?;
        Ok(folder.join(name).to_string_lossy().into_owned())
    };
    let broken = file("broken.yaml", "- a list")?;
    let unknown = file("unknown.yaml", "no.such.key:\n  - value: 1\n")?;
    let missing = folder.join("missing.pem").to_string_lossy().into_owned();
    let nowhere = folder.join("none").join("x.db").to_string_lossy().into_owned();
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?.port().to_string();
    let holder = TcpListener::bind(format!("127.0.0.1:{}", ports::free()?))?;
    let held = holder.local_addr()?.port().to_string();
    drop(taken);
    let cases: [(&str, &str, &str, &str, &str); 8] = [
        ("DB_PORT", "x", "settings", "problem", "DB_PORT=x: a number is needed"),
        ("FRONTEND_HTTP_PORT", &held, "ports", "problem", "end the program that has the port"),
        ("BIND_ON_IP", "192.0.2.1", "ports", "problem", "name an address of this machine"),
        ("BIND_ON_IP", "0.0.0.0", "credentials", "warn", "whoever reaches 0.0.0.0"),
        ("DYNAMIC_CONFIG_FILE_PATH", &broken, "dynamic config", "problem", "mend the file"),
        ("DYNAMIC_CONFIG_FILE_PATH", &unknown, "dynamic config", "warn", "nobody knows no.such.key"),
        ("TEMPORAL_TLS_FRONTEND_CERT", &missing, "credentials", "problem", "tls.cert without tls.key"),
        ("SQLITE_PATH", &nowhere, "disk", "problem", "make the folder"),
    ];
    for (variable, value, check, status, expected) in cases {
        let mut command = command(&["doctor", "--server-only", "-o", "json"])?;
        free_ports(&mut command)?;
        command.env("DB", "sqlite").env(variable, value);
        expect(&Ran::of(&mut command)?, check, status, expected)?;
    }
    // A limit of the shell holds for what it starts.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 300; exec \"$0\" doctor --server-only -o json"]).arg(perdure()?.get_program());
    limited.env("DB", "sqlite");
    free_ports(&mut limited)?;
    expect(&Ran::of(&mut limited)?, "open files", "problem", "300 files at most")
}

#[tokio::test]
async fn ways_to_a_database_that_do_not_work() -> Result<()> {
    let database = Database::fresh_postgres("adm_doctor").await?;
    let folder = fresh_folder("administration_doctor_database")?;
    let many = folder.join("many.yaml");
    fs::write(&many, "store:\n  max_connections: 100000\n")?;
    let (closed, many) = (ports::free()?.to_string(), many.to_string_lossy().into_owned());
    let cases: [(&str, &str, &str, &str, &str); 6] = [
        ("DB_PORT", &closed, "database", "problem", "start the database"),
        ("POSTGRES_USER", "nobody_has_this_name", "database", "problem", "mend POSTGRES_USER"),
        ("DBNAME", "there_is_no_such_database", "database", "warn", "perdure db migrate"),
        ("SQL_TLS_ENABLED", "true", "database", "problem", "SQL_TLS_ENABLED"),
        ("DATABASE_URL", "postgres:// :x", "database", "problem", "mend DATABASE_URL"),
        ("PERDURE_CONFIG", &many, "connections", "problem", "raise max_connections"),
    ];
    let doctor = |variable: &str, value: &str| -> Result<Ran> {
        let mut command = on_database(&["doctor", "--server-only", "-o", "json"], &database)?;
        free_ports(&mut command)?;
        Ran::of(command.env(variable, value))
    };
    for (variable, value, check, status, expected) in cases {
        expect(&doctor(variable, value)?, check, status, expected)?;
    }
    expect(&doctor("PGAPPNAME", "x")?, "schema", "warn", "not set up")?;
    Ran::of(&mut on_database(&["db", "migrate"], &database)?)?.ok()?;
    expect(&doctor("PGAPPNAME", "x")?, "schema", "ok", "up to date")?;
    execute(&database, "UPDATE _sqlx_migrations SET success = false WHERE version = 2").await?;
    expect(&doctor("PGAPPNAME", "x")?, "schema", "problem", "the upgrade to version 2 began")?;
    let Database::Postgres(options) = &database else { return Ok(()) };
    let name = options.get_database().unwrap_or_default();
    execute(&database, &format!("ALTER DATABASE \"{name}\" SET synchronous_commit = off")).await?;
    expect(&doctor("PGAPPNAME", "x")?, "durability", "problem", "synchronous_commit is off")?;
    execute(&database, &format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on")).await?;
    expect(&doctor("PGAPPNAME", "x")?, "durability", "problem", "takes no writes")
}
