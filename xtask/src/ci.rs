//! `cargo xtask ci`: what must pass before a change is merged.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::process::{self, command, run_interruptible};
use crate::workspace::{Workspace, cargo};
use crate::{test, tidy};

/// Runs the steps in order of cost and stops at the first that fails. Prints how long each took.
pub async fn run(workspace: &Workspace) -> Result<()> {
    let mut steps = Steps { taken: Vec::new() };
    let result = all(workspace, &mut steps).await;
    println!();
    for (name, duration) in &steps.taken {
        println!("{name:8} {:7.1} s", duration.as_secs_f64());
    }
    result
}

async fn all(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.step("fmt", cargo_step(workspace, &["fmt", "--all", "--check"])).await?;
    steps.step("tidy", async { tidy::run(&workspace.root) }).await?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    steps.step("clippy", cargo_step(workspace, &clippy)).await?;
    if process::find("cargo-deny", []).is_some() {
        steps.step("deny", cargo_step(workspace, &["deny", "check"])).await?;
    } else {
        println!("\n=== deny: left out, cargo-deny is not installed (cargo install cargo-deny)");
    }
    steps.step("test", test::run(workspace, &[])).await
}

async fn cargo_step(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let mut command = command(cargo(), &workspace.root);
    command.args(arguments);
    run_interruptible(command).await
}

struct Steps {
    taken: Vec<(&'static str, Duration)>,
}

impl Steps {
    async fn step(&mut self, name: &'static str, work: impl Future<Output = Result<()>>) -> Result<()> {
        println!("\n=== {name}");
        let start = Instant::now();
        let result = work.await;
        self.taken.push((name, start.elapsed()));
        result.with_context(|| format!("{name} failed"))
    }
}
