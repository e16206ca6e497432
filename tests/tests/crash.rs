//! `kill -9` of the server at random moments while workflows run: every workflow finishes, everything that was
//! acknowledged is there exactly once, and the histories replay. The Python runner makes the load and looks at the
//! outcome; here the server dies.

use std::time::Duration;

use anyhow::{Context, Result};
use perdure_tests::{Database, Server, python};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const KILLS: u32 = 20;

/// How long a server lives. Short lives hit the start of the server, long ones the middle of the load.
const LIFE_MS: std::ops::Range<u64> = 20..1_000;

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
    let runner = |mode: &'static str| {
        let arguments = ["-m", "runner", "--address", &address, mode].map(str::to_owned);
        let name = format!("{name}_{mode}");
        async move { python(&name, &arguments.each_ref().map(String::as_str)).await }
    };

    let load = tokio::spawn(runner("crash-load"));
    let mut random = StdRng::seed_from_u64(seed);
    for kill in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(LIFE_MS))).await;
        // A kill after the load would show nothing.
        anyhow::ensure!(!load.is_finished(), "the load ended before kill {kill}");
        server.kill9()?;
        server.restart().await?;
    }
    load.await?.context("the load")?;
    runner("verify").await.context("the check after the load")
}

/// An environment variable as a number.
fn variable<T: std::str::FromStr>(name: &str) -> Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    std::env::var(name).ok().map(|text| text.parse().with_context(|| format!("{name}={text}"))).transpose()
}
