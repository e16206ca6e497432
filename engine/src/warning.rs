//! Sizes that an operator wants to hear of before they become limits: `limit.*.warn`.
//!
//! | what is larger | noticed |
//! |---|---|
//! | an event, or what else a worker or client sent and the state keeps | each |
//! | the memo that an event brings | each |
//! | the failure that an activity keeps between two attempts | each |
//! | the history, in bytes or events | by the step that makes it so |
//! | the state | by each step that measures it (`close`): hosts tell of it once |

use perdure_proto::api::{
    common::Memo,
    history::{HistoryEvent, history_event::Attributes},
};
use prost::Message;

use crate::{
    change::{Change, DurableChange, Kind},
    outcome::Notice,
    tx::Tx,
};

/// Something is larger than its limit for warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub of: Size,
    /// Bytes; of a history's count, events.
    pub size: i64,
    pub limit: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Size {
    /// Names what holds it.
    Blob(&'static str),
    Memo,
    ActivityFailure,
    HistorySize,
    HistoryCount,
    State,
}

/// Looks at what a step has written.
pub(crate) fn look(tx: &mut Tx) {
    let limits = tx.ctx.limits;
    let mut found = Vec::new();
    let mut find = |of: Size, size: usize, limit: i64| {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        if size > limit {
            found.push(Warning { of, size, limit });
        }
    };
    let (mut events, mut bytes) = (0, 0);
    for change in &tx.out.changes {
        match change {
            Change::Event { event, encoded } => {
                events += 1;
                bytes += encoded.len() as i64;
                let kind = event.event_type().as_str_name().trim_start_matches("EVENT_TYPE_");
                find(Size::Blob(kind), encoded.len(), limits.blob_size_warn);
                // A memo is no larger than its event.
                if encoded.len() as i64 > limits.memo_size_warn {
                    find(Size::Memo, memo(event).map_or(0, Message::encoded_len), limits.memo_size_warn);
                }
            }
            Change::Durable(DurableChange { kind: Some(Kind::ActivityRetry(retry)) }) => {
                let failure = retry.failure.as_ref().map_or(0, Message::encoded_len);
                find(Size::ActivityFailure, failure, limits.failure_size_warn);
            }
            Change::Durable(change) => find(Size::Blob(kept(change)), kept_bytes(change), limits.blob_size_warn),
            Change::Volatile(_) => {}
        }
    }
    let run = &tx.state.run;
    let histories = [
        (Size::HistorySize, run.history_size_bytes, bytes, limits.history_size_warn),
        (Size::HistoryCount, run.next_event_id - 1, events, limits.history_count_warn),
    ];
    let passed = histories.into_iter().filter(|(_, now, grown, limit)| now > limit && now - grown <= *limit);
    found.extend(passed.map(|(of, size, _, limit)| Warning { of, size, limit }));
    found.into_iter().for_each(|warning| tx.notice(Notice::Warning(warning)));
}

/// What is not an event and may hold what others sent; empty: nothing of the kind.
fn kept(change: &DurableChange) -> &'static str {
    match &change.kind {
        Some(Kind::ActivityHeartbeat(_)) => "heartbeat",
        Some(Kind::StandaloneActivity(_)) => "activity",
        Some(Kind::StandaloneNexus(_)) => "Nexus operation",
        Some(Kind::Schedule(_)) => "schedule",
        _ => "",
    }
}

fn kept_bytes(change: &DurableChange) -> usize {
    if kept(change).is_empty() { 0 } else { change.encoded_len() }
}

/// The memo that the event gives a run.
fn memo(event: &HistoryEvent) -> Option<&Memo> {
    use Attributes as A;
    match event.attributes.as_ref()? {
        A::WorkflowExecutionStartedEventAttributes(started) => started.memo.as_ref(),
        A::WorkflowExecutionContinuedAsNewEventAttributes(continued) => continued.memo.as_ref(),
        A::StartChildWorkflowExecutionInitiatedEventAttributes(initiated) => initiated.memo.as_ref(),
        A::WorkflowPropertiesModifiedEventAttributes(modified) => modified.upserted_memo.as_ref(),
        _ => None,
    }
}
