//! The binary as its user meets it: flags, exit codes, health, stopping.

use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use perdure_proto::api::workflowservice::DescribeNamespaceRequest;
use perdure_proto::api::workflowservice::workflow_service_client::WorkflowServiceClient;
use perdure_tests::{Database, Server, http, perdure, ports};

/// A command that should end by itself, and would run for ever if the server took what it should refuse.
async fn run(arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::from(perdure()?);
    let output = command.args(arguments).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(30), output).await;
    Ok(output.with_context(|| format!("perdure {arguments:?} does not end"))??)
}

#[tokio::test]
async fn version_names_the_program() -> Result<()> {
    let output = run(&["--version"]).await?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success());
    assert_eq!(text.trim(), format!("perdure {}", env!("CARGO_PKG_VERSION")));
    Ok(())
}

#[tokio::test]
async fn bad_flags_end_at_once_and_say_what_is_wrong() -> Result<()> {
    let cases: [(&[&str], &str); 6] = [
        (&["server", "start-dev", "--port", "seventy"], "--port"),
        (&["server", "start-dev", "--port", "70000"], "--port"),
        (&["server", "start-dev", "--headless", "--ip", "not-an-address.invalid"], "not-an-address.invalid"),
        (&["server", "start-dev", "--headless", "--log-level", "loud"], "loud"),
        (&["server", "start-dev", "--no-such-flag"], "--no-such-flag"),
        (&["serve"], "serve"),
    ];
    for (arguments, expected) in cases {
        let output = run(arguments).await?;
        let text = said(&output);
        assert!(!output.status.success(), "{arguments:?} is accepted");
        assert!(text.contains(expected), "{arguments:?} says: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named() -> Result<()> {
    let output = run(&["server", "start-dev", "--headless", "--db-filename", "/no/such/folder/perdure.db"]).await?;
    let text = said(&output);
    assert!(!output.status.success());
    assert!(text.contains("/no/such/folder/perdure.db"), "{text}");
    Ok(())
}

#[tokio::test]
async fn health_is_served_over_http() -> Result<()> {
    let server = Server::start("cli_health", Database::SqliteMemory).await?;
    let (status, _) = http::get(server.http_port(), "/health").await?;
    assert_eq!(status, 200);
    let (status, _) = http::get(server.http_port(), "/no-such-page").await?;
    assert_eq!(status, 404);
    Ok(())
}

#[tokio::test]
async fn sigterm_ends_the_server_with_success_and_its_data_stays() -> Result<()> {
    let mut server = Server::start("cli_stop", Database::fresh_sqlite_file("cli_stop")?).await?;
    let before = namespace_id(&server).await?;
    let status = server.stop().await?;
    assert!(status.success(), "ended with {status}");
    server.restart().await?;
    assert_eq!(namespace_id(&server).await?, before);
    Ok(())
}

#[tokio::test]
async fn a_second_server_on_the_same_file_does_not_harm_the_first() -> Result<()> {
    let first = Server::start("cli_first", Database::fresh_sqlite_file("cli_first")?).await?;
    let before = namespace_id(&first).await?;
    let Database::SqliteFile(file) = first.database() else { bail!("not a file") };
    let file = file.to_str().context("a path in UTF-8")?;
    let port = ports::free()?.to_string();
    let output = run(&["server", "start-dev", "--headless", "--port", &port, "--db-filename", file]).await?;
    let text = said(&output);
    assert!(!output.status.success(), "two servers run on one file");
    assert!(text.contains(file), "{text}");
    assert_eq!(namespace_id(&first).await?, before);
    Ok(())
}

#[tokio::test]
async fn a_taken_port_is_named() -> Result<()> {
    let server = Server::start("cli_port", Database::SqliteMemory).await?;
    let port = server.grpc_port().to_string();
    let output = run(&["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", &port]).await?;
    let text = said(&output);
    assert!(!output.status.success());
    assert!(text.contains(&port), "{text}");
    Ok(())
}

/// All that a command has written.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// The id of the namespace `default`, which a server makes when its database is new.
async fn namespace_id(server: &Server) -> Result<String> {
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    let request = DescribeNamespaceRequest { namespace: "default".to_owned(), ..Default::default() };
    let answer = client.describe_namespace(request).await?.into_inner();
    Ok(answer.namespace_info.unwrap_or_default().id)
}
