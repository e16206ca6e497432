//! The engine: workflow runs as a pure function.
//!
//! `(state, input, context) -> outcome`. No I/O, no clock, no randomness: time, ids and limits come in [`Ctx`]. The host
//! (the crate `history`) stores what an [`Outcome`] says and only then lets anything out.

pub mod change;
pub mod ctx;
pub mod input;
pub mod limits;
pub mod outcome;
pub mod reject;
pub mod state;
pub mod time;

pub use change::{Change, DurableChange, Kind, VolatileChange};
pub use ctx::{Ctx, Ids};
pub use input::{ActivityRef, Input, Signal, Start, WorkflowTaskRef};
pub use limits::Limits;
pub use outcome::{Notice, Outcome, Reply, Task};
pub use reject::Reject;
pub use state::{Nanos, RunState, WorkflowState};
