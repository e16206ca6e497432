//! Runs as they are stored: the journal is folded from its beginning, and where the snapshot was written the two must agree.

use std::fmt::Debug;

use anyhow::{bail, ensure};
use perdure_cli::history::Selection;
use perdure_engine::{Archetype, Violation, WorkflowState, check as check_state, journal, verify};
use perdure_storage::{
    JournalRow, StoredRun,
    inspect::{Inspect, RunFilter},
};
use uuid::Uuid;

use super::{Report, SettingsArgs};
use crate::admin::inspect;

/// Runs whose ids are read at a time.
const PAGE: usize = 1_000;

pub(super) async fn check(
    settings: &SettingsArgs,
    namespace: Option<&str>,
    selection: &Selection,
    report: &mut Report,
) -> anyhow::Result<()> {
    let settings = settings.load()?.0.store;
    let mut database = match inspect(&settings).await {
        Ok(database) => database,
        Err(unreachable) => bail!("{settings}: {}", unreachable.text),
    };
    let schema = database.schema().await?;
    ensure!(schema.newer().is_none(), "the schema of the database is newer than this perdure");
    ensure!(schema.pending().next().is_none(), "the schema is not up to date: `perdure db migrate`");
    let filter = filter(&mut *database, namespace, selection).await?;
    let mut after = Uuid::nil();
    loop {
        let page = database.runs_after(&filter, after, PAGE).await?;
        for run_id in &page {
            // One that was deleted meanwhile has nothing to check.
            let Some(run) = database.read_run(*run_id).await? else { continue };
            report.add(format!("{} {run_id}", run.workflow.workflow_id), wrong_with(run));
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = *last,
            _ => return Ok(()),
        }
    }
}

async fn filter(
    database: &mut dyn Inspect,
    namespace: Option<&str>,
    selection: &Selection,
) -> anyhow::Result<RunFilter> {
    let mut filter = RunFilter { namespace_id: None, workflow_id: selection.workflow_id.clone() };
    if let Some(name) = namespace {
        let namespaces = database.namespaces().await?;
        let Some(found) = namespaces.into_iter().find(|namespace| namespace.name == name) else {
            bail!("there is no namespace {name} in the database");
        };
        filter.namespace_id = Some(Uuid::parse_str(&found.id)?);
    }
    Ok(filter)
}

fn whole(what: impl Into<String>) -> Violation {
    Violation { event_id: 0, what: what.into() }
}

/// All that contradicts itself in a stored run.
fn wrong_with(run: StoredRun) -> Vec<Violation> {
    let has_history = run.workflow.archetype == Archetype::Workflow;
    let mut wrong = Vec::new();
    let snapshot = match run.snapshot.as_ref().map(|snapshot| journal::decode_snapshot(&snapshot.state)).transpose() {
        Ok(state) => state,
        Err(corrupt) => return vec![whole(format!("the snapshot cannot be read: {corrupt}"))],
    };
    let snapshot_seq = run.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
    // What has no history keeps only the rows after its snapshot.
    let (mut state, mut seq) = match &snapshot {
        Some(state) if !has_history => (state.clone(), snapshot_seq),
        _ => (WorkflowState::default(), 0),
    };
    let mut events = Vec::new();
    for row in &run.journal {
        if has_history || row.seq > seq {
            seq += 1;
            if let Err(violation) = fold(&mut state, row, seq, &mut events) {
                wrong.push(violation);
                return wrong;
            }
        }
        if let Some(stored) = snapshot.as_ref().filter(|_| has_history && row.seq == snapshot_seq)
            && stored.run != state.run
        {
            let difference = first_difference(&stored.run, &state.run);
            wrong.push(whole(format!(
                "the snapshot of row {snapshot_seq} is not what the journal leads to: {difference}"
            )));
        }
    }
    if has_history && snapshot_seq > seq {
        wrong.push(whole(format!("the snapshot is of row {snapshot_seq}, and the journal ends with row {seq}")));
    }
    wrong.extend(check_state(&state).into_iter().map(whole));
    if has_history {
        wrong.extend(verify(&events));
    }
    wrong
}

fn fold(
    state: &mut WorkflowState,
    row: &JournalRow,
    seq: i64,
    events: &mut Vec<perdure_proto::api::history::HistoryEvent>,
) -> Result<(), Violation> {
    if row.seq != seq {
        return Err(whole(format!("the journal has row {} where row {seq} should be", row.seq)));
    }
    let next = state.run.next_event_id.max(1);
    journal::apply(state, &row.events, &row.changes)
        .map_err(|corrupt| Violation { event_id: corrupt.event_id, what: format!("row {seq}: {}", corrupt.what) })?;
    let decoded = journal::decode_events(&row.events).map_err(|corrupt| whole(format!("row {seq}: {corrupt}")))?;
    let count = i64::try_from(decoded.len()).unwrap_or(i64::MAX);
    if count != i64::from(row.event_count) || (count > 0 && row.first_event_id != next) {
        return Err(whole(format!(
            "row {seq} says that it has {} events from {} on, and has {count} from {next} on",
            row.event_count, row.first_event_id
        )));
    }
    events.extend(decoded);
    Ok(())
}

/// The first line in which the two differ, as people can read it.
fn first_difference<T: Debug>(stored: &T, replayed: &T) -> String {
    let (stored, replayed) = (format!("{stored:#?}"), format!("{replayed:#?}"));
    let differing = stored.lines().zip(replayed.lines()).find(|(left, right)| left != right);
    match differing {
        Some((left, right)) => format!("stored `{}`, replayed `{}`", left.trim(), right.trim()),
        None => "one of them has more".to_owned(),
    }
}
