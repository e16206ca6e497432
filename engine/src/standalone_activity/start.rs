//! The start of an activity of its own.

use super::{Linked, ONLY, StandaloneBegun, StandaloneKind, not_found, write};
use crate::{
    admit::start_request_id,
    attach::{Attached, keep_callbacks},
    change::{Kind, StartRequestSeen},
    input::{ActivityTimeouts, Start},
    outcome::{Reply, Task},
    reject::Reject,
    state::{Activity, ActivityBackoff, ActivityPhase, ActivityScheduled},
    tx::Tx,
    validate::given_search_attributes,
};

/// In texts of refusals.
const WHAT: &str = "an activity";

/// The run exists (`Kind::Created`): this is what it consists of. With a start delay the first attempt waits.
pub(crate) fn start(tx: &mut Tx, start: Start, timeouts: ActivityTimeouts) -> Result<(), Reject> {
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
        user_metadata: start.user_metadata.map(Box::new),
        start_delay: start.start_delay,
        ..Activity::default()
    };
    let search_attributes = given_search_attributes(start.search_attributes);
    write(tx, StandaloneKind::Begun(Box::new(StandaloneBegun { activity, search_attributes })));
    let request_id = start_request_id(&tx.state.run);
    let attached = Attached { request_id, callbacks: start.completion_callbacks, links: start.links };
    attached.check(tx, WHAT)?;
    keep(tx, attached);
    tx.out.visibility_changed = true;
    if start.start_delay == 0 {
        tx.task(Task::DispatchActivity { scheduled_event_id: ONLY, attempt: 1 });
    }
    Ok(())
}

/// A second start found it open and is kept with it.
pub(super) fn attach(tx: &mut Tx, attached: Attached) -> Result<Reply, Reject> {
    if tx.state.run.close.is_some() {
        return Err(not_found(&tx.state.run));
    }
    attached.check(tx, WHAT)?;
    if !attached.request_id.is_empty() {
        let request_id = attached.request_id.clone();
        tx.durable(Kind::StartRequestSeen(StartRequestSeen { request_id, event_type: 0, event_id: 0 }));
    }
    keep(tx, attached);
    Ok(Reply::Done)
}

fn keep(tx: &mut Tx, attached: Attached) {
    let Attached { request_id, callbacks, links } = attached;
    keep_callbacks(tx, request_id, callbacks);
    if !links.is_empty() {
        write(tx, StandaloneKind::Linked(Linked { links }));
    }
}
