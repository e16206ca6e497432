//! History: shards that own runs, make their transitions durable in batches, and let out what became of them.
//!
//! [`History`] is the handle that the frontend holds. All calls are answered only once what they tell is durable.

mod api;
mod batch;
mod committer;
mod deliver;
mod error;
mod hook;
mod ids;
mod import;
mod known;
mod lease;
mod limits;
mod metrics;
mod multi;
pub mod nexus;
mod query;
mod recorder;
mod reset;
mod retention;
mod shard;
mod shared;
mod update;
mod versioning;
mod visibility;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use perdure_engine::{Input, Nanos, Reject, Start, WorkflowState, WorkflowTaskRef};
use perdure_matching::{Matching, PollerInfo};
use perdure_metrics::Registry;
use perdure_proto::{
    RawHistory,
    api::{
        enums::QueryRejectCondition, query::WorkflowQuery, workflow::VersioningOverride,
        workflowservice::RespondWorkflowTaskCompletedRequest,
    },
};
use perdure_storage::{RunKey, Store, StoreError};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

pub use api::{
    Clock, InputReply, Progress, QueryOutcome, Responded, Started, SystemClock, Target, Until, UpdateResult,
};
pub use batch::{BatchPage, BatchPageDone, BatchRunner};
pub use error::Error;
pub use import::Imported;
pub use limits::{ByNamespace, LiveLimits};
pub use multi::{MultiError, UpdateRequest};
pub use nexus::{CompleteError, EndpointError, NexusConfig, NexusEndpoints};
pub use reset::ResetRequest;

use crate::{
    committer::Committer,
    metrics::Metrics,
    nexus::system::SystemOperations,
    shard::{
        Shard,
        cell::{QueryRoute, skip_events},
        message::{Action, Message},
    },
    shared::{CacheBudget, Mailbox, Shared},
};

/// Messages that wait for a shard; beyond them calls are refused.
const MAILBOX: usize = 16_384;

pub struct HistoryConfig {
    pub store: Arc<dyn Store>,
    pub matching: Matching,
    pub clock: Arc<dyn Clock>,
    pub limits: LiveLimits,
    pub nexus: NexusConfig,
    pub registry: Registry,
    /// Names this process in the database.
    pub owner: String,
    /// Slot ranges, each with a shard, that a new database is divided into.
    pub ranges: u16,
    /// Runs that are kept in memory, over all shards.
    pub cached_runs: usize,
    /// About how many bytes they may take, over all shards.
    pub cached_bytes: usize,
    /// How long this process keeps the database without renewing its leases: another one waits so long where it cannot know that
    /// this one is gone.
    pub lease: Duration,
}

/// The handle of a node's shards.
#[derive(Clone)]
pub struct History {
    shared: Arc<Shared>,
    keeper: Arc<KeeperHandle>,
}

struct KeeperHandle {
    stop: CancellationToken,
    task: parking_lot::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl History {
    /// Takes the leases of the database, waiting for another server that holds them, and starts the shards.
    pub async fn open(config: HistoryConfig) -> Result<Self, StoreError> {
        let HistoryConfig {
            store,
            matching,
            clock,
            limits,
            nexus,
            registry,
            owner,
            ranges,
            cached_runs,
            cached_bytes,
            lease: ttl,
        } = config;
        let asked = Instant::now();
        let leases = lease::acquire(&*store, &owner, ranges, ttl).await?;
        nexus.endpoints.load().await?;
        // No other node has tasks now.
        store.clear_backlogs().await?;
        matching.set_store(store.clone());
        let share = |budget: usize| (budget / leases.len().max(1)).max(1);
        let shared = Arc::new(Shared {
            committer: Arc::new(Committer::new(store.clone())),
            store,
            matching: matching.clone(),
            clock,
            limits,
            nexus,
            cache: CacheBudget { runs: share(cached_runs), bytes: share(cached_bytes) },
            known: Arc::default(),
            metrics: Metrics::new(&registry),
            failed: Notify::new(),
            batches: hook::Hook::default(),
            system: hook::Hook::default(),
            imports: parking_lot::Mutex::default(),
            scheduled_starts: deliver::Turns::default(),
            retention: Notify::new(),
            mailboxes: std::sync::OnceLock::new(),
        });
        let mut mailboxes = Vec::with_capacity(leases.len());
        for lease in &leases {
            let (sender, mailbox) = mpsc::channel(MAILBOX);
            tokio::spawn(Shard::new(shared.clone(), mailbox, sender.downgrade()).run());
            // The mailbox is empty and the shard alive.
            let _ = sender.send(Message::Lease(lease.clone())).await;
            mailboxes.push(Mailbox { end_slot: lease.end_slot, sender });
        }
        let _ = shared.mailboxes.set(mailboxes);
        shared.known.read(shared.store.clone());
        matching.set_recorder(Arc::new(recorder::HistoryRecorder::new(&shared)));
        let stop = CancellationToken::new();
        let keeper = lease::Keeper { shared: shared.clone(), owner, ranges, ttl, stop: stop.clone() };
        let task = tokio::spawn(keeper.run(leases, asked));
        let keeper = Arc::new(KeeperHandle { stop: stop.clone(), task: parking_lot::Mutex::new(Some(task)) });
        let history = Self { shared, keeper };
        tokio::spawn(history.clone().keep_sweeping(stop));
        Ok(history)
    }

    /// Finishes what the shards have taken, then gives the leases up. Later calls are answered `Unavailable`.
    pub async fn shutdown(&self) {
        for mailbox in self.shared.mailboxes.get().into_iter().flatten() {
            let (stopped, wait) = oneshot::channel();
            if mailbox.sender.send(Message::Stop(stopped)).await.is_ok() {
                // An error means that the shard has ended already.
                let _ = wait.await;
            }
        }
        self.shared.batches.set(None);
        self.shared.system.set(None);
        self.keeper.stop.cancel();
        let task = self.keeper.task.lock().take();
        if let Some(task) = task {
            // A keeper that panicked has told so; the leases end by themselves.
            let _ = task.await;
        }
    }

    /// Before metrics are shown: sets those that are looked up, not counted.
    pub fn refresh_metrics(&self) {
        let mailboxes = self.shared.mailboxes.get().map(Vec::as_slice).unwrap_or_default();
        let metrics = &self.shared.metrics;
        metrics.shards.set(mailboxes.len() as i64);
        metrics.mailbox_depth.replace(mailboxes.iter().enumerate().map(|(shard, mailbox)| {
            let waiting = mailbox.sender.max_capacity() - mailbox.sender.capacity();
            (vec![shard.to_string()], waiting as i64)
        }));
    }

    /// Once, at wiring time. Until then, and after the shutdown, batch operations and those of the system endpoint wait.
    pub fn set_frontend<F: BatchRunner + SystemOperations>(&self, frontend: Arc<F>) {
        self.shared.batches.set(Some(frontend.clone()));
        self.shared.system.set(Some(frontend));
    }

    /// A start or signal-with-start. An empty run id is filled in.
    pub fn start(&self, start: Start) -> impl Future<Output = Result<Started, Error>> + use<> {
        self.shared.start(start, None)
    }

    /// FAILED_PRECONDITION where the override names a version that the task queue does not have.
    pub fn check_override(
        &self,
        namespace_id: uuid::Uuid,
        queue: &str,
        set: Option<&VersioningOverride>,
    ) -> Result<(), Reject> {
        versioning::check_override(&self.shared.matching, namespace_id, queue, set)
    }

    pub fn input(&self, target: Target, input: Input) -> impl Future<Output = Result<InputReply, Error>> {
        self.shared.ask(target, |reply| Action::Input { input, reply })
    }

    pub fn respond_workflow_task(
        &self,
        target: Target,
        token: WorkflowTaskRef,
        request: RespondWorkflowTaskCompletedRequest,
        nexus_endpoints: BTreeMap<String, String>,
        poller: PollerInfo,
    ) -> impl Future<Output = Result<Responded, Error>> {
        let request = Box::new(request);
        let respond = |reply| Action::Respond { token, request, nexus_endpoints, poller, reply };
        self.shared.ask(target, respond)
    }

    /// Looks at a run, after everything that was sent to it before is durable.
    pub async fn view<R: Send + 'static>(
        &self,
        target: Target,
        look: impl FnOnce(&WorkflowState) -> R + Send + 'static,
    ) -> Result<R, Error> {
        self.shared.view(target, look).await
    }

    pub async fn query(
        &self,
        target: Target,
        query: WorkflowQuery,
        reject: QueryRejectCondition,
        deadline: Instant,
    ) -> Result<QueryOutcome, Error> {
        let patience = deadline.saturating_duration_since(Instant::now()).as_nanos();
        let until = self.shared.clock.now().saturating_add(Nanos::try_from(patience).unwrap_or(Nanos::MAX));
        let asked = self.shared.ask(target, |reply| Action::Query { query, reject, until, reply });
        match tokio::time::timeout_at(deadline, asked).await.map_err(|_| Error::Timeout)?? {
            QueryRoute::Answered(outcome) => Ok(outcome),
            QueryRoute::Direct(direct) => direct.run(&self.shared.matching, deadline).await,
        }
    }

    /// Waits for events after the given one, or for the close; at the deadline tells how far the run is.
    pub async fn wait_events(
        &self,
        target: Target,
        after_event_id: i64,
        until_closed: bool,
        deadline: Instant,
    ) -> Result<Progress, Error> {
        let until = if until_closed { Until::Closed } else { Until::Event(after_event_id) };
        match self.wait(target.clone(), until, deadline).await? {
            Some(progress) => Ok(progress),
            None => self.shared.ask(target, |reply| Action::Wait { until: Until::Event(-1), reply }).await,
        }
    }

    /// None: the deadline came first.
    pub async fn wait(&self, target: Target, until: Until, deadline: Instant) -> Result<Option<Progress>, Error> {
        let wait = self.shared.ask(target, |reply| Action::Wait { until, reply });
        match tokio::time::timeout_at(deadline, wait).await {
            Ok(progress) => progress.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// A page of history: whole batches from the one that begins at or holds `from_event_id`, and the id of the first event after
    /// them.
    pub async fn read(
        &self,
        run: RunKey,
        from_event_id: i64,
        end_event_id: i64,
        max_batches: usize,
    ) -> Result<(RawHistory, i64), Error> {
        /// Bytes of events after which a page ends: well below what clients take in one message.
        const PAGE_BYTES: usize = 2 * 1024 * 1024;
        let read = self.shared.store.read_events(run, from_event_id, end_event_id, max_batches, PAGE_BYTES);
        let batches = read.await.map_err(unavailable)?;
        let next = batches.last().map_or(from_event_id, |last| last.first_event_id + i64::from(last.event_count));
        let mut out = bytes::BytesMut::with_capacity(batches.iter().map(|batch| batch.events.len()).sum());
        for batch in &batches {
            let events = skip_events(batch.events.clone(), from_event_id - batch.first_event_id);
            out.extend_from_slice(&events.ok_or_else(|| undecodable(&"it has fewer events than it should"))?);
        }
        Ok((RawHistory::from_encoded(out.freeze()), next))
    }

    /// The same backwards: events up to `last_event_id`, newest first, and the id of the newest event before them.
    pub async fn read_reverse(
        &self,
        run: RunKey,
        last_event_id: i64,
        max_batches: usize,
    ) -> Result<(RawHistory, i64), Error> {
        let batches =
            self.shared.store.read_events_reverse(run, last_event_id, max_batches).await.map_err(unavailable)?;
        let mut events = Vec::new();
        let mut before = last_event_id;
        for batch in batches {
            before = batch.first_event_id - 1;
            let decoded = RawHistory::from_encoded(batch.events).events().map_err(|error| undecodable(&error))?;
            events.extend(decoded.into_iter().filter(|event| event.event_id <= last_event_id).rev());
        }
        Ok((events.iter().collect(), before))
    }
}

fn undecodable(error: &dyn std::fmt::Display) -> Error {
    tracing::error!(%error, "a stored batch of events cannot be decoded");
    Error::Unavailable
}

fn unavailable(error: StoreError) -> Error {
    tracing::warn!(%error, "a history could not be read");
    Error::Unavailable
}
