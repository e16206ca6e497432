//! Lists: order, pages, counts.

use perdure_engine::Archetype;
use perdure_storage::{
    ExpiredRun, Store, VisibilityRow,
    visibility::{AttributeKind, CompareOp, CountGroup, DIVISION, Field, Filter, GroupBy, ListQuery, Position, Value},
};
use uuid::Uuid;

use crate::{
    on_all_stores,
    rows::{NAMESPACE, closed, commit, lease, show, visibility, write},
};

on_all_stores!(
    default_order_is_open_first_then_newest,
    pages_have_every_row_once,
    namespaces_are_apart,
    counts_by_groups,
    roots_come_back,
    prefixes_of_ids_and_sets_of_statuses,
    rows_come_back_whole,
    statements_of_many_terms,
    expired_runs_from_the_longest_closed,
);

fn query(page_size: usize) -> ListQuery {
    ListQuery { namespace_id: NAMESPACE, page_size, ..Default::default() }
}

fn ids(rows: &[VisibilityRow]) -> Vec<&str> {
    rows.iter().map(|row| row.workflow_id.as_str()).collect()
}

async fn default_order_is_open_first_then_newest(store: &dyn Store) {
    let lease = lease(store).await;
    let rows = [
        closed(visibility("closed 50, started 1", 1), 50, 2),
        visibility("open, started 3", 3),
        closed(visibility("closed 60, started 9", 9), 60, 3),
        visibility("open, started 7", 7),
        closed(visibility("closed 60, started 8", 8), 60, 2),
    ];
    show(store, &lease, &rows).await;
    let expected =
        ["open, started 7", "open, started 3", "closed 60, started 9", "closed 60, started 8", "closed 50, started 1"];
    assert_eq!(ids(&store.list(&query(10)).await.unwrap()), expected);
    assert_eq!(ids(&store.list(&query(2)).await.unwrap()), expected[..2]);
}

async fn expired_runs_from_the_longest_closed(store: &dyn Store) {
    let lease = lease(store).await;
    let rows = [
        closed(visibility("closed 50", 1), 50, 2),
        closed(visibility("closed 40", 2), 40, 2),
        visibility("open", 3),
        closed(visibility("closed 60", 4), 60, 3),
        VisibilityRow { archetype: Archetype::Activity, ..closed(visibility("activity", 5), 10, 2) },
        VisibilityRow { namespace_id: Uuid::from_u128(99), ..closed(visibility("elsewhere", 6), 10, 2) },
        VisibilityRow {
            search_values: serde_json::json!({ DIVISION: "mine" }),
            ..closed(visibility("divided 45", 7), 45, 2)
        },
    ];
    show(store, &lease, &rows).await;
    let undivided = Filter::IsNull(Field::Attribute { name: DIVISION.to_owned(), kind: AttributeKind::Keyword });
    let shown = ListQuery { filter: Some(undivided), ..query(10) };
    assert_eq!(store.list(&shown).await.unwrap().len(), 4);
    let divided = ListQuery { filter: shown.filter.map(|hidden| Filter::Not(Box::new(hidden))), ..query(10) };
    assert_eq!(self::ids(&store.list(&divided).await.unwrap()), ["divided 45"]);
    let expired = async |archetype, before, after, limit| {
        store.expired(NAMESPACE, archetype, before, after, limit).await.unwrap()
    };
    let ids = |runs: &[ExpiredRun]| runs.iter().map(|run| run.workflow.workflow_id.to_string()).collect::<Vec<_>>();
    let workflows = Archetype::Workflow;
    assert_eq!(
        ids(&expired(workflows, 60, None, 10).await),
        ["closed 40", "divided 45", "closed 50"],
        "before 60, not at 60"
    );
    assert_eq!(ids(&expired(Archetype::Activity, 60, None, 10).await), ["activity"]);
    let first = expired(workflows, i64::MAX, None, 2).await;
    assert_eq!(ids(&first), ["closed 40", "divided 45"]);
    assert_eq!(first[0].key.run_id, rows[1].run_id);
    assert_eq!(first[0].key.slot, first[0].workflow.slot());
    let rest = expired(workflows, i64::MAX, Some(first[1].position), 10).await;
    assert_eq!(ids(&rest), ["closed 50", "closed 60", "open"], "all: open ones last");
}

/// 41 rows with few different times: ties at every page's end.
async fn pages_have_every_row_once(store: &dyn Store) {
    let lease = lease(store).await;
    let rows: Vec<_> = (0..41_i64)
        .map(|index| {
            let row = visibility(&format!("w{index}"), index / 7 % 3);
            if index % 4 == 0 { row } else { closed(row, 100 + index % 3, 2) }
        })
        .collect();
    show(store, &lease, &rows).await;
    let whole = store.list(&query(100)).await.unwrap();
    assert_eq!(whole.len(), rows.len());
    assert!(whole.windows(2).all(|pair| Position::of(&pair[0]) > Position::of(&pair[1])));

    for page_size in [1, 2, 5, 40, 41] {
        let mut paged = Vec::new();
        let mut next = query(page_size);
        loop {
            let page = store.list(&next).await.unwrap();
            let Some(last) = page.last() else { break };
            next.after = Some(Position::of(last).into());
            paged.extend(page);
        }
        assert_eq!(paged, whole, "pages of {page_size}");
    }
}

async fn namespaces_are_apart(store: &dyn Store) {
    let lease = lease(store).await;
    let other = VisibilityRow { namespace_id: Uuid::from_u128(8), ..visibility("other", 1) };
    show(store, &lease, &[visibility("mine", 1), other]).await;
    assert_eq!(ids(&store.list(&query(10)).await.unwrap()), ["mine"]);
    assert_eq!(store.count(&query(0)).await.unwrap(), 1);
    let nowhere = ListQuery { namespace_id: Uuid::nil(), ..query(10) };
    assert_eq!(store.list(&nowhere).await.unwrap(), []);
    assert_eq!(store.count_by(&nowhere, GroupBy::Status, 10).await.unwrap(), []);
}

async fn counts_by_groups(store: &dyn Store) {
    let lease = lease(store).await;
    let mut rows: Vec<_> = (0..3).map(|time| closed(visibility("done", time), 10, 2)).collect();
    rows.push(visibility("open", 1));
    rows.push(VisibilityRow { workflow_type: "other".to_owned(), ..closed(visibility("failed", 1), 10, 3) });
    show(store, &lease, &rows).await;
    let group = |status, count| CountGroup { value: Value::Int(status), count };
    let by = async |query: &ListQuery, by, limit| store.count_by(query, by, limit).await.unwrap();
    let all = [group(1, 1), group(2, 3), group(3, 1)];
    assert_eq!(by(&query(0), GroupBy::Status, 10).await, all);
    assert_eq!(by(&query(0), GroupBy::Status, 2).await, all[..2]);
    assert_eq!(store.count(&query(0)).await.unwrap(), 5);
    let started_at_1 = Filter::Compare { field: Field::StartTime, op: CompareOp::Eq, value: Value::Int(1) };
    let filtered = ListQuery { filter: Some(started_at_1), ..query(0) };
    assert_eq!(by(&filtered, GroupBy::Status, 10).await, [group(1, 1), group(2, 1), group(3, 1)]);
    assert_eq!(store.count(&filtered).await.unwrap(), 3);
    let named = |name: &str, count| CountGroup { value: Value::Text(name.to_owned()), count };
    assert_eq!(by(&query(0), GroupBy::WorkflowType, 10).await, [named("other", 1), named("type", 4)]);
    assert_eq!(by(&query(0), GroupBy::TaskQueue, 10).await, [named("queue", 5)]);
}

/// A run that is its own root, and children whose root is another one, of this id or of another.
async fn roots_come_back(store: &dyn Store) {
    let lease = lease(store).await;
    let root = visibility("root", 1);
    let again = VisibilityRow { root_run_id: root.run_id.to_string(), ..visibility("root", 2) };
    let child = VisibilityRow {
        root_workflow_id: "root".to_owned(),
        root_run_id: root.run_id.to_string(),
        parent_workflow_id: Some("root".to_owned()),
        ..visibility("child", 3)
    };
    let unknown = VisibilityRow { root_workflow_id: String::new(), root_run_id: String::new(), ..visibility("x", 4) };
    let rows = [unknown, child, again, root];
    show(store, &lease, &rows).await;
    assert_eq!(store.list(&query(10)).await.unwrap(), rows);
    let is = |field, text: &str| Filter::Compare { field, op: CompareOp::Eq, value: Value::Text(text.to_owned()) };
    let by_id = ListQuery { filter: Some(is(Field::RootWorkflowId, "root")), ..query(10) };
    assert_eq!(ids(&store.list(&by_id).await.unwrap()), ["child", "root", "root"]);
    let by_run = ListQuery { filter: Some(is(Field::RootRunId, &rows[3].root_run_id)), ..query(10) };
    assert_eq!(store.list(&by_run).await.unwrap().len(), 3);
}

async fn prefixes_of_ids_and_sets_of_statuses(store: &dyn Store) {
    let lease = lease(store).await;
    let mut rows: Vec<_> = ["a", "ab", "ab\u{10ffff}", "ac", "ä", "b"].map(|id| visibility(id, 1)).to_vec();
    for (row, status) in rows.iter_mut().zip([1, 2, 3, 4, 8, 7]) {
        *row = if status == 1 || status == 8 {
            VisibilityRow { status, ..row.clone() }
        } else {
            closed(row.clone(), 10, status)
        };
    }
    show(store, &lease, &rows).await;
    let found = async |filter: Filter| {
        let rows = store.list(&ListQuery { filter: Some(filter), ..query(10) }).await.unwrap();
        let mut ids: Vec<_> = rows.into_iter().map(|row| row.workflow_id).collect();
        ids.sort();
        ids.join(" ")
    };
    let starts_with = |field, prefix: &str| Filter::StartsWith { field, prefix: prefix.to_owned() };
    assert_eq!(found(starts_with(Field::WorkflowId, "a")).await, "a ab ab\u{10ffff} ac");
    assert_eq!(found(starts_with(Field::WorkflowId, "ab")).await, "ab ab\u{10ffff}");
    assert_eq!(found(starts_with(Field::WorkflowId, "ab\u{10ffff}")).await, "ab\u{10ffff}");
    assert_eq!(found(Filter::Not(Box::new(starts_with(Field::WorkflowId, "a")))).await, "b ä");
    let run_id = rows[3].run_id.to_string();
    for length in [0, 1, 8, 9, 30, 36] {
        assert!(found(starts_with(Field::RunId, &run_id[..length])).await.contains("ac"), "{length}");
    }
    assert_eq!(found(starts_with(Field::RunId, &run_id.to_uppercase())).await, "");
    assert_eq!(found(starts_with(Field::RunId, "x")).await, "");

    let status = |status| Filter::Compare { field: Field::Status, op: CompareOp::Eq, value: Value::Int(status) };
    let any = |statuses: &[i64]| Filter::Or(statuses.iter().map(|number| status(*number)).collect());
    assert_eq!(found(any(&[1, 8])).await, "a ä");
    assert_eq!(found(any(&[2, 3])).await, "ab ab\u{10ffff}");
    assert_eq!(found(any(&[3, 7])).await, "ab\u{10ffff} b");
    assert_eq!(found(any(&[1, 4])).await, "a ac");
    assert_eq!(found(Filter::Not(Box::new(any(&[1, 8])))).await, "ab ab\u{10ffff} ac b");
}

async fn rows_come_back_whole(store: &dyn Store) {
    let lease = lease(store).await;
    let row = VisibilityRow {
        execution_time: 9,
        parent_workflow_id: Some("O'Neil \\ \"ü\" 🦀".to_owned()),
        parent_run_id: Some(Uuid::now_v7().to_string()),
        memo: vec![0, 1, 255].into(),
        search_attributes: vec![7; 5000].into(),
        ..closed(visibility("%_'; --", -5), i64::MAX - 1, 7)
    };
    let written = VisibilityRow { search_values: serde_json::json!({"K'\"": "v"}), ..row.clone() };
    show(store, &lease, &[written]).await;
    assert_eq!(store.list(&query(10)).await.unwrap(), [row]);
    commit(store, &lease, vec![write(crate::rows::run_key("w"))]).await.unwrap();
}

/// What a client may send must not hit a limit of the database's parser.
async fn statements_of_many_terms(store: &dyn Store) {
    let lease = lease(store).await;
    show(store, &lease, &[visibility("w", 77)]).await;
    let equals = |value: i64| Filter::Compare { field: Field::StartTime, op: CompareOp::Eq, value: Value::Int(value) };
    let in_list = Filter::In { field: Field::StartTime, values: (0..20_000).map(Value::Int).collect() };
    for filter in [Filter::Or((0..5000).map(equals).collect()), in_list] {
        assert_eq!(store.count(&ListQuery { filter: Some(filter), ..query(0) }).await.unwrap(), 1);
    }
}
