//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::{compare::args::Compare, scenario::Scenario};

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
  perdure-load compare activity1:1,64 --a address=127.0.0.1:7233 --b address=127.0.0.1:7333
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
    /// Databases of that PostgreSQL whose commits and growth are counted together; without any: the one of the URL.
    #[arg(long, global = true, value_name = "NAME", value_delimiter = ',')]
    pub(crate) postgres_databases: Vec<String>,
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
    Compare(Compare),
    /// Measure a server that has nothing to do: CPU as percent of one core, and memory.
    Idle(Idle),
    /// Measure how costs grow with what a server keeps.
    Scale(Scale),
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
    /// Workflows (walks through the list) in flight; several numbers are measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "64", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) concurrency: Vec<u32>,
    /// Workflows (pages, actions) to measure, for each scenario and concurrency.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// Workflows (pages) to run before the measurement, to warm caches and connections up.
    #[arg(long, default_value_t = 50)]
    pub(crate) warmup: u32,
    #[command(flatten)]
    pub(crate) load: Load,
}

/// How the driver loads a server.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
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
    /// Closed workflows in the list of list100000; missing ones are made before the measurement.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) prepare: u32,
    /// Give up when one measurement is not over after so many seconds.
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

/// The command starts the server itself, kills it (`kill -9`) and starts it again, on a database that is its own.
#[derive(Debug, clap::Args)]
#[command(after_help = SCALES)]
pub(crate) struct Scale {
    /// What grows.
    #[arg(value_enum)]
    pub(crate) what: What,
    /// The server's program.
    #[arg(long, value_name = "FILE", default_value = "target/release/perdure")]
    pub(crate) server: PathBuf,
    /// Its database: a PostgreSQL URL or the path of a SQLite file. It is made if it is missing; one that an earlier measurement
    /// has filled is filled on.
    #[arg(long, value_name = "URL|FILE")]
    pub(crate) store: String,
    /// Sizes at which to measure, growing.
    #[arg(long, value_delimiter = ',', required = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) steps: Vec<u64>,
    /// The server's port; a second server takes the one after it.
    #[arg(long, default_value_t = 7233, value_parser = clap::value_parser!(u16).range(1024..65535))]
    pub(crate) port: u16,
    /// Workflows (signals, activities) that are measured at each step.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// How many of them are in flight.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) concurrency: u32,
    #[command(flatten)]
    pub(crate) load: Load,
}

const SCALES: &str = "Examples:
  perdure-load scale parked --steps 10000,100000,1000000 --store postgres://postgres@127.0.0.1/parked
  perdure-load scale parked --steps 1000000 --store /var/tmp/parked.db
  perdure-load scale history --steps 1000,10000,50000 --store /var/tmp/history.db --output json
  perdure-load scale backlog --steps 10000,100000,1000000 --store postgres://postgres@127.0.0.1/backlog
  perdure-load scale list --steps 10000,100000,1000000 --store postgres://postgres@127.0.0.1/list";

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum What {
    /// Open workflows that wait for a timer or a signal.
    Parked,
    /// The events of one workflow.
    History,
    /// The activities that wait in one task queue.
    Backlog,
    /// The closed workflows that lists are about.
    List,
}

impl Scale {
    pub(crate) fn is_postgres(&self) -> bool {
        self.store.starts_with("postgres://") || self.store.starts_with("postgresql://")
    }
}
