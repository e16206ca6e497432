//! `cargo xtask`: the commands of the project. Each works from any folder of the workspace.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{bench, ci, compat, demo, dist, test, tidy, workspace::Workspace};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a server, run the example workflows on it and leave it up.
    Demo {
        /// End after the table of results instead of waiting for Ctrl-C.
        #[arg(long)]
        exit: bool,
    },
    /// Run all tests, with a PostgreSQL and a Python environment made for them.
    Test {
        /// Given to `cargo test`, for instance `-- --package perdure-engine`.
        #[arg(last = true)]
        cargo_arguments: Vec<String>,
    },
    /// Send random requests to every method of the API, on both databases.
    Fuzz {
        /// For so long on each database.
        #[arg(long, default_value_t = 5)]
        minutes: u64,
        /// Makes the requests of an earlier run again.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Run a mixture of everything with real workers that are killed, on both databases; then look that nothing is stuck, lost or
    /// doubled.
    Stress {
        /// For so long on each database.
        #[arg(long, default_value_t = 10)]
        minutes: u64,
        /// Meanwhile kill the server so often.
        #[arg(long, default_value_t = 0)]
        kills: u64,
    },
    /// Run a client suite of Temporal's against our server, and compare with a score sheet.
    Compat(compat::Compat),
    /// Measure the hot path in small parts, each beside its baseline.
    Bench {
        /// Make what is measured the baseline.
        #[arg(long)]
        save: bool,
        /// Given to criterion, for instance `-- step`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Build the server as one static file, `target/dist/perdure`.
    Dist,
    /// Check the rules of style that a compiler does not know.
    Tidy,
    /// Everything that must pass before a change is merged.
    Ci,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Demo { exit } => in_workspace(async |workspace| demo::run(workspace, exit).await).await,
        Command::Test { cargo_arguments } => {
            in_workspace(async |workspace| test::run(workspace, &cargo_arguments).await).await
        }
        Command::Fuzz { minutes, seed } => {
            let minutes = ("PERDURE_FUZZ_MINUTES", minutes.to_string());
            let seed = seed.map(|seed| ("PERDURE_FUZZ_SEED", seed.to_string()));
            let variables: Vec<_> = [Some(minutes), seed].into_iter().flatten().collect();
            in_workspace(async |workspace| test::run_one(workspace, "fuzz", &variables).await).await
        }
        Command::Stress { minutes, kills } => {
            let seconds = ("PERDURE_STRESS_SECONDS", (60 * minutes).to_string());
            let kills = ("PERDURE_STRESS_KILLS", kills.to_string());
            let variables = [seconds, kills, ("PERDURE_TEST_SHOW", "1".to_owned())];
            in_workspace(async |workspace| test::run_one(workspace, "stress", &variables).await).await
        }
        Command::Compat(arguments) => in_workspace(async |workspace| compat::run(workspace, &arguments).await).await,
        Command::Bench { save, arguments } => {
            in_workspace(async |workspace| bench::run(workspace, save, &arguments).await).await
        }
        Command::Dist => in_workspace(async |workspace| dist::run(workspace).await).await,
        Command::Tidy => in_workspace(async |workspace| tidy::run(&workspace.root)).await,
        Command::Ci => in_workspace(ci::run).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn in_workspace(command: impl AsyncFnOnce(&Workspace) -> anyhow::Result<()>) -> anyhow::Result<()> {
    command(&Workspace::find()?).await
}
