//! One cached run.

use std::collections::{HashMap, VecDeque};

use bytes::{Bytes, BytesMut};
use perdure_engine::{Change, Nanos, WorkflowState};
use perdure_proto::{
    RawHistory,
    api::{
        enums::UpdateWorkflowExecutionLifecycleStage as Stage, enums::WorkflowExecutionStatus, query::WorkflowQuery,
    },
    take_event,
};
use perdure_storage::{RunKey, WorkflowKey};
use tokio::sync::oneshot;

use crate::{
    api::{Progress, QueryOutcome, Until, UpdateResult},
    error::Error,
};

/// Bytes of encoded history that are kept per run; older batches are read from the store.
const TAIL_BYTES: usize = 256 * 1024;

pub(crate) struct Cell {
    pub workflow: WorkflowKey,
    pub key: RunKey,
    pub state: WorkflowState,
    /// Number of the last journal row that was made, durable or in a batch on its way.
    pub seq: i64,
    pub snapshot_seq: i64,
    /// Bytes of the last snapshot, and of the journal rows after it.
    pub snapshot_bytes: usize,
    pub journal_bytes: usize,
    /// `wake_at` as it will be once all batches made so far are durable.
    pub stored_wake: Option<Nanos>,
    /// Entry of this run in the shard's deadlines.
    pub deadline: Option<Nanos>,
    pub tail: Tail,
    /// The state in memory is wrong: the run takes no input until it has been read again.
    pub damaged: bool,
    /// The run is to be deleted with the next batch, or is being so: for callers it is gone.
    pub deleted: bool,
    /// Changes for the next batch.
    pub dirty: Option<Dirty>,
    /// When lists must show a change that could wait so far.
    pub shown_by: Option<Nanos>,
    /// Batches with writes of this run that are not durable yet.
    pub in_flight: u32,
    /// Last event that is durable, and whether the run's close is.
    pub durable_event_id: i64,
    pub durable_transitions: i64,
    pub durable_close: bool,
    pub queries: HashMap<String, BufferedQuery>,
    pub update_waiters: HashMap<String, Vec<UpdateWaiter>>,
    pub event_waiters: Vec<EventWaiter>,
    /// The shard's step count when the run was last used.
    pub last_used: u64,
    /// Its share in the weight of the cache.
    pub weight: usize,
    /// That its state is large has been told.
    pub warned: bool,
}

/// What the next batch writes of a run.
#[derive(Default)]
pub(crate) struct Dirty {
    /// The run is new; true: and becomes the current one of its workflow id.
    pub create: Option<bool>,
    pub changes: Vec<Change>,
    pub visibility: bool,
}

/// A query that waits for a workflow task to ride on.
pub(crate) struct BufferedQuery {
    pub query: WorkflowQuery,
    pub sent: bool,
    pub reply: oneshot::Sender<Result<QueryRoute, Error>>,
}

/// How a query goes on.
pub(crate) enum QueryRoute {
    Answered(QueryOutcome),
    /// Nothing is pending: the caller dispatches it through matching.
    Direct(Box<crate::query::DirectQuery>),
}

pub(crate) struct UpdateWaiter {
    pub wait: Stage,
    pub reply: oneshot::Sender<Result<UpdateResult, Error>>,
}

pub(crate) struct EventWaiter {
    pub until: Until,
    pub reply: oneshot::Sender<Result<Progress, Error>>,
}

impl Cell {
    pub(crate) fn new(workflow: WorkflowKey, key: RunKey, state: WorkflowState) -> Self {
        Self {
            workflow,
            key,
            state,
            seq: 0,
            snapshot_seq: 0,
            snapshot_bytes: 0,
            journal_bytes: 0,
            stored_wake: None,
            deadline: None,
            tail: Tail::default(),
            damaged: false,
            deleted: false,
            dirty: None,
            shown_by: None,
            in_flight: 0,
            durable_event_id: 0,
            durable_transitions: 0,
            durable_close: false,
            queries: HashMap::new(),
            update_waiters: HashMap::new(),
            event_waiters: Vec::new(),
            last_used: 0,
            weight: 0,
            warned: false,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state.run.close.is_none()
    }

    pub(crate) fn status(&self) -> WorkflowExecutionStatus {
        self.state.status()
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn weigh(&self) -> usize {
        size_of::<Self>() + self.tail.bytes + self.state.run.held_size()
    }

    /// Nobody would notice if the run left the cache now.
    pub(crate) fn is_idle(&self) -> bool {
        self.dirty.is_none()
            && self.shown_by.is_none()
            && self.in_flight == 0
            && self.queries.is_empty()
            && self.update_waiters.is_empty()
            && self.event_waiters.iter().all(|waiter| waiter.reply.is_closed())
            && self.state.volatile.admitted.is_empty()
            && self.state.volatile.speculative_task.is_none()
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            run_id: self.key.run_id,
            last_event_id: self.durable_event_id,
            closed: self.durable_close,
            paused: self.status() == WorkflowExecutionStatus::Paused,
            close_event: self
                .state
                .run
                .close
                .as_ref()
                .filter(|_| self.durable_close)
                .and_then(|close| close.event.as_deref().cloned()),
            transient_events: perdure_engine::transient_events(&self.state),
        }
    }

    fn has_reached(&self, until: Until) -> bool {
        match until {
            Until::Event(after) => self.durable_event_id > after || self.durable_close,
            Until::Transition(after) => self.durable_transitions > after,
            Until::Closed => self.durable_close,
        }
    }

    /// Answers those who waited for what is durable now.
    pub(crate) fn wake_event_waiters(&mut self) {
        if self.event_waiters.is_empty() {
            return;
        }
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.event_waiters).into_iter().partition(|waiter| self.has_reached(waiter.until));
        self.event_waiters = waiting.into_iter().filter(|waiter| !waiter.reply.is_closed()).collect();
        for waiter in ready {
            // A waiter that has gone needs no answer.
            let _ = waiter.reply.send(Ok(self.progress()));
        }
    }
}

/// The newest event batches of a run, encoded.
#[derive(Default)]
pub(crate) struct Tail {
    batches: VecDeque<(i64, Bytes)>,
    bytes: usize,
    /// First event that is in memory; everything from here on is.
    first_event_id: Option<i64>,
}

impl Tail {
    pub(crate) fn push(&mut self, first_event_id: i64, events: Bytes) {
        if events.is_empty() {
            return;
        }
        self.first_event_id.get_or_insert(first_event_id);
        self.bytes += events.len();
        self.batches.push_back((first_event_id, events));
        while self.bytes > TAIL_BYTES {
            if let Some((_, dropped)) = self.batches.pop_front() {
                self.bytes -= dropped.len();
            }
            self.first_event_id = self.batches.front().map(|(first, _)| *first);
        }
    }

    /// The history from this event on, if all of it is in memory. A task that existed only to carry updates is written together with
    /// its completion: what its worker has not seen begins in the middle of that batch.
    pub(crate) fn since(&self, event_id: i64) -> Option<RawHistory> {
        if self.first_event_id? > event_id {
            return None;
        }
        let from = self.batches.partition_point(|(first, _)| *first <= event_id).checked_sub(1)?;
        let (first, events) = self.batches.get(from)?;
        let events = skip_events(events.clone(), event_id - first).filter(|events| !events.is_empty())?;
        if from + 1 == self.batches.len() {
            return Some(RawHistory::from_encoded(events));
        }
        let later = self.batches.range(from + 1..).map(|(_, events)| events);
        let mut out = BytesMut::with_capacity(events.len() + later.clone().map(Bytes::len).sum::<usize>());
        out.extend_from_slice(&events);
        later.for_each(|events| out.extend_from_slice(events));
        Some(RawHistory::from_encoded(out.freeze()))
    }
}

/// Drops the first events of an encoded batch. None: it has fewer, or they cannot be read.
pub(crate) fn skip_events(mut events: Bytes, count: i64) -> Option<Bytes> {
    for _ in 0..count {
        take_event(&mut events).ok()?;
    }
    Some(events)
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::history::HistoryEvent;

    use super::*;

    fn batch(ids: std::ops::Range<i64>) -> Bytes {
        let events: Vec<_> = ids.map(|event_id| HistoryEvent { event_id, ..Default::default() }).collect();
        events.iter().collect::<RawHistory>().encoded().clone()
    }

    #[test]
    fn a_tail_begins_at_any_event_that_it_has() {
        let mut tail = Tail::default();
        for ids in [3..4, 4..9, 9..11] {
            tail.push(ids.start, batch(ids));
        }
        let ids = |from| {
            let history = tail.since(from)?.events().expect("events decode");
            Some(history.iter().map(|event| event.event_id).collect::<Vec<_>>())
        };
        assert_eq!((ids(1), ids(2)), (None, None), "before the first that is in memory");
        for from in 3..11 {
            assert_eq!(ids(from), Some((from..11).collect()), "{from}");
        }
        assert_eq!(ids(11), None, "behind the last");
        assert_eq!(Tail::default().since(1), None);
    }
}
