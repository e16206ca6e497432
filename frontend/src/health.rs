//! Whether this server takes work: one switch behind gRPC health and `/health`.

use std::sync::{Arc, OnceLock};

use perdure_storage::Store;
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

/// The names under which clients ask; the empty one is the server as a whole.
const SERVICES: [&str; 3] =
    ["", "temporal.api.workflowservice.v1.WorkflowService", "temporal.api.operatorservice.v1.OperatorService"];

/// | from | to | when |
/// |---|---|---|
/// | Starting | Serving | the store is open, its leases are held, all services listen |
/// | Starting, Serving | Stopping | the server was asked to stop |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Starting,
    Serving,
    Stopping,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    phase: watch::Sender<Phase>,
    store: Arc<OnceLock<Arc<dyn Store>>>,
}

impl Health {
    /// Starts as not serving.
    pub async fn new() -> Self {
        let health = Self {
            reporter: HealthReporter::new(),
            phase: watch::Sender::new(Phase::Starting),
            store: Arc::new(OnceLock::new()),
        };
        health.report(ServingStatus::NotServing).await;
        health
    }

    /// `grpc.health.v1.Health`.
    pub fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
            .accept_compressed(CompressionEncoding::Gzip)
    }

    /// From now on the server is healthy while `store` answers.
    pub async fn serve(&self, store: Arc<dyn Store>) {
        // Serving begins once; a second store would be a second server.
        let _ = self.store.set(store);
        self.phase.send_replace(Phase::Serving);
        self.report(ServingStatus::Serving).await;
    }

    /// Clients shall go elsewhere.
    pub async fn stop(&self) {
        self.phase.send_replace(Phase::Stopping);
        self.report(ServingStatus::NotServing).await;
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub(crate) fn store(&self) -> Option<&Arc<dyn Store>> {
        self.store.get()
    }

    async fn report(&self, status: ServingStatus) {
        for service in SERVICES {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
