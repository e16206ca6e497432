//! What a server costs that has nothing to do.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;

use crate::{
    args::{Idle, Output, Probes},
    measure::Meter,
    report::short,
};

/// Label, name in JSON, value of each figure.
pub(crate) type Watched = [(&'static str, &'static str, Option<f64>); 5];

pub(crate) async fn run(probes: &Probes, idle: &Idle) -> Result<()> {
    if probes.server_pid.is_none() {
        bail!("--server-pid says which process to watch");
    }
    let mut meter = Meter::new(probes).await?;
    let figures = watch(&mut meter, Duration::from_secs(idle.seconds)).await?;
    match probes.output {
        Output::Json => {
            let fields = figures.map(|(_, name, value)| (name.to_owned(), json!(value)));
            println!("{:#}", serde_json::Value::Object(fields.into_iter().collect()));
        }
        Output::Table => {
            for (label, _, value) in figures {
                println!("{label:<32} {}", value.map_or("-".into(), short));
            }
        }
    }
    Ok(())
}

pub(crate) async fn watch(meter: &mut Meter<'_>, time: Duration) -> Result<Watched> {
    let before = meter.begin().await?;
    tokio::time::sleep(time).await;
    let spent = meter.end(before).await?.settled().await?;
    let percent = |cpu: Option<Duration>| cpu.map(|cpu| 100.0 * cpu.as_secs_f64() / spent.elapsed.as_secs_f64());
    // The counters are read once more after the pause in which they settle, so they cover that as well.
    let counted = spent.elapsed + meter.settling_time();
    Ok([
        ("idle server CPU, % of a core", "idle_server_cpu_percent", percent(spent.server_cpu)),
        ("idle server RSS, MB", "idle_server_rss_mb", spent.server_resident_mb),
        ("idle server peak RSS, MB", "idle_server_peak_rss_mb", spent.server_peak_mb),
        ("idle PostgreSQL CPU, % of a core", "idle_postgres_cpu_percent", percent(spent.postgres_cpu)),
        ("idle commits per second", "idle_commits_per_second", spent.commits.map(|it| it / counted.as_secs_f64())),
    ])
}
