//! What an operator does with a database, its histories and its settings, beside the server: `perdure db`, `replay`, `doctor`.

mod db;
mod doctor;
mod replay;

use std::{io::Write, path::PathBuf};

use clap::{Args, ValueEnum};
use perdure_storage::inspect::{ConnectProblem, Inspect, PostgresInspector, SqliteInspector};

pub(crate) use db::DbCommand;
pub(crate) use doctor::Doctor;
pub(crate) use replay::ReplayCommand;

use crate::{
    settings::{self, Settings, StoreKind, StoreSettings},
    store,
};

/// Which server's settings count.
#[derive(Args, Clone, Debug)]
pub(crate) struct SettingsArgs {
    /// The server's settings in YAML; the environment overrides them, as for `perdure server start`.
    #[arg(long, env = "PERDURE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The SQLite file of a `perdure server start-dev --db-filename FILE`, instead of the database of the settings.
    #[arg(long, value_name = "FILE")]
    db_filename: Option<PathBuf>,
}

impl SettingsArgs {
    /// The settings as the server would read them, and what it would tell about them.
    pub(crate) fn load(&self) -> anyhow::Result<(Settings, Vec<String>)> {
        let (mut settings, notices) = settings::load(self.config.as_deref(), std::env::vars())?;
        if let Some(file) = &self.db_filename {
            settings.store =
                StoreSettings { kind: StoreKind::Sqlite, path: Some(file.clone()), ..StoreSettings::default() };
        }
        Ok((settings, notices))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Why there is no database to look at.
struct Unreachable {
    problem: ConnectProblem,
    text: String,
}

/// The database of these settings, to look at.
async fn inspect(settings: &StoreSettings) -> Result<Box<dyn Inspect>, Unreachable> {
    match (settings.kind, &settings.path) {
        (StoreKind::Postgresql, _) => match PostgresInspector::connect(&store::postgres(settings)).await {
            Ok(inspector) => Ok(Box::new(inspector)),
            Err((problem, text)) => Err(Unreachable { problem, text }),
        },
        (StoreKind::Sqlite, Some(path)) => match SqliteInspector::open(path).await {
            Ok(inspector) => Ok(Box::new(inspector)),
            Err(perdure_storage::StoreError::NotFound) => {
                let text = format!("there is no file {}: a server makes it when it starts", path.display());
                Err(Unreachable { problem: ConnectProblem::NoDatabase, text })
            }
            Err(error) => Err(Unreachable { problem: ConnectProblem::Other, text: error.to_string() }),
        },
        (StoreKind::Sqlite | StoreKind::Memory, _) => {
            let text = "the settings keep everything in memory: there is no database beside the server".to_owned();
            Err(Unreachable { problem: ConnectProblem::NotSet, text })
        }
    }
}

/// One line, or several. A reader that has gone wants no more.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// `12.3 MiB`.
fn bytes(count: i64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut size = count as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} bytes") } else { format!("{size:.1} {}", UNITS[unit]) }
}
