//! `cargo xtask compat`: a client suite of Temporal's runs against our server, and the names of what passes are compared with a
//! score sheet. The suite is a folder that somebody fetched and prepared; nothing of it is kept here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::ports;
use crate::process::command;
use crate::server::{self, Server};
use crate::workspace::Workspace;

#[derive(Args)]
pub struct Compat {
    #[arg(long, value_enum)]
    suite: Suite,
    /// The suite's checkout, ready to run: its Python environment made, or its harness built and prepared.
    #[arg(long)]
    dir: PathBuf,
    /// `HOST:PORT` of a server that runs; without it one is started with the settings that the suite expects.
    #[arg(long)]
    address: Option<String>,
    /// Names of the tests that must pass, one a line. Only they run.
    #[arg(long)]
    expect: Option<PathBuf>,
    /// The interpreter with the suite's packages, if not `DIR/.venv/bin/python`.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Tests at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// The tests of temporalio/sdk-python.
    Python,
    /// temporalio/features in Python and TypeScript: `DIR/features` is its harness, `DIR/prepared-py` and `DIR/prepared-ts`
    /// are what its `prepare` made.
    Features,
    /// The tests of temporalio/samples-python.
    Samples,
}

/// Tests of the Python SDK that need other services, or an account somewhere.
const PYTHON_IGNORED: [&str; 8] = [
    "tests/contrib/google_adk_agents",
    "tests/contrib/google_genai",
    "tests/contrib/langgraph",
    "tests/contrib/langsmith",
    "tests/contrib/openai_agents",
    "tests/contrib/strands",
    "tests/contrib/aws/s3driver",
    "tests/test_prepare_release.py",
];

/// What the suites expect of a server beyond its defaults.
const SETTINGS: [&str; 2] = ["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=50"];

/// Runs the suite. Fails where a test of the score sheet has not passed.
pub async fn run(workspace: &Workspace, compat: &Compat) -> Result<()> {
    let wanted = compat.expect.as_deref().map(read_names).transpose()?;
    let mut started = None;
    let address = match &compat.address {
        Some(address) => address.clone(),
        None => {
            server::build(workspace).await?;
            let ports = (ports::free()?, ports::free()?);
            let settings = SETTINGS.map(str::to_owned);
            let server = Server::start(workspace, "compat", ports, &settings).await?;
            println!("the server's log is {}", server.log.display());
            let address = format!("127.0.0.1:{}", server.grpc_port);
            started = Some(server);
            address
        }
    };
    let mut log = Log::create(workspace)?;
    println!("the suite's own output goes to {}", log.path.display());
    let results = suite(compat, &address, wanted.as_ref(), &mut log).await;
    if let Some(server) = started {
        server.stop().await?;
    }
    report(&results?, wanted.as_ref())
}

fn read_names(file: &Path) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// What became of each test that ran.
#[derive(Default)]
struct Results {
    passed: BTreeSet<String>,
    /// With what it said, as far as that is known.
    missed: BTreeMap<String, String>,
}

/// What a suite prints, to look up why a test missed.
struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    fn create(workspace: &Workspace) -> Result<Self> {
        let path = workspace.target.join("compat").join("suite.log");
        std::fs::create_dir_all(workspace.target.join("compat"))?;
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        Ok(Self { path, file })
    }
}

async fn suite(compat: &Compat, address: &str, wanted: Option<&BTreeSet<String>>, log: &mut Log) -> Result<Results> {
    let mut results = Results::default();
    match compat.suite {
        Suite::Python | Suite::Samples => {
            let command = pytest(compat, address, wanted);
            follow(command, log, &mut results, take_pytest_line).await?;
        }
        Suite::Features => {
            for (language, folder, short) in [("python", "prepared-py", "py"), ("typescript", "prepared-ts", "ts")] {
                let mut harness = command(compat.dir.join("features"), &compat.dir);
                harness.args(["run", "--lang", short, "--prepared-dir", folder, "--server", address]);
                harness.args(["--namespace", "default"]);
                let take = |results: &mut Results, line: &str| take_feature_line(results, language, line);
                follow(harness, log, &mut results, take).await?;
            }
        }
    }
    if results.passed.is_empty() && results.missed.is_empty() {
        bail!("no test has run: is the suite in {} prepared?", compat.dir.display());
    }
    Ok(results)
}

fn pytest(compat: &Compat, address: &str, wanted: Option<&BTreeSet<String>>) -> std::process::Command {
    let python = compat.python.clone().unwrap_or_else(|| compat.dir.join(".venv/bin/python"));
    // A path that is given from here must also hold in the suite's folder.
    let python = std::path::absolute(&python).unwrap_or(python);
    let mut pytest = command(python, &compat.dir);
    pytest.args(["-m", "pytest", "-v", "-rfE", "--color=no", "--timeout", "150", "-o", "log_cli=false"]);
    // Samples share the names of Nexus endpoints: two at a time meet each other's.
    let jobs = if compat.suite == Suite::Samples { 1 } else { compat.jobs };
    pytest.args(["-n", &jobs.to_string(), "--dist=worksteal"]);
    match compat.suite {
        Suite::Samples => pytest.args(["--workflow-environment", address]),
        Suite::Python | Suite::Features => {
            pytest.args(["-E", address]).args(PYTHON_IGNORED.map(|path| format!("--ignore={path}")))
        }
    };
    match wanted {
        Some(names) => pytest.args(names),
        None => pytest.arg("tests"),
    };
    pytest
}

/// Runs to the end and reads what it prints, line by line. Its exit code says less than the score sheet.
async fn follow(
    command: std::process::Command,
    log: &mut Log,
    results: &mut Results,
    mut take: impl FnMut(&mut Results, &str),
) -> Result<()> {
    let mut command = tokio::process::Command::from(command);
    command.stdout(Stdio::piped()).kill_on_drop(true);
    let program = command.as_std().get_program().to_owned();
    let told = || format!("cannot start {}: is the suite ready to run, and --python right?", program.display());
    let mut child = command.spawn().with_context(told)?;
    let output = child.stdout.take().context("a pipe was asked for")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        let (missed, before) = (results.missed.len(), results.passed.len() + results.missed.len());
        take(results, &line);
        writeln!(log.file, "{line}")?;
        let now = results.passed.len() + results.missed.len();
        if results.missed.len() != missed {
            println!("missed: {line}");
        }
        if now != before && now.is_multiple_of(20) {
            println!("{} passed, {} missed", results.passed.len(), results.missed.len());
        }
    }
    child.wait().await?;
    Ok(())
}

/// `[gw0] [  3%] PASSED tests/a.py::b`, `tests/a.py::b PASSED`, and at the end `FAILED tests/a.py::b - why`.
fn take_pytest_line(results: &mut Results, line: &str) {
    const OUTCOMES: [&str; 4] = ["PASSED", "FAILED", "ERROR", "SKIPPED"];
    let Some((outcome, at)) = OUTCOMES.iter().find_map(|outcome| Some((*outcome, line.find(outcome)?))) else { return };
    let (before, after) = (line[..at].trim(), line[at + outcome.len()..].trim());
    // Some plugins tell the share that is done a second time.
    let after = if after.ends_with("%]") { after.rfind(" [").map_or(after, |end| after[..end].trim()) } else { after };
    let (name, why) = match after.split_once(" - ") {
        Some((name, why)) => (name, why),
        None if after.starts_with("tests/") => (after, ""),
        None => (before, ""),
    };
    if !name.starts_with("tests/") || !name.contains("::") {
        return;
    }
    if outcome == "PASSED" {
        if !results.missed.contains_key(name) {
            results.passed.insert(name.to_owned());
        }
        return;
    }
    // A test that passed may fail as it is taken down.
    results.passed.remove(name);
    let known = results.missed.entry(name.to_owned()).or_default();
    if !why.is_empty() || known.is_empty() {
        *known = if why.is_empty() { outcome.to_lowercase() } else { why.to_owned() };
    }
}

/// `Feature result variant=… feature=a/b outcome=PASSED message="…"`.
fn take_feature_line(results: &mut Results, language: &str, line: &str) {
    let Some(rest) = line.strip_prefix("Feature result ") else { return };
    let value = |key: &str| rest.split(' ').find_map(|word| word.strip_prefix(key));
    let (Some(feature), Some(outcome)) = (value("feature="), value("outcome=")) else { return };
    let name = format!("{language}/{feature}");
    if outcome == "PASSED" {
        results.passed.insert(name);
    } else {
        let message = rest.split_once("message=").map_or(outcome, |(_, message)| message);
        results.missed.insert(name, message.to_owned());
    }
}

fn report(results: &Results, wanted: Option<&BTreeSet<String>>) -> Result<()> {
    println!("{} passed, {} missed", results.passed.len(), results.missed.len());
    let all: BTreeSet<String> = results.missed.keys().cloned().collect();
    let wanted = wanted.unwrap_or(&all);
    let missed: Vec<&String> = wanted.iter().filter(|name| !results.passed.contains(*name)).collect();
    for name in &missed {
        println!("missed {name}: {}", results.missed.get(*name).map_or("has not run", String::as_str));
    }
    if !missed.is_empty() {
        bail!("{} of {} tests missed", missed.len(), wanted.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_pytest() {
        let mut results = Results::default();
        for line in [
            "[gw0] [  3%] PASSED tests/a.py::one ",
            "tests/a.py::two PASSED   [ 10%]",
            "[gw1] [  4%] FAILED tests/a.py::three[x y]  [  4%]",
            "[gw1] [  5%] SKIPPED tests/a.py::four ",
            "[gw1] [  5%] ERROR tests/a.py::one ",
            "FAILED tests/a.py::three[x y] - AssertionError: no",
            "some text with PASSED in it",
        ] {
            take_pytest_line(&mut results, line);
        }
        assert_eq!(results.passed, BTreeSet::from(["tests/a.py::two".to_owned()]));
        let missed = [("four", "skipped"), ("one", "error"), ("three[x y]", "AssertionError: no")];
        let missed = missed.map(|(name, why)| (format!("tests/a.py::{name}"), why.to_owned()));
        assert_eq!(results.missed, BTreeMap::from(missed));
    }

    #[test]
    fn lines_of_features() {
        let mut results = Results::default();
        take_feature_line(&mut results, "python", "Feature result variant= feature=a/b outcome=PASSED");
        take_feature_line(
            &mut results,
            "python",
            "Feature result variant= feature=a/c outcome=FAILED message=\"no way\"",
        );
        assert_eq!(results.passed, BTreeSet::from(["python/a/b".to_owned()]));
        assert_eq!(results.missed, BTreeMap::from([("python/a/c".to_owned(), "\"no way\"".to_owned())]));
    }
}
