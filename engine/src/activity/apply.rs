//! What changes do to the activities of a run.

use perdure_proto::api::{
    activity::ActivityOptions,
    history::{
        ActivityTaskScheduledEventAttributes, ActivityTaskStartedEventAttributes, HistoryEvent,
        history_event::Attributes,
    },
};

use crate::{
    apply::Corrupt,
    change::{ActivityHeartbeatChange, ActivityResumedChange, ActivityRetryChange, ActivityStartedChange, Kind},
    state::{Activity, ActivityBackoff, ActivityPhase, ActivityScheduled, ActivityStarted, RunState},
    time::{from_optional_duration, from_timestamp},
};

pub(crate) fn apply(run: &mut RunState, event: &HistoryEvent, attributes: &Attributes) -> Result<(), Corrupt> {
    use Attributes as A;
    match attributes {
        A::ActivityTaskScheduledEventAttributes(scheduled) => {
            run.activities.insert(event.event_id, Box::new(schedule(event, scheduled)));
        }
        A::ActivityTaskStartedEventAttributes(started) => start(run, event, started),
        A::ActivityTaskCancelRequestedEventAttributes(requested) => {
            // Without effect where the end of the activity waits in the buffer.
            if let Some(activity) = run.activities.get_mut(&requested.scheduled_event_id) {
                activity.cancel_requested_event_id = event.event_id;
            }
        }
        A::ActivityTaskCompletedEventAttributes(_)
        | A::ActivityTaskFailedEventAttributes(_)
        | A::ActivityTaskTimedOutEventAttributes(_)
        | A::ActivityTaskCanceledEventAttributes(_) => {
            if let Some(scheduled_event_id) = super::ended(event) {
                run.activities.remove(&scheduled_event_id);
            }
        }
        _ => return Err(Corrupt::at(event.event_id, "not an event of activities")),
    }
    Ok(())
}

fn schedule(event: &HistoryEvent, scheduled: &ActivityTaskScheduledEventAttributes) -> Activity {
    let time = event.event_time.as_ref().map_or(0, from_timestamp);
    Activity {
        scheduled_event_id: event.event_id,
        activity_id: scheduled.activity_id.clone(),
        activity_type: scheduled.activity_type.as_ref().map(|name| name.name.clone()).unwrap_or_default(),
        task_queue: scheduled.task_queue.as_ref().map(|queue| queue.name.clone()).unwrap_or_default(),
        retry_policy: scheduled.retry_policy.clone(),
        schedule_to_close: from_optional_duration(scheduled.schedule_to_close_timeout.as_ref()),
        schedule_to_start: from_optional_duration(scheduled.schedule_to_start_timeout.as_ref()),
        start_to_close: from_optional_duration(scheduled.start_to_close_timeout.as_ref()),
        heartbeat: from_optional_duration(scheduled.heartbeat_timeout.as_ref()),
        scheduled_time: time,
        attempt_scheduled_time: time,
        attempt: 1,
        phase: Some(ActivityPhase::Scheduled(ActivityScheduled {})),
        priority: scheduled.priority.clone(),
        input: scheduled.input.clone(),
        header: scheduled.header.clone(),
        workflow_task_completed_event_id: scheduled.workflow_task_completed_event_id,
        user_metadata: event.user_metadata.clone(),
        ..Default::default()
    }
}

/// The event comes when the activity ends, so it matters only where a history is all there is.
fn start(run: &mut RunState, event: &HistoryEvent, started: &ActivityTaskStartedEventAttributes) {
    if let Some(activity) = run.activities.get_mut(&started.scheduled_event_id) {
        activity.attempt = started.attempt;
        activity.last_failure = started.last_failure.clone().map(Box::new);
        activity.last_worker_identity.clone_from(&started.identity);
        activity.phase = Some(ActivityPhase::Started(ActivityStarted {
            time: event.event_time.as_ref().map_or(0, from_timestamp),
            identity: started.identity.clone(),
            request_id: started.request_id.clone(),
            worker_version: started.worker_version.clone(),
        }));
    }
}

pub(crate) fn apply_durable(run: &mut RunState, kind: &Kind) -> Result<(), Corrupt> {
    match kind {
        Kind::ActivityStarted(started) => apply_started(find(run, started.scheduled_event_id)?, started),
        Kind::ActivityRetry(retry) => apply_retry(find(run, retry.scheduled_event_id)?, retry),
        Kind::ActivityHeartbeat(heartbeat) => {
            apply_heartbeat(find(run, heartbeat.scheduled_event_id)?, heartbeat);
            if let Some(standalone) = &mut run.standalone_activity {
                standalone.heartbeats += 1;
            }
        }
        Kind::ActivityReady(scheduled_event_id) => {
            find(run, *scheduled_event_id)?.phase = Some(ActivityPhase::Scheduled(ActivityScheduled {}));
        }
        Kind::ActivityPaused(paused) => {
            find(run, paused.scheduled_event_id)?.pause = Some(Box::new(paused.pause.clone()))
        }
        Kind::ActivityResumed(resumed) => apply_resumed(find(run, resumed.scheduled_event_id)?, resumed),
        Kind::ActivityOptionsSet(set) => {
            apply_options(find(run, set.scheduled_event_id)?, &set.options);
            if let (Some(_), Some(queue)) = (&run.standalone_activity, &set.options.task_queue) {
                run.task_queue.clone_from(&queue.name);
            }
        }
        Kind::ActivityDelayed(delayed) => {
            let activity = find(run, delayed.scheduled_event_id)?;
            activity.attempt_scheduled_time = delayed.until;
            activity.phase = Some(ActivityPhase::Backoff(ActivityBackoff { until: delayed.until }));
        }
        _ => return Err(Corrupt::at(0, "not a change of activities")),
    }
    Ok(())
}

fn find(run: &mut RunState, scheduled_event_id: i64) -> Result<&mut Activity, Corrupt> {
    let activity = run.activities.get_mut(&scheduled_event_id).map(Box::as_mut);
    activity.ok_or(Corrupt::at(0, "a change of an activity that is not pending"))
}

fn apply_started(activity: &mut Activity, started: &ActivityStartedChange) {
    if started.deployment_version.is_some() {
        activity.last_deployment_version.clone_from(&started.deployment_version);
    }
    activity.last_worker_identity.clone_from(&started.identity);
    activity.last_started_time = started.time;
    activity.phase = Some(ActivityPhase::Started(ActivityStarted {
        time: started.time,
        identity: started.identity.clone(),
        request_id: started.request_id.clone(),
        worker_version: started.worker_version.clone(),
    }));
}

fn apply_retry(activity: &mut Activity, retry: &ActivityRetryChange) {
    activity.attempt = retry.attempt;
    activity.last_failure = retry.failure.clone().map(Box::new);
    activity.last_attempt_complete_time = retry.ended;
    activity.current_retry_interval = retry.interval;
    activity.attempt_scheduled_time = retry.until;
    activity.phase = Some(ActivityPhase::Backoff(ActivityBackoff { until: retry.until }));
    activity.forgiven_attempts = 0;
    activity.reset = false;
    if std::mem::take(&mut activity.drop_heartbeat) {
        forget_heartbeat(activity);
    }
}

/// What concerns the next attempt waits, where one runs, until that one has ended.
fn apply_resumed(activity: &mut Activity, resumed: &ActivityResumedChange) {
    let runs = super::running_attempt(activity).is_some();
    if resumed.unpause {
        activity.pause = None;
    }
    match (resumed.forgive_attempts, runs) {
        (true, true) => activity.forgiven_attempts = activity.attempt - 1,
        (true, false) => activity.attempt = 1,
        (false, _) => {}
    }
    match (resumed.drop_heartbeat, runs) {
        (true, true) => activity.drop_heartbeat = true,
        (true, false) => forget_heartbeat(activity),
        (false, _) => {}
    }
    match (resumed.reset, runs) {
        (true, true) => activity.reset = true,
        (true, false) => activity.last_failure = None,
        (false, _) => {}
    }
}

fn forget_heartbeat(activity: &mut Activity) {
    activity.heartbeat_details = None;
    activity.last_heartbeat_time = 0;
}

fn apply_options(activity: &mut Activity, options: &ActivityOptions) {
    if activity.original_options.is_none() {
        activity.original_options = Some(Box::new(super::options(activity)));
    }
    activity.options_version += 1;
    activity.task_queue = options.task_queue.as_ref().map(|queue| queue.name.clone()).unwrap_or_default();
    activity.schedule_to_close = from_optional_duration(options.schedule_to_close_timeout.as_ref());
    activity.schedule_to_start = from_optional_duration(options.schedule_to_start_timeout.as_ref());
    activity.start_to_close = from_optional_duration(options.start_to_close_timeout.as_ref());
    activity.heartbeat = from_optional_duration(options.heartbeat_timeout.as_ref());
    activity.retry_policy.clone_from(&options.retry_policy);
    activity.priority.clone_from(&options.priority);
    let start_delay = from_optional_duration(options.start_delay.as_ref());
    // It is about the first attempt alone.
    if start_delay != activity.start_delay && activity.last_started_time == 0 {
        activity.start_delay = start_delay;
        activity.attempt_scheduled_time = activity.first_dispatch_time();
    }
}

fn apply_heartbeat(activity: &mut Activity, heartbeat: &ActivityHeartbeatChange) {
    activity.last_heartbeat_time = heartbeat.time;
    activity.heartbeat_details.clone_from(&heartbeat.details);
}
