//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use perdure_cli::OperatorCommand;

use crate::dev::StartDev;

/// A durable workflow engine that speaks Temporal's API, on one database.
#[derive(Debug, Parser)]
#[command(name = "perdure", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server.
    #[command(subcommand)]
    Server(ServerCommand),
    /// Administer a running server.
    #[command(subcommand)]
    Operator(OperatorCommand),
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
}
