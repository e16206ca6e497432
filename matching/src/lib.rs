//! Task queues: pollers meet tasks. Knows no workflow, and may lose all of its memory at any time: the runs' states say
//! what is owed, and `history` hands it out again.
//!
//! [`Matching`] is the handle. A queue (`queue.rs`) is a line of parked pollers and a backlog behind one lock. Where a poller
//! is parked, history *reserves* it before a commit and delivers the started task after it; else it *offers* the task, and
//! the poller that takes it has it recorded as started through [`Recorder`] (`dispatch.rs`).

mod backlog;
mod config;
mod describe;
mod direct;
mod dispatch;
mod fair;
mod held;
mod key_rates;
mod lane;
mod limits;
mod matching;
mod metrics;
mod nexus;
mod poll;
mod query;
mod queue;
mod queues;
mod rate;
mod rates;
mod scaling;
mod shared;
mod spill;
pub mod task;
mod version;

pub use config::{QueueConfig, RateSource};
pub use describe::{LevelStats, PollerDescription, QueueDescription};
pub use dispatch::Reservation;
pub use limits::MatchingLimits;
pub use matching::Matching;
pub use nexus::{NexusAnswer, NexusAnswered, NexusDispatchError, NexusTask, Receipt};
pub use query::QueryDispatchError;
pub use task::{
    Poll, PollerInfo, QueryAnswer, QueryTask, QueueKey, QueueKind, RecordError, Recorder, StartedActivityTask,
    StartedTask, StartedWorkflowTask, TaskKind, TaskPriority, TaskRef,
};
pub use version::{DeploymentVersion, Directive, QueueRouting, Ramp, workflow_hash};
