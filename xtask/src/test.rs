//! `cargo xtask test`: the tests with all that they need.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::process::{self, command, run_interruptible};
use crate::workspace::{Workspace, cargo};
use crate::{postgres, python};

/// Runs `cargo test` on the workspace, or on the packages that `arguments` name.
pub async fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    run_with(workspace, arguments, &[]).await
}

/// Runs one test of the server from outside, at the terminal, with variables that `tests/src/lib.rs` explains.
pub async fn run_one(workspace: &Workspace, name: &str, variables: &[(&str, String)]) -> Result<()> {
    let arguments = ["--package", "perdure-tests", "--test", name, "--", "--nocapture", "--test-threads=1"];
    run_with(workspace, &arguments.map(str::to_owned), variables).await
}

async fn run_with(workspace: &Workspace, arguments: &[String], variables: &[(&str, String)]) -> Result<()> {
    let mut build = command(cargo(), &workspace.root);
    // All of the workspace, although only the server is run: the features of shared dependencies are then those of the
    // test build, and nothing is compiled twice.
    build.args(["build", "--workspace"]);
    run_interruptible(build).await?;
    let python = python::prepare_for_tests(workspace)?;
    let cluster = postgres::Cluster::start(workspace)?;

    let mut test = command(cargo(), &workspace.root);
    test.args(["test", "--no-fail-fast"]);
    let names_packages =
        arguments.iter().any(|argument| argument.starts_with("-p") || argument.starts_with("--package"));
    if !names_packages {
        test.arg("--workspace");
    }
    test.args(arguments);
    // A failed test returns an error that says what is wrong; a backtrace would bury it.
    test.env("RUST_LIB_BACKTRACE", "0");
    test.env("PERDURE_TEST_POSTGRES", cluster.url());
    test.env("PERDURE_TEST_PYTHON", python);
    test.env("PERDURE_TEST_SERVER", workspace.server());
    test.envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
    match find_go() {
        Some(go) => {
            test.env("PERDURE_TEST_GO", go);
        }
        None => println!("no Go of 1.{GO_MINOR_MIN} or later in PATH: the test of the Go SDK is left out"),
    }
    run_interruptible(test).await
}

/// From here on Go fetches the version that `tests/go/go.mod` asks for. Some Debian releases carry an older one.
const GO_MINOR_MIN: u32 = 21;

fn find_go() -> Option<PathBuf> {
    let go = process::find("go", [])?;
    let mut version = command(&go, Path::new("/"));
    version.args(["env", "GOVERSION"]);
    let version = process::output(version).ok()?;
    let minor = version.trim().strip_prefix("go1.")?.split('.').next()?.parse::<u32>().ok()?;
    (minor >= GO_MINOR_MIN).then_some(go)
}
