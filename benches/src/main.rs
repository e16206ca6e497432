//! `perdure-load`: a load driver that is its own worker, against any server that speaks Temporal's API.

mod args;
mod client;
mod driver;
mod history;
mod idle;
mod measure;
mod postgres;
mod process;
mod report;
mod scenario;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.command {
        Command::Run(run) => driver::run(&args.probes, run).await,
        Command::Idle(idle) => idle::run(&args.probes, idle).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("perdure-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
