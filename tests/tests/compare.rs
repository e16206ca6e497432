//! `perdure-load compare`: one load on two servers in turns, and what becomes of a server that cannot do it.

use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result};
use perdure_tests::{Database, Server, perdure, perdure_load, ports};
use serde_json::Value;

/// Longer than any comparison here takes on a slow machine.
const RUN_MAX: Duration = Duration::from_secs(360);

/// Every scenario of the driver.
const SCENARIOS: [&str; 12] = [
    "hello",
    "activity1",
    "activity10seq",
    "timer",
    "signal",
    "fanout100",
    "signal1000",
    "update",
    "query",
    "children200",
    "list100000",
    "schedule",
];

async fn compare(arguments: &[&str]) -> Result<(Output, Value)> {
    let mut command = tokio::process::Command::from(perdure_load()?);
    command
        .args(["compare", "--output", "json", "--idle-seconds", "1", "--warmup-seconds", "0", "--prepare", "7"])
        .args(arguments);
    let output = tokio::time::timeout(RUN_MAX, command.kill_on_drop(true).output());
    let output = output.await.context("perdure-load does not end")??;
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).with_context(|| format!("no report: {errors}"))?;
    Ok((output, report))
}

fn result<'a>(report: &'a Value, scenario: &str) -> Result<&'a Value> {
    let results = report["results"].as_array().context("a list of results")?;
    results.iter().find(|result| result["scenario"] == scenario).with_context(|| format!("{scenario} is missing"))
}

#[tokio::test]
async fn every_load_runs_on_both_servers() -> Result<()> {
    let a = Server::start("compare_a", Database::SqliteMemory).await?;
    let b = Server::start("compare_b", Database::fresh_postgres("compare").await?).await?;
    let describe = |name: &str, server: &Server| {
        [format!("name={name}"), format!("address={}", server.address()), format!("server-pid={}", server.process_id())]
    };
    let (a, b) = (describe("memory", &a), describe("postgres", &b));
    let mut arguments = Vec::from(SCENARIOS);
    arguments.extend(["--count", "2", "--rounds", "2"]);
    arguments.extend(["--a", &a[0], &a[1], &a[2], "--b", &b[0], &b[1], &b[2]]);
    let (output, report) = compare(&arguments).await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((&report["a"]["name"], &report["b"]["name"]), (&Value::from("memory"), &Value::from("postgres")));
    assert!(report["a"]["idle_server_rss_mb"].as_f64().is_some_and(|rss| rss > 0.0), "{}", report["a"]);
    for scenario in SCENARIOS {
        let result = result(&report, scenario)?;
        for side in ["a", "b"] {
            let rounds =
                result[side]["rounds"].as_array().with_context(|| format!("{scenario} on {side}: {result}"))?;
            let counts: Vec<&Value> = rounds.iter().map(|round| &round["count"]).collect();
            assert_eq!(counts, [2, 2], "{scenario} on {side}");
        }
        let ratio = result["ratios"]["per_second"].as_f64();
        let medians = ["a", "b"].map(|side| result[side]["medians"]["per_second"].as_f64());
        let [Some(a), Some(b)] = medians else { anyhow::bail!("{scenario} has no medians: {result}") };
        // To nine digits: that is how well numbers survive as JSON.
        assert!(ratio.is_some_and(|ratio| (ratio * b / a - 1.0).abs() < 1e-9), "{scenario}: {result}");
    }
    Ok(())
}

#[tokio::test]
async fn a_load_that_one_server_cannot_do_does_not_end_the_rest() -> Result<()> {
    let able = Server::start("compare_able", Database::SqliteMemory).await?;
    let limits = ["limit.numPendingActivities.error=0", "limit.blobSize.error=2000"];
    let unable = Server::start_with("compare_unable", Database::SqliteMemory, &limits).await?;
    let (a, b) = (format!("address={}", able.address()), format!("address={}", unable.address()));
    let sides = ["--rounds", "1", "--count", "1", "--a", &a, "--b", &b];

    let (output, report) = compare(&[&["activity1:1", "hello:1", "--time-limit", "20"], &sides[..]].concat()).await?;
    // It was too slow, which is no fault of its results.
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let activity = result(&report, "activity1")?;
    assert_eq!(activity["b"]["time_limit"], true, "{activity}");
    assert!(activity["a"]["medians"]["per_second"].is_f64(), "{activity}");
    assert_eq!(activity["ratios"]["per_second"], Value::Null);
    let hello = result(&report, "hello")?;
    assert!(hello["b"]["medians"]["per_second"].is_f64(), "{hello}");

    let (output, report) = compare(&[&["hello:1", "--payload", "4000"], &sides[..]].concat()).await?;
    assert!(!output.status.success(), "a refused start is no success");
    let hello = result(&report, "hello")?;
    assert_eq!(hello["b"]["time_limit"], false, "{hello}");
    assert!(hello["a"]["medians"]["per_second"].is_f64(), "{hello}");
    Ok(())
}

#[tokio::test]
async fn a_server_with_a_command_is_started_measured_and_stopped() -> Result<()> {
    let running = Server::start("compare_running", Database::SqliteMemory).await?;
    let (port, ui, http) = (ports::free()?, ports::free()?, ports::free()?);
    let program = perdure()?;
    let command = format!(
        "start-command={} server start-dev --headless --ip 127.0.0.1 --port {port} --ui-port {ui} --http-port {http} \
         --log-level warn",
        program.get_program().to_string_lossy()
    );
    let (a, b) = (format!("address=127.0.0.1:{port}"), format!("address={}", running.address()));
    let arguments = ["hello", "--count", "2", "--rounds", "1", "--starts", "2", "--a", &a, &command, "--b", &b];
    let (output, report) = compare(&arguments).await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(report["a"]["starts_ms"].as_array().map(Vec::len), Some(2), "{}", report["a"]);
    assert_eq!(report["b"]["start_ms"], Value::Null);
    // Its process is known, so what it costs is as well.
    assert!(result(&report, "hello")?["a"]["medians"]["server_rss_mb"].is_f64());
    assert!(ports::is_free(port), "the server still runs");
    Ok(())
}
