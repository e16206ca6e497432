//! The start of a Nexus operation of its own.

use std::collections::BTreeMap;

use perdure_proto::api::common::{Link, Payload};

use super::{
    ONLY, StandaloneNexusBegun, StandaloneNexusKind, StandaloneNexusStarted, change::StandaloneNexusLinked, not_found,
    write,
};
use crate::{
    admit::start_request_id,
    attach::{Attached, keep_callbacks},
    change::{Kind, StartRequestSeen},
    input::Start,
    outcome::{Reply, Task},
    reject::Reject,
    state::{InPhase, Nanos, NexusOperation, NexusOperationPhase},
    tx::Tx,
    validate::given_search_attributes,
};

/// In texts of refusals.
const WHAT: &str = "a Nexus operation";

/// What is to be done, and by whom. Time-outs: 0 is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewNexusOperation {
    pub endpoint: String,
    pub endpoint_id: String,
    pub service: String,
    pub operation: String,
    pub input: Option<Payload>,
    /// Keys in lower case.
    pub nexus_header: BTreeMap<String, String>,
    pub schedule_to_close: Nanos,
    pub schedule_to_start: Nanos,
    pub start_to_close: Nanos,
}

/// The run exists (`Kind::Created`): this is what it consists of.
pub(crate) fn start(tx: &mut Tx, start: Start, new: NewNexusOperation) -> Result<(), Reject> {
    let operation = NexusOperation {
        scheduled_event_id: ONLY,
        endpoint: new.endpoint,
        endpoint_id: new.endpoint_id,
        service: new.service,
        operation: new.operation,
        request_id: tx.ctx.ids.message_id(),
        scheduled_time: tx.now(),
        schedule_to_close: new.schedule_to_close,
        schedule_to_start: new.schedule_to_start,
        start_to_close: new.start_to_close,
        input: new.input,
        nexus_header: new.nexus_header,
        phase: Some(NexusOperationPhase::Scheduled(InPhase {})),
        ..NexusOperation::default()
    };
    let begun = StandaloneNexusBegun {
        operation,
        search_attributes: given_search_attributes(start.search_attributes),
        user_metadata: start.user_metadata,
        identity: start.identity,
    };
    write(tx, StandaloneNexusKind::Begun(Box::new(begun)));
    let request_id = start_request_id(&tx.state.run);
    let attached = Attached { request_id, callbacks: start.completion_callbacks, links: start.links };
    attached.check(tx, WHAT)?;
    keep(tx, attached);
    tx.out.visibility_changed = true;
    tx.task(Task::StartNexusOperation { scheduled_event_id: ONLY, attempt: 0 });
    Ok(())
}

fn keep(tx: &mut Tx, attached: Attached) {
    keep_callbacks(tx, attached.request_id, attached.callbacks);
    link(tx, attached.links);
}

/// The handler works on it since `time`; 0: since now.
pub(crate) fn started(tx: &mut Tx, operation_token: String, links: Vec<Link>, time: Nanos) {
    let time = if time == 0 { tx.now() } else { time };
    write(tx, StandaloneNexusKind::Started(StandaloneNexusStarted { time, operation_token }));
    link(tx, links);
}

pub(super) fn link(tx: &mut Tx, links: Vec<Link>) {
    if !links.is_empty() {
        write(tx, StandaloneNexusKind::Linked(StandaloneNexusLinked { links }));
    }
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
