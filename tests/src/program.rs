//! Programs in other languages that run against a server.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::time::timeout;
use xtask::process;

use crate::folders;

/// Longer than any program takes on a slow machine; a program that hangs must not hang the test.
const RUN_MAX: Duration = Duration::from_secs(360);

/// Runs `python ARGUMENTS` in the folder of the examples. Fails unless it ends with exit code 0.
pub async fn python(name: &str, arguments: &[&str]) -> Result<()> {
    python_within(name, arguments, RUN_MAX).await
}

/// The same for a program that takes long on purpose.
pub async fn python_within(name: &str, arguments: &[&str], time: Duration) -> Result<()> {
    let python = match std::env::var_os("PERDURE_TEST_PYTHON") {
        Some(python) => PathBuf::from(python),
        None => folders::target()?.join("venv/bin/python"),
    };
    if !python.exists() {
        bail!("there is no {}: run `cargo xtask test`, which prepares it", python.display());
    }
    let mut command = Command::from(process::command(python, &folders::root().join("examples")));
    // Without it, what a killed program has printed is lost.
    command.args(arguments).env("PYTHONUNBUFFERED", "1");
    run(name, command, time).await
}

/// Runs `go ARGUMENTS` in `tests/go`. Fails unless it ends with exit code 0. Without Go on this machine it returns false.
pub async fn go(name: &str, arguments: &[&str]) -> Result<bool> {
    let Some(go) = std::env::var_os("PERDURE_TEST_GO") else { return Ok(false) };
    let mut command = Command::from(process::command(go, &folders::root().join("tests/go")));
    command.args(arguments);
    run(name, command, RUN_MAX).await?;
    Ok(true)
}

/// The output goes to `test-logs/NAME.log` and, as a part of the test's own output, to the terminal where the test fails. With
/// `PERDURE_TEST_SHOW` it goes to the terminal at once.
async fn run(name: &str, mut command: Command, time: Duration) -> Result<()> {
    let log = folders::log(name)?;
    let shows = std::env::var_os("PERDURE_TEST_SHOW").is_some();
    if !shows {
        let file = std::fs::File::create(&log)?;
        command.stdout(file.try_clone()?).stderr(file);
    }
    let mut child = command.kill_on_drop(true).spawn().context("cannot start the program")?;
    let status = timeout(time, child.wait()).await;
    if !shows {
        println!("{}", std::fs::read_to_string(&log)?);
    }
    let status = status.with_context(|| format!("{name} still runs after {time:?}"))??;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}
