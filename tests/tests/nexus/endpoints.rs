//! The operator's calls on endpoints.

use anyhow::{Context, Result};
use perdure_proto::api::{
    nexus::{EndpointSpec, EndpointTarget, endpoint_target::Variant},
    operatorservice::{
        CreateNexusEndpointRequest, DeleteNamespaceRequest, DeleteNexusEndpointRequest, GetNexusEndpointRequest,
        ListNexusEndpointsRequest, UpdateNexusEndpointRequest,
    },
};
use perdure_tests::Database;
use tonic::Code;

use crate::world::{World, external_target, worker_target};

fn spec(name: &str, target: Option<Variant>) -> Option<EndpointSpec> {
    let target = Some(EndpointTarget { variant: target });
    Some(EndpointSpec { name: name.into(), target, ..Default::default() })
}

#[tokio::test]
async fn endpoints_live_through_a_restart() -> Result<()> {
    let name = "nexus_endpoints";
    let mut world = World::new(name, Database::fresh_sqlite_file(name)?, &[]).await?;
    let id = world.endpoint("one", worker_target("queue")).await?;
    for number in 0..3 {
        world.endpoint(&format!("more-{number}"), external_target("https://example.org/x".into())).await?;
    }
    let change =
        UpdateNexusEndpointRequest { id: id.clone(), version: 1, spec: spec("two", Some(worker_target("other"))) };
    world.operator.update_nexus_endpoint(change.clone()).await?;
    let stale = world.operator.update_nexus_endpoint(change).await.expect_err("version 1 is past");
    let text = "nexus endpoint version mismatch. received: 1 expected 2";
    assert_eq!((stale.code(), stale.message()), (Code::FailedPrecondition, text));
    world.crash().await?;

    let get = GetNexusEndpointRequest { id: id.clone() };
    let found = world.operator.get_nexus_endpoint(get.clone()).await?.into_inner().endpoint.context("found")?;
    assert_eq!((found.version, found.spec.clone()), (2, spec("two", Some(worker_target("other")))));
    let mut page = ListNexusEndpointsRequest { page_size: 3, ..Default::default() };
    let first = world.operator.list_nexus_endpoints(page.clone()).await?.into_inner();
    page.next_page_token = first.next_page_token.clone();
    let second = world.operator.list_nexus_endpoints(page.clone()).await?.into_inner();
    assert_eq!((first.endpoints.len(), second.endpoints.len(), second.next_page_token.len()), (3, 1, 0));
    page.name = "two".into();
    assert_eq!(world.operator.list_nexus_endpoints(page).await?.into_inner().endpoints, [found]);

    world.operator.delete_nexus_endpoint(DeleteNexusEndpointRequest { id: id.clone(), version: 2 }).await?;
    let gone = world.operator.get_nexus_endpoint(get).await.expect_err("it is deleted");
    assert_eq!(
        (gone.code(), gone.message()),
        (Code::NotFound, format!("Nexus endpoint with ID `{id}` not found").as_str())
    );
    Ok(())
}

#[tokio::test]
async fn bad_endpoints_are_refused() -> Result<()> {
    let mut world = World::new("nexus_endpoints_refused", Database::SqliteMemory, &[]).await?;
    world.endpoint("taken", worker_target("queue")).await?;
    let worker = |namespace: &str, queue: &str| match worker_target(queue) {
        Variant::Worker(mut worker) => {
            worker.namespace = namespace.into();
            Some(Variant::Worker(worker))
        }
        other => Some(other),
    };
    let cases = [
        (None, Code::InvalidArgument, "endpoint name not set, empty target variant"),
        (spec("ok", None), Code::InvalidArgument, "empty target variant"),
        (
            spec("", worker("", "")),
            Code::InvalidArgument,
            "endpoint name not set, target namespace not set, invalid target task queue: \"taskQueue is not set\"",
        ),
        (
            spec("ok", worker("nope", "q")),
            Code::FailedPrecondition,
            "could not verify namespace referenced by target exists: Namespace nope is not found.",
        ),
        (
            spec("ok", Some(external_target("ftp://x".into()))),
            Code::InvalidArgument,
            "invalid target URL scheme: \"ftp\", expected http or https",
        ),
        (
            spec("taken", worker("default", "q")),
            Code::AlreadyExists,
            "error creating Nexus endpoint. Endpoint with name taken already registered",
        ),
    ];
    for (spec, code, message) in cases {
        let refused = world.operator.create_nexus_endpoint(CreateNexusEndpointRequest { spec }).await;
        let status = refused.err().context(message)?;
        assert_eq!((status.code(), status.message()), (code, message));
    }
    let namespace = DeleteNamespaceRequest { namespace: "default".into(), ..Default::default() };
    let status = world.operator.delete_namespace(namespace).await.expect_err("an endpoint needs it");
    let text = "cannot delete a namespace that is a target of a Nexus endpoint taken";
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, text));
    let garbage = ListNexusEndpointsRequest { next_page_token: "x".into(), ..Default::default() };
    let status = world.operator.list_nexus_endpoints(garbage).await.expect_err("no token of ours");
    assert_eq!(status.code(), Code::InvalidArgument);
    Ok(())
}
