//! What a schedule does: each row of the table of `schedule/act.rs`, in a world whose clock is set by hand.

use perdure_engine::{
    Ctx, Ids, Input, Limits, Nanos, Start, Task, WorkflowState,
    input::StartKind,
    journal, next_deadline, obligations,
    schedule::{
        ActionEnded, ActionStarted, Described, NewSchedule, ScheduleInput, ScheduleUpdate, Spec, describe, owed_start,
    },
    start, step,
};
use perdure_proto::api::{
    common::{Payload, Payloads, WorkflowType},
    enums::{ScheduleOverlapPolicy as Policy, WorkflowExecutionStatus as Status},
    failure::Failure,
    schedule::{
        BackfillRequest, Schedule, ScheduleAction, SchedulePatch, SchedulePolicies, ScheduleSpec, ScheduleState,
        TriggerImmediatelyRequest, schedule_action::Action,
    },
    workflow::NewWorkflowExecutionInfo,
};

const SECOND: Nanos = 1_000_000_000;
const HOUR: Nanos = 3600 * SECOND;
const DAY: Nanos = 24 * HOUR;

struct Numbers(u64);

impl Ids for Numbers {
    fn run_id(&mut self) -> String {
        self.message_id()
    }

    fn message_id(&mut self) -> String {
        self.0 += 1;
        format!("id-{}", self.0)
    }
}

/// A schedule, its clock, and what it has asked for.
struct World {
    state: WorkflowState,
    now: Nanos,
    ids: Numbers,
    limits: Limits,
}

impl World {
    /// Every hour, from time 0 on.
    fn new(change: impl FnOnce(&mut Schedule)) -> Self {
        let mut schedule = hourly();
        change(&mut schedule);
        let (mut ids, limits) = (Numbers(0), Limits::default());
        let start_of_schedule = Start {
            namespace_id: "namespace-id".into(),
            namespace: "default".into(),
            workflow_id: "s".into(),
            run_id: "run".into(),
            request_id: "create".into(),
            kind: StartKind::Schedule(Box::new(NewSchedule { schedule, patch: None })),
            ..Start::default()
        };
        let mut ctx = Ctx { now: 0, ids: &mut ids, limits: &limits };
        let (state, _) = start(start_of_schedule, &mut ctx).unwrap();
        Self { state, now: 0, ids, limits }
    }

    /// Returns the tasks that the input asked for. What is stored brings the same state back.
    fn send(&mut self, input: Input) -> Vec<Task> {
        let mut ctx = Ctx { now: self.now, ids: &mut self.ids, limits: &self.limits };
        let mut stored = WorkflowState { run: self.state.run.clone(), ..Default::default() };
        let outcome = step(&mut self.state, input, &mut ctx).unwrap();
        let row = journal::encode(&outcome.changes);
        journal::apply(&mut stored, &row.events, &row.changes).unwrap();
        assert_eq!(stored, self.state);
        outcome.tasks
    }

    fn schedule(&mut self, input: ScheduleInput) -> Vec<Task> {
        self.send(Input::Schedule(Box::new(input)))
    }

    fn patch(&mut self, patch: SchedulePatch) -> Vec<Task> {
        self.schedule(ScheduleInput::Patch { patch, request_id: String::new() })
    }

    /// Lets time pass, waking the schedule exactly when it wants to be.
    fn sleep_until(&mut self, time: Nanos) -> Vec<Task> {
        let mut tasks = Vec::new();
        while let Some(deadline) = next_deadline(&self.state).filter(|deadline| *deadline <= time) {
            self.now = self.now.max(deadline);
            tasks.extend(self.send(Input::Wake));
        }
        self.now = time;
        tasks
    }

    fn started(&mut self, action_id: i64) -> Vec<Task> {
        let outcome = ActionStarted::Started { run_id: format!("run-{action_id}"), time: self.now };
        self.schedule(ScheduleInput::ActionStarted { action_id, outcome })
    }

    fn ended(
        &mut self,
        action_id: i64,
        status: Status,
        result: Option<Payloads>,
        failure: Option<Failure>,
    ) -> Vec<Task> {
        let first_run_id = format!("run-{action_id}");
        let ended = ActionEnded { action_id, first_run_id, start_time: self.now, status, result, failure };
        self.schedule(ScheduleInput::ActionEnded(Box::new(ended)))
    }

    fn described(&self) -> Described {
        describe(&self.state.run).unwrap()
    }

    fn workflow_id(&self, action_id: i64) -> String {
        owed_start(&self.state.run, action_id, &self.limits).unwrap().workflow_id
    }
}

fn hourly() -> Schedule {
    let spec = ScheduleSpec { cron_string: vec!["0 * * * *".into()], ..Default::default() };
    let workflow = NewWorkflowExecutionInfo {
        workflow_id: "w".into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        ..Default::default()
    };
    Schedule {
        spec: Some(Spec::new(&spec).unwrap().canonical().clone()),
        action: Some(ScheduleAction { action: Some(Action::StartWorkflow(workflow)) }),
        policies: None,
        state: None,
    }
}

fn overlap(policy: Policy) -> impl FnOnce(&mut Schedule) {
    move |schedule| {
        schedule.policies = Some(SchedulePolicies { overlap_policy: policy as i32, ..Default::default() });
    }
}

fn starts(tasks: &[Task]) -> Vec<i64> {
    let start = |task: &Task| match task {
        Task::StartScheduled { action_id } => Some(*action_id),
        _ => None,
    };
    tasks.iter().filter_map(start).collect()
}

fn seconds(nanos: Nanos) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: nanos / SECOND, nanos: 0 })
}

fn text(text: &str) -> Option<Payloads> {
    Some(Payloads { payloads: vec![Payload { data: text.to_owned().into(), ..Default::default() }] })
}

#[test]
fn a_time_acts_once_and_is_found_again_after_a_crash() {
    let mut world = World::new(|_| {});
    assert_eq!(next_deadline(&world.state), Some(HOUR));
    assert_eq!(starts(&world.sleep_until(HOUR)), [1]);
    assert_eq!(world.workflow_id(1), "w-1970-01-01T01:00:00Z");
    assert_eq!(obligations(&world.state), [Task::StartScheduled { action_id: 1 }]);
    // Woken too early, or twice: nothing new.
    assert!(world.send(Input::Wake).is_empty());
    world.started(1);
    assert!(obligations(&world.state).is_empty());
    let info = world.described().info;
    assert_eq!((info.action_count, info.running_workflows.len(), info.recent_actions.len()), (1, 1, 1));
    assert_eq!(info.future_action_times[0], seconds(2 * HOUR).unwrap());
    assert_eq!(info.future_action_times.len(), 10);
    // A late answer to a start that was repeated.
    world.started(1);
    assert_eq!(world.described().info.action_count, 1);
}

#[test]
fn what_a_pause_and_a_limit_hold_back() {
    let mut world = World::new(|schedule| {
        schedule.state = Some(ScheduleState { limited_actions: true, remaining_actions: 2, ..Default::default() });
    });
    let token = world.described().conflict_token;
    world.patch(SchedulePatch { pause: "holiday".into(), ..Default::default() });
    assert_eq!(next_deadline(&world.state), None);
    assert!(world.sleep_until(5 * HOUR).is_empty());
    let state = world.described().schedule.state.unwrap();
    assert!(state.paused && state.notes == "holiday");
    assert!(world.described().conflict_token > token);
    // What fell into the pause is not made up for.
    world.patch(SchedulePatch { unpause: "back".into(), ..Default::default() });
    assert_eq!(starts(&world.sleep_until(6 * HOUR)), [1]);
    world.started(1);
    world.ended(1, Status::Completed, None, None);
    assert_eq!(world.described().info.future_action_times.len(), 1);
    assert_eq!(starts(&world.sleep_until(7 * HOUR)), [2]);
    world.started(2);
    world.ended(2, Status::Completed, None, None);
    // Used up; a week later nobody needs it any more.
    assert!(starts(&world.sleep_until(8 * HOUR)).is_empty());
    assert_eq!(next_deadline(&world.state), Some(7 * HOUR + 7 * DAY));
    world.sleep_until(8 * HOUR + 7 * DAY);
    assert!(world.state.run.close.is_some() && world.state.is_to_be_deleted());
}

#[test]
fn triggers_act_whatever_the_pause() {
    let mut world = World::new(|schedule| {
        schedule.state = Some(ScheduleState { paused: true, ..Default::default() });
    });
    world.now = 90 * SECOND;
    let trigger =
        || SchedulePatch { trigger_immediately: Some(TriggerImmediatelyRequest::default()), ..Default::default() };
    let first = ScheduleInput::Patch { patch: trigger(), request_id: "once".into() };
    assert_eq!(starts(&world.schedule(first.clone())), [1]);
    assert!(world.schedule(first).is_empty(), "the same request again");
    assert_eq!(world.workflow_id(1), "w-1970-01-01T00:01:30Z");
    // Two more while it starts: skipped.
    world.patch(trigger());
    world.patch(trigger());
    world.started(1);
    let info = world.described().info;
    assert_eq!((info.action_count, info.overlap_skipped), (1, 2));
}

#[test]
fn backfills_go_through_their_range_with_its_ends() {
    let mut world = World::new(overlap(Policy::AllowAll));
    world.now = 10 * HOUR + 1;
    world.sleep_until(10 * HOUR + 1);
    let request = BackfillRequest {
        start_time: seconds(HOUR),
        end_time: seconds(3 * HOUR),
        overlap_policy: Policy::AllowAll as i32,
    };
    let before = world.state.run.schedule.as_ref().unwrap().progress.last_action_id;
    let tasks = world.patch(SchedulePatch { backfill_request: vec![request], ..Default::default() });
    assert_eq!(starts(&tasks).len(), 3);
    let ids: Vec<String> = starts(&tasks).iter().map(|id| world.workflow_id(*id)).collect();
    let hours = [1, 2, 3].map(|hour| format!("w-1970-01-01T0{hour}:00:00Z"));
    assert_eq!(ids, hours);
    assert!(before >= 10, "the hours before: {before}");
}

#[test]
fn a_backfill_longer_than_a_step_and_than_the_buffer_loses_nothing() {
    let mut world = World::new(overlap(Policy::AllowAll));
    let request = BackfillRequest { start_time: seconds(0), end_time: seconds(2000 * HOUR), ..Default::default() };
    let mut tasks = world.patch(SchedulePatch { backfill_request: vec![request], ..Default::default() });
    while next_deadline(&world.state).is_some_and(|deadline| deadline <= world.now) {
        tasks.extend(world.send(Input::Wake));
    }
    // From the start of the range on: hour 0 belongs to it.
    assert_eq!(starts(&tasks).len(), 2001);
    assert_eq!(world.described().info.buffer_dropped, 0);
}

#[test]
fn what_came_too_late_is_missed() {
    let mut world = World::new(|schedule| {
        let catchup_window = Some(prost_types::Duration { seconds: 2 * 3600 + 60, nanos: 0 });
        schedule.policies =
            Some(SchedulePolicies { catchup_window, overlap_policy: Policy::AllowAll as i32, ..Default::default() });
    });
    // The server was down for ten hours.
    world.now = 10 * HOUR + 1;
    assert_eq!(starts(&world.send(Input::Wake)).len(), 3);
    assert_eq!(world.described().info.missed_catchup_window, 7);
    assert_eq!(next_deadline(&world.state), Some(11 * HOUR));
}

#[test]
fn one_that_waits_starts_when_the_other_ends() {
    let mut world = World::new(overlap(Policy::BufferOne));
    assert_eq!(starts(&world.sleep_until(3 * HOUR)), [1]);
    world.started(1);
    let info = world.described().info;
    assert_eq!((info.buffer_size, info.overlap_skipped), (1, 1));
    assert_eq!(starts(&world.ended(1, Status::Completed, text("done"), None)), [2]);
    let start = owed_start(&world.state.run, 2, &world.limits).unwrap();
    assert_eq!(start.workflow_id, "w-1970-01-01T02:00:00Z");
    assert_eq!(start.last_completion_result, text("done"));
    world.started(2);
    let failure = Failure { message: "broken".into(), ..Default::default() };
    world.ended(2, Status::Failed, None, Some(failure.clone()));
    world.sleep_until(4 * HOUR);
    let start = owed_start(&world.state.run, 3, &world.limits).unwrap();
    assert_eq!((start.last_completion_result, start.continued_failure), (text("done"), Some(failure)));
    let statuses: Vec<i32> =
        world.described().info.recent_actions.iter().map(|recent| recent.start_workflow_status).collect();
    assert_eq!(statuses, [Status::Completed as i32, Status::Failed as i32]);
}

#[test]
fn what_is_in_the_way_is_ended() {
    for (policy, terminate) in [(Policy::CancelOther, false), (Policy::TerminateOther, true)] {
        let mut world = World::new(overlap(policy));
        world.sleep_until(HOUR);
        // Not known to run yet: it waits for that, and then ends it.
        assert!(world.sleep_until(2 * HOUR).is_empty());
        let end = Task::EndScheduled { action_id: 1, terminate };
        assert_eq!(world.started(1), std::slice::from_ref(&end), "{policy:?}");
        assert_eq!(obligations(&world.state), [end]);
        world.schedule(ScheduleInput::ActionTold { action_id: 1 });
        assert!(obligations(&world.state).is_empty());
        assert_eq!(starts(&world.ended(1, Status::Canceled, None, None)), [2], "{policy:?}");
    }
}

#[test]
fn the_end_may_come_before_the_answer_to_the_start() {
    let mut world = World::new(overlap(Policy::BufferAll));
    world.sleep_until(2 * HOUR);
    assert_eq!(starts(&world.ended(1, Status::Completed, None, None)), [2]);
    world.started(1);
    let info = world.described().info;
    assert_eq!((info.action_count, info.running_workflows.len()), (1, 0));
    assert_eq!(info.recent_actions[0].start_workflow_status, Status::Completed as i32);
}

#[test]
fn a_start_that_is_refused_makes_room() {
    let mut world = World::new(overlap(Policy::BufferOne));
    world.sleep_until(2 * HOUR);
    let refused = ScheduleInput::ActionStarted { action_id: 1, outcome: ActionStarted::Refused };
    assert_eq!(starts(&world.schedule(refused)), [2]);
    assert_eq!(world.described().info.action_count, 0);
}

#[test]
fn failures_pause_if_they_are_to() {
    let cases = [
        (Status::Failed, Some("paused due to workflow failure: w-1970-01-01T01:00:00Z: broken")),
        (Status::TimedOut, Some("paused due to workflow timeout: w-1970-01-01T01:00:00Z")),
        (Status::Canceled, None),
        (Status::Terminated, None),
        (Status::Completed, None),
    ];
    for (status, notes) in cases {
        let mut world = World::new(|schedule| {
            schedule.policies = Some(SchedulePolicies { pause_on_failure: true, ..Default::default() });
        });
        world.sleep_until(HOUR);
        world.started(1);
        let failure = Failure { message: "broken".into(), ..Default::default() };
        world.ended(1, status, None, Some(failure).filter(|_| status == Status::Failed));
        let state = world.described().schedule.state.unwrap();
        assert_eq!((state.paused, state.notes.as_str()), (notes.is_some(), notes.unwrap_or_default()), "{status:?}");
    }
}

#[test]
fn updates() {
    let mut world = World::new(|_| {});
    world.sleep_until(HOUR + 1);
    world.started(1);
    world.ended(1, Status::Completed, None, None);
    let token = world.described().conflict_token;
    let daily = ScheduleSpec { cron_string: vec!["30 12 * * *".into()], ..Default::default() };
    let update = |token| ScheduleUpdate {
        schedule: Schedule { spec: Some(Spec::new(&daily).unwrap().canonical().clone()), ..hourly() },
        conflict_token: token,
        request_id: "update".into(),
        ..Default::default()
    };
    let before = world.state.clone();
    let mut ctx = Ctx { now: world.now, ids: &mut world.ids, limits: &world.limits };
    let wrong = Input::Schedule(Box::new(ScheduleInput::Update(Box::new(update(Some(token + 1))))));
    let reject = step(&mut world.state, wrong, &mut ctx).unwrap_err();
    assert_eq!(reject.to_string(), "mismatched conflict token");
    assert_eq!(world.state, before);
    world.schedule(ScheduleInput::Update(Box::new(update(Some(token)))));
    assert_eq!(next_deadline(&world.state), Some(12 * HOUR + HOUR / 2));
    let described = world.described();
    assert!(described.conflict_token > token && described.info.update_time.is_some());
    assert_eq!(described.info.action_count, 1);
    // The same request again, now with a token that is old: it was taken already.
    assert!(world.schedule(ScheduleInput::Update(Box::new(update(Some(token))))).is_empty());
}

#[test]
fn one_without_times_or_action_waits_to_be_forgotten() {
    let mut world = World::new(|schedule| {
        schedule.spec = None;
        schedule.action = None;
    });
    let trigger = TriggerImmediatelyRequest::default();
    assert!(world.patch(SchedulePatch { trigger_immediately: Some(trigger), ..Default::default() }).is_empty());
    assert_eq!(next_deadline(&world.state), Some(7 * DAY));
    let refused =
        step(&mut world.state, Input::ParentNotified, &mut Ctx { now: 0, ids: &mut world.ids, limits: &world.limits });
    assert!(refused.is_err(), "what is for workflows is not for schedules");
}
