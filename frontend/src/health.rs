//! gRPC health: what load balancers, `temporal operator cluster health` and SDKs ask.

use tonic_health::{ServingStatus, pb::health_server::{Health as HealthApi, HealthServer}, server::HealthReporter};

/// The names under which clients ask; the empty one is the server as a whole.
const SERVICES: [&str; 3] =
    ["", "temporal.api.workflowservice.v1.WorkflowService", "temporal.api.operatorservice.v1.OperatorService"];

/// The switch behind the health service. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
}

impl Health {
    /// Both start as serving: the server answers only when all behind it is ready.
    pub async fn new() -> (Self, HealthServer<impl HealthApi>) {
        let (reporter, service) = tonic_health::server::health_reporter();
        let health = Self { reporter };
        health.set(ServingStatus::Serving).await;
        (health, service)
    }

    /// The server is stopping: clients shall go elsewhere.
    pub async fn stop(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    async fn set(&self, status: ServingStatus) {
        for service in SERVICES {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
