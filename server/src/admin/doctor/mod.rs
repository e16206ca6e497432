//! `perdure doctor`: looks where a server would look and where a client would, and says what is wrong and what to do.
//!
//! Facts are gathered first, at most once each; the checks are tables of functions that judge them. A check that cannot judge,
//! because what it needs is missing, says so and is no problem: the missing thing is one already.

mod client;
mod database;
mod host;

use anyhow::bail;
use clap::Args;
use perdure_cli::{Options, Session};
use serde_json::json;

use super::{SettingsArgs, print};
use client::ClientFacts;
use database::DatabaseFacts;
use host::HostFacts;

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Only what a client sees: for a machine that is not the server's.
    #[arg(long, conflicts_with = "server_only")]
    client_only: bool,
    /// Only what a server needs: for a machine where none runs yet.
    #[arg(long)]
    server_only: bool,
    #[command(flatten)]
    options: Options,
}

/// What a check has found.
#[derive(Debug, PartialEq)]
enum Verdict {
    Ok(String),
    Warn {
        found: String,
        action: String,
    },
    Problem {
        found: String,
        action: String,
    },
    /// What it needs is missing.
    Unknown(String),
}

impl Verdict {
    fn ok(found: impl Into<String>) -> Self {
        Self::Ok(found.into())
    }

    fn warn(found: impl Into<String>, action: impl Into<String>) -> Self {
        Self::Warn { found: found.into(), action: action.into() }
    }

    fn problem(found: impl Into<String>, action: impl Into<String>) -> Self {
        Self::Problem { found: found.into(), action: action.into() }
    }

    /// Status, what was found, what to do.
    fn parts(&self) -> (&'static str, &str, Option<&str>) {
        match self {
            Self::Ok(found) => ("ok", found, None),
            Self::Warn { found, action } => ("warn", found, Some(action)),
            Self::Problem { found, action } => ("problem", found, Some(action)),
            Self::Unknown(why) => ("unknown", why, None),
        }
    }
}

/// A name, and who judges.
type Check<Facts> = (&'static str, fn(&Facts) -> Verdict);

fn judge<Facts>(checks: &[Check<Facts>], facts: &Facts, findings: &mut Vec<(&'static str, Verdict)>) {
    findings.extend(checks.iter().map(|(name, check)| (*name, check(facts))));
}

impl Doctor {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let session = Session::new(self.options)?;
        let mut findings = Vec::new();
        let client = if self.server_only { None } else { Some(ClientFacts::gather(&session).await) };
        if !self.client_only {
            match self.settings.load() {
                Ok((settings, notices)) => {
                    let serving = client.as_ref().is_some_and(ClientFacts::is_serving);
                    let host = HostFacts::gather(settings.clone(), notices, serving).await;
                    judge(&host::CHECKS, &host, &mut findings);
                    let served = client.as_ref().and_then(ClientFacts::store);
                    let database = DatabaseFacts::gather(settings.store, served).await;
                    judge(&database::CHECKS, &database, &mut findings);
                }
                Err(error) => {
                    let action = "mend the variable or the line that is named; `perdure config validate` shows all";
                    findings.push(("settings", Verdict::problem(format!("{error:#}"), action)));
                }
            }
        }
        if let Some(client) = &client {
            judge(&client::CHECKS, client, &mut findings);
        }
        report(&session, &findings)
    }
}

/// Err: there is a problem.
fn report(session: &Session, findings: &[(&'static str, Verdict)]) -> anyhow::Result<()> {
    let problems = findings.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Problem { .. })).count();
    if session.output.is_json() {
        let shown = findings.iter().map(|(name, verdict)| {
            let (status, found, action) = verdict.parts();
            json!({"check": name, "status": status, "found": found, "action": action})
        });
        session.output.json(&json!({"checks": shown.collect::<Vec<_>>(), "problems": problems}))?;
    } else {
        for (name, verdict) in findings {
            if matches!(verdict, Verdict::Unknown(_)) {
                // What it lacks is told already.
                continue;
            }
            let (status, found, action) = verdict.parts();
            print(&format!("{status:<8} {name:<16} {found}"))?;
            if let Some(action) = action {
                print(&format!("{:<25} do: {action}", ""))?;
            }
        }
    }
    if problems > 0 {
        bail!("{problems} problem{} found", if problems == 1 { "" } else { "s" });
    }
    Ok(())
}
