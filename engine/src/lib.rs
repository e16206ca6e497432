//! The engine: workflow runs as a pure function.
//!
//! `(state, input, context) -> outcome`. No I/O, no clock, no randomness: time, ids and limits come in [`Ctx`]. The host
//! (the crate `history`) stores what an [`Outcome`] says and only then lets anything out.

mod activity;
mod apply;
mod attributes;
mod cancel;
pub mod change;
mod check;
mod child;
mod close;
mod commands;
pub mod ctx;
mod deadlines;
pub mod event;
mod external;
pub mod input;
pub mod journal;
pub mod limits;
mod marker;
pub mod outcome;
pub mod reject;
mod signal;
mod start;
pub mod state;
mod step;
mod terminate;
pub mod time;
mod timer;
mod tx;
mod update;
mod workflow_task;

pub use apply::Corrupt;
pub use change::{Change, DurableChange, Kind, VolatileChange};
pub use ctx::{Ctx, Ids};
pub use input::{ActivityRef, Input, Signal, Start, WorkflowTaskRef};
pub use limits::Limits;
pub use outcome::{Notice, Outcome, Reply, Task};
pub use reject::Reject;
pub use start::start;
pub use state::{Nanos, RunState, WorkflowState};
pub use step::step;
