//! Reads of many runs by key. The keys go over as one JSON list.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use sqlx::{Connection, FromRow, SqliteConnection, types::Json as AsJson};
use uuid::Uuid;

use crate::{
    batch::JournalRow,
    error::StoreError,
    keys::{RunKey, WorkflowKey},
    sql::rows::{JournalRecord, RunRecord, WorkflowRecord, convert},
    store::StoredRun,
};

const CURRENT_RUNS: &str = "SELECT asked.key AS position, current_runs.run_id FROM json_each($1) AS asked
     JOIN current_runs ON namespace_id = unhex(json_extract(asked.value, '$[0]'))
      AND archetype = json_extract(asked.value, '$[1]') AND workflow_id = json_extract(asked.value, '$[2]')";

/// Ids in the order of their keys. The least key of all is the nil namespace with an empty workflow id.
const WORKFLOWS_AFTER: &str = "SELECT namespace_id, archetype, workflow_id FROM current_runs
     WHERE (namespace_id, archetype, workflow_id) > ($1, $2, $3)
     ORDER BY namespace_id, archetype, workflow_id
     LIMIT $4";

const RUNS: &str = "SELECT asked.key AS position, namespace_id, archetype, workflow_id, wake_at, snapshot_seq, snapshot
     FROM json_each($1) AS asked
     JOIN runs ON slot = json_extract(asked.value, '$[0]') AND run_id = unhex(json_extract(asked.value, '$[1]'))";

/// Rows after each run's snapshot, in order.
const JOURNALS: &str = "SELECT asked.key AS position, seq, first_event_id, event_count, events, changes
     FROM json_each($1) AS asked
     JOIN runs ON runs.slot = json_extract(asked.value, '$[0]')
      AND runs.run_id = unhex(json_extract(asked.value, '$[1]'))
     JOIN journal ON journal.slot = runs.slot AND journal.run_id = runs.run_id
      AND journal.seq > coalesce(runs.snapshot_seq, 0)
     ORDER BY position, seq";

/// Place of the row's key among those asked for.
#[derive(FromRow)]
struct At<T> {
    position: i64,
    #[sqlx(flatten)]
    row: T,
}

#[derive(FromRow)]
struct RunId {
    run_id: Uuid,
}

pub(super) async fn current_runs(
    connection: &mut SqliteConnection,
    workflows: &[WorkflowKey],
) -> Result<Vec<Option<Uuid>>, StoreError> {
    let key =
        |key: &WorkflowKey| json!([key.namespace_id.simple().to_string(), key.archetype.number(), &*key.workflow_id]);
    let keys = AsJson(workflows.iter().map(key).collect::<Vec<Json>>());
    let found = sqlx::query_as::<_, At<RunId>>(CURRENT_RUNS).bind(keys).fetch_all(connection).await?;
    let found: HashMap<_, _> = found.into_iter().map(|at| (at.position, at.row.run_id)).collect();
    Ok((0..).take(workflows.len()).map(|position| found.get(&position).copied()).collect())
}

pub(super) async fn workflows_after(
    connection: &mut SqliteConnection,
    after: Option<&WorkflowKey>,
    limit: usize,
) -> Result<Vec<WorkflowKey>, StoreError> {
    let query = sqlx::query_as::<_, WorkflowRecord>(WORKFLOWS_AFTER)
        .bind(after.map_or(Uuid::nil(), |key| key.namespace_id))
        .bind(after.map_or(0, |key| key.archetype.number()))
        .bind(after.map_or("", |key| &*key.workflow_id))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    Ok(convert(query.fetch_all(connection).await?))
}

pub(super) async fn load_runs(
    connection: &mut SqliteConnection,
    runs: &[RunKey],
) -> Result<Vec<Option<StoredRun>>, StoreError> {
    let keys = runs.iter().map(|key| json!([key.slot, key.run_id.simple().to_string()])).collect::<Vec<Json>>();
    // One transaction: rows and journals as they are at the same time.
    let mut transaction = connection.begin().await?;
    let rows = sqlx::query_as::<_, At<RunRecord>>(RUNS).bind(AsJson(&keys)).fetch_all(&mut *transaction).await?;
    let journal =
        sqlx::query_as::<_, At<JournalRecord>>(JOURNALS).bind(AsJson(&keys)).fetch_all(&mut *transaction).await?;
    transaction.commit().await?;

    let mut journals = HashMap::<i64, Vec<JournalRow>>::new();
    for At { position, row } in journal {
        journals.entry(position).or_default().push(row.into());
    }
    let mut found: HashMap<_, _> = rows
        .into_iter()
        .map(|at| (at.position, at.row.into_run(journals.remove(&at.position).unwrap_or_default())))
        .collect();
    Ok((0..).take(runs.len()).map(|position| found.remove(&position)).collect())
}
