//! `perdure-load`: a load driver that is its own worker, against any server that speaks Temporal's API.

mod args;
mod client;
mod compare;
mod driver;
mod history;
mod idle;
mod list;
mod measure;
mod postgres;
mod process;
mod progress;
mod report;
mod scale;
mod scenario;
mod schedule;
mod session;
mod updates;
mod worker;
mod workflow;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

/// One thread: calls that become ready together leave in one write, and the server keeps the other cores.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.command {
        Command::Run(run) => driver::run(&args.probes, run).await,
        Command::Compare(compare) => compare::run(&args.probes, compare).await,
        Command::Idle(idle) => idle::run(&args.probes, idle).await,
        Command::Scale(scale) => scale::run(&args.probes, scale).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("perdure-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
