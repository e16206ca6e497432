//! The command line.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand};
use perdure_cli::Completion;

use crate::{
    admin::{DbCommand, Doctor, ReplayCommand},
    config::ConfigCommand,
    dev::StartDev,
    settings::SecurityFlags,
    ui::Ui,
};

const AFTER_HELP: &str =
    "Options of all commands that talk to a server, like --address, --namespace and --output, go in front of \
    the command or behind it: `perdure workflow list --help` names them.

Examples:
  perdure server start-dev --db-filename perdure.db
  perdure --address server:7233 workflow list --query 'ExecutionStatus = \"Running\"'
  perdure doctor";

/// A durable workflow engine that speaks Temporal's API, on one database.
#[derive(Debug, Parser)]
#[command(name = "perdure", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The same for `perdure server …` alone. To name all other commands takes 1.5 MB of program in memory, for as long as the
/// server runs.
#[derive(Debug, Parser)]
#[command(name = "perdure", version)]
struct OfServer {
    #[command(subcommand)]
    command: OnlyServer,
}

#[derive(Debug, Subcommand)]
enum OnlyServer {
    /// Run a server.
    #[command(subcommand)]
    Server(ServerCommand),
}

impl Args {
    /// Ends the process where the words are wrong, or ask for help.
    pub(crate) fn of(words: impl Iterator<Item = OsString>) -> Self {
        let words: Vec<OsString> = words.collect();
        if words.get(1).is_none_or(|word| word != "server") {
            return Self::parse_from(perdure_cli::options_behind(words));
        }
        let OnlyServer::Server(command) = OfServer::parse_from(words).command;
        Self { command: Command::Server(command) }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server.
    #[command(subcommand)]
    Server(ServerCommand),
    /// Show what can be configured, and check files.
    #[command(subcommand)]
    Config(ConfigCommand),
    Ui(Box<Ui>),
    /// Look at a server's database, or set it up.
    #[command(subcommand)]
    Db(DbCommand),
    /// Check that what is stored is what the engine would make of it again.
    #[command(subcommand)]
    Replay(ReplayCommand),
    /// Find what is wrong with a server, its database and its clients, and say what to do.
    Doctor(Box<Doctor>),
    #[command(flatten)]
    Client(Box<perdure_cli::Command>),
    Completion(Completion),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Run a server with the settings of a file and of the environment.
    Start(Start),
    /// Run a server for development: nothing to set up, in memory unless a file is named.
    StartDev(Box<StartDev>),
}

#[derive(ClapArgs, Debug)]
pub(crate) struct Start {
    /// Settings in YAML; the environment overrides them.
    #[arg(long, short, env = "PERDURE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// A file in the format of Temporal's dynamic configuration, which may change while the server runs. Wins over
    /// the setting `dynamic_config` and DYNAMIC_CONFIG_FILE_PATH.
    #[arg(long, value_name = "FILE")]
    pub(crate) dynamic_config_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) security: SecurityFlags,
}
