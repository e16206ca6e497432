//! The registry on a store in memory.

mod drainage;
mod registry;
mod routing;
mod state;

use std::time::Duration;

use perdure_engine::time::SECOND;
use perdure_history::ByNamespace;
use perdure_matching::{MatchingLimits, QueueKind};
use perdure_proto::api::enums::TaskQueueType;
use perdure_storage::MemoryStore;
use tonic::Code;

use super::{reroute::Routing, *};
use crate::{limits::FrontendLimits, quotas::Quotas};

const NAMESPACE: Uuid = Uuid::from_u128(1);

struct World {
    store: Arc<MemoryStore>,
    matching: Matching,
    deployments: Deployments,
}

async fn open(store: Arc<MemoryStore>, limits: Limits) -> World {
    let matching = Matching::new(MatchingLimits::default());
    let limits = ByNamespace::of_all(FrontendLimits { runs: limits, ..FrontendLimits::default() });
    let namespaces = Namespaces::open(store.clone(), limits, Quotas::default(), "active".to_owned()).await.unwrap();
    let deployments = Deployments::open(store.clone(), matching.clone(), namespaces).await.unwrap();
    World { store, matching, deployments }
}

async fn world() -> World {
    open(Arc::default(), Limits::default()).await
}

fn queue(name: &str) -> QueueKey {
    QueueKey { namespace_id: NAMESPACE, name: name.into(), kind: QueueKind::Workflow }
}

fn version(deployment: &str, build_id: &str) -> DeploymentVersion {
    DeploymentVersion::new(deployment, build_id)
}

fn ask(build_id: Option<&str>) -> Routing {
    Routing {
        build_id: build_id.map(str::to_owned),
        identity: "me".to_owned(),
        conflict_token: Bytes::new(),
        ignore_missing_task_queues: false,
        allow_no_pollers: false,
    }
}

impl World {
    async fn poll(&self, deployment: &str, build_id: &str, name: &str) -> Result<(), Status> {
        self.deployments.register(&queue(name), Some(&version(deployment, build_id))).await
    }

    async fn set_current(&self, deployment: &str, ask: Routing) -> Result<reroute::Previous, Status> {
        let make = move |found: Found<'_>, name: &str| reroute::set_current(&found, name, &ask);
        self.deployments.change(NAMESPACE, deployment, make).await
    }

    async fn set_ramp(&self, deployment: &str, ask: Routing, ramp: Option<f32>) -> Result<reroute::Previous, Status> {
        let make = move |found: Found<'_>, name: &str| reroute::set_ramp(&found, name, &ask, ramp);
        self.deployments.change(NAMESPACE, deployment, make).await
    }

    async fn delete_version(&self, deployment: &str, build_id: &str) -> Result<(), Status> {
        let build_id = build_id.to_owned();
        let make = move |found: Found<'_>, name: &str| change::delete_version(&found, name, &build_id, false, "me");
        self.deployments.change(NAMESPACE, deployment, make).await
    }

    fn get(&self, deployment: &str) -> Deployment {
        self.deployments.get(NAMESPACE, deployment).unwrap()
    }

    fn status(&self, deployment: &str, build_id: &str) -> String {
        format!("{:?}", self.get(deployment).versions[build_id].status())
    }

    /// Where tasks of the queue go: of a workflow at the low end of the hashes, and of one at the high end.
    fn routes(&self, name: &str) -> [Option<String>; 2] {
        let routing = self.matching.routing(&queue(name));
        [0, u32::MAX].map(|hash| Some(routing.as_ref()?.route(hash)?.to_string()))
    }
}

fn text<T>(result: Result<T, Status>) -> (Code, String) {
    result.map_or_else(|status| (status.code(), status.message().to_owned()), |_| (Code::Ok, String::new()))
}
