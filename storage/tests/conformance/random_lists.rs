//! Random filters and orders over random rows: each store must list what the memory store lists, whole and in pages.

use perdure_proto::api::common::{Payload, SearchAttributes};
use perdure_storage::{
    MemoryStore, Store, VisibilityRow,
    search_values::{TYPE_KEY, search_values},
    visibility::{AttributeKind, CompareOp, Cursor, DIVISION, Field, Filter, ListQuery, SortKey, Value},
};
use proptest::{collection::vec, option, prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use prost::Message;
use serde_json::json;
use uuid::Uuid;

use crate::{
    on_all_stores,
    rows::{NAMESPACE, closed, lease, show, visibility},
};

on_all_stores!(lists_are_those_of_the_model);

const ROWS: usize = 80;
const QUERIES: usize = 150;
const WORDS: [&str; 6] = ["a", "ab", "b", "B", "b c", "ü%_"];
const ATTRIBUTES: [(&str, AttributeKind); 8] = [
    ("Kw", AttributeKind::Keyword),
    ("Tx", AttributeKind::Text),
    ("In", AttributeKind::Int),
    ("Do", AttributeKind::Double),
    ("Bo", AttributeKind::Bool),
    ("Da", AttributeKind::Datetime),
    ("Li", AttributeKind::KeywordList),
    (DIVISION, AttributeKind::Keyword),
];

async fn lists_are_those_of_the_model(store: &dyn Store) {
    let mut runner = TestRunner::deterministic();
    let rows = sample(&mut runner, &vec(row(), ROWS));
    let model = MemoryStore::new();
    for store in [store, &model] {
        let lease = lease(store).await;
        show(store, &lease, &rows).await;
    }
    let mut found = 0;
    for (filter, order, page_size) in sample(&mut runner, &vec((filter(), order(), 1..ROWS), QUERIES)) {
        let query =
            ListQuery { namespace_id: NAMESPACE, filter: Some(filter), order, page_size: ROWS, ..ListQuery::default() };
        let expected = model.list(&query).await.unwrap();
        let said = format!("{query:?}");
        assert_eq!(ids(&store.list(&query).await.unwrap()), ids(&expected), "{said}");
        assert_eq!(store.count(&query).await.unwrap(), expected.len() as i64, "{said}");
        assert_eq!(ids(&paged(store, query, page_size).await), ids(&expected), "pages of {page_size}: {said}");
        found += usize::from(!expected.is_empty());
    }
    assert!(found > QUERIES / 2, "only {found} of the queries find anything");
}

async fn paged(store: &dyn Store, query: ListQuery, page_size: usize) -> Vec<VisibilityRow> {
    let mut query = ListQuery { page_size, ..query };
    let mut rows = Vec::new();
    loop {
        let page = store.list(&query).await.unwrap();
        let Some(last) = page.last() else { return rows };
        query.after = Some(Cursor::of(last, &query.order).unwrap());
        rows.extend(page);
    }
}

fn ids(rows: &[VisibilityRow]) -> Vec<Uuid> {
    rows.iter().map(|row| row.run_id).collect()
}

fn sample<S: Strategy>(runner: &mut TestRunner, strategy: &S) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

fn word() -> impl Strategy<Value = String> {
    select(&WORDS[..]).prop_map(str::to_owned)
}

/// Of a run: short, or about as long as those that the databases find in another way.
fn duration() -> impl Strategy<Value = i64> {
    const LONG: i64 = 600_000_000_000;
    prop_oneof![3 => 0..9_i64, 1 => LONG - 4..LONG + 5]
}

fn row() -> impl Strategy<Value = VisibilityRow> {
    let own = (word(), word(), word(), 0..9_i64, option::of((duration(), 2..8_i32)), 0..3_i64);
    let others = (option::of((word(), word())), option::of(word()));
    (own, others, vec(option::weighted(0.7, 0..4_usize), ATTRIBUTES.len())).prop_map(|(own, others, attributes)| {
        let (workflow_id, workflow_type, task_queue, start_time, close, delay) = own;
        let (parent, root) = others;
        let row = visibility(&workflow_id, start_time);
        let (parent_workflow_id, parent_run_id) = parent.unzip();
        let attributes = search_attributes(&attributes);
        let row = VisibilityRow {
            workflow_type,
            task_queue,
            execution_time: start_time + delay,
            root_workflow_id: root.unwrap_or(workflow_id),
            parent_workflow_id,
            parent_run_id,
            search_attributes: attributes.encode_to_vec().into(),
            search_values: search_values(&attributes),
            ..row
        };
        match close {
            Some((duration, status)) => closed(row, start_time + duration, status),
            None => row,
        }
    })
}

/// For each attribute the number of one of a few values.
fn search_attributes(chosen: &[Option<usize>]) -> SearchAttributes {
    let present = ATTRIBUTES.iter().zip(chosen).filter_map(|(attribute, chosen)| Some((attribute, (*chosen)?)));
    let indexed_fields = present.filter(|((name, _), chosen)| *name != DIVISION || *chosen == 0);
    let indexed_fields = indexed_fields.map(|((name, kind), chosen)| {
        let word = WORDS[chosen];
        let json = match kind {
            AttributeKind::Keyword => json!(word),
            AttributeKind::Text => json!(format!("{word} {}", WORDS[chosen + 1])),
            AttributeKind::Int => json!(chosen as i64 - 2),
            AttributeKind::Double => json!(chosen as f64 / 2.0),
            AttributeKind::Bool => json!(chosen % 2 == 0),
            AttributeKind::Datetime => json!(format!("1970-01-01T00:00:00.00000000{chosen}Z")),
            AttributeKind::KeywordList => json!([WORDS[chosen + 1], word]),
        };
        let metadata = [(TYPE_KEY.to_owned(), kind.name().to_owned().into())].into();
        ((*name).to_owned(), Payload { metadata, data: json.to_string().into(), ..Payload::default() })
    });
    SearchAttributes { indexed_fields: indexed_fields.collect() }
}

fn field() -> impl Strategy<Value = (Field, AttributeKind)> {
    use AttributeKind::{Datetime, Int, Keyword};
    let system = [
        (Field::WorkflowId, Keyword),
        (Field::RunId, Keyword),
        (Field::WorkflowType, Keyword),
        (Field::TaskQueue, Keyword),
        (Field::Status, Int),
        (Field::StartTime, Datetime),
        (Field::ExecutionTime, Datetime),
        (Field::CloseTime, Datetime),
        (Field::ExecutionDuration, Int),
        (Field::HistoryLength, Int),
        (Field::ParentWorkflowId, Keyword),
        (Field::ParentRunId, Keyword),
        (Field::RootWorkflowId, Keyword),
        (Field::RootRunId, Keyword),
    ];
    let attributes = ATTRIBUTES.map(|(name, kind)| (Field::Attribute { name: name.to_owned(), kind }, kind));
    select(system.into_iter().chain(attributes).collect::<Vec<_>>())
}

fn value(kind: AttributeKind) -> BoxedStrategy<Value> {
    match kind {
        AttributeKind::Int | AttributeKind::Datetime => (-2..10_i64).prop_map(Value::Int).boxed(),
        AttributeKind::Double => (-2..6_i64).prop_map(|half| Value::Double(half as f64 / 2.0)).boxed(),
        AttributeKind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        AttributeKind::Text | AttributeKind::Keyword | AttributeKind::KeywordList => {
            word().prop_map(Value::Text).boxed()
        }
    }
}

fn test() -> impl Strategy<Value = Filter> {
    use CompareOp::{Eq, Ge, Gt, Le, Lt, Ne};
    field().prop_flat_map(|(field, kind)| {
        let fields = [(); 5].map(|()| field.clone());
        let [compared, ranged, listed, prefixed, missing] = fields;
        prop_oneof![
            4 => (select(vec![Eq, Ne, Lt, Le, Gt, Ge]), value(kind))
                .prop_map(move |(op, value)| Filter::Compare { field: compared.clone(), op, value }),
            1 => (value(kind), value(kind))
                .prop_map(move |(low, high)| Filter::Between { field: ranged.clone(), low, high }),
            2 => vec(value(kind), 0..4).prop_map(move |values| Filter::In { field: listed.clone(), values }),
            1 => word().prop_map(move |prefix| Filter::StartsWith { field: prefixed.clone(), prefix }),
            1 => Just(Filter::IsNull(missing)),
        ]
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    test().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Filter::And),
            vec(inner.clone(), 1..4).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

fn order() -> impl Strategy<Value = Vec<SortKey>> {
    vec((field(), any::<bool>()).prop_map(|((field, _), descending)| SortKey { field, descending }), 0..4)
}
