//! What schedules owe: starts of workflows, and ends of those that are in the way of others.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use perdure_engine::{
    Input, Reject, Start,
    schedule::{self, ActionEnded, ActionStarted, ScheduleInput, ScheduledBy},
};
use perdure_proto::api::common::Callback;
use perdure_storage::WorkflowKey;
use tokio::time::{Instant, sleep};

use super::Message;
use crate::{api::Target, error::Error, limits::LiveLimits, shard::cell::Cell, shard::message::Action, shared::Shared};

pub(super) fn start(cell: &Cell, action_id: i64, limits: &LiveLimits) -> Option<Message> {
    let run = &cell.state.run;
    let start = schedule::owed_start(run, action_id, limits.load().of(&run.namespace))?;
    Some(Message::StartScheduled { action_id, start: Box::new(start) })
}

pub(super) fn end(cell: &Cell, action_id: i64) -> Option<Message> {
    let run = &cell.state.run;
    let (execution, ending) = schedule::owed_end(run, action_id)?;
    let identity = schedule::identity(run);
    let end = if ending.terminate {
        let reason = "terminated by schedule overlap policy".to_owned();
        Input::Terminate { reason, details: None, identity, links: Vec::new() }
    } else {
        Input::RequestCancel {
            reason: "cancelled by schedule overlap policy".to_owned(),
            identity,
            request_id: ending.request_id.clone(),
            external: None,
            links: Vec::new(),
        }
    };
    // Whichever run of its chain is the current one.
    let workflow = WorkflowKey::new(cell.workflow.namespace_id, execution.workflow_id.as_str());
    let to = Target { workflow, run_id: None };
    Some(Message::EndScheduled { action_id, to, chain: execution.run_id.clone(), end: Box::new(end) })
}

/// The starts of schedules, by namespace: those that come too fast wait for their turn.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Instant>>);

impl Turns {
    /// How long the next start waits where so many are allowed per second; 0: any number.
    fn take(&self, namespace: &str, per_second: u32, now: Instant) -> Duration {
        if per_second == 0 {
            return Duration::ZERO;
        }
        let mut turns = self.0.lock();
        let next = turns.entry(namespace.to_owned()).or_insert(now);
        let turn = (*next).max(now);
        *next = turn + Duration::from_secs(1) / per_second;
        turn - now
    }
}

pub(super) async fn send_start(shared: &Shared, action_id: i64, start: Start) -> Result<Input, Error> {
    let per_second = shared.limits.load().of(&start.namespace).scheduled_starts;
    let wait = shared.scheduled_starts.take(&start.namespace, per_second, Instant::now());
    // No wait at all is a millisecond of the timer's, in which clients look for what they have triggered.
    if !wait.is_zero() {
        sleep(wait).await;
    }
    let outcome = match shared.start(start, None).await {
        Ok(started) => ActionStarted::Started { run_id: started.reply.run_id, time: shared.clock.now() },
        Err(error @ (Error::Reject(Reject::BusyWorkflow(_)) | Error::Busy(_) | Error::Unavailable)) => {
            return Err(error);
        }
        Err(error) => {
            tracing::info!(%error, "the workflow of a schedule's action cannot be started");
            ActionStarted::Refused
        }
    };
    Ok(answer(ScheduleInput::ActionStarted { action_id, outcome }))
}

pub(super) async fn send_end(
    shared: &Shared,
    action_id: i64,
    to: &Target,
    chain: &str,
    end: Input,
) -> Result<Input, Error> {
    let chain = chain.to_owned();
    let found = shared
        .view(to.clone(), move |state| {
            let run = &state.run;
            (run.close.is_none() && run.first_execution_run_id == chain).then(|| run.run_id.clone())
        })
        .await;
    let told = match found {
        Ok(Some(run_id)) => {
            let to = Target { workflow: to.workflow.clone(), run_id: uuid::Uuid::parse_str(&run_id).ok() };
            shared.ask(to, |reply| Action::Input { input: end, reply }).await.map(|_| ())
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    super::send::settled(told)?;
    Ok(answer(ScheduleInput::ActionTold { action_id }))
}

/// The schedule behind a callback of a closed workflow, and what it is to hear.
pub(super) fn watcher(cell: &Cell, callback: &Callback) -> Option<(Target, ActionEnded)> {
    let by = ScheduledBy::of(callback)?;
    let ended = schedule::ended(&cell.state.run, by.action_id)?;
    let workflow =
        WorkflowKey::of(perdure_engine::Archetype::Schedule, cell.workflow.namespace_id, by.schedule_id.as_str());
    Some((Target { workflow, run_id: uuid::Uuid::parse_str(&by.run_id).ok() }, ended))
}

/// A schedule that is gone needs to hear nothing.
pub(super) async fn tell(shared: &Shared, to: &Target, ended: ActionEnded) -> Result<(), Error> {
    let input = answer(ScheduleInput::ActionEnded(Box::new(ended)));
    super::send::settled(shared.ask(to.clone(), |reply| Action::Input { input, reply }).await)
}

fn answer(input: ScheduleInput) -> Input {
    Input::Schedule(Box::new(input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_take_turns() {
        let (turns, start) = (Turns::default(), Instant::now());
        let at = |namespace: &str, per_second, millis: u64| {
            turns.take(namespace, per_second, start + Duration::from_millis(millis)).as_millis()
        };
        assert_eq!([0, 0, 0].map(|millis| at("n", 10, millis)), [0, 100, 200]);
        assert_eq!((at("other", 10, 0), at("n", 0, 0)), (0, 0), "others do not wait");
        assert_eq!([250, 250, 1_000].map(|millis| at("n", 10, millis)), [50, 150, 0]);
    }
}
