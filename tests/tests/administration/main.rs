//! What operators do beside a server: histories to files and back, its database, what is wrong with it, its settings, and
//! `tctl`. With the real binary, on both databases.

mod config;
mod database;
mod doctor;
mod histories;
mod object_store;
mod reflection;
mod tctl;
mod workflows;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use perdure_tests::{Database, perdure};

/// How a command ended, and what it wrote.
#[derive(Debug)]
struct Ran {
    success: bool,
    out: String,
    err: String,
}

impl Ran {
    fn of(command: &mut Command) -> Result<Ran> {
        let output = command.output().context("the command cannot be started")?;
        Ok(Ran {
            success: output.status.success(),
            out: String::from_utf8(output.stdout)?,
            err: String::from_utf8(output.stderr)?,
        })
    }

    /// Fails unless the command ended well.
    fn ok(self) -> Result<Ran> {
        ensure!(self.success, "{}{}", self.out, self.err);
        Ok(self)
    }

    fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.out).with_context(|| format!("{self:?}"))
    }
}

/// `perdure` with these arguments.
fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = perdure()?;
    command.args(arguments);
    Ok(command)
}

/// The same, with settings that name this database.
fn on_database(arguments: &[&str], database: &Database) -> Result<Command> {
    let mut command = command(arguments)?;
    match database {
        Database::SqliteMemory => {}
        Database::SqliteFile(file) => {
            command.arg("--db-filename").arg(file);
        }
        Database::Postgres(options) => {
            command.env("DB", "postgresql");
            command.env("POSTGRES_SEEDS", options.get_host());
            command.env("DB_PORT", options.get_port().to_string());
            command.env("POSTGRES_USER", options.get_username());
            command.env("DBNAME", options.get_database().unwrap_or_default());
        }
    }
    Ok(command)
}

/// A test for each database: of an async function of a name for files and the database.
macro_rules! on_both_databases {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() -> anyhow::Result<()> {
                let name = concat!("administration_", stringify!($case), "_sqlite");
                super::$case(name, perdure_tests::Database::fresh_sqlite_file(name)?).await
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() -> anyhow::Result<()> {
                let name = concat!("administration_", stringify!($case), "_postgres");
                let short = concat!("adm_", stringify!($case));
                let database = perdure_tests::Database::fresh_postgres(&short[..short.len().min(20)]).await?;
                super::$case(name, database).await
            })+
        }
    };
}
pub(crate) use on_both_databases;
