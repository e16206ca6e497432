//! Which crate may depend on which: `proto <- engine <- metrics <- storage <- matching <- history <- frontend <- server` and
//! `proto <- cli`, with the reasons in ARCHITECTURE.md.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Finding;

/// Each may depend on those before it.
const CHAIN: [&str; 8] = [
    "perdure-proto",
    "perdure-engine",
    "perdure-metrics",
    "perdure-storage",
    "perdure-matching",
    "perdure-history",
    "perdure-frontend",
    "perdure-server",
];

/// The engine computes; whoever calls it does the input and output.
const ENGINE_BANNED: [&str; 5] = ["rand", "sqlx", "tokio", "tonic", "tracing"];

/// Looks at `cargo metadata`, dependencies for tests and build scripts included.
pub(super) fn check(metadata: &Value) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().context("cargo metadata lists no packages")? {
        let name = package["name"].as_str().context("a package without a name")?;
        for dependency in package["dependencies"].as_array().context("a package without dependencies")? {
            let on = dependency["name"].as_str().context("a dependency without a name")?;
            let is_ours = dependency["path"].is_string();
            if is_ours && !may_depend(name, on) {
                findings.push(finding(name, on, "that is against the arrows in ARCHITECTURE.md"));
            }
            if name == "perdure-engine" && ENGINE_BANNED.contains(&on) {
                findings.push(finding(name, on, "the engine is pure; do it in history"));
            }
        }
    }
    Ok(findings)
}

fn may_depend(name: &str, on: &str) -> bool {
    let place = |name: &str| CHAIN.iter().position(|link| *link == name);
    match (name, place(name), place(on)) {
        ("perdure-cli", _, _) => on == "perdure-proto",
        ("perdure-tests" | "perdure-benches", _, _) => true,
        ("perdure-server", _, None) => on == "perdure-cli",
        (_, Some(name), Some(on)) => on < name,
        _ => false,
    }
}

fn finding(name: &str, on: &str, why: &str) -> Finding {
    Finding::failure(Path::new("Cargo.toml"), 0, format!("{name} depends on {on}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_go_one_way() {
        let cases = [
            ("perdure-engine", "perdure-proto", true),
            ("perdure-proto", "perdure-engine", false),
            ("perdure-engine", "perdure-storage", false),
            ("perdure-history", "perdure-matching", true),
            ("perdure-matching", "perdure-history", false),
            ("perdure-server", "perdure-cli", true),
            ("perdure-server", "perdure-tests", false),
            ("perdure-cli", "perdure-proto", true),
            ("perdure-cli", "perdure-storage", false),
            ("perdure-frontend", "perdure-cli", false),
            ("perdure-tests", "xtask", true),
            ("perdure-storage", "xtask", false),
        ];
        for (name, on, expected) in cases {
            assert_eq!(may_depend(name, on), expected, "{name} on {on}");
        }
    }
}
