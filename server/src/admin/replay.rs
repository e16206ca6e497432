//! `perdure replay`: whether what is stored is what the engine would make of it again.

mod stored;

use std::pin::pin;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use perdure_cli::{
    Options, Session,
    history::{HistoryFile, Selection, read_history, selected_runs},
};
use perdure_engine::{Violation, verify};
use perdure_proto::api::history::HistoryEvent;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use super::{SettingsArgs, print};

#[derive(Debug, Subcommand)]
pub(crate) enum ReplayCommand {
    /// Check histories by the engine's own rules: ids, order, references, and that each event can follow those before it.
    ///
    /// Histories come from files, from a server, or with --database from the database itself, where also each stored state is
    /// compared with the replay of its journal. Nothing is changed. Fails where something is wrong, and names the events.
    Check(Box<Check>),
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Files of histories: .json, .json.gz or .binpb.gz, as `perdure history export` and `temporal workflow show` write them.
    #[arg(value_name = "FILE", conflicts_with_all = ["query", "workflow_id", "database"])]
    files: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Read the server's database, which needs no server: all runs, or those of --workflow-id in --namespace.
    #[arg(long, conflicts_with = "query")]
    database: bool,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    options: Options,
}

/// What was found so far.
struct Report {
    checked: u64,
    /// Of which run or file, and what.
    wrong: Vec<(String, Vec<Violation>)>,
}

impl ReplayCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Self::Check(check) = self;
        let Check { files, selection, database, settings, options } = *check;
        let session = Session::new(options)?;
        let mut report = Report { checked: 0, wrong: Vec::new() };
        match (files.as_slice(), database) {
            ([], true) => {
                stored::check(&settings, session.named_namespace().ok().as_deref(), &selection, &mut report).await?
            }
            ([], false) => report.of_server(&session, &selection).await?,
            (files, _) => report.of_files(files)?,
        }
        report.print(&session)
    }
}

impl Report {
    fn add(&mut self, of: String, wrong: Vec<Violation>) {
        self.checked += 1;
        if !wrong.is_empty() {
            self.wrong.push((of, wrong));
        }
    }

    fn add_history(&mut self, of: String, events: &[HistoryEvent]) {
        self.add(of, verify(events));
    }

    fn of_files(&mut self, files: &[String]) -> anyhow::Result<()> {
        for file in files {
            let bytes = std::fs::read(file).with_context(|| format!("{file} cannot be read"))?;
            let history = HistoryFile::decode(file, bytes.into()).with_context(|| format!("{file} is no history"))?;
            self.add_history(file.clone(), &history.events);
        }
        Ok(())
    }

    async fn of_server(&mut self, session: &Session, selection: &Selection) -> anyhow::Result<()> {
        let namespace = session.namespace();
        let mut runs = pin!(selected_runs(session, &namespace, selection));
        while let Some(run) = runs.next().await {
            let execution = run?;
            // One that is gone by now has nothing to check.
            let Some(history) = read_history(session, &namespace, &execution).await? else { continue };
            let of = format!("{} {}", execution.workflow_id, execution.run_id);
            match history.events() {
                Ok(events) => self.add_history(of, &events),
                Err(error) => {
                    self.add(of, vec![Violation { event_id: 0, what: format!("cannot be decoded: {error}") }])
                }
            }
        }
        Ok(())
    }

    fn print(self, session: &Session) -> anyhow::Result<()> {
        let Self { checked, wrong } = self;
        if session.output.is_json() {
            let violation = |one: &Violation| json!({"eventId": one.event_id, "what": one.what});
            let shown = wrong.iter().map(
                |(of, wrong)| json!({"history": of, "violations": wrong.iter().map(violation).collect::<Vec<Value>>()}),
            );
            session.output.json(&json!({"checked": checked, "wrong": shown.collect::<Vec<_>>()}))?;
        } else {
            for (of, violations) in &wrong {
                print(of)?;
                violations.iter().try_for_each(|one| print(&format!("  {one}")))?;
            }
            print(&format!("{checked} checked, {} wrong", wrong.len()))?;
        }
        if !wrong.is_empty() {
            bail!("{} of {checked} histories break rules", wrong.len());
        }
        Ok(())
    }
}
