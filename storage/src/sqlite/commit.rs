//! Batches. Each table's rows go in statements of many rows; their numbers are powers of two, so that a few prepared
//! statements serve batches of all sizes.

use sqlx::{Connection, QueryBuilder, Sqlite, SqliteConnection, types::Json};

use crate::{
    batch::{Batch, CreateRun, RunWrite, WakeAt},
    error::CommitError,
    sql::rows::{
        VISIBILITY_COLUMNS, VISIBILITY_UPDATES, close_time_to_sql, root_to_sql, search_values_to_sql, slot_to_sql,
    },
};

/// Rows of one statement at most: a power of two; times 20 columns it stays far below SQLite's limit of parameters.
const MOST_ROWS: usize = 64;

/// The writer's lock and IMMEDIATE leave no time between the check of the lease and the writes.
pub(super) async fn commit(connection: &mut SqliteConnection, batches: &[Batch]) -> Result<(), CommitError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for Batch { lease, .. } in batches {
        let fence = sqlx::query("SELECT 1 FROM leases WHERE first_slot = $1 AND end_slot = $2 AND epoch = $3")
            .bind(slot_to_sql(lease.first_slot))
            .bind(slot_to_sql(lease.end_slot))
            .bind(lease.epoch);
        if fence.fetch_optional(&mut *transaction).await?.is_none() {
            return Err(CommitError::LeaseLost);
        }
    }
    // A database of this kind has one shard, so this is one batch.
    for Batch { runs, .. } in batches {
        create_runs(&mut transaction, runs).await?;
        update_runs(&mut transaction, runs).await?;
        trim_journals(&mut transaction, runs).await?;
        insert_journal(&mut transaction, runs).await?;
        upsert_visibility(&mut transaction, runs).await?;
        delete_runs(&mut transaction, runs).await?;
    }
    Ok(transaction.commit().await?)
}

async fn create_runs(connection: &mut SqliteConnection, runs: &[RunWrite]) -> Result<(), CommitError> {
    let creates: Vec<(&RunWrite, &CreateRun)> =
        runs.iter().filter_map(|write| Some((write, write.create.as_ref()?))).collect();
    for rows in chunks(&creates) {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT INTO runs (slot, run_id, namespace_id, archetype, workflow_id, wake_at, snapshot_seq, snapshot) ",
        );
        sql.push_values(rows, |mut row, (write, create)| {
            row.push_bind(slot_to_sql(write.key.slot))
                .push_bind(write.key.run_id)
                .push_bind(create.workflow.namespace_id)
                .push_bind(create.workflow.archetype.number())
                .push_bind(&*create.workflow.workflow_id)
                .push_bind(write.wake_at.to_set())
                .push_bind(write.snapshot.as_ref().map(|snapshot| snapshot.seq))
                .push_bind(write.snapshot.as_ref().map(|snapshot| &snapshot.state[..]));
        });
        sql.build().execute(&mut *connection).await?;
    }
    let current: Vec<_> = creates.into_iter().filter(|(_, create)| create.make_current).collect();
    for rows in chunks(&current) {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT INTO current_runs (slot, namespace_id, archetype, workflow_id, run_id) ",
        );
        sql.push_values(rows, |mut row, (write, create)| {
            row.push_bind(slot_to_sql(write.key.slot))
                .push_bind(create.workflow.namespace_id)
                .push_bind(create.workflow.archetype.number())
                .push_bind(&*create.workflow.workflow_id)
                .push_bind(write.key.run_id);
        });
        sql.push(" ON CONFLICT (namespace_id, archetype, workflow_id) DO UPDATE SET run_id = excluded.run_id");
        sql.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn update_runs(connection: &mut SqliteConnection, runs: &[RunWrite]) -> Result<(), CommitError> {
    let updates: Vec<&RunWrite> = runs.iter().filter(|write| write.updates_run()).collect();
    for rows in chunks(&updates) {
        // SQLite names the columns of VALUES column1, column2, …
        let mut sql = QueryBuilder::<Sqlite>::new(
            "UPDATE runs SET snapshot_seq = coalesce(column4, snapshot_seq), snapshot = coalesce(column5, snapshot), \
             wake_at = CASE WHEN column6 THEN wake_at ELSE column3 END FROM (",
        );
        sql.push_values(rows, |mut row, write| {
            row.push_bind(slot_to_sql(write.key.slot))
                .push_bind(write.key.run_id)
                .push_bind(write.wake_at.to_set())
                .push_bind(write.snapshot.as_ref().map(|snapshot| snapshot.seq))
                .push_bind(write.snapshot.as_ref().map(|snapshot| &snapshot.state[..]))
                .push_bind(write.wake_at == WakeAt::Keep);
        });
        sql.push(") WHERE run_id = column2 AND slot = column1");
        sql.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn insert_journal(connection: &mut SqliteConnection, runs: &[RunWrite]) -> Result<(), CommitError> {
    let rows: Vec<_> = runs.iter().flat_map(|write| write.journal.iter().map(|row| (write.key, row))).collect();
    for rows in chunks(&rows) {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT INTO journal (slot, run_id, seq, first_event_id, event_count, events, changes) ",
        );
        sql.push_values(rows, |mut row, (key, journal)| {
            row.push_bind(slot_to_sql(key.slot))
                .push_bind(key.run_id)
                .push_bind(journal.seq)
                .push_bind(journal.first_event_id)
                .push_bind(journal.event_count)
                .push_bind(&journal.events[..])
                .push_bind(&journal.changes[..]);
        });
        sql.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn upsert_visibility(connection: &mut SqliteConnection, runs: &[RunWrite]) -> Result<(), CommitError> {
    let rows: Vec<_> = runs.iter().filter_map(|write| write.visibility.as_ref()).collect();
    for rows in chunks(&rows) {
        let mut sql = QueryBuilder::<Sqlite>::new("INSERT INTO visibility (");
        sql.push(VISIBILITY_COLUMNS).push(", search_values) ");
        sql.push_values(rows, |mut columns, row| {
            columns
                .push_bind(row.namespace_id)
                .push_bind(row.archetype.number())
                .push_bind(row.run_id)
                .push_bind(close_time_to_sql(row))
                .push_bind(row.start_time)
                .push_bind(row.execution_time)
                .push_bind(row.history_length)
                .push_bind(row.history_size_bytes)
                .push_bind(row.state_transition_count)
                .push_bind(row.status)
                .push_bind(&row.workflow_id)
                .push_bind(&row.workflow_type)
                .push_bind(&row.task_queue)
                .push_bind(&row.parent_workflow_id)
                .push_bind(&row.parent_run_id)
                .push_bind(root_to_sql(row).map(|(workflow_id, _)| workflow_id))
                .push_bind(root_to_sql(row).map(|(_, run_id)| run_id))
                .push_bind(&row.memo[..])
                .push_bind(&row.search_attributes[..])
                .push_bind(search_values_to_sql(row).map(Json));
        });
        sql.push(" ON CONFLICT (run_id) DO UPDATE SET ").push(VISIBILITY_UPDATES);
        sql.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Once in many commits of a run, so one by one.
async fn trim_journals(connection: &mut SqliteConnection, runs: &[RunWrite]) -> Result<(), CommitError> {
    for (key, seq) in runs.iter().filter_map(|write| Some((write.key, write.trims_to()?))) {
        sqlx::query("DELETE FROM journal WHERE run_id = $1 AND seq <= $2")
            .bind(key.run_id)
            .bind(seq)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Seldom, so one by one.
async fn delete_runs(connection: &mut SqliteConnection, runs: &[RunWrite]) -> Result<(), CommitError> {
    const STATEMENTS: [&str; 4] = [
        "DELETE FROM runs WHERE run_id = $1",
        "DELETE FROM journal WHERE run_id = $1",
        "DELETE FROM visibility WHERE namespace_id = $2 AND run_id = $1",
        "DELETE FROM current_runs WHERE namespace_id = $2 AND archetype = $3 AND workflow_id = $4 AND run_id = $1",
    ];
    for (write, delete) in runs.iter().filter_map(|write| Some((write, write.delete.as_ref()?))) {
        for statement in STATEMENTS {
            sqlx::query(statement)
                .bind(write.key.run_id)
                .bind(delete.workflow.namespace_id)
                .bind(delete.workflow.archetype.number())
                .bind(&*delete.workflow.workflow_id)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

/// In order, each a power of two long.
fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = 1 << rows.len().min(MOST_ROWS).checked_ilog2()?;
        let (chunk, rest) = rows.split_at(length);
        rows = rest;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_keep_order_and_are_powers_of_two() {
        for count in [0, 1, 2, 3, 63, 64, 65, 200] {
            let rows: Vec<usize> = (0..count).collect();
            let parts: Vec<_> = chunks(&rows).collect();
            assert!(parts.iter().all(|part| part.len().is_power_of_two() && part.len() <= MOST_ROWS), "{count}");
            assert_eq!(parts.concat(), rows);
        }
    }
}
