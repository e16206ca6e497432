//! Logs, on standard error: text for people, JSON for machines.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::{EnvFilter, Layer, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::settings::{Log, LogFormat};

/// `never` is what Temporal's CLI calls `off`.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let level = if log.level == "never" { "off" } else { &log.level };
    // A filter takes a single word that is no level for a module's name, and would then show nothing.
    if !level.contains(['=', ',']) {
        level.parse::<LevelFilter>().with_context(|| format!("{level:?} is not a log level"))?;
    }
    // PostgreSQL tells what a migration skips at each start.
    let filter = EnvFilter::try_new(format!("sqlx::postgres::notice=off,{level}"))
        .with_context(|| format!("{level:?} is not a log level"))?;
    let output = match log.format {
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .boxed(),
        LogFormat::Json => {
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
        }
    };
    tracing_subscriber::registry().with(output.with_filter(filter)).try_init().context("logs cannot be started")
}
