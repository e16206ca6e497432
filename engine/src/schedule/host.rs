//! A schedule as a run: its start, what can happen to it, what it owes.

use perdure_proto::api::{
    common::{Callback, Memo, SearchAttributes, callback},
    schedule::{Schedule as ApiSchedule, SchedulePatch, ScheduleState},
};
use prost::Message;

use super::{
    act::{ActionEnded, ActionStarted, Actor},
    change::{ScheduleBegun, ScheduleChange, ScheduleDefined, ScheduleKind},
    overlap,
    spec::Spec,
    state::{Definition, Progress, Schedule},
};
use crate::{
    Ids, Nanos,
    change::Kind,
    delete,
    input::{Input, Start},
    outcome::{Notice, Reply, Task},
    reject::Reject,
    state::RunState,
    time::{from_optional_duration, optional_duration},
    tx::Tx,
    validate::given_search_attributes,
};

/// Request ids of updates and patches that are remembered.
const REQUEST_IDS: usize = 20;

/// What a start of archetype Schedule says beside its id, memo and search attributes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewSchedule {
    /// With a canonical specification ([`Spec::canonical`]).
    pub schedule: ApiSchedule,
    pub patch: Option<SchedulePatch>,
}

/// What can happen to a schedule.
#[derive(Clone, Debug, PartialEq)]
pub enum ScheduleInput {
    Update(Box<ScheduleUpdate>),
    Patch {
        patch: SchedulePatch,
        request_id: String,
    },
    ActionStarted {
        action_id: i64,
        outcome: ActionStarted,
    },
    ActionEnded(Box<ActionEnded>),
    /// The workflow of this action was told to end.
    ActionTold {
        action_id: i64,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScheduleUpdate {
    pub schedule: ApiSchedule,
    /// Of the definition that the caller has seen; None: whatever it is.
    pub conflict_token: Option<i64>,
    pub request_id: String,
    /// None: as it was.
    pub memo: Option<Memo>,
    pub search_attributes: Option<SearchAttributes>,
}

/// In a workflow that a schedule started, the callback by which the schedule hears of its end.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ScheduledBy {
    #[prost(string, tag = "1")]
    pub schedule_id: String,
    #[prost(string, tag = "2")]
    pub run_id: String,
    #[prost(int64, tag = "3")]
    pub action_id: i64,
}

impl ScheduledBy {
    pub fn callback(&self) -> Callback {
        let internal = callback::Internal { data: self.encode_to_vec().into() };
        Callback { variant: Some(callback::Variant::Internal(internal)), ..Callback::default() }
    }

    /// None: it is somebody else's callback.
    pub fn of(callback: &Callback) -> Option<Self> {
        let Some(callback::Variant::Internal(internal)) = &callback.variant else { return None };
        Self::decode(internal.data.clone()).ok()
    }
}

/// The run exists (`Kind::Created`): this is what it consists of.
pub(crate) fn start(tx: &mut Tx, start: Start, new: NewSchedule) -> Result<(), Reject> {
    let (definition, state) = defined(new.schedule);
    let begun = ScheduleBegun {
        definition,
        state,
        time: tx.now(),
        memo: start.memo,
        search_attributes: given_search_attributes(start.search_attributes),
    };
    write(tx, ScheduleKind::Begun(Box::new(begun)));
    tx.out.visibility_changed = true;
    act(tx, |actor, ids| {
        if let Some(patch) = &new.patch {
            actor.patch(patch);
        }
        actor.advance(ids);
    })
}

pub(crate) fn dispatch(tx: &mut Tx, input: Input) -> Result<Reply, Reject> {
    if tx.state.run.close.is_some() {
        return Err(not_found(&tx.state.run));
    }
    match input {
        Input::Schedule(input) => take(tx, *input)?,
        Input::Wake => wake(tx)?,
        // Ids of schedules and of others never meet, so nobody sends anything else.
        _ => return Err(Reject::NotAwaited),
    }
    Ok(Reply::Done)
}

fn take(tx: &mut Tx, input: ScheduleInput) -> Result<(), Reject> {
    match input {
        ScheduleInput::Update(update) => define(tx, *update),
        ScheduleInput::Patch { patch, request_id } => {
            if is_seen(&tx.state.run, &request_id) {
                return Ok(());
            }
            act(tx, |actor, ids| {
                see(&mut actor.progress, request_id);
                // The pause begins, or ends, now.
                actor.advance(ids);
                actor.patch(&patch);
                actor.advance(ids);
            })
        }
        ScheduleInput::ActionStarted { action_id, outcome } => act(tx, |actor, ids| {
            actor.started(action_id, outcome);
            actor.advance(ids);
        }),
        ScheduleInput::ActionEnded(ended) => act(tx, |actor, ids| {
            actor.ended(*ended);
            actor.advance(ids);
        }),
        ScheduleInput::ActionTold { action_id } => act(tx, |actor, _| actor.told(action_id)),
    }
}

fn wake(tx: &mut Tx) -> Result<(), Reject> {
    act(tx, |actor, ids| actor.advance(ids))?;
    let run = &tx.state.run;
    let expired = with_actor(run, tx.ctx.now, |actor| actor.expires()).flatten();
    if expired.is_some_and(|time| time <= tx.ctx.now) {
        delete::request(tx)?;
    }
    Ok(())
}

fn define(tx: &mut Tx, update: ScheduleUpdate) -> Result<(), Reject> {
    if is_seen(&tx.state.run, &update.request_id) {
        return Ok(());
    }
    let progress = &schedule_of(&tx.state.run)?.progress;
    if update.conflict_token.is_some_and(|token| token != progress.conflict_token) {
        return Err(Reject::FailedPrecondition("mismatched conflict token".into()));
    }
    // What is due under the old definition still happens.
    act(tx, |actor, ids| actor.advance(ids))?;
    let now = tx.now();
    let (mut definition, state) = defined(update.schedule);
    definition.update_time = now;
    let jitter = definition.spec.as_ref().map_or(0, |spec| from_optional_duration(spec.jitter.as_ref()));
    let defined = ScheduleDefined { definition, memo: update.memo, search_attributes: update.search_attributes };
    write(tx, ScheduleKind::Defined(Box::new(defined)));
    tx.out.visibility_changed = true;
    act(tx, |actor, ids| {
        see(&mut actor.progress, update.request_id);
        actor.progress.state = Some(state);
        actor.progress.conflict_token += 1;
        // Back far enough for times before now that jitter moves behind it; earlier ones are left out.
        actor.progress.cursor = now.saturating_sub(jitter.max(0));
        actor.advance(ids);
    })
}

/// Lets the actor do something, writes what came of it, and asks for what is owed from now on.
fn act(tx: &mut Tx, work: impl FnOnce(&mut Actor, &mut dyn Ids)) -> Result<(), Reject> {
    let before = schedule_of(&tx.state.run)?.progress.clone();
    let owed: Vec<Task> = tasks(&tx.state.run);
    let (now, ids) = (tx.ctx.now, &mut *tx.ctx.ids);
    let progress = with_actor(&tx.state.run, now, |mut actor| {
        work(&mut actor, ids);
        actor.progress
    });
    let progress = progress.ok_or_else(|| not_found(&tx.state.run))?;
    if progress == before {
        return Ok(());
    }
    write(tx, ScheduleKind::Progressed(Box::new(progress)));
    tx.out.visibility_changed = true;
    let new: Vec<Task> = tasks(&tx.state.run).into_iter().filter(|task| !owed.contains(task)).collect();
    tx.out.tasks.extend(new);
    Ok(())
}

/// None: the run is no schedule.
pub(super) fn with_actor<R>(run: &RunState, now: Nanos, work: impl FnOnce(Actor) -> R) -> Option<R> {
    let Schedule { definition, progress } = run.schedule.as_deref()?;
    // A specification is checked before it is stored.
    let spec = definition.spec.as_ref().and_then(|spec| Spec::new(spec).ok());
    let seed = format!("{}-{}", run.namespace_id, run.workflow_id);
    Some(work(Actor {
        definition,
        spec: spec.as_ref(),
        seed: &seed,
        created: run.start_time,
        now,
        progress: progress.clone(),
    }))
}

fn write(tx: &mut Tx, kind: ScheduleKind) {
    tx.durable(Kind::Schedule(Box::new(ScheduleChange { kind: Some(kind) })));
}

fn schedule_of(run: &RunState) -> Result<&Schedule, Reject> {
    run.schedule.as_deref().ok_or_else(|| not_found(run))
}

fn not_found(run: &RunState) -> Reject {
    Reject::NotFound(format!("workflow not found for ID: temporal-sys-scheduler:{}", run.workflow_id))
}

fn is_seen(run: &RunState, request_id: &str) -> bool {
    let seen = |schedule: &Schedule| schedule.progress.request_ids.iter().any(|seen| seen == request_id);
    !request_id.is_empty() && run.schedule.as_deref().is_some_and(seen)
}

fn see(progress: &mut Progress, request_id: String) {
    if !request_id.is_empty() {
        progress.request_ids.push(request_id);
        let old = progress.request_ids.len().saturating_sub(REQUEST_IDS);
        progress.request_ids.drain(..old);
    }
}

/// The definition with its defaults, which clients see, and the state that the owner sets.
fn defined(schedule: ApiSchedule) -> (Definition, ScheduleState) {
    let mut policies = schedule.policies.unwrap_or_default();
    policies.overlap_policy = overlap::or_skip(policies.overlap_policy()) as i32;
    policies.catchup_window = optional_duration(super::act::catchup_window(&policies));
    let definition = Definition {
        spec: Some(schedule.spec.unwrap_or_default()),
        action: Some(schedule.action.unwrap_or_default()),
        policies: Some(policies),
        update_time: 0,
    };
    (definition, schedule.state.unwrap_or_default())
}

/// A schedule that is deleted leaves what it started alone.
pub(crate) fn end(tx: &mut Tx) {
    write(tx, ScheduleKind::Ended(tx.now()));
    tx.out.tasks.clear();
    tx.out.visibility_changed = true;
    tx.notice(Notice::Closed);
}

pub(crate) fn push_obligations(run: &RunState, out: &mut Vec<Task>) {
    if run.close.is_none() {
        out.extend(tasks(run));
    }
}

fn tasks(run: &RunState) -> Vec<Task> {
    let Some(Schedule { progress, .. }) = run.schedule.as_deref() else { return Vec::new() };
    let starts = progress.starting.iter().map(|start| Task::StartScheduled { action_id: start.action_id });
    let ends = progress.running.iter().filter_map(|running| {
        let ending = running.ending.as_ref().filter(|ending| !ending.done)?;
        Some(Task::EndScheduled { action_id: running.action_id, terminate: ending.terminate })
    });
    starts.chain(ends).collect()
}

pub(crate) fn next_deadline(run: &RunState) -> Option<Nanos> {
    with_actor(run, run.start_time, |actor| actor.next_deadline()).flatten()
}
