//! Opens the store that the settings name.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use perdure_metrics::Registry;
use perdure_proto::perdure::persistence::v1::ClusterMetadata;
use perdure_storage::{
    MemoryStore, MeteredStore, PostgresConfig, PostgresStore, PostgresTls, SqliteStore, Store, StoreError,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::settings::{StoreKind, StoreSettings, StoreTls};

/// Between two tries to reach a database.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Name of the one cluster, as that of a Temporal server without replication.
const CLUSTER_NAME: &str = "active";

/// A store, ready: its schema is that of this version.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    /// As clients see it.
    pub(crate) name: &'static str,
    /// Slot ranges, and so shards, that a new database is divided into. SQLite has one writer.
    pub(crate) ranges: u16,
    pub(crate) metadata: ClusterMetadata,
}

impl Opened {
    /// Its calls are counted and timed in this registry.
    pub(crate) fn measured(self, registry: &Registry) -> Self {
        Self { store: Arc::new(MeteredStore::new(self.store.clone(), registry)), ..self }
    }
}

/// Waits for a database that cannot be reached yet: in containers it often starts later than the server.
pub(crate) async fn open(settings: &StoreSettings) -> anyhow::Result<Opened> {
    // A file that cannot be opened now is misspelt or held by another server: nobody should wait for it.
    let may_come = settings.kind == StoreKind::Postgresql;
    let give_up = Instant::now() + Duration::from_secs(settings.wait_seconds);
    loop {
        match try_open(settings).await {
            Ok(opened) => return Ok(opened),
            Err(error @ StoreError::Unavailable(_)) if may_come && Instant::now() < give_up => {
                tracing::warn!(%error, store = %settings, "waiting for the database");
                sleep(RETRY_PAUSE).await;
            }
            Err(StoreError::Settings(error)) => {
                bail!(
                    "the database cannot be used: {error}\n({settings}: is the URL right, do sslmode or SQL_TLS_* fit its TLS?)"
                )
            }
            Err(error) => {
                bail!("the database cannot be used: {error}\n({settings}: does it run, are address and user right?)")
            }
        }
    }
}

async fn try_open(settings: &StoreSettings) -> Result<Opened, StoreError> {
    let (store, name, ranges): (Arc<dyn Store>, _, _) = match settings.kind {
        StoreKind::Postgresql => (Arc::new(PostgresStore::connect(postgres(settings)).await?), "postgresql", 2),
        StoreKind::Sqlite => (Arc::new(SqliteStore::open(settings.path.as_deref()).await?), "sqlite", 1),
        StoreKind::Memory => (Arc::new(MemoryStore::new()), "memory", 1),
    };
    let initial = ClusterMetadata {
        cluster_id: Uuid::new_v4().to_string(),
        cluster_name: CLUSTER_NAME.to_owned(),
        token_key: rand::random::<[u8; 32]>().to_vec().into(),
    };
    let metadata = store.cluster_metadata(&initial).await?;
    Ok(Opened { store, name, ranges, metadata })
}

pub(crate) fn postgres(settings: &StoreSettings) -> PostgresConfig {
    PostgresConfig {
        url: settings.url.clone(),
        host: Some(settings.host.clone()),
        port: Some(settings.port),
        database: Some(settings.database.clone()),
        user: Some(settings.user.clone()),
        password: (!settings.password.is_empty()).then(|| settings.password.clone()),
        tls: tls(settings.tls.clone()),
        max_connections: settings.max_connections,
    }
}

fn tls(settings: StoreTls) -> Option<PostgresTls> {
    let StoreTls { enabled, ca, cert, key, verify_host } = settings;
    enabled.then_some(PostgresTls { ca, cert, key, verify_host })
}
