//! Sending one message, and what its outcome means for the sender.

use perdure_engine::{
    CallbackOutcome, Input, Reject, Start, WorkflowState, input::ExternalInitiator, normalized_override,
    override_version,
};
use perdure_matching::Receipt;
use perdure_proto::api::{
    common::Header,
    deployment::WorkerDeploymentVersion,
    enums::{
        CancelExternalWorkflowExecutionFailedCause as CancelFailed, ParentClosePolicy,
        SignalExternalWorkflowExecutionFailedCause as SignalFailed,
        StartChildWorkflowExecutionFailedCause as ChildFailed,
    },
};

use perdure_storage::WorkflowKey;

use super::{Message, batch, schedule};
use crate::{
    api::{InputReply, Target},
    error::Error,
    shard::message::Action,
    shared::Shared,
    versioning::has_version,
};

impl Message {
    /// The answer for the sender; Err: try again. `receipt`: of a worker who waits until the answer is booked.
    pub(super) async fn send(
        &self,
        shared: &Shared,
        from: &Target,
        receipt: &mut Option<Receipt>,
    ) -> Result<Input, Error> {
        match self {
            Message::StartChild { initiated_event_id, start, other_queue, .. } => {
                let initiated_event_id = *initiated_event_id;
                let Some(start) = versioned((**start).clone(), *other_queue, shared) else {
                    let cause = ChildFailed::InvalidVersioningOverride as i32;
                    return Ok(Input::ChildStartFailed { initiated_event_id, cause });
                };
                let header = start.header.clone();
                let started = shared.start(start, None).await;
                let run_id = started.map(|started| started.reply.run_id);
                start_answer(initiated_event_id, run_id, header)
            }
            Message::Signal { initiated_event_id, to, child_of, signal } => {
                let input = Input::Signal(signal.clone());
                let failed_cause = match send_external(shared, from, to, child_of.as_deref(), input).await {
                    Ok(()) => None,
                    Err(Error::Reject(Reject::InvalidArgument(_))) => {
                        Some(SignalFailed::SignalCountLimitExceeded as i32)
                    }
                    Err(error) => Some(gone(error, SignalFailed::ExternalWorkflowExecutionNotFound as i32)?),
                };
                Ok(Input::ExternalSignalDone { initiated_event_id: *initiated_event_id, failed_cause })
            }
            Message::Cancel { initiated_event_id, to, child_of, cancel } => {
                let failed_cause = match send_external(shared, from, to, child_of.as_deref(), cancel.clone()).await {
                    // The cancel of a closed run is no error, as for clients.
                    Ok(()) | Err(Error::Reject(Reject::WorkflowClosed)) => None,
                    Err(error) => Some(gone(error, CancelFailed::ExternalWorkflowExecutionNotFound as i32)?),
                };
                Ok(Input::ExternalCancelDone { initiated_event_id: *initiated_event_id, failed_cause })
            }
            Message::ChildClosed { to, closed } => {
                settled(tell_parent(shared, to, closed).await)?;
                Ok(Input::ParentNotified)
            }
            Message::ParentClosed { initiated_event_id, to, chain, policy } => {
                settled(close_child(shared, from, *initiated_event_id, to, chain, *policy).await)?;
                Ok(Input::ChildReleased { initiated_event_id: *initiated_event_id })
            }
            Message::StartOperation(operation) => Ok(operation.start(shared, receipt).await),
            Message::CancelOperation(operation) => Ok(operation.cancel(shared, receipt).await),
            Message::Callback(call) => Ok(call.invoke(shared).await),
            Message::ActionEnded { callback_id, attempt, to, ended } => {
                schedule::tell(shared, to, (**ended).clone()).await?;
                let outcome = CallbackOutcome::Succeeded;
                Ok(Input::CallbackDone { callback_id: callback_id.clone(), attempt: *attempt, outcome })
            }
            Message::BatchPage(page) => batch::run(shared, page).await,
            Message::StartScheduled { action_id, start } => {
                schedule::send_start(shared, *action_id, (**start).clone()).await
            }
            Message::EndScheduled { action_id, to, chain, end } => {
                schedule::send_end(shared, *action_id, to, chain, (**end).clone()).await
            }
        }
    }
}

impl Message {
    /// The sender does not want the answer. A child whose parent closed before it heard of the start is dealt with like the
    /// children that it knew; after a reset the new run finds it.
    pub(super) async fn unwanted(&self, shared: &Shared, from: &Target) -> Result<(), Error> {
        let Message::StartChild { initiated_event_id, start, policy, .. } = self else { return Ok(()) };
        let ended = |state: &WorkflowState| state.run.close.is_some() && state.run.reset_run_id.is_empty();
        match shared.view(from.clone(), ended).await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return settled::<()>(Err(error)),
        }
        let workflow = WorkflowKey::new(from.workflow.namespace_id, start.workflow_id.as_str());
        let child = Target { workflow, run_id: None };
        settled(close_child(shared, from, *initiated_event_id, &child, "", *policy).await)
    }
}

/// The child's start as its queue's versions allow it. None: its own override is none that the server knows.
fn versioned(mut start: Start, other_queue: bool, shared: &Shared) -> Option<Start> {
    let Ok(namespace_id) = uuid::Uuid::parse_str(&start.namespace_id) else { return Some(start) };
    let queue = start.task_queue.clone();
    let has = |version: &WorkerDeploymentVersion| has_version(&shared.matching, namespace_id, &queue, version);
    if let Some(given) = start.versioning_override.take() {
        let set = normalized_override(given).ok()?;
        if override_version(Some(&set)).is_some_and(|version| !has(version)) {
            return None;
        }
        start.versioning_override = Some(set);
    }
    if other_queue {
        start.inherited.keep_for_queue(has);
    }
    Some(start)
}

/// A parent that was reset goes on as another run, which waits for the same child.
async fn tell_parent(shared: &Shared, to: &Target, closed: &Input) -> Result<(), Error> {
    let mut to = to.clone();
    loop {
        match input(shared, &to, closed.clone()).await {
            Err(Error::Reject(Reject::NotAwaited)) => {}
            answer => return answer.map(|_| ()),
        }
        let reset_run_id = shared.view(to.clone(), |state| state.run.reset_run_id.clone()).await?;
        let Ok(run_id) = uuid::Uuid::parse_str(&reset_run_id) else { return Ok(()) };
        to.run_id = Some(run_id);
    }
}

fn start_answer(
    initiated_event_id: i64,
    started: Result<String, Error>,
    header: Option<Header>,
) -> Result<Input, Error> {
    let failed = |cause: ChildFailed| Input::ChildStartFailed { initiated_event_id, cause: cause as i32 };
    match started {
        Ok(run_id) => Ok(Input::ChildStarted { initiated_event_id, run_id, header }),
        Err(Error::Reject(Reject::AlreadyStarted { .. })) => Ok(failed(ChildFailed::WorkflowAlreadyExists)),
        Err(Error::WorkflowNotFound) => Ok(failed(ChildFailed::NamespaceNotFound)),
        // Starts too close to each other, an overloaded or reloading shard.
        Err(error @ (Error::Reject(Reject::BusyWorkflow(_)) | Error::Busy(_) | Error::Unavailable)) => Err(error),
        Err(error) => {
            tracing::error!(%error, "the start of a child was refused");
            Ok(failed(ChildFailed::Unspecified))
        }
    }
}

/// Sends to a run that may have to be a child of the sender. The sender's own workflow is never found, whichever its run.
async fn send_external(
    shared: &Shared,
    from: &Target,
    to: &Target,
    child_of: Option<&str>,
    message: Input,
) -> Result<(), Error> {
    if to.workflow == from.workflow {
        return Err(Error::RunNotFound);
    }
    let mut to = to.clone();
    if let Some(parent) = child_of.map(str::to_owned) {
        let (is_child, run_id) = shared
            .view(to.clone(), move |state| {
                let run = &state.run;
                (run.parent.as_ref().is_some_and(|known| known.workflow_id == parent), run.run_id.clone())
            })
            .await?;
        if !is_child {
            return Err(Error::RunNotFound);
        }
        to.run_id = uuid::Uuid::parse_str(&run_id).ok();
    }
    input(shared, &to, message).await.map(|_| ())
}

/// Applies the policy to the current run of the child's chain, if that chain is still this parent's child.
async fn close_child(
    shared: &Shared,
    from: &Target,
    initiated_event_id: i64,
    to: &Target,
    chain: &str,
    policy: ParentClosePolicy,
) -> Result<(), Error> {
    if policy == ParentClosePolicy::Abandon {
        return Ok(());
    }
    let (chain, parent_run) = (chain.to_owned(), from.run_id.map(|run_id| run_id.to_string()));
    let found = shared
        .view(to.clone(), move |state| {
            let run = &state.run;
            let of_parent = run.parent.as_ref().is_some_and(|parent| {
                Some(&parent.run_id) == parent_run.as_ref() && parent.initiated_event_id == initiated_event_id
            });
            (run.close.is_none() && (of_parent || run.first_execution_run_id == chain)).then(|| run.run_id.clone())
        })
        .await?;
    let Some(run_id) = found else { return Ok(()) };
    let target = Target { workflow: to.workflow.clone(), run_id: uuid::Uuid::parse_str(&run_id).ok() };
    let identity = "history-service".to_owned();
    let external = from.run_id.map(|parent| ExternalInitiator {
        workflow_id: from.workflow.workflow_id.to_string(),
        run_id: parent.to_string(),
        ..ExternalInitiator::default()
    });
    let message = match policy {
        ParentClosePolicy::RequestCancel => Input::RequestCancel {
            reason: String::new(),
            identity,
            request_id: String::new(),
            external,
            links: Vec::new(),
        },
        _ => {
            let reason = "by parent close policy".to_owned();
            Input::Terminate { reason, details: None, identity, links: Vec::new() }
        }
    };
    input(shared, &target, message).await.map(|_| ())
}

async fn input(shared: &Shared, to: &Target, input: Input) -> Result<InputReply, Error> {
    shared.ask(to.clone(), |reply| Action::Input { input, reply }).await
}

/// The receiver is gone for good: the cause to report; Err: try again.
fn gone(error: Error, cause: i32) -> Result<i32, Error> {
    match error {
        Error::Unavailable | Error::Busy(_) | Error::Timeout => Err(error),
        Error::Reject(Reject::BusyWorkflow(_)) => Err(error),
        _ => Ok(cause),
    }
}

/// The message arrived, or its receiver no longer cares.
pub(super) fn settled<T>(result: Result<T, Error>) -> Result<(), Error> {
    match result {
        Ok(_) => Ok(()),
        Err(error) => gone(error, 0).map(|_| ()),
    }
}
