//! The Python environment of the examples: a virtual environment with Temporal's SDK, below the target folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::debian;
use crate::process::{self, command};
use crate::workspace::Workspace;

/// The environment's interpreter, with `examples/requirements.txt` installed. Instant when nothing has changed.
pub fn prepare(workspace: &Workspace) -> Result<PathBuf> {
    installed(workspace, "examples")
}

/// The same with what the tests need as well.
pub fn prepare_for_tests(workspace: &Workspace) -> Result<PathBuf> {
    prepare(workspace)?;
    installed(workspace, "tests")
}

/// With the `requirements.txt` of this folder.
fn installed(workspace: &Workspace, folder: &str) -> Result<PathBuf> {
    let requirements = workspace.root.join(folder).join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).with_context(|| requirements.display().to_string())?;
    let environment = workspace.target.join("venv");
    let python = environment.join("bin/python");
    // The stamp is written last, so an installation that was cut off is done again.
    let stamp = environment.join(format!("installed-{folder}-requirements.txt"));
    let is_current = python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted);
    if !is_current {
        println!("preparing Python in {} for {folder}", environment.display());
        create(&environment)?;
        // Once more on failure: the package index is somebody else's machine.
        install(&python, &requirements).or_else(|_| install(&python, &requirements))?;
        std::fs::write(stamp, wanted)?;
    }
    Ok(python)
}

fn create(environment: &Path) -> Result<()> {
    let venv = || {
        let mut python = command("python3", Path::new("/"));
        python.args(["-m", "venv"]).arg(environment);
        process::output(python)
    };
    if venv().is_err() {
        debian::install(&["python3", "python3-venv"])?;
        venv()?;
    }
    Ok(())
}

fn install(python: &Path, requirements: &Path) -> Result<()> {
    let mut pip = command(python, Path::new("/"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    process::run(pip)
}
