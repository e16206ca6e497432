//! The options of an activity that an operator may change.

use perdure_proto::api::{
    activity::ActivityOptions,
    command::ScheduleActivityTaskCommandAttributes,
    common::{ActivityType, Priority, RetryPolicy},
    taskqueue::TaskQueue,
};

use crate::{
    commands::normalized_activity,
    limits::Limits,
    state::{Activity, Nanos, RunState},
    time::{duration, optional_duration},
};

/// As describe shows them.
pub(crate) fn options(activity: &Activity) -> ActivityOptions {
    ActivityOptions {
        task_queue: Some(TaskQueue {
            name: activity.task_queue.clone(),
            normal_name: activity.task_queue.clone(),
            ..Default::default()
        }),
        schedule_to_close_timeout: Some(duration(activity.schedule_to_close)),
        schedule_to_start_timeout: Some(duration(activity.schedule_to_start)),
        start_to_close_timeout: Some(duration(activity.start_to_close)),
        heartbeat_timeout: Some(duration(activity.heartbeat)),
        retry_policy: activity.retry_policy.clone(),
        priority: activity.priority.clone(),
        start_delay: optional_duration(activity.start_delay),
    }
}

/// A part of the options that an update may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionField {
    TaskQueueName,
    ScheduleToCloseTimeout,
    ScheduleToStartTimeout,
    StartToCloseTimeout,
    HeartbeatTimeout,
    StartDelay,
    Priority,
    PriorityKey,
    FairnessKey,
    FairnessWeight,
    RetryPolicy,
    InitialInterval,
    BackoffCoefficient,
    MaximumInterval,
    MaximumAttempts,
}

/// Takes the named fields from `update`. The error is the text for the caller.
pub(super) fn merge(into: &mut ActivityOptions, update: &ActivityOptions, field: OptionField) -> Result<(), String> {
    use OptionField as F;
    match field {
        F::TaskQueueName => {
            let queue = update.task_queue.as_ref().ok_or("TaskQueue is not provided")?;
            into.task_queue = Some(TaskQueue { name: queue.name.clone(), ..Default::default() });
        }
        F::ScheduleToCloseTimeout => into.schedule_to_close_timeout = update.schedule_to_close_timeout,
        F::ScheduleToStartTimeout => into.schedule_to_start_timeout = update.schedule_to_start_timeout,
        F::StartToCloseTimeout => into.start_to_close_timeout = update.start_to_close_timeout,
        F::HeartbeatTimeout => into.heartbeat_timeout = update.heartbeat_timeout,
        F::StartDelay => into.start_delay = update.start_delay,
        F::Priority => into.priority.clone_from(&update.priority),
        F::PriorityKey | F::FairnessKey | F::FairnessWeight => {
            let from = update.priority.as_ref().ok_or("Priority is not provided")?;
            merge_priority(into.priority.get_or_insert_default(), from, field);
        }
        F::RetryPolicy | F::InitialInterval | F::BackoffCoefficient | F::MaximumInterval | F::MaximumAttempts => {
            let from = update.retry_policy.as_ref().ok_or("RetryPolicy is not provided")?;
            merge_policy(into.retry_policy.get_or_insert_default(), from, field);
        }
    }
    Ok(())
}

fn merge_priority(into: &mut Priority, from: &Priority, field: OptionField) {
    match field {
        OptionField::PriorityKey => into.priority_key = from.priority_key,
        OptionField::FairnessKey => into.fairness_key.clone_from(&from.fairness_key),
        _ => into.fairness_weight = from.fairness_weight,
    }
}

fn merge_policy(into: &mut RetryPolicy, from: &RetryPolicy, field: OptionField) {
    match field {
        OptionField::InitialInterval => into.initial_interval = from.initial_interval,
        OptionField::BackoffCoefficient => into.backoff_coefficient = from.backoff_coefficient,
        OptionField::MaximumInterval => into.maximum_interval = from.maximum_interval,
        OptionField::MaximumAttempts => into.maximum_attempts = from.maximum_attempts,
        _ => into.clone_from(from),
    }
}

/// The options as they would hold had the workflow asked for them. The error is the text for the caller.
pub(super) fn checked(
    run: &RunState,
    activity: &Activity,
    options: ActivityOptions,
    limits: &Limits,
) -> Result<ActivityOptions, String> {
    let around = (run.run_timeout(), run.task_queue.as_str());
    normalized(&activity.activity_id, &activity.activity_type, options, around, limits)
}

/// The options of an activity of its own as they hold, the retry policy with its defaults. The error is the text for the
/// caller.
pub fn activity_options(
    activity_id: &str,
    activity_type: &str,
    options: ActivityOptions,
    limits: &Limits,
) -> Result<ActivityOptions, String> {
    normalized(activity_id, activity_type, options, (0, ""), limits)
}

/// `around`: time-out and task queue of the workflow.
fn normalized(
    activity_id: &str,
    activity_type: &str,
    options: ActivityOptions,
    around: (Nanos, &str),
    limits: &Limits,
) -> Result<ActivityOptions, String> {
    let command = ScheduleActivityTaskCommandAttributes {
        activity_id: activity_id.to_owned(),
        activity_type: Some(ActivityType { name: activity_type.to_owned() }),
        task_queue: options.task_queue,
        schedule_to_close_timeout: options.schedule_to_close_timeout,
        schedule_to_start_timeout: options.schedule_to_start_timeout,
        start_to_close_timeout: options.start_to_close_timeout,
        heartbeat_timeout: options.heartbeat_timeout,
        retry_policy: options.retry_policy,
        priority: options.priority,
        ..Default::default()
    };
    let holds = normalized_activity(command, around.0, around.1, 0, limits)?;
    Ok(ActivityOptions {
        task_queue: holds.task_queue,
        schedule_to_close_timeout: holds.schedule_to_close_timeout,
        schedule_to_start_timeout: holds.schedule_to_start_timeout,
        start_to_close_timeout: holds.start_to_close_timeout,
        heartbeat_timeout: holds.heartbeat_timeout,
        retry_policy: holds.retry_policy,
        priority: holds.priority,
        start_delay: options.start_delay,
    })
}
