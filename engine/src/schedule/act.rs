//! What a schedule does as time goes by.
//!
//! | what happens           | what follows                                                                    |
//! |------------------------|---------------------------------------------------------------------------------|
//! | a time comes           | its action is buffered; missed if it is older than the catch-up window; nothing while paused or out of actions |
//! | a trigger              | an action is buffered, whatever the pause                                       |
//! | a backfill             | its times are buffered, some at once, the others as there is room              |
//! | something is buffered, or a run ends | the overlap policies decide: start, wait, skip, end what runs       |
//! | a start is done        | it is counted and listed, and, unless it runs beside others, in their way       |
//! | a start is refused     | the action is dropped                                                           |
//! | a run ends             | its result or failure is kept for the next; a failure may pause the schedule    |
//! | nothing more will come | after a week the schedule ends                                                  |
//!
//! Each time acts once: the cursor and the actions that it passed are one change.

use perdure_proto::api::{
    common::{Payloads, WorkflowExecution},
    enums::{ScheduleOverlapPolicy, WorkflowExecutionStatus as Status},
    failure::Failure,
    schedule::{ScheduleActionResult, SchedulePatch, SchedulePolicies, ScheduleState, schedule_action::Action},
    workflow::NewWorkflowExecutionInfo,
};

use super::{
    overlap::{self, Decision, End},
    spec::{Due, Spec},
    state::{Backfill, Buffered, Definition, Ending, Progress, Running, Starting},
};
use crate::{
    Ids, Nanos,
    time::{MILLISECOND, SECOND, from_duration, from_optional_timestamp, timestamp},
};

/// Actions that wait at most; more are dropped. Backfills use half of the room.
const MOST_BUFFERED: usize = 1000;
/// Times that one step goes through.
const TIMES_PER_STEP: usize = 500;
/// Actions that a schedule remembers.
pub(super) const RECENT: usize = 10;
const DEFAULT_CATCHUP_WINDOW: Nanos = 365 * 86_400 * SECOND;
const SHORTEST_CATCHUP_WINDOW: Nanos = 10 * SECOND;
/// How long a schedule without anything to do is kept.
const RETENTION: Nanos = 7 * 86_400 * SECOND;

/// How an action's start ended.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionStarted {
    Started {
        run_id: String,
        time: Nanos,
    },
    /// It can never succeed, or its catch-up window is over.
    Refused,
}

/// The end of a workflow that the schedule started, at the end of its chain.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionEnded {
    pub action_id: i64,
    pub first_run_id: String,
    pub start_time: Nanos,
    pub status: Status,
    pub result: Option<Payloads>,
    pub failure: Option<Failure>,
}

/// A schedule in the making of one step.
pub(super) struct Actor<'a> {
    pub definition: &'a Definition,
    /// None: it names no time.
    pub spec: Option<&'a Spec>,
    pub seed: &'a str,
    pub created: Nanos,
    pub now: Nanos,
    pub progress: Progress,
}

impl Actor<'_> {
    /// Goes through the time up to now and does what can be done.
    pub(super) fn advance(&mut self, ids: &mut dyn Ids) {
        self.pass_time();
        self.backfill();
        self.decide(ids);
    }

    pub(super) fn patch(&mut self, patch: &SchedulePatch) {
        if let Some(trigger) = &patch.trigger_immediately {
            let time = from_optional_timestamp(trigger.scheduled_time.as_ref()).unwrap_or(self.now);
            let due = Due { nominal: time, actual: time };
            self.buffer(due, trigger.overlap_policy(), true);
        }
        for request in &patch.backfill_request {
            let start = from_optional_timestamp(request.start_time.as_ref()).unwrap_or_default();
            let backfill = Backfill {
                // The start itself belongs to the range.
                after: start - MILLISECOND,
                until: from_optional_timestamp(request.end_time.as_ref()).unwrap_or_default(),
                overlap_policy: request.overlap_policy,
            };
            if self.progress.backfills.len() < MOST_BUFFERED {
                self.progress.backfills.push(backfill);
            } else {
                self.progress.buffer_dropped += 1;
            }
        }
        for (notes, paused) in [(&patch.pause, true), (&patch.unpause, false)] {
            if !notes.is_empty() {
                self.set_paused(paused, notes.clone());
            }
        }
    }

    pub(super) fn started(&mut self, action_id: i64, outcome: ActionStarted) {
        // An end that came first has taken the action away.
        let Some(at) = self.progress.starting.iter().position(|start| start.action_id == action_id) else { return };
        let start = self.progress.starting.remove(at);
        let ActionStarted::Started { run_id, time } = outcome else { return };
        let execution = WorkflowExecution { workflow_id: start.workflow_id, run_id };
        let actual = start.buffered.as_ref().map_or(time, |buffered| buffered.actual);
        self.progress.action_count += 1;
        self.progress.recent.push(ScheduleActionResult {
            schedule_time: Some(timestamp(actual)),
            actual_time: Some(timestamp(time)),
            start_workflow_result: Some(execution.clone()),
            start_workflow_status: Status::Running as i32,
        });
        let old = self.progress.recent.len().saturating_sub(RECENT);
        self.progress.recent.drain(..old);
        if !start.overlaps {
            self.progress.running.push(Running { action_id, execution: Some(execution), ending: None });
        }
    }

    pub(super) fn ended(&mut self, ended: ActionEnded) {
        let ActionEnded { action_id, first_run_id, start_time, status, result, failure } = ended;
        self.started(action_id, ActionStarted::Started { run_id: first_run_id.clone(), time: start_time });
        let of_this = |execution: &Option<WorkflowExecution>| {
            execution.as_ref().is_some_and(|execution| execution.run_id == first_run_id)
        };
        let recent = self.progress.recent.iter_mut().find(|recent| of_this(&recent.start_workflow_result));
        let workflow_id = recent.map(|recent| {
            recent.start_workflow_status = status as i32;
            recent.start_workflow_result.as_ref().map(|execution| execution.workflow_id.clone()).unwrap_or_default()
        });
        let Some(at) = self.progress.running.iter().position(|running| running.action_id == action_id) else { return };
        let running = self.progress.running.remove(at);
        let workflow_id = workflow_id.or_else(|| running.execution.map(|execution| execution.workflow_id));
        self.pause_on_failure(status, &workflow_id.unwrap_or_default(), failure.as_ref());
        if result.is_some() {
            self.progress.last_completion_result = result;
            self.progress.continued_failure = None;
        } else if failure.is_some() {
            self.progress.continued_failure = failure;
        }
    }

    /// The workflow that was to be ended has been told.
    pub(super) fn told(&mut self, action_id: i64) {
        let running = self.progress.running.iter_mut().find(|running| running.action_id == action_id);
        if let Some(ending) = running.and_then(|running| running.ending.as_mut()) {
            ending.done = true;
        }
    }

    /// When the schedule has something to do; None: only when something happens to it.
    pub(super) fn next_deadline(&self) -> Option<Nanos> {
        if !self.progress.backfills.is_empty() && self.progress.buffer.len() < MOST_BUFFERED / 2 {
            return Some(self.progress.cursor);
        }
        self.next_time().or_else(|| self.expires())
    }

    /// When a schedule that will never act again is to be forgotten.
    pub(super) fn expires(&self) -> Option<Nanos> {
        let waits = self.state().paused || self.next_time().is_some();
        let busy = !(self.progress.running.is_empty()
            && self.progress.starting.is_empty()
            && self.progress.buffer.is_empty()
            && self.progress.backfills.is_empty());
        let last_action = self.progress.recent.last().and_then(|recent| recent.actual_time.as_ref());
        let last = from_optional_timestamp(last_action).unwrap_or_default();
        (!waits && !busy).then(|| last.max(self.created).max(self.definition.update_time) + RETENTION)
    }

    /// The next times at which it will act, at most `count`.
    pub(super) fn future_times(&self, count: usize) -> Vec<Nanos> {
        let state = self.state();
        let left = if state.limited_actions { usize::try_from(state.remaining_actions).unwrap_or(0) } else { count };
        let mut after = self.progress.cursor;
        let times = std::iter::from_fn(|| {
            after = self.next_after(after)?.actual;
            Some(after)
        });
        times.skip_while(|time| *time < self.definition.update_time).take(left.min(count)).collect()
    }

    // === Time ===

    fn pass_time(&mut self) {
        let end = self.now.max(self.progress.cursor);
        if !self.can_act() {
            // What falls into a pause is not made up for.
            self.progress.cursor = end;
            return;
        }
        let window = self.definition.policies.as_ref().map_or(DEFAULT_CATCHUP_WINDOW, catchup_window);
        for _ in 0..TIMES_PER_STEP {
            let Some(due) = self.next_after(self.progress.cursor).filter(|due| due.actual <= end) else { return };
            self.progress.cursor = due.actual;
            if due.actual < self.definition.update_time {
                continue;
            }
            if end - due.actual > window {
                self.progress.missed_catchup_window += 1;
            } else {
                self.buffer(due, ScheduleOverlapPolicy::Unspecified, false);
            }
        }
    }

    fn backfill(&mut self) {
        let mut left = TIMES_PER_STEP;
        while let Some(backfill) = self.progress.backfills.first().cloned() {
            if left == 0 || self.progress.buffer.len() >= MOST_BUFFERED / 2 {
                return;
            }
            left -= 1;
            match self.next_after(backfill.after).filter(|due| due.actual <= backfill.until) {
                Some(due) => {
                    self.buffer(due, backfill.overlap_policy(), true);
                    if let Some(first) = self.progress.backfills.first_mut() {
                        first.after = due.actual;
                    }
                }
                None => drop(self.progress.backfills.remove(0)),
            }
        }
    }

    fn next_after(&self, after: Nanos) -> Option<Due> {
        // One that excludes too much has no times.
        self.spec?.next(self.seed, after).ok().flatten()
    }

    fn next_time(&self) -> Option<Nanos> {
        if !self.can_act() {
            return None;
        }
        self.next_after(self.progress.cursor).map(|due| due.actual)
    }

    fn buffer(&mut self, due: Due, policy: ScheduleOverlapPolicy, manual: bool) {
        if self.progress.buffer.len() >= MOST_BUFFERED {
            self.progress.buffer_dropped += 1;
            return;
        }
        let Due { nominal, actual } = due;
        self.progress.buffer.push(Buffered { nominal, actual, overlap_policy: policy as i32, manual });
    }

    // === Actions ===

    fn decide(&mut self, ids: &mut dyn Ids) {
        let Some(action) = self.workflow().cloned() else {
            self.progress.buffer.clear();
            return;
        };
        // Again where something could not start after all, so that what waits behind it gets its turn.
        loop {
            let busy = !self.progress.running.is_empty() || self.progress.starting.iter().any(|start| !start.overlaps);
            let actions = std::mem::take(&mut self.progress.buffer);
            let Decision { beside, chosen, waiting, skipped, end } = overlap::decide(actions, busy, self.policy());
            self.progress.buffer = waiting;
            self.progress.overlap_skipped += skipped;
            if let Some(end) = end {
                self.end_running(end, ids);
            }
            let mut left_out = false;
            for (action_due, overlaps) in
                beside.into_iter().map(|due| (due, true)).chain(chosen.map(|due| (due, false)))
            {
                if action_due.manual || self.take_action() {
                    self.start(action_due, overlaps, &action, ids);
                } else {
                    left_out = true;
                }
            }
            if !left_out {
                return;
            }
        }
    }

    fn start(&mut self, due: Buffered, overlaps: bool, action: &NewWorkflowExecutionInfo, ids: &mut dyn Ids) {
        self.progress.last_action_id += 1;
        let keeps_id = self.definition.policies.as_ref().is_some_and(|policies| policies.keep_original_workflow_id);
        let workflow_id = if keeps_id && !overlaps {
            action.workflow_id.clone()
        } else {
            format!("{}-{}", action.workflow_id, rfc3339(due.nominal))
        };
        self.progress.starting.push(Starting {
            action_id: self.progress.last_action_id,
            buffered: Some(due),
            workflow_id,
            request_id: ids.message_id(),
            overlaps,
        });
    }

    fn end_running(&mut self, end: End, ids: &mut dyn Ids) {
        let terminate = end == End::Terminate;
        for running in &mut self.progress.running {
            // A cancel that was asked for may still become a termination.
            if running.ending.as_ref().is_none_or(|ending| terminate && !ending.terminate) {
                running.ending = Some(Ending { terminate, request_id: ids.message_id(), done: false });
            }
        }
    }

    fn pause_on_failure(&mut self, status: Status, workflow_id: &str, failure: Option<&Failure>) {
        let wanted = self.definition.policies.as_ref().is_some_and(|policies| policies.pause_on_failure);
        if !wanted || self.state().paused {
            return;
        }
        let message = failure.map(|failure| failure.message.as_str()).unwrap_or_default();
        match status {
            Status::Failed => {
                self.set_paused(true, format!("paused due to workflow failure: {workflow_id}: {message}"))
            }
            Status::TimedOut => self.set_paused(true, format!("paused due to workflow timeout: {workflow_id}")),
            _ => {}
        }
    }

    // === What the owner said ===

    fn state(&self) -> ScheduleState {
        self.progress.state.clone().unwrap_or_default()
    }

    fn set_paused(&mut self, paused: bool, notes: String) {
        let state = self.progress.state.get_or_insert_default();
        state.paused = paused;
        state.notes = notes;
        self.progress.conflict_token += 1;
    }

    /// Scheduled actions are neither paused nor used up.
    fn can_act(&self) -> bool {
        self.progress
            .state
            .as_ref()
            .is_none_or(|state| !state.paused && (!state.limited_actions || state.remaining_actions > 0))
    }

    /// Uses one of the scheduled actions; false: there is none.
    fn take_action(&mut self) -> bool {
        if !self.can_act() {
            return false;
        }
        if let Some(state) = self.progress.state.as_mut().filter(|state| state.limited_actions) {
            state.remaining_actions -= 1;
            self.progress.conflict_token += 1;
        }
        true
    }

    fn workflow(&self) -> Option<&NewWorkflowExecutionInfo> {
        let Action::StartWorkflow(workflow) = self.definition.action.as_ref()?.action.as_ref()?;
        Some(workflow)
    }

    fn policy(&self) -> ScheduleOverlapPolicy {
        overlap::or_skip(
            self.definition.policies.as_ref().map(|policies| policies.overlap_policy()).unwrap_or_default(),
        )
    }
}

/// A year where none is set, and never below ten seconds.
pub(super) fn catchup_window(policies: &SchedulePolicies) -> Nanos {
    let window = policies.catchup_window.as_ref();
    window.map_or(DEFAULT_CATCHUP_WINDOW, |window| from_duration(window).max(SHORTEST_CATCHUP_WINDOW))
}

/// `2024-01-01T08:30:00Z`.
pub(super) fn rfc3339(time: Nanos) -> String {
    let whole = chrono::DateTime::from_timestamp(time.div_euclid(SECOND), 0).unwrap_or_default();
    whole.format("%FT%TZ").to_string()
}
