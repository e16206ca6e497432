//! Resets, as callers see them: the histories are read first, then the shard makes the new run.

use perdure_engine::{
    Reset, WorkflowState,
    reset::{Exclude, PostReset, requests_on_their_way},
};
use perdure_proto::api::{
    enums::EventType,
    history::{HistoryEvent, history_event::Attributes},
};
use perdure_storage::RunKey;
use uuid::Uuid;

use crate::{
    History,
    api::Target,
    error::Error,
    shard::message::{Action, ResetOp},
};

/// A workflow that changes under each of so many tries is too busy.
const TRIES: usize = 5;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResetRequest {
    pub request_id: String,
    pub reason: String,
    /// The end of the workflow task that is to be done again: the first event that the new run does not share.
    pub finish_event_id: i64,
    pub exclude: Exclude,
    pub operations: Vec<PostReset>,
}

/// What must be known of a run before its history is read.
struct Seen {
    run: RunKey,
    next_event_id: i64,
    reset_request_id: String,
    /// A reset without anything but ids.
    reset: Reset,
}

impl History {
    /// Makes a new run from a part of this one and makes it the current run; the run that was is terminated if it is open.
    /// The same request id again finds the same run.
    pub async fn reset(&self, target: Target, request: ResetRequest) -> Result<Uuid, Error> {
        for _ in 0..TRIES {
            if let Some(run_id) = self.try_reset(&target, &request).await? {
                return Ok(run_id);
            }
        }
        Err(Error::Busy("the workflow changes too fast to be reset, try again later".into()))
    }

    async fn try_reset(&self, target: &Target, request: &ResetRequest) -> Result<Option<Uuid>, Error> {
        let base = self.look(target).await?;
        let finish = request.finish_event_id;
        if finish <= 1 || finish >= base.next_event_id {
            let text = "Workflow task finish ID must be > 1 && <= workflow last event ID.";
            return Err(perdure_engine::Reject::InvalidArgument(text.into()).into());
        }
        let current = self.look(&Target { run_id: None, ..target.clone() }).await?;
        if current.reset_request_id == request.request_id {
            return Ok(Some(current.run.run_id));
        }
        let (mut prefix, boundaries) = self.events(base.run, base.next_event_id).await?;
        let later = prefix.split_off((finish - 1).min(prefix.len() as i64) as usize);
        let (continued, last) = self.continued(target, &base, &later).await?;
        let reset = Reset {
            request_id: request.request_id.clone(),
            reason: request.reason.clone(),
            at_boundary: boundaries.contains(&finish),
            exclude: request.exclude,
            operations: request.operations.clone(),
            prefix,
            later,
            continued,
            ..base.reset
        };
        let read_to = (last.0 == current.run).then_some(last.1);
        let target = Target { run_id: Some(base.run.run_id), ..target.clone() };
        let op = |reply| Action::Reset(Box::new(ResetOp { reset, current: current.run.run_id, read_to, reply }));
        self.shared.ask(target, op).await
    }

    async fn look(&self, target: &Target) -> Result<Seen, Error> {
        let slot = target.workflow.slot();
        let look = move |state: &WorkflowState| {
            let run = &state.run;
            let run_id = run.run_id.parse().ok()?;
            Some(Seen {
                run: RunKey { slot, run_id },
                next_event_id: run.next_event_id,
                reset_request_id: run.reset_request_id.clone(),
                reset: Reset {
                    namespace_id: run.namespace_id.clone(),
                    namespace: run.namespace.clone(),
                    workflow_id: run.workflow_id.clone(),
                    base_run_id: run.run_id.clone(),
                    start_request_id: state.start_request_id(),
                    requests: requests_on_their_way(run),
                    ..Reset::default()
                },
            })
        };
        self.view(target.clone(), look).await?.ok_or(Error::RunNotFound)
    }

    /// All events of a run before this one, and the first ids of their batches.
    pub(crate) async fn events(&self, run: RunKey, end_event_id: i64) -> Result<(Vec<HistoryEvent>, Vec<i64>), Error> {
        let (mut events, mut boundaries) = (Vec::new(), Vec::new());
        loop {
            let from = events.len() as i64 + 1;
            if from >= end_event_id {
                return Ok((events, boundaries));
            }
            let page = self.shared.event_page(run, from, end_event_id).await?;
            if page.is_empty() {
                return Err(Error::Unavailable);
            }
            for (first_event_id, batch) in page {
                boundaries.push(first_event_id);
                let known = events.len() as i64;
                events
                    .extend(batch.into_iter().filter(|event| event.event_id > known && event.event_id < end_event_id));
            }
        }
    }

    /// The events of the runs that continued this one as new, and up to which event of which run all has been read.
    async fn continued(
        &self,
        target: &Target,
        base: &Seen,
        later: &[HistoryEvent],
    ) -> Result<(Vec<HistoryEvent>, (RunKey, i64)), Error> {
        let mut all = Vec::new();
        let mut last = (base.run, base.next_event_id);
        let mut next = next_run(later);
        while let Some(run_id) = next {
            let seen = match self.look(&Target { run_id: Some(run_id), ..target.clone() }).await {
                Ok(seen) => seen,
                // It was deleted: what there was is lost.
                Err(Error::RunNotFound) => break,
                Err(error) => return Err(error),
            };
            let (events, _) = self.events(seen.run, seen.next_event_id).await?;
            next = next_run(&events);
            last = (seen.run, seen.next_event_id);
            all.extend(events);
        }
        Ok((all, last))
    }
}

fn next_run(events: &[HistoryEvent]) -> Option<Uuid> {
    let last = events.last().filter(|event| event.event_type() == EventType::WorkflowExecutionContinuedAsNew)?;
    match &last.attributes {
        Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(end)) => end.new_execution_run_id.parse().ok(),
        _ => None,
    }
}
