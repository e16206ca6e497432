//! Import: a closed run that another server has written.
//!
//! | history | result |
//! |---|---|
//! | breaks a rule of the engine's (`verify`) | refused, with the first events that do |
//! | is of another workflow, or has no close | refused |
//! | has more events or bytes than a run may have | refused |
//! | else | the run as its events leave it, and nobody is told of its end: parent, children and callbacks were told by the server that wrote it |

use perdure_proto::api::history::{HistoryEvent, history_event::Attributes};

use crate::{
    apply::Corrupt,
    change::{Created, Kind},
    ctx::Ctx,
    limits::Limits,
    outcome::{Outcome, Reply, encode_event},
    reject::Reject,
    state::{RunState, WorkflowState},
    step::finish,
    tx::Tx,
    verify::{is_close, verify},
};

/// Violations that one error tells.
const TOLD: usize = 5;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    pub namespace_id: String,
    pub namespace: String,
    pub workflow_id: String,
    pub run_id: String,
    /// All of them, from Started to the close.
    pub events: Vec<HistoryEvent>,
}

/// The run with this history. INVALID_ARGUMENT for one that cannot be a run's.
pub fn import(import: Import, ctx: &mut Ctx) -> Result<(WorkflowState, Outcome), Reject> {
    check(&import, ctx.limits).map_err(Reject::InvalidArgument)?;
    let mut state = WorkflowState::default();
    let mut tx = Tx::new(&mut state, ctx);
    tx.durable(Kind::Created(Created {
        namespace_id: import.namespace_id,
        namespace: import.namespace,
        workflow_id: import.workflow_id,
        // The history does not say who asked for it. No client asks again.
        request_id: format!("import of {}", import.run_id),
        run_id: import.run_id,
    }));
    for event in import.events {
        tx.write(event);
    }
    tx.durable(Kind::Imported(true));
    let outcome = finish(tx, Reply::Done)?;
    Ok((state, outcome))
}

fn check(import: &Import, limits: &Limits) -> Result<(), String> {
    let events = &import.events;
    let wrong = verify(events);
    if !wrong.is_empty() {
        let first: Vec<_> = wrong.iter().take(TOLD).map(ToString::to_string).collect();
        let more = if wrong.len() > TOLD { format!("; and {} more", wrong.len() - TOLD) } else { String::new() };
        return Err(format!("The history is not one of a workflow: {}{more}.", first.join("; ")));
    }
    if !events.last().and_then(|last| last.attributes.as_ref()).is_some_and(is_close) {
        return Err("The history does not end with the close of its workflow: only closed ones are imported.".into());
    }
    if let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) =
        events.first().and_then(|first| first.attributes.as_ref())
        && !["", import.workflow_id.as_str()].contains(&started.workflow_id.as_str())
    {
        return Err(format!("The history is of workflow {}, not of {}.", started.workflow_id, import.workflow_id));
    }
    let size: i64 = events.iter().map(|event| encode_event(event).len() as i64).sum();
    if events.len() as i64 > limits.history_count || size > limits.history_size {
        return Err(format!(
            "The history has {} events and {size} bytes; the limits are {} and {}.",
            events.len(),
            limits.history_count,
            limits.history_size
        ));
    }
    Ok(())
}

/// What the close owes to others was done by the server that wrote it.
pub(crate) fn apply_imported(run: &mut RunState) -> Result<(), Corrupt> {
    if run.close.is_none() {
        return Err(Corrupt::at(0, "an import of an open run"));
    }
    run.owed_at_close = None;
    run.children.clear();
    run.callbacks.clear();
    Ok(())
}
