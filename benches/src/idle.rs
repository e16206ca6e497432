//! What a server costs that has nothing to do.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;

use crate::{
    args::{Idle, Output, Probes},
    measure::Meter,
    report::short,
};

pub(crate) async fn run(probes: &Probes, idle: &Idle) -> Result<()> {
    if probes.server_pid.is_none() {
        bail!("--server-pid says which process to watch");
    }
    let mut meter = Meter::new(probes).await?;
    let before = meter.begin().await?;
    tokio::time::sleep(Duration::from_secs(idle.seconds)).await;
    let spent = meter.end(&before).await?;
    let percent = |cpu: Option<Duration>| cpu.map(|cpu| 100.0 * cpu.as_secs_f64() / spent.elapsed.as_secs_f64());
    // The counters are read once more after the pause in which they settle, so they cover that as well.
    let counted = spent.elapsed + if probes.postgres_url.is_some() { crate::postgres::SETTLE } else { Duration::ZERO };
    let figures = [
        ("server CPU, % of a core", "server_cpu_percent", percent(spent.server_cpu)),
        ("server RSS, MB", "server_rss_mb", spent.server_resident_mb),
        ("server peak RSS, MB", "server_peak_rss_mb", spent.server_peak_mb),
        ("PostgreSQL CPU, % of a core", "postgres_cpu_percent", percent(spent.postgres_cpu)),
        ("commits per second", "commits_per_second", spent.commits.map(|commits| commits / counted.as_secs_f64())),
    ];
    match probes.output {
        Output::Json => {
            let fields = figures.map(|(_, name, value)| (name.to_owned(), json!(value)));
            println!("{:#}", serde_json::Value::Object(fields.into_iter().collect()));
        }
        Output::Table => {
            for (label, _, value) in figures {
                println!("{label:<28} {}", value.map_or("-".into(), short));
            }
        }
    }
    Ok(())
}
