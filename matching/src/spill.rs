//! The part of a backlog that is not in memory.
//!
//! What goes last lies in the store, from the *horizon* on; what goes before it is in memory. New tasks go to their side of it.
//!
//! | what happens                        | then                                                                        |
//! |-------------------------------------|-----------------------------------------------------------------------------|
//! | memory holds too much               | its later half goes out, and the horizon comes nearer                       |
//! | a task beyond the horizon comes     | it goes out                                                                 |
//! | memory runs low                     | a page is read, the horizon moves behind it, and its rows are deleted       |
//! | the same, and nothing is stored     | what goes first of what is to go out stays; without any, the spill ends     |
//! | something is to go out              | it is written, many tasks at a time                                         |
//! | a shard reloads                     | its tasks are forgotten: those in the store when they are read              |
//! | the store fails                     | nothing changes; it is asked again after a pause                            |
//!
//! Nothing here must survive a crash: the runs' states say what they owe. A row that could not be deleted may be read twice;
//! history then says that its task is stale.

use std::{cmp::Reverse, collections::BinaryHeap, ops::Range, sync::Arc};

use perdure_engine::{Archetype, Nanos};
use perdure_storage::{BacklogId, BacklogOrder, BacklogRow, RunKey, Slot, Store, StoreError, WorkflowKey};
use prost::Message;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    DeploymentVersion, Directive, TaskKind, TaskPriority, TaskRef,
    backlog::{PRIORITIES, Waiting},
};

/// Rows written or read at once, at most.
const BATCH: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Spill {
    pub(crate) id: BacklogId,
    /// What is written or to be written goes at this place or later.
    horizon: BacklogOrder,
    /// Rows up to this one were read.
    read_to: Option<BacklogOrder>,
    /// Rows written and not read.
    stored: usize,
    /// Tasks on their way to the store.
    writing: usize,
    /// Tasks of these slots with a sequence below are not wanted.
    forgotten: Vec<(Range<Slot>, i64)>,
    /// To be written, what goes first on top.
    pub(crate) out: BinaryHeap<Reverse<Waiting>>,
    /// Stored and to be written, by level.
    pub(crate) counts: [usize; PRIORITIES],
}

impl Default for Spill {
    fn default() -> Self {
        Self {
            id: Uuid::new_v4(),
            horizon: BacklogOrder { level: i16::MAX, pass: i64::MAX, sequence: i64::MAX },
            read_to: None,
            stored: 0,
            writing: 0,
            forgotten: Vec::new(),
            out: BinaryHeap::new(),
            counts: [0; PRIORITIES],
        }
    }
}

/// What the store has to do.
#[derive(Debug)]
pub(crate) enum Job {
    Write { spill: BacklogId, tasks: Vec<Waiting> },
    Read { spill: BacklogId, after: Option<BacklogOrder>, limit: usize },
}

/// What it did.
#[derive(Debug)]
pub(crate) enum Done {
    Written { spill: BacklogId, rows: usize },
    Read(Page),
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) spill: BacklogId,
    /// In order.
    pub(crate) tasks: Vec<Waiting>,
    /// There was nothing after these.
    last: bool,
}

impl Spill {
    /// A task of this place belongs here.
    pub(crate) fn takes(&self, order: BacklogOrder) -> bool {
        order >= self.horizon
    }

    pub(crate) fn push(&mut self, waiting: Waiting) {
        let order = waiting.order;
        self.horizon = self.horizon.min(order);
        if self.read_to.is_some_and(|read_to| order <= read_to) {
            self.read_to = Some(BacklogOrder { sequence: order.sequence - 1, ..order });
        }
        self.counts[order.level as usize] += 1;
        self.out.push(Reverse(waiting));
    }

    pub(crate) fn is_read_out(&self) -> bool {
        self.stored == 0 && self.writing == 0
    }

    pub(crate) fn next_job(&mut self, wants_more: bool, most: usize) -> Option<Job> {
        if let Some(read) = self.read_job(wants_more, most) {
            return Some(read);
        }
        if !self.out.is_empty() {
            let tasks: Vec<_> = self.pop_out(BATCH).collect();
            self.writing = tasks.len();
            return Some(Job::Write { spill: self.id, tasks });
        }
        None
    }

    /// Where nothing is stored: what goes first of what was to go out.
    pub(crate) fn take_first(&mut self, most: usize) -> Vec<Waiting> {
        let first: Vec<_> = self.pop_out(most).collect();
        for waiting in &first {
            self.counts[waiting.order.level as usize] -= 1;
        }
        if let Some(Reverse(next)) = self.out.peek() {
            self.horizon = next.order;
        }
        first
    }

    fn pop_out(&mut self, most: usize) -> impl Iterator<Item = Waiting> {
        std::iter::from_fn(|| self.out.pop()).take(most).map(|Reverse(waiting)| waiting)
    }

    pub(crate) fn read_job(&self, wants_more: bool, most: usize) -> Option<Job> {
        let wants_more = wants_more && self.stored > 0;
        wants_more.then(|| Job::Read { spill: self.id, after: self.read_to, limit: most.min(BATCH) })
    }

    pub(crate) fn written(&mut self, rows: usize) {
        self.writing = 0;
        self.stored += rows;
    }

    /// They could not be written.
    pub(crate) fn unwritten(&mut self, tasks: Vec<Waiting>) {
        self.writing = 0;
        self.out.extend(tasks.into_iter().map(Reverse));
    }

    /// Forgets what is to be written of these slots, and how many those were; what is stored is left out when it is read.
    pub(crate) fn forget(&mut self, slots: &Range<Slot>, below: i64) -> usize {
        self.forgotten.retain(|(known, _)| known != slots);
        self.forgotten.push((slots.clone(), below));
        let before = self.out.len();
        self.out.retain(|Reverse(waiting)| {
            let stays = !slots.contains(&waiting.task.run.slot);
            if !stays {
                self.counts[waiting.order.level as usize] -= 1;
            }
            stays
        });
        before - self.out.len()
    }

    fn is_forgotten(&self, waiting: &Waiting) -> bool {
        let (slot, sequence) = (waiting.task.run.slot, waiting.order.sequence);
        self.forgotten.iter().any(|(slots, below)| slots.contains(&slot) && sequence < *below)
    }

    /// Takes note of a page; returns what belongs in memory now: the page, and what was to go out and is due before its end.
    pub(crate) fn accept(&mut self, page: Page) -> Vec<Waiting> {
        let mut kept = page.tasks;
        let end = kept.last().map(|waiting| waiting.order);
        self.stored = if page.last { 0 } else { self.stored.saturating_sub(kept.len()) };
        self.read_to = end.or(self.read_to);
        if let Some(end) = end {
            self.horizon = BacklogOrder { sequence: end.sequence + 1, ..end };
            let due = std::iter::from_fn(|| {
                let is_due = self.out.peek().is_some_and(|Reverse(next)| next.order <= end);
                is_due.then(|| self.out.pop()).flatten()
            });
            kept.extend(due.map(|Reverse(waiting)| waiting));
        }
        for waiting in &kept {
            let count = &mut self.counts[waiting.order.level as usize];
            *count = count.saturating_sub(1);
        }
        kept.retain(|waiting| !self.is_forgotten(waiting));
        kept
    }
}

impl Job {
    /// The error gives back what was to be written.
    pub(crate) async fn run(self, store: &dyn Store) -> Result<Done, (Self, StoreError)> {
        match self {
            Self::Write { spill, tasks } => {
                let rows: Vec<_> = tasks.iter().map(encode).collect();
                match store.add_to_backlog(spill, &rows).await {
                    Ok(()) => Ok(Done::Written { spill, rows: rows.len() }),
                    Err(error) => Err((Self::Write { spill, tasks }, error)),
                }
            }
            Self::Read { spill, after, limit } => {
                let rows = store.read_backlog(spill, after, limit).await;
                let tasks = rows.and_then(|rows| rows.into_iter().map(decode).collect::<Result<Vec<_>, _>>());
                let tasks = tasks.map_err(|error| (self, error))?;
                if let Some(end) = tasks.last().map(|waiting| waiting.order)
                    && let Err(error) = store.trim_backlog(spill, end).await
                {
                    tracing::debug!(%error, "rows of a backlog that were read could not be deleted");
                }
                Ok(Done::Read(Page { spill, last: tasks.len() < limit, tasks }))
            }
        }
    }
}

/// A task as it is stored.
#[derive(Clone, PartialEq, prost::Message)]
struct StoredTask {
    #[prost(bytes = "vec", tag = "1")]
    namespace_id: Vec<u8>,
    #[prost(string, tag = "2")]
    workflow_id: String,
    #[prost(uint32, tag = "3")]
    slot: u32,
    #[prost(bytes = "vec", tag = "4")]
    run_id: Vec<u8>,
    #[prost(bool, tag = "5")]
    activity: bool,
    #[prost(int64, tag = "6")]
    scheduled_event_id: i64,
    #[prost(int32, tag = "7")]
    attempt: i32,
    #[prost(int32, tag = "8")]
    priority: i32,
    #[prost(string, optional, tag = "9")]
    fairness_key: Option<String>,
    #[prost(float, tag = "10")]
    fairness_weight: f32,
    #[prost(fixed32, tag = "11")]
    hash_of: u32,
    /// Of the version that the workflow is pinned to, with the build id.
    #[prost(string, optional, tag = "12")]
    deployment: Option<String>,
    #[prost(string, tag = "13")]
    build_id: String,
    #[prost(sfixed64, tag = "14")]
    scheduled_time: Nanos,
    #[prost(int32, tag = "15")]
    options_version: i32,
    #[prost(int32, tag = "16")]
    archetype: i32,
}

fn encode(waiting: &Waiting) -> BacklogRow {
    let task = &*waiting.task;
    let (hash_of, pinned) = match &task.directive {
        Directive::ByRouting { hash_of } => (*hash_of, None),
        Directive::Pinned(version) => (0, Some(version)),
    };
    let stored = StoredTask {
        namespace_id: task.workflow.namespace_id.as_bytes().to_vec(),
        workflow_id: task.workflow.workflow_id.to_string(),
        slot: u32::from(task.run.slot),
        run_id: task.run.run_id.as_bytes().to_vec(),
        activity: task.kind == TaskKind::Activity,
        scheduled_event_id: task.scheduled_event_id,
        attempt: task.attempt,
        priority: task.priority.level,
        fairness_key: task.priority.fairness_key.as_deref().map(str::to_owned),
        fairness_weight: task.priority.fairness_weight,
        hash_of,
        deployment: pinned.map(|version| version.deployment.to_string()),
        build_id: pinned.map(|version| version.build_id.to_string()).unwrap_or_default(),
        scheduled_time: task.scheduled_time,
        options_version: task.options_version,
        archetype: i32::from(task.workflow.archetype.number()),
    };
    BacklogRow { order: waiting.order, task: stored.encode_to_vec() }
}

fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

fn decode(row: BacklogRow) -> Result<Waiting, StoreError> {
    let stored = StoredTask::decode(row.task.as_slice())?;
    let id = |bytes: &[u8]| Uuid::from_slice(bytes).map_err(corrupt);
    let slot = u16::try_from(stored.slot).map_err(corrupt)?;
    let archetype = Archetype::try_from(stored.archetype).map_err(corrupt)?;
    let task = TaskRef {
        kind: if stored.activity { TaskKind::Activity } else { TaskKind::Workflow },
        workflow: WorkflowKey::of(archetype, id(&stored.namespace_id)?, stored.workflow_id),
        run: RunKey { slot, run_id: id(&stored.run_id)? },
        scheduled_event_id: stored.scheduled_event_id,
        attempt: stored.attempt,
        priority: TaskPriority {
            level: stored.priority,
            fairness_key: stored.fairness_key.map(Arc::from),
            fairness_weight: stored.fairness_weight,
        },
        directive: match stored.deployment {
            Some(deployment) => Directive::Pinned(DeploymentVersion::new(deployment, stored.build_id)),
            None => Directive::ByRouting { hash_of: stored.hash_of },
        },
        scheduled_time: stored.scheduled_time,
        options_version: stored.options_version,
    };
    Ok(Waiting { order: row.order, since: Instant::now(), task: Box::new(task) })
}
