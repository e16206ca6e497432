//! `kill -9` of the server at random moments while workflows run: every workflow finishes, everything that was
//! acknowledged is there exactly once, and the histories replay. The Python runner makes the load and looks at the
//! outcome; here the server dies.

use std::time::Duration;

use anyhow::{Context, Result};
use perdure_tests::{Database, Server, fresh_folder, python};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const KILLS: u32 = 20;

/// How long a server lives. Short lives hit the start of the server, long ones the middle of the load.
const LIFE_MS: std::ops::Range<u64> = 20..1_000;

/// The load must outlast the kills: per kill the longest life, and as much again for the start on a busy machine.
const LOAD_SECONDS_PER_KILL: u32 = 2;
const WORKFLOWS: u32 = 200;

#[tokio::test]
async fn nothing_is_lost_on_sqlite() -> Result<()> {
    crash("crash_sqlite", Database::fresh_sqlite_file("crash_sqlite")?).await
}

#[tokio::test]
async fn nothing_is_lost_on_postgres() -> Result<()> {
    crash("crash_postgres", Database::fresh_postgres("crash").await?).await
}

async fn crash(name: &str, database: Database) -> Result<()> {
    let kills = variable("PERDURE_CRASH_KILLS")?.unwrap_or(KILLS);
    let seed = variable("PERDURE_CRASH_SEED")?.unwrap_or_else(rand::random::<u64>);
    println!("PERDURE_CRASH_SEED={seed} PERDURE_CRASH_KILLS={kills}");
    let mut server = Server::start(name, database).await?;
    let address = server.address();
    let ledger = fresh_folder(&format!("{name}_ledger"))?;
    let ledger = ledger.to_str().context("a path in UTF-8")?;
    let runner = ["-m", "runner", "--address", &address, "--ledger", ledger];

    let seconds = (kills * LOAD_SECONDS_PER_KILL).to_string();
    let workflows = WORKFLOWS.to_string();
    let load = [&runner[..], &["crash-load", "--count", &workflows, "--seconds", &seconds]].concat();
    let load_name = format!("{name}_load");
    let load = python(&load_name, &load);
    let (loaded, killed) = tokio::join!(load, kill_at_random(&mut server, kills, seed));
    killed?;
    loaded.context("the load")?;
    python(&format!("{name}_verify"), &[&runner[..], &["verify"]].concat()).await.context("the check after the load")
}

async fn kill_at_random(server: &mut Server, kills: u32, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(LIFE_MS))).await;
        server.kill9()?;
        server.restart().await?;
    }
    Ok(())
}

/// An environment variable as a number.
fn variable<T: std::str::FromStr>(name: &str) -> Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    std::env::var(name).ok().map(|text| text.parse().with_context(|| format!("{name}={text}"))).transpose()
}
