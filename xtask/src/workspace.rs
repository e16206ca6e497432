//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::{self, command};

/// The checkout that the command works on.
pub struct Workspace {
    pub root: PathBuf,
    /// Cargo's target folder, which need not be below `root`.
    pub target: PathBuf,
}

impl Workspace {
    /// Cargo says at run time which checkout it runs, so a binary from a shared target folder finds the right one.
    pub fn find() -> Result<Workspace> {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
        let root = Path::new(&package).parent().context("xtask lies below the workspace")?.to_path_buf();
        let target = metadata(&root)?["target_directory"].as_str().context("cargo metadata names no target")?.into();
        Ok(Workspace { root, target })
    }

    /// The server as `cargo build` leaves it.
    pub fn server(&self) -> PathBuf {
        self.target.join("debug/perdure")
    }

    pub fn examples(&self) -> PathBuf {
        self.root.join("examples")
    }
}

/// `cargo metadata` of the workspace's own packages.
pub fn metadata(root: &Path) -> Result<Value> {
    let mut cargo = command(cargo(), root);
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    Ok(serde_json::from_str(&process::output(cargo)?)?)
}

/// The cargo that runs this command, so that the toolchain is the same.
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}
