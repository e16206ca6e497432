//! `cargo xtask bench`: the micro-benchmarks, with a PostgreSQL that is made for them.

use anyhow::Result;

use crate::postgres;
use crate::process::{command, run_interruptible};
use crate::workspace::{Workspace, cargo};

/// Prints each figure beside its baseline. `arguments` go to criterion, for instance the name of a group; with `save` the figures
/// become the baseline.
pub async fn run(workspace: &Workspace, save: bool, arguments: &[String]) -> Result<()> {
    let cluster = postgres::Cluster::start(workspace)?;
    let mut bench = command(cargo(), &workspace.root);
    bench.args(["bench", "--package", "perdure-benches", "--bench", "micro", "--"]).args(arguments);
    bench.env("PERDURE_TEST_POSTGRES", cluster.url());
    if save {
        bench.env("PERDURE_BENCH_SAVE", "1");
    }
    run_interruptible(bench).await
}
