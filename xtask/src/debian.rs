//! Missing system packages, on Debian and its relatives.

use std::path::Path;

use anyhow::{Result, bail};

use crate::process::{self, command};

/// Installs `packages` as root; as another user, or on another system, says what to install.
pub fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !process::is_root() || process::find("apt-get", []).is_none() {
        bail!("missing on this machine: {list}; install it (Debian: apt-get install {list}) and run this again");
    }
    println!("installing {list}");
    apt_get(&["update", "--quiet=2"])?;
    apt_get(&[&["install", "--yes", "--quiet=2", "--no-install-recommends"], packages].concat())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut apt_get = command("apt-get", Path::new("/"));
    apt_get.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
    process::run(apt_get)
}
