//! Dispatch of an input to the machine that it belongs to.

use crate::{
    Archetype, activity, batch, callback, cancel,
    change::Kind,
    child, close,
    ctx::Ctx,
    deadlines, delete, external,
    input::Input,
    nexus,
    outcome::{Outcome, Reply},
    pause,
    reject::Reject,
    reset, schedule, signal, standalone_activity, standalone_nexus, start,
    state::WorkflowState,
    terminate,
    tx::Tx,
    update, versioning, warning, workflow_task,
};

/// Lets one input happen to a run. On a reject the state is as it was.
pub fn step(state: &mut WorkflowState, input: Input, ctx: &mut Ctx) -> Result<Outcome, Reject> {
    let mut tx = Tx::new(state, ctx);
    let reply = dispatch(&mut tx, input)?;
    finish(tx, reply)
}

/// Ends a transition: counts it, and reports a defect instead of hiding it.
pub(crate) fn finish(mut tx: Tx, reply: Reply) -> Result<Outcome, Reject> {
    workflow_task::enforce_buffer_limit(&mut tx);
    close::enforce_limits(&mut tx);
    warning::look(&mut tx);
    tx.out.visibility_changed |= tx.shows_otherwise();
    tx.out.reply = reply;
    if tx.out.changes.iter().any(|change| !matches!(change, crate::change::Change::Volatile(_))) {
        tx.durable(Kind::Transition(1));
    }
    if let Some(corrupt) = tx.corrupt {
        return Err(Reject::Corrupt(corrupt));
    }
    #[cfg(debug_assertions)]
    {
        let violations = crate::check::check(tx.state);
        assert!(violations.is_empty(), "{violations:?} after {:?}", tx.out.changes);
    }
    Ok(tx.out)
}

fn dispatch(tx: &mut Tx, input: Input) -> Result<Reply, Reject> {
    if matches!(input, Input::Delete) {
        return delete::request(tx);
    }
    match tx.state.run.archetype() {
        Archetype::Workflow => dispatch_to_workflow(tx, input),
        Archetype::Activity => standalone_activity::dispatch(tx, input),
        Archetype::NexusOperation => standalone_nexus::dispatch(tx, input),
        Archetype::Schedule => schedule::dispatch(tx, input),
        Archetype::Batch => batch::dispatch(tx, input),
    }
}

fn dispatch_to_workflow(tx: &mut Tx, input: Input) -> Result<Reply, Reject> {
    match input {
        Input::Signal(signal) => signal::signal(tx, *signal),
        Input::RequestCancel { reason, identity, request_id, external, links } => {
            cancel::request(tx, cancel::Request { reason, identity, request_id, external, links })
        }
        Input::Terminate { reason, details, identity, links } => {
            terminate::request(tx, close::Termination { reason, details, identity, links })
        }
        Input::AttachStart { request_id, attach_request_id, attach_callbacks, attach_links, callbacks, links } => {
            let request_id = if attach_request_id { request_id } else { String::new() };
            let callbacks = if attach_callbacks { callbacks } else { Vec::new() };
            start::attach(tx, request_id, callbacks, if attach_links { links } else { Vec::new() })
        }
        Input::WorkflowTaskStart { scheduled_event_id, attempt, identity, request_id, worker_version, taken_by } => {
            let poller = workflow_task::Poller { identity, request_id, worker_version, taken_by };
            workflow_task::start(tx, scheduled_event_id, attempt, poller)
        }
        Input::WorkflowTaskCompleted { token, request, nexus_endpoints } => {
            workflow_task::complete(tx, &token, *request, nexus_endpoints)
        }
        Input::WorkflowTaskFailed { token, request } => workflow_task::respond_failed(tx, &token, *request),
        Input::ActivityStart { .. }
        | Input::ActivityCompleted { .. }
        | Input::ActivityFailed { .. }
        | Input::ActivityCanceled { .. }
        | Input::ActivityHeartbeat { .. } => activity::dispatch(tx, input),
        Input::OperateActivity { activity, operation } => activity::operate(tx, &activity, *operation),
        Input::UpdateOptions(update) => versioning::update_options(tx, *update),
        Input::Delete => delete::request(tx),
        Input::Wake => deadlines::wake(tx),
        Input::ChildStarted { initiated_event_id, .. } | Input::ChildStartFailed { initiated_event_id, .. }
            if tx.state.run.close.is_some() =>
        {
            close::child_start_done(tx, initiated_event_id)
        }
        Input::ChildStarted { initiated_event_id, run_id, header } => {
            child::started(tx, initiated_event_id, run_id, header)
        }
        Input::ChildStartFailed { initiated_event_id, cause } => child::start_failed(tx, initiated_event_id, cause),
        Input::ChildClosed { initiated_event_id, workflow_id, run_id, event } => {
            child::closed(tx, initiated_event_id, workflow_id, run_id, *event)
        }
        Input::ExternalSignalDone { initiated_event_id, failed_cause } => {
            external::signal_done(tx, initiated_event_id, failed_cause)
        }
        Input::ExternalCancelDone { initiated_event_id, failed_cause } => {
            external::cancel_done(tx, initiated_event_id, failed_cause)
        }
        Input::ParentNotified => close::parent_notified(tx),
        Input::ChildReleased { initiated_event_id } => close::child_released(tx, initiated_event_id),
        Input::NexusOperationStartDone { scheduled_event_id, attempt, outcome } => {
            nexus::start_done(tx, scheduled_event_id, attempt, outcome)
        }
        Input::NexusOperationCompleted(completion) => nexus::completed(tx, *completion),
        Input::NexusCancelDone { scheduled_event_id, attempt, outcome } => {
            nexus::cancel_done(tx, scheduled_event_id, attempt, outcome)
        }
        Input::CallbackDone { callback_id, attempt, outcome } => callback::done(tx, callback_id, attempt, outcome),
        Input::Update { request, update_id } => update::admit(tx, *request, update_id),
        Input::Pause(request) => pause::pause(tx, request),
        Input::Unpause(request) => pause::unpause(tx, request),
        Input::WasReset { run_id } => reset::note(tx, run_id),
        Input::ResetSticky => workflow_task::reset_sticky(tx),
        // Ids of different archetypes never meet.
        Input::ControlActivity(_) | Input::ControlNexusOperation(_) | Input::Schedule(_) | Input::Batch(_) => {
            Err(Reject::NotAwaited)
        }
    }
}
