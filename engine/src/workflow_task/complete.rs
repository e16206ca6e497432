//! A worker completes its workflow task.

use std::collections::BTreeMap;

use perdure_proto::api::{
    deployment::WorkerDeploymentVersion,
    enums::{VersioningBehavior, WorkerVersioningMode, WorkflowTaskFailedCause},
    history::{WorkflowTaskCompletedEventAttributes, history_event::Attributes},
    workflowservice::RespondWorkflowTaskCompletedRequest,
};

use super::{
    TaskFailure,
    begin::write_started,
    fail,
    fail::claimed,
    fail::time_out,
    flush_buffered, schedule,
    schedule::{schedule, set_sticky, write_scheduled},
    settle_speculative, speculative,
};
use crate::{
    change::{Change, VolatileChange},
    close,
    commands::{self, Completion, Consequence, WorkflowTaskFailure},
    input::WorkflowTaskRef,
    outcome::{Notice, Outcome, Reply, WorkflowTaskCompletedReply, server_failure},
    pause,
    reject::Reject,
    state::{Nanos, Sticky, WorkflowState, WorkflowTask},
    time::from_optional_duration,
    tx::Tx,
    update,
    validate::MAX_DURATION,
    versioning,
};

/// A speculative task that showed the worker more events than this is written, so that they are not sent again and again.
const EVENTS_OF_DROPPED_TASK: i64 = 10;

/// Takes a completion: its commands and messages in one piece, or not at all.
pub(crate) fn complete(
    tx: &mut Tx,
    token: &WorkflowTaskRef,
    mut request: RespondWorkflowTaskCompletedRequest,
    nexus_endpoints: BTreeMap<String, String>,
) -> Result<Reply, Reject> {
    let task = claimed(tx.state, token)?.clone();
    if pause::is_paused(&tx.state.run) && request.force_create_new_workflow_task {
        let text = "Workflow is paused and force create new workflow task is not allowed.";
        return Err(Reject::FailedPrecondition(text.into()));
    }
    check_versioning(&request)?;
    let heartbeat = is_heartbeat(&request);
    if heartbeat && heartbeats_too_long(tx, &task) {
        return Ok(end_heartbeats(tx));
    }
    let executes = !request.commands.is_empty() || !request.messages.is_empty() || update::any_sent(tx.state);
    let checkpoint = executes.then(|| Checkpoint::of(tx.state));
    let dropped = may_be_dropped(tx, &request);
    let version = versioning::reported_version(&request);
    let completed_event_id = if dropped {
        tx.volatile(VolatileChange::SpeculativeTaskCleared);
        0
    } else {
        let (before, was_in_transition) =
            (versioning::effective(&tx.state.run), versioning::in_transition(&tx.state.run));
        let completed_event_id = write_completed(tx, &task, &mut request, version.clone());
        versioning::redirect_activities(tx, &before, was_in_transition);
        completed_event_id
    };
    let takes_along = versioning::takes_along(&tx.state.run, version.as_ref());
    let mut eager_activities = Vec::new();
    if let Some(checkpoint) = checkpoint {
        let commands = std::mem::take(&mut request.commands);
        let completion = Completion {
            event_id: completed_event_id,
            identity: request.identity.clone(),
            messages: std::mem::take(&mut request.messages),
            takes_along,
            nexus_endpoints,
        };
        tx.completing = true;
        let executed = commands::execute(tx, commands, completion);
        tx.completing = false;
        match executed.and_then(|executed| check_transaction(tx, executed)) {
            Ok(executed) => eager_activities = executed.eager_activities,
            Err(failure) => {
                checkpoint.restore(tx.state);
                tx.out = Outcome::default();
                return fail_completion(tx, &task, failure, request);
            }
        }
    }
    update::reject_unanswered(tx);
    if tx.state.run.close.is_none() {
        set_sticky(tx, sticky_of(&request).filter(|_| takes_along));
    }
    answer_queries(tx, &mut request);
    let original = heartbeat.then_some(task.original_scheduled_time);
    let new_task = schedule_next(tx, &request, original, takes_along);
    Ok(Reply::WorkflowTaskCompleted(WorkflowTaskCompletedReply {
        new_task,
        eager_activities,
        reset_history_event_id: if dropped { tx.state.run.last_completed_started_event_id } else { 0 },
        ..Default::default()
    }))
}

/// The state before the commands, for undoing them.
struct Checkpoint(WorkflowState);

impl Checkpoint {
    /// Ids of signals, of which a run may have ten thousand, are not copied: no command changes them.
    fn of(state: &mut WorkflowState) -> Self {
        let signal_request_ids = std::mem::take(&mut state.run.signal_request_ids);
        let copy = state.clone();
        state.run.signal_request_ids = signal_request_ids;
        Self(copy)
    }

    fn restore(mut self, state: &mut WorkflowState) {
        std::mem::swap(&mut self.0.run.signal_request_ids, &mut state.run.signal_request_ids);
        *state = self.0;
    }
}

fn check_versioning(request: &RespondWorkflowTaskCompletedRequest) -> Result<(), Reject> {
    let mode = request.deployment_options.as_ref().map(|options| options.worker_versioning_mode());
    let versioned = request.deployment.is_some() || mode == Some(WorkerVersioningMode::Versioned);
    if request.versioning_behavior() != VersioningBehavior::Unspecified && !versioned {
        return Err(Reject::InvalidArgument(
            "versioning behavior cannot be specified without deployment options being set with versioned mode".into(),
        ));
    }
    Ok(())
}

/// A worker with a long local activity keeps its task alive by completing it without progress.
fn is_heartbeat(request: &RespondWorkflowTaskCompletedRequest) -> bool {
    request.force_create_new_workflow_task && request.commands.is_empty() && request.messages.is_empty()
}

fn heartbeats_too_long(tx: &Tx, task: &WorkflowTask) -> bool {
    tx.ctx.now > task.original_scheduled_time.saturating_add(tx.ctx.limits.workflow_task_heartbeat)
}

/// The row of heartbeats has lasted too long: the task times out, and the next goes to any worker.
fn end_heartbeats(tx: &mut Tx) -> Reply {
    time_out(tx);
    schedule::ensure_scheduled(tx);
    let reply = WorkflowTaskCompletedReply { heartbeats_ended: true, ..Default::default() };
    Reply::WorkflowTaskCompleted(reply)
}

/// A speculative task whose updates were all rejected leaves no trace, unless it has shown the worker too many events.
fn may_be_dropped(tx: &Tx, request: &RespondWorkflowTaskCompletedRequest) -> bool {
    let run = &tx.state.run;
    let tolerated = match &request.capabilities {
        Some(capabilities) if capabilities.discard_speculative_workflow_task_with_events => EVENTS_OF_DROPPED_TASK,
        _ => 0,
    };
    tx.state.volatile.speculative_task.is_some()
        && request.commands.is_empty()
        && !request.force_create_new_workflow_task
        && run.next_event_id <= run.last_completed_started_event_id + 2 + tolerated
        && request.messages.iter().all(update::is_rejection)
}

/// Writes WorkflowTaskCompleted, and before it what of the task is not in the history yet.
fn write_completed(
    tx: &mut Tx,
    task: &WorkflowTask,
    request: &mut RespondWorkflowTaskCompletedRequest,
    deployment_version: Option<WorkerDeploymentVersion>,
) -> i64 {
    settle_speculative(tx);
    let mut scheduled_event_id = task.scheduled_event_id;
    let mut started_event_id = task.started.as_ref().map_or(0, |started| started.event_id);
    if let Some(started) = task.started.as_ref().filter(|_| task.attempt > 1) {
        scheduled_event_id = write_scheduled(tx, task);
        started_event_id = write_started(tx, scheduled_event_id, started);
    }
    let mode = request.deployment_options.as_ref().map(|options| options.worker_versioning_mode());
    let behavior = match mode {
        // SDKs send a default behaviour even where versioning is off.
        Some(mode) if mode != WorkerVersioningMode::Versioned => VersioningBehavior::Unspecified as i32,
        _ => request.versioning_behavior,
    };
    tx.event(Attributes::WorkflowTaskCompletedEventAttributes(WorkflowTaskCompletedEventAttributes {
        scheduled_event_id,
        started_event_id,
        identity: request.identity.clone(),
        binary_checksum: request.binary_checksum.clone(),
        worker_version: request.worker_version_stamp.take(),
        sdk_metadata: request.sdk_metadata.take(),
        metering_metadata: request.metering_metadata.take(),
        versioning_behavior: behavior,
        worker_deployment_name: deployment_name(request),
        deployment_version,
        ..Default::default()
    }))
}

fn deployment_name(request: &RespondWorkflowTaskCompletedRequest) -> String {
    match (&request.deployment_options, &request.deployment) {
        (Some(options), _) if !options.deployment_name.is_empty() => options.deployment_name.clone(),
        (_, Some(deployment)) => deployment.series_name.clone(),
        _ => String::new(),
    }
}

fn sticky_of(request: &RespondWorkflowTaskCompletedRequest) -> Option<Sticky> {
    let attributes = request.sticky_attributes.as_ref()?;
    let wait = from_optional_duration(attributes.schedule_to_start_timeout.as_ref());
    let task_queue = attributes.worker_task_queue.as_ref()?.name.clone();
    // A worker that is not waited for has no queue of its own.
    (wait > 0).then(|| Sticky { task_queue, schedule_to_start: wait.min(MAX_DURATION) })
}

fn answer_queries(tx: &mut Tx, request: &mut RespondWorkflowTaskCompletedRequest) {
    for (query_id, result) in std::mem::take(&mut request.query_results) {
        tx.notice(Notice::QueryAnswered { query_id, result });
    }
    tx.notice(Notice::QueriesUnanswered);
}

/// Schedules the next task if there is something to do for it; says whether the worker takes it at once.
fn schedule_next(
    tx: &mut Tx,
    request: &RespondWorkflowTaskCompletedRequest,
    original: Option<Nanos>,
    takes_along: bool,
) -> bool {
    let inline = request.return_new_workflow_task && takes_along;
    if tx.state.run.close.is_some() {
        return false;
    }
    if pause::is_paused(&tx.state.run) {
        schedule::flush_unawaited(tx);
        return false;
    }
    let owed = request.force_create_new_workflow_task
        || tx.task_wanted
        || versioning::in_transition(&tx.state.run)
        || !tx.state.run.buffered.is_empty();
    if owed {
        schedule(tx, original);
    } else if update::wants_task(tx.state) {
        // Only a task that is taken at once may live in memory alone here.
        if inline {
            speculative::schedule(tx);
        } else {
            schedule(tx, None);
        }
    } else {
        return false;
    }
    inline
}

/// All events of a completion are written at once; a batch of any size is not to be had.
fn check_transaction(tx: &Tx, executed: commands::Executed) -> Result<commands::Executed, WorkflowTaskFailure> {
    let events = tx.out.changes.iter().map(|change| match change {
        Change::Event { encoded, .. } => encoded.len(),
        _ => 0,
    });
    if events.sum::<usize>() as i64 <= tx.ctx.limits.transaction_size {
        return Ok(executed);
    }
    Err(WorkflowTaskFailure {
        cause: WorkflowTaskFailedCause::ForceCloseCommand,
        message: "Transaction size exceeds limit.".into(),
        consequence: Consequence::RunTerminated,
    })
}

/// The commands were bad and are undone: the task fails instead.
fn fail_completion(
    tx: &mut Tx,
    task: &WorkflowTask,
    failed: WorkflowTaskFailure,
    request: RespondWorkflowTaskCompletedRequest,
) -> Result<Reply, Reject> {
    use perdure_proto::api::enums::WorkflowTaskFailedCause::UnhandledCommand;
    let WorkflowTaskFailure { cause, message, consequence } = failed;
    // A task that fails again is dropped: it times out, which slows the row of failures down.
    let dropped = task.attempt > 1 && cause != UnhandledCommand;
    if dropped || consequence == Consequence::Refused {
        return Err(Reject::InvalidArgument(message));
    }
    update::on_task_failed(tx);
    fail(
        tx,
        TaskFailure {
            cause,
            failure: Some(server_failure(message.clone(), false)),
            identity: request.identity,
            binary_checksum: request.binary_checksum,
        },
    );
    if consequence == Consequence::RunTerminated {
        flush_buffered(tx);
        close::terminate(tx, close::Termination::by_server(message.clone()));
    } else {
        schedule::ensure_scheduled(tx);
    }
    let reply = WorkflowTaskCompletedReply { failed: Some(message), ..Default::default() };
    Ok(Reply::WorkflowTaskCompleted(reply))
}
