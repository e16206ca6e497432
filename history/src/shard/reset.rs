//! Resets: a new run, and the end of the one that it replaces, in one batch.

use perdure_engine::{Ctx, Input, Reset, reset::IDENTITY};
use perdure_proto::api::history::HistoryEvent;
use perdure_storage::RunKey;
use uuid::Uuid;

use super::{
    Shard,
    book::Dispatch,
    cell::Cell,
    message::{self, ResetOp},
};
use crate::error::Error;

impl Shard {
    pub(super) fn reset(&mut self, base: RunKey, op: ResetOp) {
        let ResetOp { reset, current, read_to, reply } = op;
        let result = self.try_reset(base, reset, current, read_to);
        self.send_when_durable(base, message::answer(reply, result));
    }

    fn try_reset(
        &mut self,
        base: RunKey,
        mut reset: Reset,
        current: Uuid,
        read_to: Option<i64>,
    ) -> Result<Option<Uuid>, Error> {
        let current = RunKey { run_id: current, ..base };
        let Some(cell) = self.cells.get(&current) else { return Ok(None) };
        let workflow = cell.workflow.clone();
        if self.current.get(&workflow) != Some(&current.run_id) {
            return Ok(None);
        }
        if cell.state.run.reset_request_id == reset.request_id {
            return Ok(Some(current.run_id));
        }
        if let Some(read_to) = read_to {
            let Some(newer) = newer_events(cell, read_to) else { return Ok(None) };
            let later = if current == base { &mut reset.later } else { &mut reset.continued };
            later.extend(newer);
        }
        let open = cell.is_open();
        let key = RunKey { run_id: Uuid::now_v7(), ..base };
        reset.run_id = key.run_id.to_string();
        let reason = reset.reason.clone();
        let now = self.shared.clock.now();
        let limits = self.shared.limits.load();
        let mut ctx = Ctx { now, ids: &mut self.ids, limits: limits.of(&cell.state.run.namespace) };
        let (state, outcome) = perdure_engine::reset(reset, &mut ctx)?;
        if open {
            let identity = IDENTITY.to_owned();
            self.step(current, Input::Terminate { reason, details: None, identity, links: Vec::new() })?;
        }
        self.step(base, Input::WasReset { run_id: key.run_id.to_string() })?;
        self.adopt(workflow, key, state, outcome, Dispatch::Queue);
        Ok(Some(key.run_id))
    }
}

/// What came after the events that a caller has read, and what still waits in the buffer. None: it is not in memory.
fn newer_events(cell: &Cell, read_to: i64) -> Option<Vec<HistoryEvent>> {
    let run = &cell.state.run;
    let mut events = match run.next_event_id {
        next if next == read_to => Vec::new(),
        _ => cell.tail.since(read_to)?.events().ok()?,
    };
    events.extend(run.buffered.iter().cloned());
    Some(events)
}
