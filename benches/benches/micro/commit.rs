//! A batch of runs that go on, in each store.
//!
//! PostgreSQL is the server that `PERDURE_TEST_POSTGRES` names; a database is made there and deleted. SQLite is in memory, so
//! that it is its work that is measured, and not the disk.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use perdure_storage::{
    Batch, JournalRow, Lease, MemoryStore, PostgresConfig, PostgresStore, RunKey, RunWrite, Snapshot, SqliteStore,
    Store, WorkflowKey, batch::CreateRun,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::suite::Suite;

const NAMESPACE: Uuid = Uuid::from_u128(1);
/// Runs in a batch.
const SIZES: [usize; 3] = [1, 10, 100];
/// So often a run's state is written, as the server does; its rows go then, so that the store does not grow.
const ROWS_PER_SNAPSHOT: i64 = 64;

pub(crate) fn measure(suite: &mut Suite) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    measure_store(suite, &runtime, "memory", Arc::new(MemoryStore::new()))?;
    measure_store(suite, &runtime, "sqlite", Arc::new(runtime.block_on(SqliteStore::open(None))?))?;
    let Ok(url) = std::env::var("PERDURE_TEST_POSTGRES") else {
        println!("PERDURE_TEST_POSTGRES names no server: commits to PostgreSQL are left out");
        return Ok(());
    };
    let database = format!("perdure_bench_{}", Uuid::now_v7().simple());
    let server = url.rsplit_once('/').map_or(url.as_str(), |(server, _)| server);
    let config = PostgresConfig::from_url(format!("{server}/{database}"));
    let store: Arc<dyn Store> = Arc::new(runtime.block_on(PostgresStore::connect(config))?);
    measure_store(suite, &runtime, "postgresql", store)?;
    runtime.block_on(async {
        let mut admin = PgConnection::connect(&url).await?;
        sqlx::query(AssertSqlSafe(format!("DROP DATABASE {database} WITH (FORCE)"))).execute(&mut admin).await?;
        Ok(())
    })
}

fn measure_store(suite: &mut Suite, runtime: &Runtime, name: &str, store: Arc<dyn Store>) -> Result<()> {
    let lease = runtime.block_on(store.acquire_leases("bench", 1, Duration::from_secs(3600)))?.remove(0);
    for size in SIZES {
        let mut runs = Runs::new(size);
        runtime.block_on(store.commit(&[runs.batch(&lease)]))?;
        let commit = |batch: Batch| runtime.block_on(store.commit(&[batch])).expect("the batch is a good one");
        suite.measure("commit", &format!("{name}_{size}"), || runs.batch(&lease), commit);
    }
    Ok(())
}

/// Runs that get a journal row with each batch.
struct Runs {
    keys: Vec<(RunKey, WorkflowKey)>,
    seq: i64,
}

impl Runs {
    fn new(count: usize) -> Self {
        let new = |_| {
            let workflow = WorkflowKey::new(NAMESPACE, format!("order-{}", Uuid::now_v7()));
            (RunKey { slot: workflow.slot(), run_id: Uuid::now_v7() }, workflow)
        };
        Self { keys: (0..count).map(new).collect(), seq: 0 }
    }

    fn batch(&mut self, lease: &Lease) -> Batch {
        self.seq += 1;
        Batch { lease: lease.clone(), runs: self.keys.iter().map(|key| write(key, self.seq)).collect() }
    }
}

fn write((key, workflow): &(RunKey, WorkflowKey), seq: i64) -> RunWrite {
    let row = JournalRow {
        seq,
        first_event_id: seq * 3,
        event_count: 3,
        events: vec![seq as u8; 500].into(),
        changes: vec![1; 20].into(),
    };
    let snapshot_due = seq % ROWS_PER_SNAPSHOT == 0;
    RunWrite {
        create: (seq == 1).then(|| CreateRun { workflow: workflow.clone(), make_current: true }),
        journal: vec![row],
        snapshot: snapshot_due.then(|| Snapshot { seq, state: vec![1; 900].into() }),
        trim: snapshot_due,
        ..RunWrite::new(*key)
    }
}
