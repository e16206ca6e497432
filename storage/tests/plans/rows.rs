//! Runs as a shop would have them, any number: most closed long ago, a few open. And the questions that people ask of them, among
//! them all that Temporal's web UI and CLI ask by themselves.

use perdure_storage::{
    Batch, Lease, RunKey, RunWrite, Store, VisibilityRow,
    visibility::{
        AttributeKind, CompareOp, Cursor, DIVISION, Field, Filter, ListQuery, OPEN, Position, SortKey, Value,
    },
};
use serde_json::json;
use uuid::Uuid;

pub(crate) const NAMESPACE: Uuid = Uuid::from_u128(7);

/// Milliseconds between two starts.
const INTERVAL: i64 = 2_592;
const FIRST_START: i64 = 1_790_000_000_000;
const BATCH: i64 = 1_000;

/// Writes runs `0..count`; the last one in 200 is open.
pub(crate) async fn fill(store: &dyn Store, lease: &Lease, count: i64) -> Result<(), Box<dyn std::error::Error>> {
    for first in (0..count).step_by(BATCH as usize) {
        let rows = (first..count.min(first + BATCH)).map(|i| row(i, count));
        let runs = rows.map(|row| RunWrite {
            visibility: Some(row.clone()),
            ..RunWrite::new(RunKey { slot: 0, run_id: row.run_id })
        });
        store.commit(&[Batch { lease: lease.clone(), runs: runs.collect() }]).await?;
    }
    Ok(())
}

/// A UUIDv7 of the run's start.
fn run_id(i: i64) -> Uuid {
    let milliseconds = (FIRST_START + i * INTERVAL) as u64;
    uuid::Builder::from_unix_timestamp_millis(
        milliseconds,
        &(i as u128).to_be_bytes()[6..].try_into().unwrap_or_default(),
    )
    .into_uuid()
}

pub(crate) fn start_time(i: i64) -> i64 {
    (FIRST_START + i * INTERVAL) * 1_000_000
}

/// Milliseconds: less than a minute, or, seldom, hours.
fn duration(i: i64) -> i64 {
    if i % 1_000 == 7 { 3_600_000 + i % 36_000 * 1_000 } else { i * 7_907 % 60_000 }
}

fn row(i: i64, count: i64) -> VisibilityRow {
    const TYPES: [&str; 8] = ["Order", "Order", "Order", "Payment", "Payment", "Shipping", "Invoice", "Report"];
    let pick = |from: &[&'static str]| from[(i as usize) % from.len()];
    let is_open = i >= count - count / 200;
    let order = format!("order-{}", i / 10 * 10);
    let is_child = i % 10 == 9;
    let status = match i % 200 {
        _ if is_open => 1,
        94..=96 | 194..=196 => 3,
        97 | 197 => 4,
        98 => 5,
        198 => 7,
        99 | 199 => 6,
        _ => 2,
    };
    let mut search_values = json!({
        "BuildIds": ["unversioned", "unversioned:1a2b3c4d"],
        "CustomerId": format!("customer-{}", i * 7919 % (count / 10)),
        "Region": pick(&["eu", "us", "asia", "africa", "oceania"]),
        "Amount": i * 31 % 10_000,
        "Tags": if i % 20 == 0 { json!(["gold", "express"]) } else { json!(["std"]) },
    });
    if i % 1_000 == 5 {
        search_values["TemporalScheduledById"] = json!("nightly");
    }
    let workflow_id = if is_child { format!("{order}/payment") } else { format!("order-{i}") };
    let run_id = run_id(i);
    VisibilityRow {
        namespace_id: NAMESPACE,
        run_id,
        root_workflow_id: if is_child { order.clone() } else { workflow_id.clone() },
        root_run_id: if is_child { self::run_id(i / 10 * 10) } else { run_id }.to_string(),
        parent_workflow_id: is_child.then_some(order),
        parent_run_id: is_child.then(|| self::run_id(i / 10 * 10).to_string()),
        workflow_id,
        workflow_type: pick(&TYPES).to_owned(),
        task_queue: pick(&["orders", "orders", "payments", "shipping"]).to_owned(),
        start_time: start_time(i),
        execution_time: start_time(i),
        close_time: (!is_open).then(|| start_time(i) + duration(i) * 1_000_000),
        status,
        history_length: (!is_open).then_some(11 + i % 40),
        history_size_bytes: (!is_open).then_some(1_500 + i % 9_000),
        state_transition_count: (!is_open).then_some(9 + i % 20),
        memo: vec![7; 40].into(),
        search_attributes: vec![7; 180].into(),
        search_values,
        ..VisibilityRow::default()
    }
}

/// A question, and how it is to be answered.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) query: ListQuery,
    /// The index that must be in PostgreSQL's plan.
    pub(crate) index: &'static str,
    /// The one that must be in SQLite's, where it is another one.
    pub(crate) sqlite: &'static str,
    /// The matches are few, and may be sorted after they were found.
    pub(crate) sorts: bool,
}

/// Pages of 20.
pub(crate) fn lists(count: i64) -> Vec<Shape> {
    use CompareOp::{Ge, Gt, Le};
    const ORDER: &str = "visibility_order";
    const ID: &str = "visibility_workflow_id";
    const VALUES: &str = "visibility_search_values";
    const KEY: &str = "visibility_pkey";
    // For one part of the list; the others go by the order. Databases put the parts together by sorting.
    const LONG: &str = "visibility_long";
    let ordered = |name, filter, index| shape(name, vec![filter], index, false);
    let few = |name, filter, index| shape(name, vec![filter], index, true);
    let middle = start_time(count / 2);
    let some_order = format!("order-{}", count / 2 / 10 * 10);
    let mut shapes = vec![
        shape("everything", vec![], ORDER, false),
        ordered("running", status(1), ORDER),
        ordered("completed", status(2), ORDER),
        ordered("failed", status(3), "visibility_status"),
        few("failed or timed out", Filter::Or(vec![status(3), status(7)]), "visibility_status"),
        ordered("not continued as new", not(status(6)), ORDER),
        ordered("closed", not(Filter::IsNull(Field::CloseTime)), ORDER),
        ordered("no parent", Filter::IsNull(Field::ParentWorkflowId), ORDER),
        ordered("of a type", text(Field::WorkflowType, "Order"), "visibility_workflow_type"),
        ordered("of a type without statistics", text(Field::WorkflowType, "Fresh"), "visibility_workflow_type"),
        few("of an id", text(Field::WorkflowId, &some_order), ID),
        few("an id's prefix", starts_with(Field::WorkflowId, &some_order), ID),
        ordered("a prefix of all ids", starts_with(Field::WorkflowId, "order-"), ORDER),
        few("of a run id", text(Field::RunId, &run_id(count / 2).to_string()), KEY),
        ordered("on a task queue", text(Field::TaskQueue, "payments"), ORDER),
        ordered("on a task queue without runs", text(Field::TaskQueue, "none"), ORDER),
        ordered("started since", compare(Field::StartTime, Ge, Value::Int(start_time(count - count / 50))), ORDER),
        few("started between", started_between(middle, middle + 10_000_000_000), LONG),
        few("started in a tenth of the time", started_between(middle, start_time(count / 2 + count / 10)), LONG),
        few("started until", compare(Field::StartTime, Le, Value::Int(middle)), LONG),
        ordered("closed since", compare(Field::CloseTime, Gt, Value::Int(middle)), ORDER),
        ordered("closed until", compare(Field::CloseTime, Le, Value::Int(middle)), ORDER),
        few("children", text(Field::ParentWorkflowId, &some_order), "visibility_parent"),
        few("family", text(Field::RootWorkflowId, &some_order), "visibility_root"),
        few("a rare keyword", text(custom("CustomerId"), "customer-77"), VALUES),
        few("a keyword of none", text(custom("CustomerId"), "nobody"), VALUES),
        ordered("a frequent keyword", text(custom("Region"), "eu"), ORDER),
        few("of a schedule", text(custom("TemporalScheduledById"), "nightly"), VALUES),
        ordered("a large amount", compare(amount(), Gt, Value::Int(9_000)), ORDER),
    ];
    let both = vec![status(2), text(Field::WorkflowType, "Order")];
    shapes.push(shape("completed of a type", both, "visibility_workflow_type", false));
    let both = vec![status(2), compare(Field::StartTime, Le, Value::Int(middle))];
    shapes.push(shape("completed, started until", both, LONG, true));
    let position = Position { close_time: middle, start_time: middle, run_id: Uuid::nil() };
    for deep in ["everything", "completed", "of a type", "a frequent keyword"] {
        let query = shapes.iter().find(|shape| shape.name == deep).map(|shape| (shape.query.clone(), shape.index));
        if let Some((query, index)) = query {
            let query = ListQuery { after: Some(Cursor::from(position)), ..query };
            shapes.push(Shape { name: "deep page", query, index, sqlite: index, sorts: false });
        }
    }
    for (name, field, descending, index) in [
        ("newest closed first", Field::CloseTime, true, ORDER),
        ("oldest closed first", Field::CloseTime, false, ORDER),
        ("by id", Field::WorkflowId, false, ID),
        ("by type", Field::WorkflowType, true, "visibility_workflow_type"),
    ] {
        let mut shape = shape(name, vec![], index, false);
        shape.query.order = vec![SortKey { field, descending }];
        shapes.push(shape);
    }
    shapes.push(Shape { name: "deep page of open runs", ..open_page(count) });
    for shape in &mut shapes {
        shape.sqlite = match shape.index {
            KEY => "sqlite_autoindex_visibility_1",
            VALUES => "visibility_values USING PRIMARY KEY",
            other => other,
        };
    }
    shapes
}

fn open_page(count: i64) -> Shape {
    let position = Position { close_time: OPEN, start_time: start_time(count - count / 400), run_id: Uuid::nil() };
    let running = shape("", vec![status(1)], "visibility_order", false);
    Shape { query: ListQuery { after: Some(Cursor::from(position)), ..running.query }, ..running }
}

fn shape(name: &'static str, filters: Vec<Filter>, index: &'static str, sorts: bool) -> Shape {
    let division = Field::Attribute { name: DIVISION.to_owned(), kind: AttributeKind::Keyword };
    let filter = Filter::And(std::iter::once(Filter::IsNull(division)).chain(filters).collect());
    let query = ListQuery { namespace_id: NAMESPACE, filter: Some(filter), page_size: 21, ..ListQuery::default() };
    Shape { name, query, index, sqlite: index, sorts }
}

fn started_between(low: i64, high: i64) -> Filter {
    Filter::Between { field: Field::StartTime, low: Value::Int(low), high: Value::Int(high) }
}

fn compare(field: Field, op: CompareOp, value: Value) -> Filter {
    Filter::Compare { field, op, value }
}

fn text(field: Field, text: &str) -> Filter {
    compare(field, CompareOp::Eq, Value::Text(text.to_owned()))
}

fn starts_with(field: Field, prefix: &str) -> Filter {
    Filter::StartsWith { field, prefix: prefix.to_owned() }
}

fn status(number: i64) -> Filter {
    compare(Field::Status, CompareOp::Eq, Value::Int(number))
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

fn custom(name: &str) -> Field {
    Field::Attribute { name: name.to_owned(), kind: AttributeKind::Keyword }
}

fn amount() -> Field {
    Field::Attribute { name: "Amount".to_owned(), kind: AttributeKind::Int }
}
