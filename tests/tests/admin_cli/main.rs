//! The admin commands of the binary, each of them against a server: what they print, and their exit codes.

#[path = "../security/certificates.rs"]
mod certificates;
mod secure;
mod steps;

use std::{collections::BTreeSet, path::PathBuf, process::Output, time::Duration};

use anyhow::{Context, Result, bail};
use perdure_tests::{Database, Server, perdure, python_within};
use tokio::time::{Instant, sleep, timeout};

use steps::{STEPS, Step};

/// Longer than any command takes on a slow machine.
const COMMAND_MAX: Duration = Duration::from_secs(60);

/// The longest wait for what a command has set going.
const EFFECT_MAX: Duration = Duration::from_secs(60);

/// Longer than the test.
const WORKER_MAX: Duration = Duration::from_secs(900);

async fn run(address: &str, arguments: &[String]) -> Result<Output> {
    let mut command = tokio::process::Command::from(perdure()?);
    command.args(arguments).env("TEMPORAL_ADDRESS", address).kill_on_drop(true);
    let output = timeout(COMMAND_MAX, command.output()).await;
    Ok(output.with_context(|| format!("perdure {arguments:?} does not end"))??)
}

/// The words of a command line; what is between single quotes is one word.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

/// What is wrong with the outcome of a step, if anything.
fn mismatch(step: &Step, output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    let missing: Vec<&&str> = step.says.iter().filter(|text| !said.contains(**text)).collect();
    if output.status.code() == Some(step.code) && missing.is_empty() {
        return None;
    }
    Some(format!("perdure {}\n{}, not said: {missing:?}, but:\n{said}", step.line, output.status))
}

/// Takes a step; answers what was wrong.
async fn take(address: &str, step: &Step) -> Option<String> {
    let deadline = Instant::now() + EFFECT_MAX;
    loop {
        let wrong = match run(address, &words(step.line)).await {
            Ok(output) => mismatch(step, &output),
            Err(error) => Some(format!("{error:#}")),
        };
        match wrong {
            Some(_) if step.waits && Instant::now() < deadline => sleep(Duration::from_millis(50)).await,
            wrong => return wrong,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_does_what_it_says() -> Result<()> {
    let server = Server::start("admin_cli", Database::SqliteMemory).await?;
    let address = format!("127.0.0.1:{}", server.grpc_port());
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/admin_cli/worker.py");
    let script = script.to_str().context("a path in UTF-8")?.to_owned();
    let worker_address = address.clone();
    let worker =
        tokio::spawn(async move { python_within("admin_cli_worker", &[&script, &worker_address], WORKER_MAX).await });
    let mut wrong = Vec::new();
    for step in STEPS {
        if worker.is_finished() {
            worker.await?.context("the worker has ended")?;
            bail!("the worker has ended");
        }
        wrong.extend(take(&address, step).await);
    }
    worker.abort();
    assert!(wrong.is_empty(), "{} steps of {}:\n{}", wrong.len(), STEPS.len(), wrong.join("\n"));
    Ok(())
}

/// The commands below `path`, as its help names them.
async fn below(path: &[String]) -> Result<Vec<Vec<String>>> {
    let arguments = [path, &["--help".to_owned()]].concat();
    let output = run("127.0.0.1:1", &arguments).await?;
    let text = String::from_utf8(output.stdout)?;
    let Some((_, list)) = text.split_once("\nCommands:\n") else { return Ok(Vec::new()) };
    let names = list.lines().take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  "));
    let names = names.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| *name != "help").map(|name| [path, &[name.to_owned()]].concat()).collect())
}

/// The nouns whose commands are tried here; the others have tests of their own.
const NOUNS: [&str; 8] = ["workflow", "activity", "schedule", "batch", "task-queue", "worker", "nexus", "operator"];

#[tokio::test]
async fn no_command_is_forgotten() -> Result<()> {
    let mut open: Vec<Vec<String>> = NOUNS.iter().map(|noun| vec![(*noun).to_owned()]).collect();
    let mut commands = BTreeSet::new();
    while let Some(path) = open.pop() {
        match below(&path).await? {
            list if list.is_empty() => drop(commands.insert(path.join(" "))),
            list => open.extend(list),
        }
    }
    assert!(commands.len() > 80, "the help names {commands:?} only");
    let tried = |command: &String| STEPS.iter().any(|step| step.line.starts_with(&format!("{command} ")));
    let forgotten: Vec<&String> = commands.iter().filter(|command| !tried(command)).collect();
    assert!(forgotten.is_empty(), "no step tries {forgotten:?}");
    Ok(())
}

#[tokio::test]
async fn without_a_server_the_error_is_one_line_that_helps() -> Result<()> {
    let output = run("127.0.0.1:1", &words("workflow list")).await?;
    let text = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("127.0.0.1:1") && text.contains("is it running"), "{text}");
    Ok(())
}

#[tokio::test]
async fn bad_usage_has_exit_code_2_and_needs_no_server() -> Result<()> {
    for line in ["workflow start --type T", "workflow list --output xml", "schedule toggle --schedule-id s", "operator"]
    {
        let output = run("127.0.0.1:1", &words(line)).await?;
        assert_eq!(output.status.code(), Some(2), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_is_not_there_is_named() -> Result<()> {
    let output = run("127.0.0.1:1", &words("workflow list --tls-ca-path /no/such/ca.pem")).await?;
    let text = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("/no/such/ca.pem"), "{text}");
    Ok(())
}

#[tokio::test]
async fn shells_get_completions() -> Result<()> {
    for (shell, word) in [("bash", "complete -F"), ("zsh", "#compdef perdure"), ("fish", "complete -c perdure")] {
        let output = run("127.0.0.1:1", &words(&format!("completion {shell}"))).await?;
        let text = String::from_utf8(output.stdout)?;
        assert!(output.status.success() && text.contains(word), "{shell}");
        assert!(text.contains("signal-with-start"), "{shell} does not know the commands");
    }
    Ok(())
}
