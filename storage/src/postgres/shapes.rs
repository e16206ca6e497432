//! The statement of a commit: one round trip, one transaction.
//!
//! Each part writes one table from arrays and only if the fence found the lease. Parts that a batch has no rows for are left
//! out, as even an empty one costs time: that makes sixty-four shapes, each prepared once per connection.

use std::sync::LazyLock;

/// Parts of a batch, as bits.
pub(super) mod part {
    pub(in super::super) const CREATE: usize = 1;
    pub(in super::super) const UPDATE: usize = 2;
    pub(in super::super) const JOURNAL: usize = 4;
    pub(in super::super) const VISIBILITY: usize = 8;
    pub(in super::super) const DELETE: usize = 16;
    pub(in super::super) const TRIM: usize = 32;
    pub(super) const ALL: usize = 64;
}

/// A row if all leases are held, else none. The share locks hold off whoever takes a lease over until this transaction has
/// ended; and a commit that comes second sees the new epoch.
const FENCE: &str = "WITH held AS MATERIALIZED (\
    SELECT 1 FROM unnest($1::smallint[], $2::smallint[], $3::bigint[]) AS asked(first_slot, end_slot, epoch) \
    JOIN leases USING (first_slot, end_slot, epoch) FOR SHARE OF leases), \
    fence AS MATERIALIZED (SELECT count(*) FROM held HAVING count(*) = cardinality($1))";

/// Arrays of `created`; `current` has the same.
const CREATE_TYPES: [&str; 9] =
    ["smallint", "uuid", "uuid", "smallint", "text", "bigint", "bigint", "bytea", "boolean"];
const UPDATE_TYPES: [&str; 6] = ["smallint", "uuid", "bigint", "bigint", "bytea", "boolean"];
const JOURNAL_TYPES: [&str; 7] = ["smallint", "uuid", "bigint", "bigint", "integer", "bytea", "bytea"];
const VISIBILITY_TYPES: [&str; 20] = [
    "uuid", "smallint", "uuid", "bigint", "bigint", "bigint", "bigint", "bigint", "bigint", "integer", "text", "text",
    "text", "text", "text", "text", "text", "bytea", "bytea", "jsonb",
];
/// Arrays of `gone`, of which each table's part takes what it needs.
const DELETE_TYPES: [&str; 6] = ["smallint", "uuid", "uuid", "smallint", "text", "boolean"];
/// Arrays of `covered`: rows up to this seq.
const TRIM_TYPES: [&str; 3] = ["smallint", "uuid", "bigint"];

static SHAPES: LazyLock<Vec<String>> = LazyLock::new(|| (0..part::ALL).map(shape).collect());

/// Answers one row: 1 if the fence found all leases, else 0.
pub(super) fn statement(parts: usize) -> &'static str {
    &SHAPES[parts]
}

fn shape(parts: usize) -> String {
    let mut sql = FENCE.to_owned();
    let mut parameters = 3;
    // `unnest($4::smallint[], …)`
    let mut arrays = |types: &[&str]| {
        let mut list = Vec::new();
        for name in types {
            parameters += 1;
            list.push(format!("${parameters}::{name}[]"));
        }
        format!("unnest({})", list.join(", "))
    };
    if parts & part::CREATE != 0 {
        let columns = "slot, run_id, namespace_id, archetype, workflow_id, wake_at, snapshot_seq, snapshot";
        let rows = arrays(&CREATE_TYPES);
        let rows = format!("fence, {rows} AS new({columns}, make_current)");
        sql.push_str(&format!(
            ", created AS (INSERT INTO runs ({columns}) SELECT {columns} FROM {rows}), current AS (\
             INSERT INTO current_runs (slot, namespace_id, archetype, workflow_id, run_id) \
             SELECT slot, namespace_id, archetype, workflow_id, run_id FROM {rows} WHERE make_current \
             ON CONFLICT (namespace_id, archetype, workflow_id) DO UPDATE SET run_id = excluded.run_id)"
        ));
    }
    if parts & part::UPDATE != 0 {
        let rows = arrays(&UPDATE_TYPES);
        sql.push_str(&format!(
            ", updated AS (UPDATE runs SET wake_at = CASE WHEN new.keep THEN runs.wake_at ELSE new.wake_at END, \
             snapshot_seq = coalesce(new.snapshot_seq, runs.snapshot_seq), \
             snapshot = coalesce(new.snapshot, runs.snapshot) \
             FROM fence, {rows} AS new(slot, run_id, wake_at, snapshot_seq, snapshot, keep) \
             WHERE runs.run_id = new.run_id AND runs.slot = new.slot)"
        ));
    }
    if parts & part::JOURNAL != 0 {
        let rows = arrays(&JOURNAL_TYPES);
        sql.push_str(&format!(
            ", written AS (INSERT INTO journal (slot, run_id, seq, first_event_id, event_count, events, changes) \
             SELECT new.* FROM fence, {rows} AS new)"
        ));
    }
    if parts & part::VISIBILITY != 0 {
        let rows = arrays(&VISIBILITY_TYPES);
        let (columns, updates) = (crate::sql::rows::VISIBILITY_COLUMNS, crate::sql::rows::VISIBILITY_UPDATES);
        sql.push_str(&format!(
            ", shown AS (INSERT INTO visibility ({columns}, search_values) SELECT new.* FROM fence, {rows} AS new \
             ON CONFLICT (run_id) DO UPDATE SET {updates})"
        ));
    }
    push_removals(&mut sql, parts, &mut arrays);
    sql.push_str(" SELECT count(*) FROM fence");
    sql
}

/// What goes.
fn push_removals(sql: &mut String, parts: usize, arrays: &mut impl FnMut(&[&str]) -> String) {
    if parts & part::DELETE != 0 {
        let rows = arrays(&DELETE_TYPES);
        sql.push_str(&format!(
            ", gone AS MATERIALIZED (SELECT deleted.* FROM fence, {rows} AS \
             deleted(slot, run_id, namespace_id, archetype, workflow_id, was_current)), \
             gone_runs AS (DELETE FROM runs USING gone WHERE runs.run_id = gone.run_id AND runs.slot = gone.slot), \
             gone_journal AS (DELETE FROM journal USING gone \
             WHERE journal.run_id = gone.run_id AND journal.slot = gone.slot), \
             gone_shown AS (DELETE FROM visibility USING gone \
             WHERE visibility.namespace_id = gone.namespace_id AND visibility.run_id = gone.run_id), \
             gone_current AS (DELETE FROM current_runs USING gone \
             WHERE current_runs.namespace_id = gone.namespace_id AND current_runs.archetype = gone.archetype \
             AND current_runs.workflow_id = gone.workflow_id AND current_runs.run_id = gone.run_id AND was_current)"
        ));
    }
    if parts & part::TRIM != 0 {
        // Rows of the same statement are not seen, so they stay until the next time.
        let rows = arrays(&TRIM_TYPES);
        sql.push_str(&format!(
            ", trimmed AS (DELETE FROM journal USING fence, {rows} AS covered(slot, run_id, seq) \
             WHERE journal.run_id = covered.run_id AND journal.slot = covered.slot AND journal.seq <= covered.seq)"
        ));
    }
}
