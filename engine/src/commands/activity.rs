//! ScheduleActivityTask and RequestCancelActivityTask.

use perdure_proto::api::{
    command::{RequestCancelActivityTaskCommandAttributes, ScheduleActivityTaskCommandAttributes},
    common::{Payload, Payloads},
    enums::{TaskQueueKind, WorkflowTaskFailedCause as Cause},
    history::{
        ActivityTaskCancelRequestedEventAttributes, ActivityTaskCanceledEventAttributes,
        ActivityTaskScheduledEventAttributes, history_event::Attributes,
    },
    taskqueue::TaskQueue,
};
use prost::Message;
use prost_types::Duration;

use super::{Batch, WorkflowTaskFailure};
use crate::{
    activity::{by_id, end_is_buffered, running_attempt},
    limits::Limits,
    outcome::Task,
    pause, retry,
    state::Nanos,
    time::duration,
    tx::{EventExtras, Tx},
    validate,
};

const CAUSE: Cause = Cause::BadScheduleActivityAttributes;
const NOT_STARTED: &[u8] = b"\"ACTIVITY_ID_NOT_STARTED\"";

pub(super) fn schedule(
    tx: &mut Tx,
    batch: &mut Batch,
    command: ScheduleActivityTaskCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    let run = &tx.state.run;
    let limits = tx.ctx.limits;
    let eager = command.request_eager_execution && batch.takes_along;
    let input_size = command.input.as_ref().map_or(0, Message::encoded_len);
    let attributes = normalized(command, run.run_timeout(), &run.task_queue, batch.completed_event_id, limits)
        .map_err(|text| WorkflowTaskFailure::task_failed(CAUSE, text))?;
    if input_size as i64 > limits.blob_size {
        return Err(WorkflowTaskFailure::run_terminated(
            CAUSE,
            "ScheduleActivityTaskCommandAttributes.Input exceeds size limit.",
        ));
    }
    let pending = run.activities.len();
    if pending >= limits.pending_activities {
        let cause = Cause::PendingActivitiesLimitExceeded;
        return Err(super::failure::too_many(cause, "pending activities", pending, limits.pending_activities));
    }
    if by_id(run, &attributes.activity_id).is_some() {
        let text = format!(
            "invalid history builder state for action: add-activitytask-scheduled-event, ActivityID: {}",
            attributes.activity_id
        );
        return Err(WorkflowTaskFailure::task_failed(Cause::ScheduleActivityDuplicateId, text));
    }
    // The completing worker polls the workflow's queue, so it can only take what goes there.
    let eager = eager && attributes.task_queue.as_ref().is_some_and(|queue| queue.name == run.task_queue);
    let scheduled_event_id = tx.event_with(Attributes::ActivityTaskScheduledEventAttributes(attributes), extras);
    // A paused run's activity is offered with the unpause.
    let paused = pause::is_paused(&tx.state.run);
    if eager && !paused {
        batch.eager.push(scheduled_event_id);
    } else if !paused {
        tx.task(Task::DispatchActivity { scheduled_event_id, attempt: 1 });
    }
    Ok(())
}

/// Checks the command and fills in what it leaves open. The error is the text for the worker.
pub(crate) fn normalized(
    command: ScheduleActivityTaskCommandAttributes,
    run_timeout: Nanos,
    workflow_queue: &str,
    completed_event_id: i64,
    limits: &Limits,
) -> Result<ActivityTaskScheduledEventAttributes, String> {
    let queue = command.task_queue.as_ref().ok_or("taskQueue is not set")?;
    let queue_name = if queue.name.is_empty() { workflow_queue } else { &queue.name };
    validate::task_queue(queue_name, workflow_queue, limits.id_length)?;
    let task_queue =
        TaskQueue { name: queue_name.to_owned(), kind: TaskQueueKind::Normal as i32, ..Default::default() };
    let activity_type = command.activity_type.as_ref().map_or("", |name| name.name.as_str());
    if command.activity_id.is_empty() {
        return Err("activityId is not set".into());
    }
    if activity_type.is_empty() {
        return Err("activityType is not set".into());
    }
    let policy = retry::with_defaults(command.retry_policy.clone().unwrap_or_default(), &limits.default_activity_retry);
    let policy = retry::validated(policy)?;
    for (name, value) in [("activityId", command.activity_id.as_str()), ("activityType", activity_type)] {
        if value.len() > limits.id_length {
            let limit = limits.id_length;
            return Err(format!("{name} exceeds length limit. Length={} Limit={limit}", value.len()));
        }
    }
    validate::priority(command.priority.as_ref()).map_err(|error| format!("invalid priorities: {error}"))?;
    let timeouts = Timeouts::of(&command, run_timeout)?;
    Ok(ActivityTaskScheduledEventAttributes {
        activity_id: command.activity_id,
        activity_type: command.activity_type,
        task_queue: Some(task_queue),
        header: command.header,
        input: command.input,
        schedule_to_close_timeout: Some(duration(timeouts.schedule_to_close)),
        schedule_to_start_timeout: Some(duration(timeouts.schedule_to_start)),
        start_to_close_timeout: Some(duration(timeouts.start_to_close)),
        heartbeat_timeout: Some(duration(timeouts.heartbeat)),
        workflow_task_completed_event_id: completed_event_id,
        retry_policy: Some(policy),
        use_workflow_build_id: command.use_workflow_build_id,
        priority: command.priority,
    })
}

/// The four time-outs as they hold: 0 means none.
#[derive(Debug, PartialEq, Eq)]
struct Timeouts {
    schedule_to_close: Nanos,
    schedule_to_start: Nanos,
    start_to_close: Nanos,
    heartbeat: Nanos,
}

impl Timeouts {
    /// Missing ones follow from the schedule-to-close time-out, else from the run's; none is longer than the run's, and
    /// a heartbeat must come before the attempt's end.
    fn of(command: &ScheduleActivityTaskCommandAttributes, run_timeout: Nanos) -> Result<Self, String> {
        let checked = |value: &Option<Duration>, name: &str| {
            validate::duration(value.as_ref()).map_err(|error| format!("invalid {name}: {error}"))
        };
        let schedule_to_close = checked(&command.schedule_to_close_timeout, "ScheduleToCloseTimeout")?;
        let schedule_to_start = checked(&command.schedule_to_start_timeout, "ScheduleToStartTimeout")?;
        let start_to_close = checked(&command.start_to_close_timeout, "StartToCloseTimeout")?;
        let heartbeat = checked(&command.heartbeat_timeout, "HeartbeatTimeout")?;
        if schedule_to_close == 0 && start_to_close == 0 {
            return Err(format!(
                "a valid StartToClose or ScheduleToCloseTimeout is not set on ScheduleActivityTaskCommand. \
                 ActivityId={} ActivityType={}",
                command.activity_id,
                command.activity_type.as_ref().map_or("", |name| name.name.as_str()),
            ));
        }
        let schedule_to_close = bounded(schedule_to_close, run_timeout);
        let start_to_close = bounded(start_to_close, schedule_to_close);
        Ok(Self {
            schedule_to_close,
            schedule_to_start: bounded(schedule_to_start, schedule_to_close),
            start_to_close,
            // No heartbeat time-out stays none.
            heartbeat: heartbeat.min(start_to_close),
        })
    }
}

/// The stricter of a time-out and its bound; 0 is no bound in either.
fn bounded(timeout: Nanos, bound: Nanos) -> Nanos {
    match (timeout, bound) {
        (0, bound) => bound,
        (timeout, 0) => timeout,
        (timeout, bound) => timeout.min(bound),
    }
}

/// A worker that has the activity learns of the request by its heartbeat. An activity that no worker has is canceled at
/// once; that event follows behind those of the commands, and is dropped if the run closes with this completion.
pub(super) fn request_cancel(
    tx: &mut Tx,
    batch: &mut Batch,
    command: &RequestCancelActivityTaskCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    const CAUSE: Cause = Cause::BadRequestCancelActivityAttributes;
    let scheduled_event_id = command.scheduled_event_id;
    if scheduled_event_id <= 0 {
        let text = "ScheduledEventId is not set on RequestCancelActivityTaskCommand.";
        return Err(WorkflowTaskFailure::task_failed(CAUSE, text));
    }
    let activity = tx.state.run.activities.get(&scheduled_event_id).cloned();
    let acceptable = match &activity {
        Some(activity) => activity.cancel_requested_event_id == 0,
        None => end_is_buffered(&tx.state.run, scheduled_event_id),
    };
    if !acceptable {
        let text = format!(
            "invalid history builder state for action: add-activitytask-cancel-requested-event, \
             ScheduledEventID: {scheduled_event_id}"
        );
        return Err(WorkflowTaskFailure::task_failed(CAUSE, text));
    }
    let requested = ActivityTaskCancelRequestedEventAttributes {
        scheduled_event_id,
        workflow_task_completed_event_id: batch.completed_event_id,
    };
    let requested_id = tx.event_with(Attributes::ActivityTaskCancelRequestedEventAttributes(requested), extras);
    if activity.is_some_and(|activity| running_attempt(&activity).is_none()) {
        let canceled = ActivityTaskCanceledEventAttributes {
            details: Some(not_started_details()),
            latest_cancel_requested_event_id: requested_id,
            scheduled_event_id,
            started_event_id: 0,
            identity: batch.identity.clone(),
            worker_version: None,
        };
        tx.buffer(Attributes::ActivityTaskCanceledEventAttributes(canceled), EventExtras::default());
        batch.buffered += 1;
    }
    Ok(())
}

fn not_started_details() -> Payloads {
    let metadata = [("encoding".to_owned(), "json/plain".into())].into();
    Payloads { payloads: vec![Payload { metadata, data: NOT_STARTED.into(), ..Default::default() }] }
}
