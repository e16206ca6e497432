//! Whether this server takes work: one switch behind gRPC health and `/health`.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use perdure_storage::Store;
use tokio::{
    sync::{Mutex, watch},
    time::{sleep, timeout},
};
use tonic::codec::CompressionEncoding;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

/// The names under which clients ask; the empty one is the server as a whole.
const SERVICES: [&str; 3] =
    ["", "temporal.api.workflowservice.v1.WorkflowService", "temporal.api.operatorservice.v1.OperatorService"];

/// A store that needs longer than this is as good as down. Shorter than the time-outs of common probes.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two looks at the store for gRPC health.
const PING_PAUSE: Duration = Duration::from_secs(5);

/// | from | to | when |
/// |---|---|---|
/// | Starting | Serving | the store is open, its leases are held, all services listen |
/// | Starting, Serving | Stopping | the server was asked to stop |
///
/// While it serves, gRPC health is SERVING as long as the store answers, as `/health` is 200.
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
    /// One report at a time, so that the last phase has the last word.
    reporting: Arc<Mutex<()>>,
}

impl Health {
    /// Starts as not serving.
    pub async fn new() -> Self {
        let health = Self {
            reporter: HealthReporter::new(),
            phase: watch::Sender::new(Phase::Starting),
            store: Arc::new(OnceLock::new()),
            reporting: Arc::default(),
        };
        health.report(true).await;
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
        self.report(true).await;
    }

    /// Asks the store again and again, for ever.
    pub async fn watch(self) {
        loop {
            sleep(PING_PAUSE).await;
            let answers = self.check_store().await.is_ok();
            self.report(answers).await;
        }
    }

    /// Err: why the store is as good as down.
    pub(crate) async fn check_store(&self) -> Result<(), String> {
        let Some(store) = self.store.get() else { return Err("it is not open yet".to_owned()) };
        let answered = timeout(PING_TIMEOUT, store.ping()).await;
        answered.map_err(|_| format!("no answer within {PING_TIMEOUT:?}"))?.map_err(|error| error.to_string())
    }

    /// Clients shall go elsewhere.
    pub async fn stop(&self) {
        self.phase.send_replace(Phase::Stopping);
        self.report(true).await;
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    async fn report(&self, store_answers: bool) {
        let _reporting = self.reporting.lock().await;
        let status = match self.phase() {
            Phase::Serving if store_answers => ServingStatus::Serving,
            Phase::Starting | Phase::Serving | Phase::Stopping => ServingStatus::NotServing,
        };
        for service in SERVICES {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
