//! The binary `perdure`: settings, wiring, shutdown.

mod admin;
mod args;
mod auth;
mod config;
mod dev;
mod dynamic_config;
mod gathered;
mod grpc;
mod logging;
mod metrics;
mod reflection;
mod run;
mod services;
mod settings;
mod signals;
mod store;
mod tls;
mod ui;
mod web;

use std::process::ExitCode;

use clap::CommandFactory;
use perdure_cli::tctl;
use tokio::runtime::{Builder, Runtime};

use crate::{
    args::{Args, Command, ServerCommand},
    settings::Settings,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if tctl::is_called(std::env::args_os().next().as_ref()) {
        return as_tctl();
    }
    match start(Args::of(std::env::args_os())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("perdure: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn as_tctl() -> ExitCode {
    let done = runtime().and_then(|runtime| runtime.block_on(tctl::run(std::env::args_os())));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// For commands, which wait more than they work.
fn runtime() -> anyhow::Result<Runtime> {
    with_threads(1)
}

fn with_threads(worker_threads: usize) -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(worker_threads).enable_all().build()?)
}

fn start(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Server(ServerCommand::Start(start)) => {
            let (mut settings, notices) = settings::load(start.config.as_deref(), std::env::vars())?;
            settings.dynamic_config = start.dynamic_config_file.or(settings.dynamic_config);
            start.security.apply(&mut settings.tls, &mut settings.auth);
            serve(settings, &notices)
        }
        Command::Server(ServerCommand::StartDev(dev)) => {
            let (settings, notices) = dev.settings()?;
            serve(settings, &notices)
        }
        Command::Config(command) => command.run(),
        Command::Ui(ui) => runtime()?.block_on(ui.run()),
        Command::Db(command) => runtime()?.block_on(command.run()),
        Command::Replay(command) => runtime()?.block_on(command.run()),
        Command::Doctor(doctor) => runtime()?.block_on(doctor.run()),
        Command::Client(command) => runtime()?.block_on(command.run()),
        Command::Completion(completion) => completion.run(Args::command()),
    }
}

fn serve(settings: Settings, notices: &[String]) -> anyhow::Result<()> {
    logging::start(&settings.log)?;
    // With pages of 2 MB for a few small objects each, a server would hold three times the memory that it uses.
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "the system may use huge pages");
    }
    for notice in notices {
        tracing::warn!("{notice}");
    }
    with_threads(settings.worker_threads()?)?.block_on(run::run(settings))
}
