//! Running other programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

/// A command in `folder` without standard input: nothing here may wait for a keyboard.
pub fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs to the end with its output passed through; an exit code other than 0 is an error.
pub fn run(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", line(&command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(&command));
    }
    Ok(())
}

/// Runs to the end and returns what it wrote to standard output; on failure the error holds standard error.
pub fn output(mut command: Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", line(&command)))?;
    if !output.status.success() {
        bail!("{} ended with {}: {}", line(&command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs like [`run`], but Ctrl-C and SIGTERM end the child instead of this process, so that what this process holds
/// (a database, a server) is taken down by its owners.
pub async fn run_interruptible(command: Command) -> Result<()> {
    let text = line(&command);
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {text}"))?;
    let status = tokio::select! {
        status = child.wait() => status?,
        interrupted = interrupted() => {
            interrupted?;
            bail!("interrupted");
        }
    };
    if !status.success() {
        bail!("{text} ended with {status}");
    }
    Ok(())
}

/// Returns when this process is asked to end.
pub async fn interrupted() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// The first of `folders` and of `PATH` that holds `program`.
pub fn find(program: &str, folders: impl IntoIterator<Item = std::path::PathBuf>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = folders.into_iter().chain(std::env::split_paths(&path));
    candidates.map(|folder| folder.join(program)).find(|file| file.is_file())
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Asks a process to end (SIGTERM). That it has ended already is fine.
pub fn terminate(process_id: u32) -> Result<()> {
    let pid = i32::try_from(process_id).ok().and_then(Pid::from_raw).context("not a process id")?;
    match rustix::process::kill_process(pid, Signal::TERM) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
