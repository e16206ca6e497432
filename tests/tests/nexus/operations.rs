//! Operations whose handlers are workers of the same server, on both databases.

use anyhow::{Context, Result};
use perdure_proto::api::{
    enums::{EventType, WorkflowIdConflictPolicy},
    nexus::{CancelOperationResponse, request, response},
    workflow::OnConflictOptions,
    workflowservice::StartWorkflowExecutionRequest,
};
use perdure_tests::Database;
use tonic::Code;

use crate::world::{
    CALLERS, ENDPOINT, HANDLERS, World, callback, complete, json, linked_workflow, request_cancel, result, schedule,
    start_request, started, sync, worker_target,
};

/// A caller whose operation waits for a worker.
async fn asked(name: &str, database: Database) -> Result<World> {
    let mut world = World::new(name, database, &[]).await?;
    world.endpoint(ENDPOINT, worker_target(HANDLERS)).await?;
    world.start("caller", CALLERS, StartWorkflowExecutionRequest::default()).await?;
    world.workflow_task(CALLERS, vec![schedule(ENDPOINT)]).await?;
    Ok(world)
}

async fn at_once(name: &str, database: Database) -> Result<()> {
    let mut world = asked(name, database).await?;
    let task = world.nexus_task(HANDLERS).await?;
    let request = task.request.clone().context("a request")?;
    assert_eq!((request.endpoint.as_str(), request.header["key"].as_str()), (ENDPOINT, "value"));
    assert!(request.header.contains_key("request-timeout"), "{:?}", request.header);
    let start = start_request(&task)?;
    assert_eq!(
        (start.service.as_str(), start.operation.as_str(), &start.payload),
        ("service", "operation", &Some(json("\"in\"")))
    );
    assert_eq!(start.callback, "temporal://system");
    assert!(start.links[0].url.contains("/workflows/caller/"), "{:?}", start.links);
    world.answer(&task, sync(json("\"out\""))).await?;
    let late = world.answer(&task, sync(json("\"late\""))).await.expect_err("it is answered");
    assert_eq!((late.code(), late.message()), (Code::NotFound, "Nexus task not found or already expired"));
    let end = world.event("caller", EventType::NexusOperationCompleted).await?;
    assert_eq!(result(&end), Some(&json("\"out\"")));
    Ok(())
}

/// The handler is a workflow; the server dies before the answer to the start, and right after the handler has ended.
async fn by_a_workflow_that_outlives_crashes(name: &str, database: Database) -> Result<()> {
    let mut world = asked(name, database).await?;
    let first = start_request(&world.nexus_task(HANDLERS).await?)?;
    let start = |request: &perdure_proto::api::nexus::StartOperationRequest| StartWorkflowExecutionRequest {
        request_id: request.request_id.clone(),
        completion_callbacks: vec![callback(request)],
        ..Default::default()
    };
    let run = world.start("handler", HANDLERS, start(&first)).await?;
    world.crash().await?;

    let again = world.nexus_task(HANDLERS).await?;
    let request = start_request(&again)?;
    assert_eq!(request.request_id, first.request_id, "the handler knows the start that it has seen");
    let same = world.start("handler", HANDLERS, start(&request)).await?;
    assert_eq!(same.run_id, run.run_id);
    let link = perdure_proto::api::nexus::Link {
        url: format!(
            "temporal:///namespaces/default/workflows/handler/{}/history\
             ?eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference",
            run.run_id
        ),
        r#type: "temporal.api.common.v1.Link.WorkflowEvent".into(),
    };
    world.answer(&again, started("token", vec![link])).await?;
    let event = world.event("caller", EventType::NexusOperationStarted).await?;
    assert_eq!(event.links.iter().map(linked_workflow).collect::<Vec<_>>(), ["handler"]);

    world.workflow_task(HANDLERS, vec![complete(json("\"done\""))]).await?;
    world.crash().await?;
    let end = world.event("caller", EventType::NexusOperationCompleted).await?;
    assert_eq!(result(&end), Some(&json("\"done\"")));
    world.crash().await?;
    world.workflow_task(CALLERS, vec![complete(json("1"))]).await?;
    let events = world.history("caller").await?;
    let count = |kind| events.iter().filter(|event| event.event_type() == kind).count();
    assert_eq!((count(EventType::NexusOperationStarted), count(EventType::NexusOperationCompleted)), (1, 1));
    world.server.panics()
}

async fn canceled_on_request(name: &str, database: Database) -> Result<()> {
    let mut world = asked(name, database).await?;
    let task = world.nexus_task(HANDLERS).await?;
    world.answer(&task, started("token", Vec::new())).await?;
    let scheduled = world.event("caller", EventType::NexusOperationScheduled).await?;
    world.workflow_task(CALLERS, vec![request_cancel(scheduled.event_id)]).await?;
    // The request is lost with the server, and made again.
    let _lost = world.nexus_task(HANDLERS).await?;
    world.crash().await?;
    let task = world.nexus_task(HANDLERS).await?;
    match task.request.clone().context("a request")?.variant {
        Some(request::Variant::CancelOperation(cancel)) => {
            assert_eq!((cancel.service.as_str(), cancel.operation_token.as_str()), ("service", "token"));
        }
        other => panic!("{other:?}"),
    }
    world.answer(&task, response::Variant::CancelOperation(CancelOperationResponse {})).await?;
    world.event("caller", EventType::NexusOperationCancelRequestCompleted).await?;
    Ok(())
}

/// Two operations are attached to one workflow, and both hear of its end.
async fn shared_by_two_callers(name: &str, database: Database) -> Result<()> {
    let mut world = asked(name, database).await?;
    world.start("second", CALLERS, StartWorkflowExecutionRequest::default()).await?;
    world.workflow_task(CALLERS, vec![schedule(ENDPOINT)]).await?;
    for token in ["one", "two"] {
        let task = world.nexus_task(HANDLERS).await?;
        let request = start_request(&task)?;
        let attach =
            OnConflictOptions { attach_request_id: true, attach_completion_callbacks: true, attach_links: true };
        let start = StartWorkflowExecutionRequest {
            request_id: request.request_id.clone(),
            completion_callbacks: vec![callback(&request)],
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting.into(),
            on_conflict_options: Some(attach),
            ..Default::default()
        };
        let response = world.start("handler", HANDLERS, start).await?;
        assert_eq!(response.started, token == "one");
        world.answer(&task, started(token, Vec::new())).await?;
    }
    world.workflow_task(HANDLERS, vec![complete(json("\"both\""))]).await?;
    for caller in ["caller", "second"] {
        let end = world.event(caller, EventType::NexusOperationCompleted).await?;
        assert_eq!(result(&end), Some(&json("\"both\"")), "{caller}");
    }
    Ok(())
}

on_both!(at_once, by_a_workflow_that_outlives_crashes, canceled_on_request, shared_by_two_callers);
