//! The command line.

use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::scenario::Scenario;

/// Measures a server that speaks Temporal's gRPC API: throughput, latency, and what a workflow costs.
///
/// The driver starts workflows, is the worker that runs them (raw gRPC, sticky queue like an SDK), waits until each is
/// closed, and checks that each closed COMPLETED: it exits with 1 otherwise.
#[derive(Debug, Parser)]
#[command(name = "perdure-load", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) probes: Probes,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  perdure-load run hello
  perdure-load run activity1 --concurrency 1,16,64 --count 2000 --server-pid $(pidof perdure)
  perdure-load run activity1 timer signal --postgres-url postgres://postgres@127.0.0.1/perdure \\
      --server-pid 4711 --postgres-pid $(head -1 /var/lib/postgresql/15/main/postmaster.pid) --output json
  perdure-load idle --server-pid $(pidof perdure) --seconds 60";

/// What is watched beside the workflows. Each is optional; without it its columns stay empty.
#[derive(Debug, clap::Args)]
pub(crate) struct Probes {
    /// Report CPU and memory of this process and its children as the server's.
    #[arg(long, global = true, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// Report CPU of this process (the postmaster) and its children as PostgreSQL's.
    #[arg(long, global = true, value_name = "PID")]
    pub(crate) postgres_pid: Option<u32>,
    /// The server's own database: report commits, WAL and growth from its statistics.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) postgres_url: Option<String>,
    /// How the result is printed.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run workflows and measure them.
    Run(Run),
    /// Measure a server that has nothing to do: CPU as percent of one core, and memory.
    Idle(Idle),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// What the workflows do.
    #[arg(value_enum, required = true)]
    pub(crate) scenarios: Vec<Scenario>,
    /// The server's gRPC address.
    #[arg(long, default_value = "127.0.0.1:7233")]
    pub(crate) address: String,
    #[arg(long, default_value = "default")]
    pub(crate) namespace: String,
    /// Workflows in flight; several numbers are measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "64", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) concurrency: Vec<u32>,
    /// Workflows to measure, for each scenario and concurrency.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// Workflows to run before the measurement, to warm caches and connections up.
    #[arg(long, default_value_t = 50)]
    pub(crate) warmup: u32,
    /// Long polls of the worker on each of its three queues (workflow, sticky, activity).
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pollers: u32,
    /// Who notices the close: a client's long poll for the result, as in an application, or the worker's last answer.
    #[arg(long, value_enum, default_value_t = Wait::Client)]
    pub(crate) wait: Wait,
    /// Ask for eager activities: the server may hand them out in the answer to the workflow task that scheduled them.
    #[arg(long)]
    pub(crate) eager: bool,
    /// Size of each input and result, in bytes.
    #[arg(long, default_value_t = 32)]
    pub(crate) payload: usize,
    /// Give up when the workflows of one measurement are not all closed after so many seconds.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) time_limit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Wait {
    /// GetWorkflowExecutionHistory with the close-event filter, begun right after the start.
    Client,
    /// The reply to the worker's completing answer; each workflow is then described after the measurement.
    Worker,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Idle {
    /// How long to watch.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
}

impl Run {
    pub(crate) fn time_limit(&self) -> Duration {
        Duration::from_secs(self.time_limit)
    }
}
