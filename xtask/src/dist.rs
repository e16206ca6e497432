//! `cargo xtask dist`: the server as one file that needs nothing of the system it runs on.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::process::{self, command, run_interruptible};
use crate::workspace::{Workspace, cargo};

/// The compiler for the C code of the dependencies (SQLite, the allocator, cryptography), from Debian's `musl-tools`.
const C_COMPILER: &str = "musl-gcc";

/// Over a megabyte less, of which a loader makes the same.
const PACKED_RELOCATIONS: &str = "link-arg=-Wl,-z,pack-relative-relocs";

/// In `Cargo.toml`.
const PROFILE: &str = "static";

/// Builds `target/dist/perdure` for this machine's processor, statically linked with musl, and tells how large it is.
pub async fn run(workspace: &Workspace) -> Result<()> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    add_target(workspace, &target)?;
    if process::find(C_COMPILER, []).is_none() {
        debian::install(&["musl-tools"])?;
    }
    let mut build = command(cargo(), &workspace.root);
    build.args(["rustc", "--package", "perdure-server", "--bin", "perdure", "--profile", PROFILE, "--target", &target]);
    build.args(["--", "-C", PACKED_RELOCATIONS]);
    build.env(format!("CC_{}", target.replace('-', "_")), C_COMPILER);
    run_interruptible(build).await?;

    let folder = workspace.target.join("dist");
    fs::create_dir_all(&folder)?;
    let binary = folder.join("perdure");
    fs::copy(workspace.target.join(&target).join(PROFILE).join("perdure"), &binary)
        .context("the build left no binary")?;
    check(&binary)?;
    println!("{}: {:.1} MB, static, {target}", binary.display(), fs::metadata(&binary)?.len() as f64 / 1e6);
    Ok(())
}

/// The standard library for `target`, which rustup adds to the toolchain of the project where it is missing.
fn add_target(workspace: &Workspace, target: &str) -> Result<()> {
    let mut installed = command("rustup", &workspace.root);
    installed.args(["target", "list", "--installed"]);
    let installed = process::output(installed).context("`cargo xtask dist` needs rustup")?;
    if installed.lines().any(|line| line == target) {
        return Ok(());
    }
    let mut add = command("rustup", &workspace.root);
    add.args(["target", "add", target]);
    process::run(add)
}

/// It must run, and must ask for no loader: an image without a system has none.
fn check(binary: &Path) -> Result<()> {
    let mut version = command(binary, Path::new("/"));
    version.arg("--version");
    process::output(version)?;
    if names_a_loader(&fs::read(binary)?) {
        bail!("{} is not static: it names a program loader", binary.display());
    }
    Ok(())
}

/// Whether a 64-bit little-endian ELF file has a program header `PT_INTERP`; what is no such file is taken to have one.
fn names_a_loader(file: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = file.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let headers = || -> Option<Vec<u32>> {
        let (first, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let at = |index: u64| usize::try_from(first.checked_add(index.checked_mul(size)?)?).ok();
        (0..count).map(|index| u32::try_from(number(at(index)?, 4)?).ok()).collect()
    };
    file.get(..6) != Some(b"\x7fELF\x02\x01") || headers().is_none_or(|kinds| kinds.contains(&PT_INTERP))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with one program header of this kind behind it.
    fn elf(kind: u32) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file[64..68].copy_from_slice(&kind.to_le_bytes());
        file
    }

    #[test]
    fn loaders_are_found() {
        let cut_off = elf(1)[..66].to_vec();
        let cases =
            [(elf(1), false), (elf(3), true), (b"#!/bin/sh".to_vec(), true), (Vec::new(), true), (cut_off, true)];
        for (number, (file, expected)) in cases.into_iter().enumerate() {
            assert_eq!(names_a_loader(&file), expected, "case {number}");
        }
    }

    #[test]
    fn a_test_is_linked_dynamically() -> Result<()> {
        assert_eq!(names_a_loader(&fs::read(std::env::current_exe()?)?), cfg!(not(target_feature = "crt-static")));
        Ok(())
    }
}
