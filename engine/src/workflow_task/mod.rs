//! Workflow tasks: at most one is pending at a time.
//!
//! A *normal* task has its Scheduled and Started in the history. A *transient* one (attempt above 1, after a failure or
//! time-out) has not: both are written when it completes, so a workflow that keeps failing does not grow. A *speculative*
//! one carries updates only, lives in memory, and becomes normal as soon as anything else is written.
//!
//! | state | scheduling wanted | worker takes it | completed | failed | start-to-close | schedule-to-start | closes |
//! |---|---|---|---|---|---|---|---|
//! | none | normal; transient while tasks fail | stale | not found | not found | – | – | none |
//! | scheduled | stays | started | not found | not found | – | sticky: none, then normal | none |
//! | started | wanted later | same request: again; else stale | none | transient next | transient next | – | failed, none |
//! | transient scheduled | stays | transient started; new events came: started | not found | not found | – | – | none |
//! | transient started | wanted later | as started | written, none | transient, silently | transient, silently | – | none |
//! | speculative scheduled | normal | speculative started | not found | not found | – | written, then normal | dropped |
//! | speculative started | wanted later | as started | written, or dropped | written, transient | written, transient | – | failed |
//!
//! A failure on a sticky queue is tried again with attempt 1 on the normal queue: the worker's cache may be to blame.

mod begin;
mod buffer;
mod complete;
mod effects;
mod fail;
mod schedule;
mod speculative;

pub use begin::transient_events;
pub(crate) use begin::{Poller, start, start_for_reset};
pub(crate) use buffer::{
    buffered_size, drop_buffered, enforce_limit as enforce_buffer_limit, flush as flush_buffered, keep_back,
};
pub(crate) use complete::complete;
pub(crate) use effects::{apply, apply_durable, apply_volatile};
pub(crate) use fail::{TaskFailure, fail, fail_for_close, fail_unstarted, next_deadline, respond_failed, wake};
pub(crate) use schedule::{ensure_scheduled, redirect, reset_sticky, schedule_for_update, schedule_now};
pub(crate) use speculative::{drop_unstarted, settle as settle_speculative};

use crate::state::{WorkflowState, WorkflowTask};

/// Identity of the server itself in events.
pub(crate) const SERVER_IDENTITY: &str = "history-service";

/// A worker has the pending (normal or transient) workflow task.
pub(crate) fn is_started(state: &WorkflowState) -> bool {
    state.run.workflow_task.as_ref().is_some_and(|task| task.started.is_some())
}

/// The pending workflow task of any kind.
pub fn pending(state: &WorkflowState) -> Option<&WorkflowTask> {
    state.run.workflow_task.as_ref().or(state.volatile.speculative_task.as_deref())
}
