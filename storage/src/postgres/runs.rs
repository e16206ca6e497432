//! Reads of many runs by key, in one round trip.

use sqlx::FromRow;
use uuid::Uuid;

use super::Connections;
use crate::{
    batch::JournalRow,
    error::StoreError,
    keys::{RunKey, WorkflowKey},
    sql::rows::{RunRecord, WorkflowRecord, convert, slot_to_sql},
    store::StoredRun,
};

const CURRENT_RUNS: &str = "SELECT asked.position, current_runs.run_id
     FROM unnest($1::uuid[], $2::smallint[], $3::text[])
          WITH ORDINALITY AS asked(namespace_id, archetype, workflow_id, position)
     JOIN current_runs USING (namespace_id, archetype, workflow_id)";

/// Ids in the order of their keys. The least key of all is the nil namespace with an empty workflow id.
const WORKFLOWS_AFTER: &str = "SELECT namespace_id, archetype, workflow_id FROM current_runs
     WHERE (namespace_id, archetype, workflow_id) > ($1, $2, $3)
     ORDER BY namespace_id, archetype, workflow_id
     LIMIT $4";

/// A run and the journal rows after its snapshot, as arrays: one row per run, so that no snapshot is sent twice.
const LOAD_RUNS: &str =
    "SELECT asked.position, namespace_id, archetype, workflow_id, wake_at, snapshot_seq, snapshot, journal.*
     FROM unnest($1::smallint[], $2::uuid[]) WITH ORDINALITY AS asked(slot, run_id, position)
     JOIN runs USING (slot, run_id)
     CROSS JOIN LATERAL (
         SELECT coalesce(array_agg(seq ORDER BY seq), '{}') AS seqs,
                coalesce(array_agg(first_event_id ORDER BY seq), '{}') AS first_event_ids,
                coalesce(array_agg(event_count ORDER BY seq), '{}') AS event_counts,
                coalesce(array_agg(events ORDER BY seq), '{}') AS events,
                coalesce(array_agg(changes ORDER BY seq), '{}') AS changes
         FROM journal
         WHERE journal.slot = runs.slot AND journal.run_id = runs.run_id
           AND journal.seq > coalesce(runs.snapshot_seq, 0)
     ) AS journal";

#[derive(FromRow)]
struct LoadedRecord {
    position: i64,
    #[sqlx(flatten)]
    run: RunRecord,
    seqs: Vec<i64>,
    first_event_ids: Vec<i64>,
    event_counts: Vec<i32>,
    events: Vec<Vec<u8>>,
    changes: Vec<Vec<u8>>,
}

impl LoadedRecord {
    fn into_run(self) -> StoredRun {
        let positions = self.seqs.into_iter().zip(self.first_event_ids).zip(self.event_counts);
        let journal = positions.zip(self.events).zip(self.changes);
        let journal = journal.map(|((((seq, first_event_id), event_count), events), changes)| JournalRow {
            seq,
            first_event_id,
            event_count,
            events: events.into(),
            changes: changes.into(),
        });
        self.run.into_run(journal.collect())
    }
}

pub(super) async fn current_runs(
    connections: &Connections,
    workflows: &[WorkflowKey],
) -> Result<Vec<Option<Uuid>>, StoreError> {
    let query = sqlx::query_as::<_, (i64, Uuid)>(CURRENT_RUNS)
        .bind(workflows.iter().map(|key| key.namespace_id).collect::<Vec<_>>())
        .bind(workflows.iter().map(|key| key.archetype.number()).collect::<Vec<_>>())
        .bind(workflows.iter().map(|key| &*key.workflow_id).collect::<Vec<_>>());
    Ok(in_order(workflows.len(), connections.fetch_all(query).await?))
}

pub(super) async fn workflows_after(
    connections: &Connections,
    after: Option<&WorkflowKey>,
    limit: usize,
) -> Result<Vec<WorkflowKey>, StoreError> {
    let query = sqlx::query_as::<_, WorkflowRecord>(WORKFLOWS_AFTER)
        .bind(after.map_or(Uuid::nil(), |key| key.namespace_id))
        .bind(after.map_or(0, |key| key.archetype.number()))
        .bind(after.map_or("", |key| &*key.workflow_id))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    Ok(convert(connections.fetch_all(query).await?))
}

pub(super) async fn load_runs(
    connections: &Connections,
    runs: &[RunKey],
) -> Result<Vec<Option<StoredRun>>, StoreError> {
    let query = sqlx::query_as::<_, LoadedRecord>(LOAD_RUNS)
        .bind(runs.iter().map(|key| slot_to_sql(key.slot)).collect::<Vec<_>>())
        .bind(runs.iter().map(|key| key.run_id).collect::<Vec<_>>());
    let found = connections.fetch_all(query).await?.into_iter().map(|record| (record.position, record.into_run()));
    Ok(in_order(runs.len(), found))
}

/// Puts what was found where it was asked for; positions count from one.
fn in_order<T>(asked: usize, found: impl IntoIterator<Item = (i64, T)>) -> Vec<Option<T>> {
    let mut ordered: Vec<Option<T>> = (0..asked).map(|_| None).collect();
    for (position, value) in found {
        if let Some(place) = usize::try_from(position - 1).ok().and_then(|index| ordered.get_mut(index)) {
            *place = Some(value);
        }
    }
    ordered
}
