//! What commits cost PostgreSQL: CPU, bytes of WAL and time per run write, for batches of several sizes.
//!
//! Then what a page of a long history costs, wherever it lies.
//!
//! `cargo run -p perdure-storage --example measure -- postgres://postgres@127.0.0.1:5432/measure` (a new database on this
//! machine: CPU times come from /proc).

use std::{
    fs,
    time::{Duration, Instant},
};

use bytes::Bytes;
use perdure_storage::{
    Batch, JournalRow, Lease, PostgresConfig, PostgresStore, RunKey, RunWrite, Snapshot, SqliteStore, Store,
    VisibilityRow, WakeAt, WorkflowKey, batch::CreateRun,
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

type Error = Box<dyn std::error::Error>;

const NAMESPACE: Uuid = Uuid::from_u128(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).ok_or("usage: measure <url>")?;
    let store = PostgresStore::connect(PostgresConfig::from_url(&url)).await?;
    let lease = store.acquire_leases("measure", 1, Duration::from_secs(3600)).await?.remove(0);
    let mut admin = PgConnection::connect(&url).await?;
    println!("{:>22} {:>6} {:>12} {:>12} {:>12}", "writes", "K", "PG CPU us", "WAL bytes", "us");
    // Warm up: prepared statements, catalogue caches.
    let runs = new_runs(10);
    for phase in Phase::ALL {
        for runs in runs.chunks(2) {
            store.commit(&[batch(&lease, phase, runs)]).await?;
        }
    }
    for (k, count) in [(1, 1500), (10, 5000), (100, 20_000)] {
        let runs = new_runs(count);
        for phase in Phase::ALL {
            let (cpu, wal, start) = (cpu_micros(&mut admin).await?, wal(&mut admin).await?, Instant::now());
            for runs in runs.chunks(k) {
                store.commit(&[batch(&lease, phase, runs)]).await?;
            }
            let time = start.elapsed().as_micros() as f64;
            let (cpu, wal) = (cpu_micros(&mut admin).await? - cpu, wal_since(&mut admin, &wal).await?);
            let per_write = |total: f64| total / count as f64;
            println!(
                "{:>22} {k:>6} {:>12.1} {:>12.0} {:>12.1}",
                format!("{phase:?}"),
                per_write(cpu),
                per_write(wal),
                per_write(time)
            );
        }
    }
    long_history("PostgreSQL", &store, &lease).await?;
    let sqlite = SqliteStore::open(None).await?;
    let lease = sqlite.acquire_leases("measure", 1, Duration::from_secs(3600)).await?.remove(0);
    long_history("SQLite", &sqlite, &lease).await
}

/// 50,000 events, three to a row.
async fn long_history(name: &str, store: &dyn Store, lease: &Lease) -> Result<(), Error> {
    const EVENTS: i64 = 50_000;
    let (key, id) = new_runs(1).remove(0);
    store.commit(&[batch(lease, Phase::Start, &[(key, id)])]).await?;
    for seq in 2..EVENTS / 3 {
        let row = JournalRow {
            seq,
            first_event_id: seq * 3,
            event_count: 3,
            events: vec![1; 300].into(),
            changes: Bytes::new(),
        };
        let write = RunWrite { journal: vec![row], ..RunWrite::new(key) };
        store.commit(&[Batch { lease: lease.clone(), runs: vec![write] }]).await?;
    }
    for event_id in [3, EVENTS / 2, EVENTS - 100] {
        let start = Instant::now();
        for _ in 0..20 {
            store.read_events(key, event_id, EVENTS, 30, 1 << 20).await?;
        }
        let forward = start.elapsed().as_micros() / 20;
        let start = Instant::now();
        for _ in 0..20 {
            store.read_events_reverse(key, event_id, 30).await?;
        }
        let backward = start.elapsed().as_micros() / 20;
        println!("{name}: 30 batches from event {event_id}: {forward} us forward, {backward} us backward");
    }
    let start = Instant::now();
    let loaded = store.load_runs(&[key]).await?.remove(0).ok_or("the run is gone")?;
    println!("{name}: load of {} journal rows: {} us", loaded.journal.len(), start.elapsed().as_micros());
    Ok(())
}

/// The commits of a workflow with one activity.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Start,
    JournalOnly,
    JournalAndWake,
    Close,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Start, Self::JournalOnly, Self::JournalAndWake, Self::Close];
}

fn new_runs(count: usize) -> Vec<(RunKey, String)> {
    let new = |_| {
        let id = format!("workflow-{}", Uuid::new_v4());
        (RunKey { slot: WorkflowKey::new(NAMESPACE, id.as_str()).slot(), run_id: Uuid::now_v7() }, id)
    };
    (0..count).map(new).collect()
}

fn batch(lease: &Lease, phase: Phase, runs: &[(RunKey, String)]) -> Batch {
    Batch { lease: lease.clone(), runs: runs.iter().map(|(key, id)| write(phase, *key, id)).collect() }
}

fn write(phase: Phase, key: RunKey, id: &str) -> RunWrite {
    let journal = |seq: i64, bytes: usize| {
        let events = vec![seq as u8; bytes].into();
        vec![JournalRow { seq, first_event_id: seq * 3, event_count: 3, events, changes: vec![1; 20].into() }]
    };
    let shown = VisibilityRow {
        namespace_id: NAMESPACE,
        workflow_id: id.to_owned(),
        run_id: key.run_id,
        workflow_type: "OrderWorkflow".to_owned(),
        task_queue: "orders".to_owned(),
        start_time: 1_700_000_000_000_000_000,
        execution_time: 1_700_000_000_000_000_000,
        status: 1,
        root_workflow_id: id.to_owned(),
        root_run_id: key.run_id.to_string(),
        ..Default::default()
    };
    let nothing = RunWrite::new(key);
    match phase {
        Phase::Start => RunWrite {
            create: Some(CreateRun { workflow: WorkflowKey::new(NAMESPACE, id), make_current: true }),
            journal: journal(1, 600),
            wake_at: WakeAt::Set(1_700_000_000_000_000_000),
            visibility: Some(shown),
            ..nothing
        },
        Phase::JournalOnly => RunWrite { journal: journal(2, 500), ..nothing },
        Phase::JournalAndWake => {
            RunWrite { journal: journal(3, 400), wake_at: WakeAt::Set(1_700_000_000_000_000_001), ..nothing }
        }
        Phase::Close => RunWrite {
            journal: journal(4, 300),
            snapshot: Some(Snapshot { seq: 4, state: vec![1; 900].into() }),
            wake_at: WakeAt::Clear,
            visibility: Some(VisibilityRow { close_time: Some(1_700_000_000_000_000_002), status: 2, ..shown }),
            ..nothing
        },
    }
}

/// CPU time so far of the server's processes that are connected to something or belong to the server itself.
async fn cpu_micros(admin: &mut PgConnection) -> Result<f64, Error> {
    let pids: Vec<i32> = sqlx::query_scalar("SELECT pid FROM pg_stat_activity").fetch_all(admin).await?;
    let nanos = |pid: &i32| {
        let line = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    Ok(pids.iter().filter_map(nanos).sum::<f64>() / 1000.0)
}

async fn wal(admin: &mut PgConnection) -> Result<String, Error> {
    Ok(sqlx::query_scalar("SELECT pg_current_wal_lsn()::text").fetch_one(admin).await?)
}

async fn wal_since(admin: &mut PgConnection, start: &str) -> Result<f64, Error> {
    let query = sqlx::query_scalar("SELECT (pg_current_wal_lsn() - $1::text::pg_lsn)::float8").bind(start);
    Ok(query.fetch_one(admin).await?)
}
