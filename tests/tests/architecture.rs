//! The rules of `cargo xtask tidy`, the arrows between the crates among them, hold.

use std::path::Path;

#[test]
fn the_workspace_is_tidy() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    xtask::tidy::run(&root)
}
