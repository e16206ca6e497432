//! Where the tests find and leave things.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Cargo's target folder: the test runs as `TARGET/PROFILE/deps/NAME`.
pub(crate) fn target() -> Result<PathBuf> {
    Ok(profile()?.parent().context("a profile lies in the target folder")?.to_path_buf())
}

/// The folder of built programs.
pub(crate) fn profile() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    Ok(test.ancestors().nth(2).context("a test lies in PROFILE/deps")?.to_path_buf())
}

/// A log file's path, printed: the test harness shows it where the test fails.
pub(crate) fn log(name: &str) -> Result<PathBuf> {
    let folder = target()?.join("test-logs");
    std::fs::create_dir_all(&folder)?;
    let log = folder.join(format!("{name}.log"));
    println!("log: {}", log.display());
    Ok(log)
}

/// An empty folder for one test: `test-data/NAME` in the target folder.
pub fn fresh_folder(name: &str) -> Result<PathBuf> {
    let folder = target()?.join("test-data").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
