//! Rules of style that neither the compiler nor clippy knows. A rule names what to use instead of what it bans.

mod arrows;
mod banned;
mod functions;
mod masked;
mod sizes;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{self, command};
use masked::Masked;

/// One place that breaks a rule.
pub struct Finding {
    path: PathBuf,
    /// Counted from 1; 0 for a finding about the whole file.
    line: usize,
    text: String,
    severity: Severity,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Severity {
    Warning,
    Failure,
}

/// A Rust file of the workspace with what the rules ask about it.
struct RustFile<'a> {
    path: &'a Path,
    masked: Masked,
    /// In a `tests` folder or a file of tests: some rules are for the product alone.
    is_test: bool,
}

/// Prints all findings; fails if one of them is more than a warning.
pub fn run(root: &Path) -> Result<()> {
    let findings = check(root)?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    let failures = findings.iter().filter(|finding| finding.is_failure()).count();
    if failures > 0 {
        bail!("rules broken: {failures}");
    }
    println!("tidy: ok, warnings: {}", findings.len());
    Ok(())
}

/// All findings in the workspace at `root`, by path.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = arrows::check(&crate::workspace::metadata(root)?)?;
    for path in files(root)? {
        if path.starts_with("target") {
            findings.push(Finding::failure(&path, 0, "a build product is committed; `git rm --cached` it"));
            continue;
        }
        if !sizes::is_source(&path) {
            continue;
        }
        let text = std::fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
        findings.extend(sizes::check(&path, &text));
        if path.extension().is_some_and(|extension| extension == "rs") {
            let file = RustFile { path: &path, masked: Masked::new(&text), is_test: is_test(&path) };
            findings.extend(functions::check(&file));
            findings.extend(banned::check(&file));
        }
    }
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok(findings)
}

/// Files that git knows or would add, without those that are deleted in the work tree.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut git = command("git", root);
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = process::output(git).context("tidy needs a git checkout")?;
    let paths = list.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(paths.filter(|path| root.join(path).is_file()).collect())
}

fn is_test(path: &Path) -> bool {
    path.components().any(|component| component.as_os_str() == "tests")
        || path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .is_some_and(|stem| stem == "tests" || stem.ends_with("_tests"))
}

// === impl Finding ===

impl Finding {
    fn failure(path: &Path, line: usize, text: impl Into<String>) -> Finding {
        Finding { path: path.to_path_buf(), line, text: text.into(), severity: Severity::Failure }
    }

    fn warning(path: &Path, line: usize, text: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::failure(path, line, text) }
    }

    pub fn is_failure(&self) -> bool {
        self.severity == Severity::Failure
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.is_failure() { "error" } else { "warning" };
        write!(f, "{severity}: {}:{}: {}", self.path.display(), self.line, self.text)
    }
}
