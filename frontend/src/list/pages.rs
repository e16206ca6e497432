//! Pages of one list, read one after the other while runs close.
//!
//! Open runs come first, so a run that closes changes its place: it would be shown a second time, among the closed ones. All pages
//! therefore show the order of the first one: runs that have closed since stay among the open ones.

use std::cmp::Reverse;

use perdure_engine::Nanos;
use perdure_storage::{
    Store, StoreError, VisibilityRow,
    visibility::{CompareOp, Cursor, Field, Filter, ListQuery, OPEN, SortKey, Value},
};

/// The time of a list whose first page has these rows, read after `now`.
pub(super) fn as_of(rows: &[VisibilityRow], now: Nanos) -> Nanos {
    rows.iter().filter_map(|row| row.close_time).fold(now, Nanos::max)
}

/// A page. `as_of` is the time of the list, None for the first page. An order other than the default one is the caller's: there
/// runs have the place that their values give them.
pub(super) async fn read(
    store: &dyn Store,
    query: &ListQuery,
    as_of: Option<Nanos>,
) -> Result<Vec<VisibilityRow>, StoreError> {
    let among_open = query.after.as_ref().filter(|after| query.order.is_empty() && after.position.close_time == OPEN);
    let (Some(after), Some(as_of)) = (among_open, as_of) else { return store.list(query).await };
    let only = |term| {
        let terms = query.filter.iter().cloned().chain([term]).collect();
        ListQuery { filter: Some(Filter::And(terms)), ..query.clone() }
    };
    let closed = |op| Filter::Compare { field: Field::CloseTime, op, value: Value::Int(as_of) };
    let mut rows = store.list(&only(Filter::IsNull(Field::CloseTime))).await?;
    let run_id = after.position.run_id.to_string();
    let closed_since = ListQuery {
        order: [Field::StartTime, Field::RunId].map(|field| SortKey { field, descending: true }).to_vec(),
        after: Some(Cursor {
            values: vec![Some(Value::Int(after.position.start_time)), Some(Value::Text(run_id))],
            ..after.clone()
        }),
        ..only(closed(CompareOp::Gt))
    };
    rows.extend(store.list(&closed_since).await?);
    rows.sort_by_key(|row| Reverse((row.start_time, row.run_id)));
    // One that closed between the two looks is in both.
    rows.dedup_by_key(|row| row.run_id);
    rows.truncate(query.page_size);
    let missing = query.page_size - rows.len();
    if missing > 0 {
        let rest = ListQuery { after: None, page_size: missing, ..only(closed(CompareOp::Le)) };
        rows.extend(store.list(&rest).await?);
    }
    Ok(rows)
}
