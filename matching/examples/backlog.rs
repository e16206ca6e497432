//! A long backlog through matching: what it takes of memory and time, and whether each task comes out once, in order.
//!
//! `cargo run --release -p perdure-matching --example backlog -- 1000000 postgres://postgres@127.0.0.1:5432/backlog`
//! (a new database; without a URL a SQLite file in the current folder, deleted at the end).

use std::{
    collections::HashSet,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use perdure_matching::{
    Directive, Matching, MatchingLimits, Poll, PollerInfo, QueueKey, QueueKind, RecordError, Recorder, StartedTask,
    StartedWorkflowTask, TaskKind, TaskPriority, TaskRef,
};
use perdure_storage::{PostgresConfig, PostgresStore, RunKey, SqliteStore, Store, WorkflowKey};
use tokio::time::Instant;
use uuid::Uuid;

type Error = Box<dyn std::error::Error>;

const NAMESPACE: Uuid = Uuid::from_u128(1);
const FILE: &str = "backlog-example.sqlite";
const POLLERS: usize = 50;

/// Says of each task that it is wanted, and remembers it.
#[derive(Default)]
struct Taken {
    ids: Mutex<HashSet<i64>>,
    doubled: AtomicU64,
    /// Tasks that came before one that was offered earlier, by more than the pollers can be apart.
    out_of_order: AtomicU64,
    last: Mutex<i64>,
}

#[async_trait]
impl Recorder for Taken {
    async fn record_started(&self, task: &TaskRef, _poller: &PollerInfo) -> Result<StartedTask, RecordError> {
        let id = task.scheduled_event_id;
        if !self.ids.lock().insert(id) {
            self.doubled.fetch_add(1, Ordering::Relaxed);
        }
        let mut last = self.last.lock();
        if id + (POLLERS as i64) < *last {
            self.out_of_order.fetch_add(1, Ordering::Relaxed);
        }
        *last = id.max(*last);
        Ok(StartedTask::Workflow(StartedWorkflowTask::default()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let tasks: i64 = arguments.next().ok_or("usage: backlog <tasks> [<url>]")?.parse()?;
    let store: Arc<dyn Store> = match arguments.next() {
        Some(url) => Arc::new(PostgresStore::connect(PostgresConfig::from_url(url)).await?),
        None => Arc::new(SqliteStore::open(Some(Path::new(FILE))).await?),
    };
    let taken = Arc::new(Taken::default());
    // Remembering what came takes memory too: all of it before anything is measured.
    taken.ids.lock().reserve(usize::try_from(tasks)?);
    let matching = Matching::new(MatchingLimits::default());
    matching.set_store(store);
    matching.set_recorder(taken.clone());
    let key = QueueKey { namespace_id: NAMESPACE, name: "queue".into(), kind: QueueKind::Activity };
    let (start, before) = (Instant::now(), resident()?);
    let mut most = offer(&matching, &key, tasks).await?;
    println!("{tasks} offered in {:.1} s", start.elapsed().as_secs_f64());
    println!("memory: {before} MiB before, {most} MiB at most, {} tasks in it", matching.backlog_in_memory());
    let start = Instant::now();
    let polls = (0..POLLERS).map(|_| tokio::spawn(poll(matching.clone(), key.clone())));
    for poll in polls.collect::<Vec<_>>() {
        poll.await?;
        most = most.max(resident()?);
    }
    let lost = tasks - i64::try_from(taken.ids.lock().len())?;
    println!("taken in {:.1} s, {most} MiB at most", start.elapsed().as_secs_f64());
    println!(
        "lost: {lost}, doubled: {}, out of order: {}, left: {}",
        taken.doubled.load(Ordering::Relaxed),
        taken.out_of_order.load(Ordering::Relaxed),
        matching.describe(&key).total().backlog_count
    );
    for suffix in ["", "-wal", "-shm", ".lock"] {
        // Only the SQLite run has them.
        let _ = fs::remove_file(format!("{FILE}{suffix}"));
    }
    Ok(())
}

/// The most memory that was in use, in MiB.
async fn offer(matching: &Matching, key: &QueueKey, tasks: i64) -> Result<u64, Error> {
    let mut most = 0;
    for id in 0..tasks {
        let workflow_id = format!("workflow-{}", id / 1000);
        matching.offer(
            key,
            TaskRef {
                kind: TaskKind::Activity,
                directive: Directive::by_routing(&workflow_id),
                workflow: WorkflowKey::new(NAMESPACE, workflow_id),
                run: RunKey { slot: 1, run_id: Uuid::from_u128(id as u128 / 1000) },
                scheduled_event_id: id,
                attempt: 1,
                priority: TaskPriority::default(),
                scheduled_time: id,
                options_version: 0,
            },
        );
        if id % 1000 == 0 {
            // As fast as a server that commits what it offers, not faster.
            tokio::time::sleep(Duration::from_millis(2)).await;
            most = most.max(resident()?);
        }
    }
    Ok(most)
}

async fn poll(matching: Matching, key: QueueKey) {
    let info = PollerInfo { identity: "worker".into(), ..PollerInfo::default() };
    loop {
        let deadline = Instant::now() + Duration::from_secs(3);
        if let Poll::Empty = matching.poll(key.clone(), info.clone(), deadline).await {
            return;
        }
    }
}

/// This process's memory, in MiB.
fn resident() -> Result<u64, Error> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages.split_whitespace().nth(1).ok_or("statm has no second word")?.parse()?;
    Ok(pages * 4096 / (1024 * 1024))
}
