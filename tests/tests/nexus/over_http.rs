//! Operations whose handler is an outside service. The outside service is the server itself, by its own HTTP side.

use anyhow::Result;
use perdure_proto::api::{
    enums::EventType,
    failure::Failure,
    nexus::{self, StartOperationResponse, UnsuccessfulOperationError, response, start_operation_response},
    workflowservice::StartWorkflowExecutionRequest,
};
use perdure_tests::{Database, rest::Rest};

use crate::world::{
    CALLERS, ENDPOINT, HANDLERS, World, callback, complete, external_target, json, request_cancel, result, schedule,
    start_request, started, sync, worker_target,
};

const ALLOWED: &str = r#"component.callbacks.allowedAddresses=[{"Pattern":"127.0.0.1:*","AllowInsecure":true}]"#;

async fn asked(name: &str) -> Result<World> {
    let mut world = World::new(name, Database::SqliteMemory, &[ALLOWED]).await?;
    let inner = world.endpoint("inner", worker_target(HANDLERS)).await?;
    let url = format!("http://127.0.0.1:{}/nexus/endpoints/{inner}/services", world.server.http_port());
    world.endpoint(ENDPOINT, external_target(url)).await?;
    world.start("caller", CALLERS, StartWorkflowExecutionRequest::default()).await?;
    world.workflow_task(CALLERS, vec![schedule(ENDPOINT)]).await?;
    Ok(world)
}

#[tokio::test]
async fn an_answer_at_once() -> Result<()> {
    let mut world = asked("nexus_http_sync").await?;
    let task = world.nexus_task(HANDLERS).await?;
    let request = start_request(&task)?;
    assert_eq!(request.payload, Some(json("\"in\"")));
    let header = task.request.clone().unwrap_or_default().header;
    assert_eq!(header.get("key").map(String::as_str), Some("value"));
    assert!(request.links[0].url.contains("/workflows/caller/"), "{:?}", request.links);
    world.answer(&task, sync(json("\"out\""))).await?;
    let end = world.event("caller", EventType::NexusOperationCompleted).await?;
    assert_eq!(result(&end), Some(&json("\"out\"")));
    Ok(())
}

#[tokio::test]
async fn an_answer_later_and_a_cancel() -> Result<()> {
    let mut world = asked("nexus_http_async").await?;
    let task = world.nexus_task(HANDLERS).await?;
    let request = start_request(&task)?;
    let own = format!("http://127.0.0.1:{}/namespaces/default/nexus/callback", world.server.http_port());
    assert_eq!(request.callback, own);
    let callbacks = vec![callback(&request)];
    let start = StartWorkflowExecutionRequest { completion_callbacks: callbacks, ..Default::default() };
    world.start("handler", HANDLERS, start).await?;
    world.answer(&task, started("token", Vec::new())).await?;
    let scheduled = world.event("caller", EventType::NexusOperationScheduled).await?;
    world.event("caller", EventType::NexusOperationStarted).await?;
    world.workflow_task(CALLERS, vec![request_cancel(scheduled.event_id)]).await?;
    let task = world.nexus_task(HANDLERS).await?;
    let canceled = perdure_proto::api::nexus::CancelOperationResponse {};
    world.answer(&task, perdure_proto::api::nexus::response::Variant::CancelOperation(canceled)).await?;
    world.event("caller", EventType::NexusOperationCancelRequestCompleted).await?;

    world.workflow_task(HANDLERS, vec![complete(json("\"done\""))]).await?;
    let end = world.event("caller", EventType::NexusOperationCompleted).await?;
    assert_eq!(result(&end), Some(&json("\"done\"")));
    Ok(())
}

/// Callers of old read the failure of an operation in an older form, which the worker is told to use.
#[tokio::test]
async fn failures_for_callers_of_old_and_of_now() -> Result<()> {
    let mut world = World::new("nexus_http_failures", Database::SqliteMemory, &[]).await?;
    let endpoint = world.endpoint(ENDPOINT, worker_target(HANDLERS)).await?;
    let path = format!("/nexus/endpoints/{endpoint}/services/service/operation");
    let failure = || nexus::Failure { message: "no".into(), ..Default::default() };
    let old = start_operation_response::Variant::OperationError(UnsuccessfulOperationError {
        operation_state: "failed".into(),
        failure: Some(failure()),
    });
    let now = start_operation_response::Variant::Failure(Failure { message: "no".into(), ..Default::default() });
    for (reads_whole, answer) in [(false, old), (true, now)] {
        let rest = Rest::new(world.server.http_port()).with("content-type", "application/json");
        let rest = if reads_whole { rest.with("temporal-nexus-failure-support", "true") } else { rest };
        let path = path.clone();
        let asked = tokio::spawn(async move { rest.post(&path, &serde_json::json!("in")).await });
        let task = world.nexus_task(HANDLERS).await?;
        let capabilities = task.request.clone().unwrap_or_default().capabilities.unwrap_or_default();
        assert_eq!(capabilities.temporal_failure_responses, reads_whole);
        let answer = StartOperationResponse { variant: Some(answer) };
        world.answer(&task, response::Variant::StartOperation(answer)).await?;
        let heard = asked.await??;
        assert_eq!((heard.status, heard.header("nexus-operation-state")), (424, Some("failed")));
        assert_eq!(heard.json()["message"], "no", "{}", heard.text);
    }
    Ok(())
}
