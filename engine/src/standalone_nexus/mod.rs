//! Nexus operations of their own: runs that consist of one operation and have no history.
//!
//! The operation is a machine like those of workflows (`nexus`). What is other is who asks for it, and what its end
//! means: the run closes, and keeps the outcome.
//!
//! | operation | cancel request | terminate |
//! |---|---|---|
//! | waits for its start (scheduled, backoff) | its handler is asked once it has started | Terminated |
//! | started | its handler is asked | Terminated |
//! | either, cancel requested | rejected | Terminated |
//! | closed | rejected | rejected |
//!
//! A call with the request id of the one that was taken changes nothing and is answered as if it had.

mod change;
mod control;
mod describe;
mod end;
mod start;

pub(crate) use self::{
    change::apply,
    control::cancel_ended,
    end::{delete, end, time_out, was_told},
    start::{start, started},
};
pub use self::{
    change::{
        StandaloneNexusBegun, StandaloneNexusChange, StandaloneNexusClosed, StandaloneNexusKind, StandaloneNexusStarted,
    },
    control::NexusControl,
    describe::nexus_operation_status,
    start::NewNexusOperation,
};
use crate::{
    Archetype,
    attach::Attached,
    callback,
    change::Kind,
    deadlines,
    input::Input,
    nexus,
    outcome::Reply,
    reject::Reject,
    state::{NexusOperation, RunState},
    tx::Tx,
};

/// Key of the only operation, where those of workflows have the id of their event.
pub const ONLY: i64 = 1;

/// Search attributes of such runs.
pub const ENDPOINT: &str = "Endpoint";
pub const SERVICE: &str = "Service";
pub const OPERATION: &str = "Operation";
pub const REQUEST_ID: &str = "RequestId";

pub(crate) fn is_standalone(run: &RunState) -> bool {
    run.archetype() == Archetype::NexusOperation
}

/// The operation, also after the close.
fn operation_of(run: &RunState) -> Option<&NexusOperation> {
    let closed = || run.standalone_nexus.as_ref().and_then(|standalone| standalone.last.as_ref());
    run.nexus_operations.get(&ONLY).or_else(closed)
}

/// What lists show and find it by, beside its id.
pub(crate) fn attributes(run: &RunState) -> [(&'static str, &str); 4] {
    let operation = operation_of(run);
    let text = |field: fn(&NexusOperation) -> &str| operation.map_or("", field);
    [
        (ENDPOINT, text(|operation| &operation.endpoint)),
        (SERVICE, text(|operation| &operation.service)),
        (OPERATION, text(|operation| &operation.operation)),
        (REQUEST_ID, text(|operation| &operation.request_id)),
    ]
}

/// The answer to calls that come too late.
fn not_found(run: &RunState) -> Reject {
    Reject::NotFound(format!("nexus operation not found for ID: {}", run.workflow_id))
}

pub(crate) fn write(tx: &mut Tx, kind: StandaloneNexusKind) {
    tx.durable(Kind::StandaloneNexus(Box::new(StandaloneNexusChange { kind: Some(kind) })));
}

pub(crate) fn dispatch(tx: &mut Tx, input: Input) -> Result<Reply, Reject> {
    match input {
        Input::NexusOperationStartDone { scheduled_event_id, attempt, outcome } => {
            nexus::start_done(tx, scheduled_event_id, attempt, outcome)
        }
        Input::NexusOperationCompleted(completion) => nexus::completed(tx, *completion),
        Input::NexusCancelDone { scheduled_event_id, attempt, outcome } => {
            nexus::cancel_done(tx, scheduled_event_id, attempt, outcome)
        }
        Input::AttachStart { request_id, attach_request_id, attach_callbacks, attach_links, callbacks, links } => {
            let request_id = if attach_request_id { request_id } else { String::new() };
            let callbacks = if attach_callbacks { callbacks } else { Vec::new() };
            let links = if attach_links { links } else { Vec::new() };
            start::attach(tx, Attached { request_id, callbacks, links })
        }
        Input::CallbackDone { callback_id, attempt, outcome } => callback::done(tx, callback_id, attempt, outcome),
        Input::ControlNexusOperation(control) => control::control(tx, control),
        Input::Wake => deadlines::wake(tx),
        // Ids of workflows and of operations never meet, so nobody sends anything else.
        _ => Err(Reject::NotAwaited),
    }
}
