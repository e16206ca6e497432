//! Batches.

use std::collections::{HashMap, HashSet};

use sqlx::{Postgres, postgres::PgArguments, query::QueryAs, types::Json};

use super::{
    Connections,
    shapes::{part, statement},
};
use crate::{
    batch::{Batch, CreateRun, DeleteRun, JournalRow, RunWrite, WakeAt},
    error::CommitError,
    keys::RunKey,
    sql::rows::{close_time_to_sql, root_to_sql, search_values_to_sql, slot_to_sql},
    visibility::VisibilityRow,
};

type Statement<'a> = QueryAs<'a, Postgres, (i64,), PgArguments>;

pub(super) async fn commit(connections: &Connections, batches: &[Batch]) -> Result<(), CommitError> {
    let runs = || batches.iter().flat_map(|batch| &batch.runs);
    let creates: Vec<_> = runs().filter_map(|write| Some((write, write.create.as_ref()?))).collect();
    let updates: Vec<_> = runs().filter(|write| write.updates_run()).collect();
    let journal: Vec<_> = runs().flat_map(|write| write.journal.iter().map(|row| (write.key, row))).collect();
    let visibility: Vec<_> = runs().filter_map(|write| write.visibility.as_ref()).collect();
    let deletes: Vec<_> = runs().filter_map(|write| Some((write, write.delete.as_ref()?))).collect();
    let trims: Vec<_> = runs().filter_map(|write| Some((write.key, write.trims_to()?))).collect();

    let has = |rows_empty: bool, part: usize| if rows_empty { 0 } else { part };
    let parts = has(creates.is_empty(), part::CREATE)
        | has(updates.is_empty(), part::UPDATE)
        | has(journal.is_empty(), part::JOURNAL)
        | has(visibility.is_empty(), part::VISIBILITY)
        | has(deletes.is_empty(), part::DELETE)
        | has(trims.is_empty(), part::TRIM);
    let leases: Vec<_> = batches.iter().map(|batch| &batch.lease).collect();
    let mut query = sqlx::query_as(statement(parts))
        .bind(column(&leases, |lease| slot_to_sql(lease.first_slot)))
        .bind(column(&leases, |lease| slot_to_sql(lease.end_slot)))
        .bind(column(&leases, |lease| lease.epoch));
    // In the order of the shape's parts.
    if !creates.is_empty() {
        query = bind_creates(query, &creates);
    }
    if !updates.is_empty() {
        query = bind_updates(query, &updates);
    }
    if !journal.is_empty() {
        query = bind_journal(query, &journal);
    }
    if !visibility.is_empty() {
        query = bind_visibility(query, &visibility);
    }
    if !deletes.is_empty() {
        query = bind_deletes(query, &deletes, &creates);
    }
    if !trims.is_empty() {
        query = query
            .bind(column(&trims, |(key, _)| slot_to_sql(key.slot)))
            .bind(column(&trims, |(key, _)| key.run_id))
            .bind(column(&trims, |(_, seq)| *seq));
    }
    match connections.fetch_one(query).await? {
        (0,) => Err(CommitError::LeaseLost),
        _ => Ok(()),
    }
}

fn bind_creates<'a>(query: Statement<'a>, creates: &[(&'a RunWrite, &'a CreateRun)]) -> Statement<'a> {
    // One upsert cannot touch a row twice: the last run of a workflow id wins here.
    let current: HashMap<_, _> = creates
        .iter()
        .filter(|(_, create)| create.make_current)
        .map(|(write, create)| (&create.workflow, write.key.run_id))
        .collect();
    let is_current =
        |(write, create): &(&RunWrite, &CreateRun)| current.get(&create.workflow) == Some(&write.key.run_id);
    query
        .bind(column(creates, |(write, _)| slot_to_sql(write.key.slot)))
        .bind(column(creates, |(write, _)| write.key.run_id))
        .bind(column(creates, |(_, create)| create.workflow.namespace_id))
        .bind(column(creates, |(_, create)| create.workflow.archetype.number()))
        .bind(column(creates, |(_, create)| &*create.workflow.workflow_id))
        .bind(column(creates, |(write, _)| write.wake_at.to_set()))
        .bind(column(creates, |(write, _)| snapshot_seq(write)))
        .bind(column(creates, |(write, _)| snapshot_state(write)))
        .bind(column(creates, is_current))
}

fn bind_updates<'a>(query: Statement<'a>, updates: &[&'a RunWrite]) -> Statement<'a> {
    query
        .bind(column(updates, |write| slot_to_sql(write.key.slot)))
        .bind(column(updates, |write| write.key.run_id))
        .bind(column(updates, |write| write.wake_at.to_set()))
        .bind(column(updates, |write| snapshot_seq(write)))
        .bind(column(updates, |write| snapshot_state(write)))
        .bind(column(updates, |write| write.wake_at == WakeAt::Keep))
}

fn bind_journal<'a>(query: Statement<'a>, rows: &[(RunKey, &'a JournalRow)]) -> Statement<'a> {
    query
        .bind(column(rows, |(key, _)| slot_to_sql(key.slot)))
        .bind(column(rows, |(key, _)| key.run_id))
        .bind(column(rows, |(_, row)| row.seq))
        .bind(column(rows, |(_, row)| row.first_event_id))
        .bind(column(rows, |(_, row)| row.event_count))
        .bind(column(rows, |(_, row)| &row.events[..]))
        .bind(column(rows, |(_, row)| &row.changes[..]))
}

fn bind_visibility<'a>(query: Statement<'a>, rows: &[&'a VisibilityRow]) -> Statement<'a> {
    query
        .bind(column(rows, |row| row.namespace_id))
        .bind(column(rows, |row| row.archetype.number()))
        .bind(column(rows, |row| row.run_id))
        .bind(column(rows, |row| close_time_to_sql(row)))
        .bind(column(rows, |row| row.start_time))
        .bind(column(rows, |row| row.execution_time))
        .bind(column(rows, |row| row.history_length))
        .bind(column(rows, |row| row.history_size_bytes))
        .bind(column(rows, |row| row.state_transition_count))
        .bind(column(rows, |row| row.status))
        .bind(column(rows, |row| row.workflow_id.as_str()))
        .bind(column(rows, |row| row.workflow_type.as_str()))
        .bind(column(rows, |row| row.task_queue.as_str()))
        .bind(column(rows, |row| row.parent_workflow_id.as_deref()))
        .bind(column(rows, |row| row.parent_run_id.as_deref()))
        .bind(column(rows, |row| root_to_sql(row).map(|(workflow_id, _)| workflow_id)))
        .bind(column(rows, |row| root_to_sql(row).map(|(_, run_id)| run_id)))
        .bind(column(rows, |row| &row.memo[..]))
        .bind(column(rows, |row| &row.search_attributes[..]))
        .bind(column(rows, |row| search_values_to_sql(row).map(Json)))
}

/// `creates` of the same batch: one statement cannot touch a row of `current_runs` twice, and the new run takes it over.
fn bind_deletes<'a>(
    query: Statement<'a>,
    deletes: &[(&'a RunWrite, &'a DeleteRun)],
    creates: &[(&'a RunWrite, &'a CreateRun)],
) -> Statement<'a> {
    let taken_over: HashSet<_> =
        creates.iter().filter(|(_, create)| create.make_current).map(|(_, create)| &create.workflow).collect();
    query
        .bind(column(deletes, |(write, _)| slot_to_sql(write.key.slot)))
        .bind(column(deletes, |(write, _)| write.key.run_id))
        .bind(column(deletes, |(_, delete)| delete.workflow.namespace_id))
        .bind(column(deletes, |(_, delete)| delete.workflow.archetype.number()))
        .bind(column(deletes, |(_, delete)| &*delete.workflow.workflow_id))
        .bind(column(deletes, |(_, delete)| !taken_over.contains(&delete.workflow)))
}

fn column<R: Copy, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn snapshot_seq(write: &RunWrite) -> Option<i64> {
    write.snapshot.as_ref().map(|snapshot| snapshot.seq)
}

fn snapshot_state(write: &RunWrite) -> Option<&[u8]> {
    write.snapshot.as_ref().map(|snapshot| &snapshot.state[..])
}
