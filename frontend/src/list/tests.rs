use std::time::Duration;

use perdure_proto::api::{
    common::Memo,
    enums::WorkflowExecutionStatus,
    filter::{StartTimeFilter, StatusFilter},
    workflowservice::{
        ListClosedWorkflowExecutionsRequest, ListOpenWorkflowExecutionsRequest,
        list_closed_workflow_executions_request::Filters,
    },
};
use perdure_storage::{Batch, Lease, MemoryStore, RunKey, RunWrite, VisibilityRow};
use prost::Message;
use tonic::Code;
use uuid::Uuid;

use super::*;
use crate::namespaces::tests::with_attributes;

const RUNS: i64 = 25;

/// Row `i` starts at second `i`; even ones are completed at second 100 + `i`.
fn row(namespace: &AuthorizedNamespace, i: i64) -> VisibilityRow {
    let closed = i % 2 == 0;
    let status = if closed { WorkflowExecutionStatus::Completed } else { WorkflowExecutionStatus::Running };
    VisibilityRow {
        namespace_id: namespace.id(),
        workflow_id: format!("w{i}"),
        run_id: Uuid::from_u128(i as u128 + 1),
        workflow_type: "t".to_owned(),
        start_time: i * 1_000_000_000,
        execution_time: i * 1_000_000_000,
        close_time: closed.then_some((100 + i) * 1_000_000_000),
        status: status.into(),
        history_length: closed.then_some(i),
        memo: Memo::default().encode_to_vec().into(),
        search_values: serde_json::json!({}),
        ..VisibilityRow::default()
    }
}

async fn lists() -> (Lists, AuthorizedNamespace) {
    let namespace = with_attributes(&[]);
    (Lists::new(store(&namespace).await.0, Sealer::new([7; 32])), namespace)
}

async fn store(namespace: &AuthorizedNamespace) -> (Arc<MemoryStore>, Lease) {
    let store = Arc::new(MemoryStore::new());
    let lease = store.acquire_leases("test", 1, Duration::from_secs(60)).await.unwrap().remove(0);
    show(&store, &lease, (0..RUNS).map(|i| row(namespace, i))).await;
    (store, lease)
}

async fn show(store: &MemoryStore, lease: &Lease, rows: impl Iterator<Item = VisibilityRow>) {
    let runs = rows
        .map(|row| RunWrite { visibility: Some(row.clone()), ..RunWrite::new(RunKey { slot: 0, run_id: row.run_id }) });
    store.commit(&[Batch { lease: lease.clone(), runs: runs.collect() }]).await.unwrap();
}

fn request(query: &str, page_size: i32, next_page_token: Bytes) -> ListWorkflowExecutionsRequest {
    ListWorkflowExecutionsRequest { query: query.to_owned(), page_size, next_page_token, ..Default::default() }
}

fn ids(executions: &[WorkflowExecutionInfo]) -> Vec<&str> {
    executions.iter().map(|info| info.execution.as_ref().unwrap().workflow_id.as_str()).collect()
}

#[tokio::test]
async fn pages_are_the_whole_list_in_order() {
    let (lists, namespace) = lists().await;
    let all = lists.list(&namespace, &request("", 0, Bytes::new())).await.unwrap();
    assert_eq!(all.executions.len() as i64, RUNS);
    assert_eq!(&ids(&all.executions)[..2], ["w23", "w21"], "open runs first, the newest of them on top");
    assert!(all.next_page_token.is_empty());

    let mut paged = Vec::new();
    let mut sizes = Vec::new();
    let mut token = Bytes::new();
    loop {
        let page = lists.list(&namespace, &request("", 5, token)).await.unwrap();
        sizes.push(page.executions.len());
        paged.extend(page.executions);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, all.executions);
    assert_eq!(sizes, [5; 5], "no empty page at the end");
}

#[tokio::test]
async fn a_page_token_is_bound_to_its_list() {
    let (lists, namespace) = lists().await;
    let token = lists.list(&namespace, &request("WorkflowType = 't'", 5, Bytes::new())).await.unwrap().next_page_token;
    assert!(lists.list(&namespace, &request("`WorkflowType`=\"t\"", 5, token.clone())).await.is_ok());

    let mut forged = token.to_vec();
    forged[20] ^= 1;
    for (query, token) in [("", token), ("WorkflowType = 't'", forged.into()), ("", Bytes::from_static(b"garbage"))] {
        let refused = lists.list(&namespace, &request(query, 5, token)).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, "Invalid NextPageToken."));
    }
}

/// Every second run of those that are open at the first page closes while the list is read; half of them have been shown by then.
#[tokio::test]
async fn runs_that_close_between_pages_are_shown_once() {
    let namespace = with_attributes(&[]);
    let (store, lease) = store(&namespace).await;
    let lists = Lists::new(store.clone(), Sealer::new([7; 32]));
    let mut shown = Vec::new();
    let mut token = Bytes::new();
    for page_number in 0.. {
        let page = lists.list(&namespace, &request("", 3, token)).await.unwrap();
        shown.extend(ids(&page.executions).into_iter().map(str::to_owned));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        // Runs 1, 5, 9, … close, the newest first, two after each page; and one more starts.
        let closing =
            [21, 17, 13, 9, 5, 1].chunks(2).nth(page_number).unwrap_or_default().iter().map(|i| VisibilityRow {
                close_time: Some(now()),
                status: WorkflowExecutionStatus::Completed.into(),
                ..row(&namespace, *i)
            });
        let started = VisibilityRow { start_time: now(), ..row(&namespace, 101 + 2 * page_number as i64) };
        show(&store, &lease, closing.chain([started])).await;
    }
    shown.retain(|id| id[1..].parse::<i64>().unwrap() < RUNS);
    assert_eq!(shown.len() as i64, RUNS, "{shown:?}");
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown.len() as i64, RUNS);
}

#[tokio::test]
async fn pages_in_an_order_of_their_own() {
    let (lists, namespace) = lists().await;
    let query = "ORDER BY HistoryLength DESC, StartTime ASC";
    let all = lists.list(&namespace, &request(query, 0, Bytes::new())).await.unwrap();
    assert_eq!(ids(&all.executions)[..4], ["w24", "w22", "w20", "w18"]);
    assert_eq!(ids(&all.executions)[12..15], ["w0", "w1", "w3"], "open runs have no length and come last");
    let mut paged = Vec::new();
    let mut token = Bytes::new();
    loop {
        let page = lists.list(&namespace, &request(query, 4, token.clone())).await.unwrap();
        paged.extend(page.executions);
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    assert_eq!(paged, all.executions);
    for other in ["", "ORDER BY HistoryLength DESC", "ORDER BY HistoryLength ASC, StartTime ASC"] {
        let refused = lists.list(&namespace, &request(other, 4, token.clone())).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, "Invalid NextPageToken."), "{other}");
    }
}

/// `now` is that of the first page: the second one takes its token.
#[tokio::test]
async fn relative_times_are_those_of_the_first_page() {
    let (lists, namespace) = lists().await;
    let query = "StartTime <= 'now' AND StartTime > 'now-100000d'";
    let page = lists.list(&namespace, &request(query, 20, Bytes::new())).await.unwrap();
    let rest = lists.list(&namespace, &request(query, 20, page.next_page_token)).await.unwrap();
    assert_eq!((page.executions.len(), rest.executions.len()), (20, 5));
}

#[tokio::test]
async fn counts() {
    let (lists, namespace) = lists().await;
    let count = async |query: &str| {
        let request = CountWorkflowExecutionsRequest { query: query.to_owned(), ..Default::default() };
        lists.count(&namespace, &request).await.unwrap()
    };
    assert_eq!(count("ExecutionStatus = 'Running'").await.count, 12);
    let grouped = count("WorkflowType = 't' GROUP BY ExecutionStatus").await;
    assert_eq!(grouped.count, RUNS);
    let by_type = count("GROUP BY WorkflowType").await;
    assert_eq!((by_type.count, by_type.groups.len()), (RUNS, 1));
    assert_eq!(by_type.groups[0].group_values[0].data, Bytes::from_static(b"\"t\""));
    let mut groups: Vec<_> = grouped
        .groups
        .iter()
        .map(|group| (group.count, group.group_values[0].data.clone(), group.group_values[0].metadata["type"].clone()))
        .collect();
    groups.sort();
    let keyword = Bytes::from_static(b"Keyword");
    let expected = [
        (12, Bytes::from_static(b"\"Running\""), keyword.clone()),
        (13, Bytes::from_static(b"\"Completed\""), keyword),
    ];
    assert_eq!(groups, expected);
}

#[tokio::test]
async fn open_and_closed() {
    let (lists, namespace) = lists().await;
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let range = |earliest, latest| Some(StartTimeFilter { earliest_time: earliest, latest_time: latest });

    let open = ListOpenWorkflowExecutionsRequest { start_time_filter: range(at(3), at(7)), ..Default::default() };
    assert_eq!(ids(&lists.open(&namespace, open).await.unwrap().executions), ["w7", "w5", "w3"]);

    let closed = |range, status: WorkflowExecutionStatus| ListClosedWorkflowExecutionsRequest {
        start_time_filter: range,
        filters: Some(Filters::StatusFilter(StatusFilter { status: status.into() })),
        ..Default::default()
    };
    let completed = closed(range(at(104), at(106)), WorkflowExecutionStatus::Completed);
    assert_eq!(ids(&lists.closed(&namespace, completed).await.unwrap().executions), ["w6", "w4"]);
    let failed = closed(None, WorkflowExecutionStatus::Failed);
    assert_eq!(ids(&lists.closed(&namespace, failed).await.unwrap().executions), Vec::<&str>::new());

    let cases = [
        (
            closed(range(at(2), at(1)), WorkflowExecutionStatus::Failed),
            "EarliestTime in StartTimeFilter should not be larger than LatestTime.",
        ),
        (closed(None, WorkflowExecutionStatus::Running), "StatusFilter must be specified and must be not Running."),
    ];
    for (request, message) in cases {
        let refused = lists.closed(&namespace, request).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, message));
    }
}
