//! The start of a run: its first change, its first events, its first workflow task.
//!
//! | start has | first events | first workflow task |
//! |---|---|---|
//! | nothing special | Started, Scheduled | at once |
//! | a signal | Started, Signaled, Scheduled | at once |
//! | a start delay, a cron schedule, the backoff of a chain | Started (Signaled) | when the wait is over, or a cancel is requested |

use perdure_proto::api::{
    common::{Callback, Link, WorkflowExecution, WorkflowType},
    enums::{ContinueAsNewInitiator, EventType, TaskQueueKind},
    history::{
        HistoryEvent, WorkflowExecutionOptionsUpdatedEventAttributes, WorkflowExecutionStartedEventAttributes,
        history_event::Attributes,
    },
    taskqueue::TaskQueue,
    workflow::ResetPoints,
};

use crate::{
    admit::start_request_id,
    apply::Corrupt,
    batch, callback,
    change::{Created, Kind},
    cron,
    ctx::Ctx,
    event::event_time,
    input::{Continued, Start, StartKind},
    limits::Limits,
    outcome::{Outcome, Reply, StartedReply},
    reject::Reject,
    schedule, signal, standalone_activity, standalone_nexus,
    state::{Nanos, Parent, RequestIdInfo, RunState, WorkflowState},
    step::finish,
    time::{MILLISECOND, duration, from_duration, from_optional_duration, from_timestamp, optional_timestamp},
    tx::{EventExtras, Tx},
    update, validate, versioning, workflow_task,
};

/// Starts a run that does not exist yet. Whether it may, `admit` has said.
pub fn start(mut start: Start, ctx: &mut Ctx) -> Result<(WorkflowState, Outcome), Reject> {
    let mut state = WorkflowState::default();
    let mut tx = Tx::new(&mut state, ctx);
    tx.durable(Kind::Created(Created {
        namespace_id: std::mem::take(&mut start.namespace_id),
        namespace: std::mem::take(&mut start.namespace),
        workflow_id: start.workflow_id.clone(),
        run_id: start.run_id.clone(),
        request_id: std::mem::take(&mut start.request_id),
    }));
    match std::mem::take(&mut start.kind) {
        StartKind::Workflow => start_workflow(&mut tx, start)?,
        StartKind::Activity(timeouts) => standalone_activity::start(&mut tx, start, timeouts)?,
        StartKind::NexusOperation(new) => standalone_nexus::start(&mut tx, start, *new)?,
        StartKind::Batch(new) => batch::start(&mut tx, start, *new),
        StartKind::Schedule(new) => {
            schedule::start(&mut tx, start, *new)?;
        }
    }
    let reply = StartedReply {
        run_id: tx.state.run.run_id.clone(),
        first_execution_run_id: tx.state.run.first_execution_run_id.clone(),
        started: true,
    };
    let outcome = finish(tx, Reply::Started(Box::new(reply)))?;
    Ok((state, outcome))
}

fn start_workflow(tx: &mut Tx, mut start: Start) -> Result<(), Reject> {
    fill_timeouts(&mut start, tx.ctx.limits);
    let (first_signal, first_update) = (start.signal.take(), start.update.take());
    write_started(tx, start);
    if let Some(first_signal) = first_signal {
        signal::write(tx, first_signal);
    }
    workflow_task::ensure_scheduled(tx);
    match first_update {
        Some((update_id, request)) => update::admit(tx, *request, update_id).map(|_| ()),
        None => Ok(()),
    }
}

/// A run lives no longer than its chain, a workflow task no longer than its run.
fn fill_timeouts(start: &mut Start, limits: &Limits) {
    if let Some(execution_timeout) = start.execution_timeout.filter(|&timeout| timeout > 0) {
        let run_timeout = validate::run_timeout(start.run_timeout.unwrap_or(0), execution_timeout);
        start.run_timeout = Some(run_timeout);
    }
    if start.task_timeout == 0 {
        start.task_timeout = limits.workflow_task_timeout;
    }
    start.task_timeout = start.task_timeout.min(limits.workflow_task_timeout_max);
    if let Some(run_timeout) = start.run_timeout.filter(|&timeout| timeout > 0) {
        start.task_timeout = start.task_timeout.min(run_timeout);
    }
}

/// What is not given by the run before is worked out for a first run.
fn continued_of(start: &mut Start, now: Nanos) -> Continued {
    start.continued.take().unwrap_or_else(|| Continued {
        first_execution_run_id: start.run_id.clone(),
        initiator: match start.cron_schedule.as_str() {
            "" => ContinueAsNewInitiator::Unspecified,
            _ => ContinueAsNewInitiator::CronSchedule,
        },
        attempt: 1,
        backoff: match start.cron_schedule.as_str() {
            _ if start.start_delay > 0 => start.start_delay,
            "" => 0,
            schedule => cron::next_wait(schedule, now, now).unwrap_or(0),
        },
        execution_expiration: match start.execution_timeout.unwrap_or(0) {
            0 => 0,
            timeout => (now.saturating_add(timeout).saturating_add(MILLISECOND / 2)) / MILLISECOND * MILLISECOND,
        },
        failure: start.continued_failure.take(),
        last_completion_result: start.last_completion_result.take(),
        ..Default::default()
    })
}

fn write_started(tx: &mut Tx, mut start: Start) {
    let continued = continued_of(&mut start, tx.ctx.now);
    let original_execution_run_id = match continued.original_execution_run_id.as_str() {
        "" => start.run_id,
        original => original.into(),
    };
    let inherited = start.inherited;
    let points = inherited.reset_points;
    let reset_points = (!points.is_empty()).then_some(ResetPoints { points });
    let root = (!start.root_workflow_id.is_empty())
        .then_some(WorkflowExecution { workflow_id: start.root_workflow_id, run_id: start.root_run_id });
    let mut attributes = WorkflowExecutionStartedEventAttributes {
        workflow_type: Some(WorkflowType { name: start.workflow_type }),
        task_queue: Some(TaskQueue {
            name: start.task_queue,
            kind: TaskQueueKind::Normal as i32,
            ..Default::default()
        }),
        input: start.input,
        workflow_execution_timeout: start.execution_timeout.map(duration),
        workflow_run_timeout: start.run_timeout.map(duration),
        workflow_task_timeout: Some(duration(start.task_timeout)),
        continued_execution_run_id: continued.run_id,
        initiator: continued.initiator as i32,
        continued_failure: continued.failure,
        last_completion_result: continued.last_completion_result,
        original_execution_run_id,
        identity: start.identity,
        first_execution_run_id: continued.first_execution_run_id,
        retry_policy: start.retry_policy,
        attempt: continued.attempt,
        workflow_execution_expiration_time: optional_timestamp(continued.execution_expiration),
        cron_schedule: start.cron_schedule,
        first_workflow_task_backoff: Some(duration(continued.backoff)),
        memo: validate::given_memo(start.memo),
        search_attributes: validate::given_search_attributes(start.search_attributes),
        header: start.header,
        workflow_id: start.workflow_id,
        completion_callbacks: start.completion_callbacks,
        root_workflow_execution: root,
        versioning_override: start.versioning_override.or(inherited.versioning_override),
        inherited_pinned_version: inherited.pinned_version,
        inherited_auto_upgrade_info: inherited.auto_upgrade,
        declined_target_version_upgrade: inherited.declined_upgrade,
        prev_auto_reset_points: reset_points,
        eager_execution_accepted: start.request_eager_execution && continued.backoff == 0,
        priority: start.priority,
        ..Default::default()
    };
    if let Some(parent) = start.parent {
        attributes.parent_workflow_namespace = parent.namespace;
        attributes.parent_workflow_namespace_id = parent.namespace_id;
        attributes.parent_initiated_event_id = parent.initiated_event_id;
        attributes.parent_workflow_execution =
            Some(WorkflowExecution { workflow_id: parent.workflow_id, run_id: parent.run_id });
    }
    let extras =
        EventExtras { links: start.links, user_metadata: start.user_metadata.map(Box::new), ..Default::default() };
    tx.event_with(Attributes::WorkflowExecutionStartedEventAttributes(Box::new(attributes)), extras);
}

/// A second start found this run open and is kept with it.
pub(crate) fn attach(
    tx: &mut Tx,
    request_id: String,
    callbacks: Vec<Callback>,
    links: Vec<Link>,
) -> Result<Reply, Reject> {
    if tx.state.run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    callback::update::check_limit(&tx.state.run, callbacks.len(), tx.ctx.limits.callbacks)?;
    let attributes = WorkflowExecutionOptionsUpdatedEventAttributes {
        attached_request_id: request_id,
        attached_completion_callbacks: callbacks,
        ..Default::default()
    };
    let extras = EventExtras { links, worker_may_ignore: true, ..Default::default() };
    tx.event_or_buffer_with(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(attributes), extras);
    Ok(Reply::Done)
}

pub(crate) fn apply_created(run: &mut RunState, created: &Created) {
    run.namespace_id.clone_from(&created.namespace_id);
    run.namespace.clone_from(&created.namespace);
    run.workflow_id.clone_from(&created.workflow_id);
    run.run_id.clone_from(&created.run_id);
    run.next_event_id = 1;
    let info = RequestIdInfo { event_type: EventType::WorkflowExecutionStarted as i32, event_id: 1 };
    run.start_request_ids.insert(created.request_id.clone(), info);
}

pub(crate) fn apply(
    run: &mut RunState,
    event: &HistoryEvent,
    started: &WorkflowExecutionStartedEventAttributes,
) -> Result<(), Corrupt> {
    if event.event_id != 1 {
        return Err(Corrupt::at(event.event_id, "a run starts with its first event"));
    }
    run.first_execution_run_id.clone_from(&started.first_execution_run_id);
    run.original_execution_run_id.clone_from(&started.original_execution_run_id);
    run.parent = parent_of(started).map(Box::new);
    let root = started.root_workflow_execution.as_ref();
    run.root_workflow_id = root.map_or(&run.workflow_id, |root| &root.workflow_id).clone();
    run.root_run_id = root.map_or(&run.run_id, |root| &root.run_id).clone();
    run.workflow_type = started.workflow_type.as_ref().map(|kind| kind.name.clone()).unwrap_or_default();
    run.task_queue = started.task_queue.as_ref().map(|queue| queue.name.clone()).unwrap_or_default();
    run.task_timeout = from_optional_duration(started.workflow_task_timeout.as_ref());
    run.retry_policy.clone_from(&started.retry_policy);
    run.cron_schedule.clone_from(&started.cron_schedule);
    run.attempt = started.attempt;
    run.memo.clone_from(&started.memo);
    run.search_attributes.clone_from(&started.search_attributes);
    run.user_metadata.clone_from(&event.user_metadata);
    run.priority.clone_from(&started.priority);
    run.links.clone_from(&event.links);
    run.task_attempt = 1;
    versioning::apply_started(run, started);
    apply_times(run, event_time(event), started);
    let request_id = start_request_id(run);
    callback::register(run, "", &request_id, event_time(event), &started.completion_callbacks);
    if run.retry_policy.is_some() || !run.cron_schedule.is_empty() {
        run.started = Some(Box::new(started.clone()));
    }
    Ok(())
}

fn apply_times(run: &mut RunState, now: Nanos, started: &WorkflowExecutionStartedEventAttributes) {
    let backoff = from_optional_duration(started.first_workflow_task_backoff.as_ref());
    run.execution_timeout = started.workflow_execution_timeout.as_ref().map(from_duration);
    run.run_timeout = started.workflow_run_timeout.as_ref().map(from_duration);
    run.start_time = now;
    run.execution_time = now.saturating_add(backoff);
    run.first_task_backoff_until = if backoff > 0 { run.execution_time } else { 0 };
    run.execution_expiration = started.workflow_execution_expiration_time.as_ref().map_or(0, from_timestamp);
    // The wait before the first task is not counted.
    run.run_expiration = match (run.run_timeout(), run.execution_expiration) {
        (0, _) => 0,
        (timeout, 0) => run.execution_time.saturating_add(timeout),
        (timeout, expiration) => run.execution_time.saturating_add(timeout).min(expiration),
    };
}

fn parent_of(started: &WorkflowExecutionStartedEventAttributes) -> Option<Parent> {
    let parent = started.parent_workflow_execution.as_ref()?;
    Some(Parent {
        namespace_id: started.parent_workflow_namespace_id.clone(),
        namespace: started.parent_workflow_namespace.clone(),
        workflow_id: parent.workflow_id.clone(),
        run_id: parent.run_id.clone(),
        initiated_event_id: started.parent_initiated_event_id,
    })
}

pub(crate) fn apply_options(
    run: &mut RunState,
    event: &HistoryEvent,
    options: &WorkflowExecutionOptionsUpdatedEventAttributes,
) -> Result<(), Corrupt> {
    if !options.attached_request_id.is_empty() {
        let info = RequestIdInfo { event_type: event.event_type, event_id: event.event_id };
        run.start_request_ids.insert(options.attached_request_id.clone(), info);
    }
    let callbacks = &options.attached_completion_callbacks;
    callback::register(run, "", &options.attached_request_id, event_time(event), callbacks);
    for update in &options.workflow_update_options {
        let callbacks = &update.attached_completion_callbacks;
        callback::update::keep(run, event, &update.update_id, &update.attached_request_id, callbacks);
    }
    versioning::apply_options(run, options);
    Ok(())
}
