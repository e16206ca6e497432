//! Filters: each operator on each type, NULLs, NOT.

use perdure_storage::{
    MemoryStore, Store, VisibilityRow,
    visibility::{AttributeKind, CompareOp, Field, Filter, ListQuery, Value},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    on_all_stores,
    rows::{NAMESPACE, closed, lease, show, visibility},
};

on_all_stores!(system_fields, search_attributes, logic_with_missing_values, all_stores_agree);

const ROOT: Uuid = Uuid::from_u128(0xabcdef);

/// Four rows; `a` has all attributes, `b` other ones, `c` none, `d` has values of wrong types.
fn rows() -> Vec<VisibilityRow> {
    let attributes = [
        json!({
            "Kw": "blue", "Tx": "The quick\tbrown Fox", "In": 10, "Do": 1.5, "Bo": true, "Da": 1_700_000_000_000_000_001_i64,
            "Li": ["x", "y"], "Na'me \"q\"": "odd",
        }),
        json!({"Kw": "bluer", "Tx": "quickly", "In": -3, "Do": 2, "Bo": false, "Da": 5, "Li": ["z"]}),
        json!({}),
        json!({"Kw": 1, "Tx": 2, "In": "10", "Do": true, "Bo": "true", "Da": "5", "Li": 3}),
    ];
    let mut rows: Vec<_> = ["a", "b", "c", "d"]
        .into_iter()
        .zip(attributes)
        .zip(1..)
        .map(|((id, search_values), time)| VisibilityRow { search_values, ..visibility(id, time * 100) })
        .collect();
    rows[1] = VisibilityRow { execution_time: 250, ..closed(rows[1].clone(), 1000, 2) };
    rows[2] = closed(rows[2].clone(), 2000, 3);
    rows[0].workflow_type = "%_type".to_owned();
    rows[0].run_id = ROOT;
    rows[0].parent_workflow_id = Some("parent".to_owned());
    rows[0].parent_run_id = Some("parent-run".to_owned());
    rows
}

fn attribute(name: &str, kind: AttributeKind) -> Field {
    Field::Attribute { name: name.to_owned(), kind }
}

fn compare(field: Field, op: CompareOp, value: Value) -> Filter {
    Filter::Compare { field, op, value }
}

fn is(field: Field, value: impl Into<TestValue>) -> Filter {
    compare(field, CompareOp::Eq, value.into().0)
}

fn is_not(field: Field, value: impl Into<TestValue>) -> Filter {
    compare(field, CompareOp::Ne, value.into().0)
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

fn one_of(field: Field, values: &[Value]) -> Filter {
    Filter::In { field, values: values.to_vec() }
}

fn between(field: Field, low: impl Into<TestValue>, high: impl Into<TestValue>) -> Filter {
    Filter::Between { field, low: low.into().0, high: high.into().0 }
}

fn starts_with(field: Field, prefix: &str) -> Filter {
    Filter::StartsWith { field, prefix: prefix.to_owned() }
}

struct TestValue(Value);

impl From<&str> for TestValue {
    fn from(text: &str) -> Self {
        Self(Value::Text(text.to_owned()))
    }
}

impl From<i64> for TestValue {
    fn from(value: i64) -> Self {
        Self(Value::Int(value))
    }
}

impl From<f64> for TestValue {
    fn from(value: f64) -> Self {
        Self(Value::Double(value))
    }
}

impl From<bool> for TestValue {
    fn from(value: bool) -> Self {
        Self(Value::Bool(value))
    }
}

/// The matching rows' workflow ids, sorted and joined.
async fn matching(store: &dyn Store, filter: &Filter) -> String {
    let query =
        ListQuery { namespace_id: NAMESPACE, filter: Some(filter.clone()), page_size: 100, ..Default::default() };
    let mut ids: Vec<_> = store.list(&query).await.unwrap().into_iter().map(|row| row.workflow_id).collect();
    assert_eq!(store.count(&query).await.unwrap(), ids.len() as i64);
    ids.sort();
    ids.concat()
}

async fn check(store: &dyn Store, cases: Vec<(Filter, &str)>) {
    let lease = lease(store).await;
    show(store, &lease, &rows()).await;
    for (filter, expected) in cases {
        assert_eq!(matching(store, &filter).await, expected, "{filter:?}");
    }
}

async fn system_fields(store: &dyn Store) {
    use CompareOp::{Ge, Gt, Le, Lt};
    let text = |text: &str| Value::Text(text.to_owned());
    let root = ROOT.to_string();
    let cases = vec![
        (is(Field::WorkflowId, "a"), "a"),
        (is(Field::WorkflowId, "A"), ""),
        (is_not(Field::WorkflowId, "a"), "bcd"),
        (one_of(Field::WorkflowId, &[text("a"), text("d"), text("x")]), "ad"),
        (not(one_of(Field::WorkflowId, &[text("a"), text("d")])), "bc"),
        (one_of(Field::WorkflowId, &[]), ""),
        (between(Field::WorkflowId, "b", "c"), "bc"),
        (is(Field::RunId, &*root), "a"),
        (is(Field::RunId, &*root.to_uppercase()), ""),
        (is(Field::RunId, "no uuid"), ""),
        (is_not(Field::RunId, &*root), "bcd"),
        (one_of(Field::RunId, &[text(&root), text("no uuid")]), "a"),
        (starts_with(Field::RunId, &root[..20]), "a"),
        (starts_with(Field::WorkflowType, "%_"), "a"),
        (starts_with(Field::WorkflowType, ""), "abcd"),
        (not(starts_with(Field::WorkflowType, "ty")), "a"),
        (is(Field::TaskQueue, "queue"), "abcd"),
        (is(Field::Status, 1), "ad"),
        (is(Field::Status, 2), "b"),
        (is_not(Field::Status, 1), "bc"),
        (one_of(Field::Status, &[Value::Int(2), Value::Int(3)]), "bc"),
        (compare(Field::StartTime, Gt, Value::Int(200)), "cd"),
        (compare(Field::StartTime, Ge, Value::Int(200)), "bcd"),
        (compare(Field::StartTime, Lt, Value::Int(200)), "a"),
        (compare(Field::StartTime, Le, Value::Int(200)), "ab"),
        (between(Field::StartTime, 200, 300), "bc"),
        (not(between(Field::StartTime, 200, 300)), "ad"),
        (is(Field::ExecutionTime, 250), "b"),
        (compare(Field::CloseTime, Gt, Value::Int(0)), "bc"),
        (not(compare(Field::CloseTime, Gt, Value::Int(1000))), "b"),
        (is_not(Field::CloseTime, 1000), "c"),
        (Filter::IsNull(Field::CloseTime), "ad"),
        (not(Filter::IsNull(Field::CloseTime)), "bc"),
        (is(Field::ExecutionDuration, 750), "b"),
        (Filter::IsNull(Field::ExecutionDuration), "ad"),
        (compare(Field::HistoryLength, Ge, Value::Int(11)), "bc"),
        (is(Field::HistorySizeBytes, 2048), "bc"),
        (is(Field::StateTransitionCount, 5), "bc"),
        (Filter::IsNull(Field::HistoryLength), "ad"),
        (is(Field::ParentWorkflowId, "parent"), "a"),
        (is_not(Field::ParentWorkflowId, "x"), "a"),
        (Filter::IsNull(Field::ParentWorkflowId), "bcd"),
        (is(Field::ParentRunId, "parent-run"), "a"),
        (is(Field::RootWorkflowId, "b"), "b"),
        (starts_with(Field::RootRunId, "0"), "abcd"),
    ];
    check(store, cases).await;
}

async fn search_attributes(store: &dyn Store) {
    use AttributeKind::{Bool, Datetime, Double, Int, Keyword, KeywordList, Text};
    use CompareOp::{Ge, Gt, Le, Lt};
    let [kw, tx, int, double, bool, time, list] = [
        attribute("Kw", Keyword),
        attribute("Tx", Text),
        attribute("In", Int),
        attribute("Do", Double),
        attribute("Bo", Bool),
        attribute("Da", Datetime),
        attribute("Li", KeywordList),
    ];
    let text = |text: &str| Value::Text(text.to_owned());
    let cases = vec![
        (is(kw.clone(), "blue"), "a"),
        (is(kw.clone(), "Blue"), ""),
        (is_not(kw.clone(), "blue"), "b"),
        (one_of(kw.clone(), &[text("blue"), text("bluer"), text("red")]), "ab"),
        (not(one_of(kw.clone(), &[text("blue")])), "b"),
        (starts_with(kw.clone(), "blue"), "ab"),
        (not(starts_with(kw.clone(), "bluer")), "a"),
        (between(kw.clone(), "blue", "bluf"), "ab"),
        (compare(kw.clone(), Lt, text("bluer")), "a"),
        (Filter::IsNull(kw.clone()), "cd"),
        (is(attribute("Na'me \"q\"", Keyword), "odd"), "a"),
        (is(attribute("No", Keyword), "odd"), ""),
        (is_not(attribute("No", Keyword), "odd"), ""),
        (is(tx.clone(), "quick"), "a"),
        (is(tx.clone(), "fox BROWN"), "a"),
        (is(tx.clone(), "none quickly"), "b"),
        (is(tx.clone(), "qui"), ""),
        (is(tx.clone(), "  "), ""),
        (is_not(tx.clone(), "quick"), "b"),
        (Filter::IsNull(tx), "cd"),
        (is(int.clone(), 10), "a"),
        (is_not(int.clone(), 10), "b"),
        (compare(int.clone(), Lt, Value::Int(10)), "b"),
        (compare(int.clone(), Le, Value::Int(10)), "ab"),
        (not(compare(int.clone(), Gt, Value::Int(0))), "b"),
        (between(int.clone(), -3, 9), "b"),
        (one_of(int.clone(), &[Value::Int(10), Value::Int(-3)]), "ab"),
        (not(Filter::IsNull(int)), "ab"),
        (is(double.clone(), 1.5), "a"),
        (is(double.clone(), 2.0), "b"),
        (compare(double.clone(), Gt, Value::Double(1.75)), "b"),
        (not(one_of(double.clone(), &[Value::Double(1.5), Value::Int(7)])), "b"),
        (between(double, 1.0, 2.0), "ab"),
        (is(bool.clone(), true), "a"),
        (is(bool.clone(), false), "b"),
        (is_not(bool.clone(), true), "b"),
        (Filter::IsNull(bool), "cd"),
        (is(time.clone(), 1_700_000_000_000_000_001), "a"),
        (compare(time.clone(), Ge, Value::Int(1_700_000_000_000_000_001)), "a"),
        (compare(time, Gt, Value::Int(1_700_000_000_000_000_000)), "a"),
        (is(list.clone(), "x"), "a"),
        (is_not(list.clone(), "x"), "b"),
        (one_of(list.clone(), &[text("y"), text("z")]), "ab"),
        (not(one_of(list.clone(), &[text("y"), text("q")])), "b"),
        (Filter::IsNull(list.clone()), "cd"),
        (not(Filter::IsNull(list)), "ab"),
        // A value is seen by the type that the attribute has now.
        (is(attribute("Kw", KeywordList), "blue"), "a"),
        (is(attribute("Li", Keyword), "x"), ""),
    ];
    check(store, cases).await;
}

async fn logic_with_missing_values(store: &dyn Store) {
    let kw = |value: &str| is(attribute("Kw", AttributeKind::Keyword), value);
    let id = |value: &str| is(Field::WorkflowId, value);
    let cases = vec![
        (Filter::And(vec![]), "abcd"),
        (Filter::Or(vec![]), ""),
        (not(Filter::Or(vec![])), "abcd"),
        (Filter::And(vec![kw("blue"), id("a")]), "a"),
        (Filter::And(vec![kw("blue"), id("b")]), ""),
        (Filter::Or(vec![kw("blue"), id("c"), id("d")]), "acd"),
        // NOT (unknown AND false) is true, NOT (unknown AND true) is unknown.
        (not(Filter::And(vec![kw("blue"), id("c")])), "abd"),
        (not(Filter::Or(vec![kw("blue"), id("d")])), "b"),
        (not(not(kw("blue"))), "a"),
        (not(not(not(kw("blue")))), "b"),
        (not(Filter::And(vec![not(kw("blue")), Filter::Or(vec![id("b"), id("c")])])), "ad"),
    ];
    check(store, cases).await;
}

/// Every test on every field against the memory store's answer.
async fn all_stores_agree(store: &dyn Store) {
    let model = MemoryStore::new();
    for store in [store, &model] {
        let lease = lease(store).await;
        show(store, &lease, &rows()).await;
    }
    let fields = {
        use Field::*;
        let system = [
            WorkflowId,
            RunId,
            WorkflowType,
            TaskQueue,
            Status,
            StartTime,
            ExecutionTime,
            CloseTime,
            ExecutionDuration,
            HistoryLength,
            HistorySizeBytes,
            StateTransitionCount,
            ParentWorkflowId,
            ParentRunId,
            RootWorkflowId,
        ];
        let kinds = {
            use AttributeKind::*;
            [Text, Keyword, Int, Double, Bool, Datetime, KeywordList]
        };
        let names = ["Kw", "Tx", "In", "Do", "Bo", "Da", "Li", "No"];
        let attributes = names.into_iter().flat_map(move |name| kinds.map(|kind| attribute(name, kind)));
        system.into_iter().chain(attributes)
    };
    let values = [
        Value::Int(2),
        Value::Int(250),
        Value::Double(1.5),
        Value::Bool(true),
        Value::Text("b".to_owned()),
        Value::Text("x quick".to_owned()),
        Value::Text("blue".to_owned()),
        Value::Text(ROOT.to_string()),
    ];
    for field in fields {
        let mut filters = vec![
            Filter::IsNull(field.clone()),
            one_of(field.clone(), &values),
            one_of(field.clone(), &[]),
            starts_with(field.clone(), "b"),
            starts_with(field.clone(), "%"),
        ];
        for value in &values {
            use CompareOp::{Eq, Ge, Gt, Le, Lt, Ne};
            filters.extend([Eq, Ne, Lt, Le, Gt, Ge].map(|op| compare(field.clone(), op, value.clone())));
            filters.push(one_of(field.clone(), std::slice::from_ref(value)));
            let (low, high) = (value.clone(), Value::Int(2000));
            filters.push(Filter::Between { field: field.clone(), low: low.clone(), high });
            filters.push(Filter::Between { field: field.clone(), low, high: Value::Text("y".to_owned()) });
        }
        for filter in filters {
            for filter in [filter.clone(), not(filter)] {
                assert_eq!(matching(store, &filter).await, matching(&model, &filter).await, "{filter:?}");
            }
        }
    }
}
