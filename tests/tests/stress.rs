//! A mixture of everything, with Temporal's Python SDK and workers that are killed: afterwards nothing is stuck, lost or doubled.
//! `tests/stress/stress.py` makes the load and looks at the outcome.

use std::time::Duration;

use anyhow::{Context, Result};
use perdure_tests::{Database, Server, python_within};
use tokio::time::{Instant, sleep, sleep_until};

const SECONDS: u64 = 15;
/// After its time the load ends what is under way.
const GRACE: Duration = Duration::from_secs(240);

#[tokio::test]
async fn a_mixture_on_sqlite() -> Result<()> {
    stress("stress_sqlite", Database::fresh_sqlite_file("stress_sqlite")?, &[]).await
}

#[tokio::test]
async fn a_mixture_on_postgres() -> Result<()> {
    // By default a server has a single thread on a small machine.
    stress("stress_postgres", Database::fresh_postgres("stress").await?, &[("WORKER_THREADS", "4")]).await
}

async fn stress(name: &str, database: Database, environment: &[(&str, &str)]) -> Result<()> {
    let seconds = number("PERDURE_STRESS_SECONDS")?.unwrap_or(SECONDS);
    let kills = number("PERDURE_STRESS_KILLS")?.unwrap_or(0);
    let mut server = Server::start_set(name, database, &[], environment).await?;
    let (address, text) = (server.address(), seconds.to_string());
    let arguments = ["../tests/stress/stress.py", "--address", &address, "--seconds", &text];
    let load_name = format!("{name}_load");
    let load = python_within(&load_name, &arguments, Duration::from_secs(seconds) + GRACE);
    let (loaded, watched) = tokio::join!(load, watch(&mut server, Duration::from_secs(seconds), kills));
    watched?;
    loaded?;
    server.panics()
}

/// Kills the server so often, and prints its memory after a fifth of the time and at the end: what grows shows there.
async fn watch(server: &mut Server, time: Duration, kills: u64) -> Result<()> {
    let begin = Instant::now();
    for kill in 1..=kills {
        sleep_until(begin + time * u32::try_from(kill)? / (u32::try_from(kills)? + 1)).await;
        server.kill9()?;
        // Long enough for clients to notice.
        sleep(Duration::from_millis(300)).await;
        server.restart().await?;
    }
    for share in [5, 1] {
        sleep_until(begin + time / share).await;
        println!("after {:?}: {} MiB", time / share, server.resident_bytes()? / (1024 * 1024));
    }
    Ok(())
}

fn number(name: &str) -> Result<Option<u64>> {
    std::env::var(name).ok().map(|text| text.parse().with_context(|| format!("{name}={text}"))).transpose()
}
