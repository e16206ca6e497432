//! The start of an activity of its own.

use perdure_proto::api::common::Link;

use super::{Linked, ONLY, StandaloneBegun, StandaloneKind, not_found, write};
use crate::{
    change::{Kind, StartRequestSeen},
    input::{ActivityTimeouts, Start},
    outcome::{Reply, Task},
    reject::Reject,
    state::{Activity, ActivityBackoff, ActivityPhase, ActivityScheduled},
    tx::Tx,
    validate::given_search_attributes,
};

/// The run exists (`Kind::Created`): this is what it consists of. With a start delay the first attempt waits.
pub(crate) fn start(tx: &mut Tx, start: Start, timeouts: ActivityTimeouts) {
    let now = tx.now();
    let first = now.saturating_add(start.start_delay);
    let phase = if start.start_delay > 0 {
        ActivityPhase::Backoff(ActivityBackoff { until: first })
    } else {
        ActivityPhase::Scheduled(ActivityScheduled {})
    };
    let activity = Activity {
        scheduled_event_id: ONLY,
        activity_id: start.workflow_id,
        activity_type: start.workflow_type,
        task_queue: start.task_queue,
        retry_policy: start.retry_policy,
        schedule_to_close: timeouts.schedule_to_close,
        schedule_to_start: timeouts.schedule_to_start,
        start_to_close: timeouts.start_to_close,
        heartbeat: timeouts.heartbeat,
        scheduled_time: now,
        attempt_scheduled_time: first,
        attempt: 1,
        phase: Some(phase),
        priority: start.priority,
        input: start.input,
        header: start.header,
        user_metadata: start.user_metadata,
        start_delay: start.start_delay,
        ..Activity::default()
    };
    let search_attributes = given_search_attributes(start.search_attributes);
    write(tx, StandaloneKind::Begun(Box::new(StandaloneBegun { activity, search_attributes })));
    if !start.links.is_empty() {
        write(tx, StandaloneKind::Linked(Linked { links: start.links }));
    }
    tx.out.visibility_changed = true;
    if start.start_delay == 0 {
        tx.task(Task::DispatchActivity { scheduled_event_id: ONLY, attempt: 1 });
    }
}

/// A second start found it open and is kept with it; an empty request id is not.
pub(super) fn attach(tx: &mut Tx, request_id: String, links: Vec<Link>) -> Result<Reply, Reject> {
    if tx.state.run.close.is_some() {
        return Err(not_found(&tx.state.run));
    }
    if !request_id.is_empty() {
        tx.durable(Kind::StartRequestSeen(StartRequestSeen { request_id, event_type: 0, event_id: 0 }));
    }
    if !links.is_empty() {
        write(tx, StandaloneKind::Linked(Linked { links }));
    }
    Ok(Reply::Done)
}
