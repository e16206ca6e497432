//! The engine: workflow runs as a pure function.
//!
//! `(state, input, context) -> outcome`. No I/O, no clock, no randomness: time, ids and limits come in [`Ctx`]. The host
//! (the crate `history`) stores what an [`Outcome`] says and only then lets anything out.

mod activity;
mod admit;
mod apply;
mod archetype;
mod attach;
mod attributes;
pub mod batch;
mod callback;
mod cancel;
mod chain;
pub mod change;
mod check;
mod child;
mod close;
mod commands;
pub mod cron;
pub mod ctx;
mod deadlines;
mod delete;
mod describe;
pub mod event;
mod external;
mod import;
pub mod input;
pub mod journal;
pub mod limits;
mod marker;
mod nexus;
mod obligations;
pub mod outcome;
mod pause;
pub mod reject;
mod replay;
pub mod reset;
pub mod retry;
pub mod schedule;
mod signal;
pub mod standalone_activity;
pub mod standalone_nexus;
mod start;
pub mod state;
mod step;
mod system_attributes;
mod terminate;
pub mod time;
mod timer;
mod tx;
mod update;
pub mod validate;
mod verify;
mod versioning;
pub mod warning;
mod workflow_task;

pub use activity::{ActivityOperation, ActivitySelector, Jitter, OptionField, activity_options, merge_priority};
pub use admit::{Admission, CurrentRun, admit, takes_update};
pub use apply::Corrupt;
pub use archetype::{Archetype, UnknownArchetype};
pub use callback::CallbackOutcome;
pub use change::{Change, DurableChange, Kind, VolatileChange};
pub use check::check;
pub use child::name as child_name;
pub use ctx::{Ctx, Ids};
pub use deadlines::next_deadline;
pub use import::{Import, import};
pub use input::{ActivityRef, Input, Signal, Start, WorkflowTaskRef};
pub use limits::Limits;
pub use nexus::{BadNexusHeader, NexusCancelOutcome, NexusCompletion, NexusResult, NexusStartOutcome, nexus_header};
pub use obligations::obligations;
pub use outcome::{Notice, Outcome, Reply, Task};
pub use pause::PauseRequest;
pub use reject::Reject;
pub use replay::replay;
pub use reset::{Reset, reset};
pub use start::start;
pub use state::{Nanos, RunState, WorkflowState};
pub use step::step;
pub use system_attributes::search_attributes;
pub use verify::{Violation, is_close, verify};
pub use versioning::{
    Effective, Inherited, OptionsUpdate, TakenBy, Target, effective, fill_pinned_version, in_transition,
    inherited_by_child, normalized_override, override_version, wants_ramping_version,
};
pub use workflow_task::{pending as pending_workflow_task, transient_events};
