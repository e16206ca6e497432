//! Lists and counts from outside, on both databases: what was written is found at once, in every order, by every query that
//! Temporal's web UI and CLI send.

use std::collections::BTreeMap;

use anyhow::Result;
use perdure_proto::api::{
    common::{Payload, SearchAttributes, WorkflowExecution, WorkflowType},
    enums::IndexedValueType as Kind,
    operatorservice::{
        AddSearchAttributesRequest, RemoveSearchAttributesRequest, operator_service_client::OperatorServiceClient,
    },
    taskqueue::TaskQueue,
    workflowservice::{
        CountWorkflowExecutionsRequest, ListWorkflowExecutionsRequest, StartWorkflowExecutionRequest,
        TerminateWorkflowExecutionRequest, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use serde_json::{Value, json};
use tonic::{Code, Status, transport::Channel};

type Client = WorkflowServiceClient<Channel>;

const NAMESPACE: &str = "default";

#[tokio::test]
async fn lists_on_sqlite() -> Result<()> {
    lists(Server::start("visibility_sqlite", Database::fresh_sqlite_file("visibility")?).await?).await
}

#[tokio::test]
async fn lists_on_postgres() -> Result<()> {
    lists(Server::start("visibility_postgres", Database::fresh_postgres("visibility").await?).await?).await
}

async fn lists(server: Server) -> Result<()> {
    let channel = server.channel().await?;
    let (mut client, mut operator) = (Client::new(channel.clone()), OperatorServiceClient::new(channel));
    // More of a type than Temporal's SQL stores have columns for.
    let numbers: Vec<String> = (0..12).map(|number| format!("Number{number}")).collect();
    let mut attributes: BTreeMap<&str, Kind> = numbers.iter().map(|name| (name.as_str(), Kind::Int)).collect();
    attributes.extend([
        ("Customer", Kind::Keyword),
        ("Note", Kind::Text),
        ("Price", Kind::Double),
        ("Paid", Kind::Bool),
        ("Due", Kind::Datetime),
        ("Tags", Kind::KeywordList),
        ("CustomStringField", Kind::Keyword),
        ("with space", Kind::Keyword),
    ]);
    add(&mut operator, &attributes).await?;
    for i in 0..6 {
        let values = json!({
            "Number11": i, "Customer": format!("customer-{i}"), "Note": format!("gift for number{i}"), "Price": i as f64 / 2.0,
            "Paid": i % 2 == 0, "Due": format!("2030-01-0{}T00:00:00Z", i + 1), "Tags": ["all", format!("tag{i}")],
            "with space": "it's",
        });
        start(&mut client, &format!("w{i}"), values).await?;
        assert_eq!(find(&mut client, &format!("Number11 = {i}")).await?, [format!("w{i}")], "at once");
    }
    start(&mut client, "plain", json!({})).await?;
    for id in ["w0", "w1"] {
        terminate(&mut client, id).await?;
        assert_eq!(find(&mut client, &format!("WorkflowId = '{id}' AND ExecutionStatus = 'Terminated'")).await?, [id]);
    }
    found(&mut client).await?;
    orders_and_pages(&mut client).await?;
    counts(&mut client).await?;
    queries_of_tools(&mut client).await?;
    attributes_come_and_go(&mut client, &mut operator).await
}

/// Queries and the ids of what they find, in order.
async fn found(client: &mut Client) -> Result<()> {
    let cases: [(&str, &[&str]); 22] = [
        ("", &["plain", "w5", "w4", "w3", "w2", "w1", "w0"]),
        ("Customer = 'customer-3'", &["w3"]),
        ("Customer IN ('customer-3', 'customer-4', 'x')", &["w4", "w3"]),
        ("Customer NOT IN ('customer-3')", &["w5", "w4", "w2", "w1", "w0"]),
        ("Customer STARTS_WITH 'customer-' AND Customer NOT STARTS_WITH 'customer-5'", &["w4", "w3", "w2", "w1", "w0"]),
        ("Note = 'GIFT'", &["w5", "w4", "w3", "w2", "w1", "w0"]),
        ("Note = 'other number2'", &["w2"]),
        ("Note != 'number2' AND Paid = true", &["w4", "w0"]),
        ("Price BETWEEN 0.5 AND 1.5", &["w3", "w2", "w1"]),
        ("Price NOT BETWEEN 0.5 AND 1.5", &["w5", "w4", "w0"]),
        ("Number11 >= 1.5 AND Number11 < 4", &["w3", "w2"]),
        ("Due < '2030-01-02T12:00:00Z'", &["w1", "w0"]),
        ("Tags = 'tag4'", &["w4"]),
        ("Tags IN ('tag4', 'tag5')", &["w5", "w4"]),
        ("Customer IS NULL", &["plain"]),
        ("NOT (Customer IS NOT NULL OR WorkflowId = 'x')", &["plain"]),
        ("`with space` = 'it''s' AND (WorkflowId = 'w1' OR WorkflowId = 'w2')", &["w2", "w1"]),
        ("WorkflowId STARTS_WITH 'w' AND ExecutionStatus = 2", &[]),
        ("WorkflowId STARTS_WITH 'w' AND CloseTime IS NOT NULL", &["w1", "w0"]),
        ("ExecutionDuration < '1h' AND ExecutionDuration >= '00:00:00'", &["w1", "w0"]),
        ("StartTime > 'now-1h' AND StartTime < 'now+1h' AND RootWorkflowId = 'w2'", &["w2"]),
        ("CustomStringField = 'x'", &[]),
    ];
    for (query, ids) in cases {
        assert_eq!(find(client, query).await?, ids, "{query}");
    }
    Ok(())
}

async fn orders_and_pages(client: &mut Client) -> Result<()> {
    let cases: [(&str, [&str; 7]); 5] = [
        ("ORDER BY Number11", ["w0", "w1", "w2", "w3", "w4", "w5", "plain"]),
        ("ORDER BY Number11 DESC", ["w5", "w4", "w3", "w2", "w1", "w0", "plain"]),
        ("ORDER BY Paid DESC, Price ASC", ["w0", "w2", "w4", "w1", "w3", "w5", "plain"]),
        ("ORDER BY ExecutionStatus DESC, WorkflowId", ["w0", "w1", "plain", "w2", "w3", "w4", "w5"]),
        ("ORDER BY Tags, StartTime", ["w0", "w1", "w2", "w3", "w4", "w5", "plain"]),
    ];
    for (query, expected) in cases {
        assert_eq!(find(client, query).await?, expected, "{query}");
        let (mut ids, mut token) = (Vec::new(), Vec::new());
        loop {
            let (page, next) = page(client, query, 2, token).await?;
            ids.extend(page);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(ids, expected, "in pages: {query}");
    }
    let (_, token) = page(client, "ORDER BY Number11", 2, Vec::new()).await?;
    let mut forged = token.clone();
    forged[0] ^= 1;
    for (query, token) in [("", token.clone()), ("ORDER BY Number11 DESC", token), ("ORDER BY Number11", forged)] {
        let refused = page(client, query, 2, token).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, "Invalid NextPageToken."));
    }
    Ok(())
}

async fn counts(client: &mut Client) -> Result<()> {
    let cases: [(&str, &[(&str, i64)]); 5] = [
        ("GROUP BY ExecutionStatus", &[("Running", 5), ("Terminated", 2)]),
        ("Customer IS NOT NULL GROUP BY ExecutionStatus", &[("Running", 4), ("Terminated", 2)]),
        ("GROUP BY WorkflowType", &[("t", 7)]),
        ("GROUP BY TaskQueue", &[("q", 7)]),
        ("Customer = 'customer-1'", &[]),
    ];
    for (query, expected) in cases {
        let request = CountWorkflowExecutionsRequest { namespace: NAMESPACE.into(), query: query.into() };
        let response = client.count_workflow_executions(request).await?.into_inner();
        let groups: Vec<(String, i64)> = response
            .groups
            .iter()
            .map(|group| (serde_json::from_slice(&group.group_values[0].data).unwrap_or_default(), group.count))
            .collect();
        let expected: Vec<(String, i64)> = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        assert_eq!(groups, expected, "{query}");
        let sum: i64 = expected.iter().map(|(_, count)| count).sum();
        assert_eq!(response.count, if expected.is_empty() { 1 } else { sum }, "{query}");
    }
    Ok(())
}

/// As the web UI (2.53) and the CLI write them.
async fn queries_of_tools(client: &mut Client) -> Result<()> {
    const QUERIES: [&str; 26] = [
        "`ExecutionStatus`=\"Running\"",
        "(`ExecutionStatus`=\"Running\" OR `ExecutionStatus`=\"Failed\") AND `WorkflowType`=\"t\"",
        "`WorkflowId` STARTS_WITH \"w\"",
        "`WorkflowType` STARTS_WITH \"t\"",
        "`RunId` STARTS_WITH \"0\"",
        "`RunId`=\"0198abcd-0123-7123-8123-0123456789ab\"",
        "`ParentWorkflowId` is null",
        "`ParentWorkflowId` is not null",
        "StartTime >= \"2020-01-01T00:00:00.000Z\"",
        "StartTime BETWEEN \"2020-01-01T00:00:00.000Z\" AND \"2040-01-01T00:00:00.000Z\"",
        "CloseTime > \"2020-01-01T00:00:00Z\"",
        "`ExecutionDuration`>\"1m\"",
        "`ExecutionDuration`=5",
        "`HistoryLength`>\"5\"",
        "`TemporalScheduledById`=\"s\"",
        "TaskQueue=\"q\"",
        "WorkflowId=\"w1\"",
        "ParentWorkflowId = \"w1\" AND ParentRunId = \"r\"",
        "RootWorkflowId = \"w1\" AND RootRunId = \"r\"",
        "TemporalWorkerDeployment=\"d\"",
        "TemporalWorkerDeploymentVersion=\"d:1\"",
        "TemporalWorkflowVersioningBehavior=\"Pinned\"",
        "`ExecutionStatus`=\"Running\" AND `TemporalReportedProblems` IN (\"category=WorkflowTaskFailed\", \
         \"category=WorkflowTaskTimedOut\")",
        "TemporalPauseInfo IS NOT NULL",
        "ExecutionStatus = \"Running\" AND WorkflowType=\"t\"",
        "BuildIds IN (\"unversioned\", \"versioned:1\")",
    ];
    for query in QUERIES {
        let answer = page(client, query, 10, Vec::new()).await;
        if query.contains("HistoryLength") {
            // A number in quotes is what Temporal refuses, too.
            assert_eq!(answer.unwrap_err().code(), Code::InvalidArgument);
            continue;
        }
        answer.unwrap_or_else(|status| panic!("{query}: {}", status.message()));
        let request = CountWorkflowExecutionsRequest {
            namespace: NAMESPACE.into(),
            query: format!("{query} GROUP BY ExecutionStatus"),
        };
        client.count_workflow_executions(request).await?;
    }
    Ok(())
}

async fn attributes_come_and_go(client: &mut Client, operator: &mut OperatorServiceClient<Channel>) -> Result<()> {
    let refused = find(client, "Late = 'x'").await.unwrap_err();
    assert_eq!(refused.message(), "invalid query: invalid search attribute: Late");
    add(operator, &[("Late", Kind::Keyword)].into()).await?;
    start(client, "late", json!({ "Late": "x" })).await?;
    assert_eq!(find(client, "Late = 'x'").await?, ["late"]);
    let request =
        RemoveSearchAttributesRequest { namespace: NAMESPACE.into(), search_attributes: vec!["Late".to_owned()] };
    operator.remove_search_attributes(request).await?;
    assert_eq!(find(client, "Late = 'x'").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(find(client, "WorkflowId = 'late'").await?, ["late"]);
    Ok(())
}

async fn add(operator: &mut OperatorServiceClient<Channel>, attributes: &BTreeMap<&str, Kind>) -> Result<(), Status> {
    let request = AddSearchAttributesRequest {
        namespace: NAMESPACE.into(),
        search_attributes: attributes.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).into())).collect(),
    };
    operator.add_search_attributes(request).await.map(|_| ())
}

async fn start(client: &mut Client, workflow_id: &str, values: Value) -> Result<(), Status> {
    let payload = |value: &Value| Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec().into())].into(),
        data: value.to_string().into(),
        ..Payload::default()
    };
    let fields = values.as_object().into_iter().flatten();
    let request = StartWorkflowExecutionRequest {
        namespace: NAMESPACE.into(),
        workflow_id: workflow_id.into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        search_attributes: Some(SearchAttributes {
            indexed_fields: fields.map(|(name, value)| (name.clone(), payload(value))).collect(),
        }),
        ..Default::default()
    };
    client.start_workflow_execution(request).await.map(|_| ())
}

async fn terminate(client: &mut Client, workflow_id: &str) -> Result<(), Status> {
    let request = TerminateWorkflowExecutionRequest {
        namespace: NAMESPACE.into(),
        workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.into(), run_id: String::new() }),
        ..Default::default()
    };
    client.terminate_workflow_execution(request).await.map(|_| ())
}

async fn find(client: &mut Client, query: &str) -> Result<Vec<String>, Status> {
    Ok(page(client, query, 100, Vec::new()).await?.0)
}

async fn page(
    client: &mut Client,
    query: &str,
    page_size: i32,
    token: Vec<u8>,
) -> Result<(Vec<String>, Vec<u8>), Status> {
    let request = ListWorkflowExecutionsRequest {
        namespace: NAMESPACE.into(),
        query: query.into(),
        page_size,
        next_page_token: token.into(),
    };
    let page = client.list_workflow_executions(request).await?.into_inner();
    let ids = page.executions.into_iter().filter_map(|info| info.execution).map(|execution| execution.workflow_id);
    Ok((ids.collect(), page.next_page_token.into()))
}
