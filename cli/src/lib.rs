//! Admin commands over the API: they see what every client sees, and never the database.
//!
//! A noun is a file or a folder. A command is a struct of its flags with `run`: it makes the request, and [`session`]
//! calls and prints. What is printed is a table of titles and places in the answer's JSON, so a new field is a line.

#[macro_use]
mod commands;
mod activity;
mod batch;
mod call;
mod choices;
mod completion;
mod connect;
mod count;
mod duration;
mod ended;
mod failure;
#[cfg(test)]
mod help;
pub mod history;
mod json;
mod key_value;
mod leading;
mod nexus;
mod operator;
mod output;
mod payload;
mod schedule;
mod session;
mod start;
mod target;
mod task_queue;
pub mod tctl;
#[cfg(test)]
mod views;
mod worker;
mod workflow;

use clap::{Args, Subcommand};
use commands::Run;
pub use completion::Completion;
pub use connect::Options;
pub use duration::parse_duration;
pub use leading::options_behind;
pub use output::Output;
pub use session::Session;

/// The nouns that talk to a server.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start workflows, talk to them, look at them and end them
    Workflow(Noun<workflow::WorkflowCommand>),
    /// Start activities, look at them, and step in
    Activity(Noun<activity::ActivityCommand>),
    /// Start workflows at times
    Schedule(Noun<schedule::ScheduleCommand>),
    /// Jobs that do one thing with all workflows of a query
    Batch(Noun<batch::BatchCommand>),
    /// Look at task queues, and limit them
    TaskQueue(Noun<task_queue::TaskQueueCommand>),
    /// Look at workers, and say which versions get work
    Worker(Noun<worker::WorkerCommand>),
    /// Call Nexus services without a workflow
    Nexus(Noun<nexus::NexusCommand>),
    /// Closed histories between servers and files or object storage
    History(Noun<history::HistoryCommand>),
    /// Administer a running server
    Operator(Noun<operator::OperatorCommand>),
}

/// A noun's commands, with the options that all of them have.
#[derive(Args, Debug)]
pub struct Noun<C: Subcommand> {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: C,
}

impl<C: Subcommand + Run> Noun<C> {
    async fn run(self) -> anyhow::Result<()> {
        self.command.run(&Session::new(self.options)?).await
    }
}

impl Command {
    /// Prints the answer; an error says what was asked of whom and what to do.
    pub async fn run(self) -> anyhow::Result<()> {
        let done = match self {
            Self::Workflow(noun) => noun.run().await,
            Self::Activity(noun) => noun.run().await,
            Self::Schedule(noun) => noun.run().await,
            Self::Batch(noun) => noun.run().await,
            Self::TaskQueue(noun) => noun.run().await,
            Self::Worker(noun) => noun.run().await,
            Self::Nexus(noun) => noun.run().await,
            Self::History(noun) => noun.run().await,
            Self::Operator(noun) => noun.run().await,
        };
        match done {
            Err(error) if reader_has_gone(&error) => Ok(()),
            done => done,
        }
    }
}

/// `perdure workflow list | head` has seen enough.
fn reader_has_gone(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
