//! A run with one activity after the other, as the engine sees it.

use perdure_engine::{
    ActivityRef, Change, Ctx, Ids, Input, Limits, Nanos, Outcome, Start, TakenBy, WorkflowState, WorkflowTaskRef,
    change::Created, start, step,
};
use perdure_proto::api::{
    command::{
        Command, CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes, command::Attributes,
    },
    common::{ActivityType, Payload, Payloads},
    enums::{CommandType, TaskQueueKind},
    taskqueue::{StickyExecutionAttributes, TaskQueue},
    workflowservice::RespondWorkflowTaskCompletedRequest,
};
use prost_types::Duration;

const NAMESPACE_ID: &str = "0195d2a0-0000-7000-8000-00000000000a";
const RUN_ID: &str = "0195d2a0-0000-7000-8000-00000000000b";
const IDENTITY: &str = "1234@worker.example";
const NOW: Nanos = 1_700_000_000_000_000_000;

#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) state: WorkflowState,
    limits: Limits,
    ids: Counter,
}

#[derive(Clone, Default)]
struct Counter(u64);

impl Ids for Counter {
    fn run_id(&mut self) -> String {
        self.message_id()
    }

    fn message_id(&mut self) -> String {
        self.0 += 1;
        format!("0195d2a0-0000-7000-9000-{:012}", self.0)
    }
}

impl Run {
    pub(crate) fn new() -> (Self, Outcome) {
        Self::of(request())
    }

    pub(crate) fn of(request: Start) -> (Self, Outcome) {
        let (limits, mut ids) = (Limits::default(), Counter::default());
        let mut ctx = Ctx { now: NOW, ids: &mut ids, limits: &limits };
        let (state, outcome) = start(request, &mut ctx).expect("the start is valid");
        (Self { state, limits, ids }, outcome)
    }

    pub(crate) fn step(&mut self, input: Input) -> Outcome {
        let mut ctx = Ctx { now: NOW, ids: &mut self.ids, limits: &self.limits };
        step(&mut self.state, input, &mut ctx).expect("the input is valid")
    }

    /// A worker takes the pending workflow task.
    pub(crate) fn take_task(&self) -> Input {
        let task = self.state.run.workflow_task.as_ref().expect("a workflow task is pending");
        Input::WorkflowTaskStart {
            scheduled_event_id: task.scheduled_event_id,
            attempt: task.attempt,
            identity: IDENTITY.into(),
            request_id: RUN_ID.into(),
            worker_version: None,
            taken_by: TakenBy::default(),
        }
    }

    /// It completes the task that it has.
    pub(crate) fn complete_task(&self, command: Command) -> Input {
        let task = self.state.run.workflow_task.as_ref().expect("a workflow task is pending");
        let started = task.started.as_ref().expect("it is started");
        let token = WorkflowTaskRef {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: started.event_id,
            attempt: task.attempt,
            started_time: started.time,
        };
        let sticky = StickyExecutionAttributes {
            worker_task_queue: Some(TaskQueue {
                name: "worker-1234-sticky".into(),
                kind: TaskQueueKind::Sticky.into(),
                normal_name: "orders".into(),
            }),
            schedule_to_start_timeout: seconds(5),
        };
        let request = RespondWorkflowTaskCompletedRequest {
            identity: IDENTITY.into(),
            commands: vec![command],
            sticky_attributes: Some(sticky),
            return_new_workflow_task: true,
            ..Default::default()
        };
        Input::WorkflowTaskCompleted { token, request: Box::new(request), nexus_endpoints: Default::default() }
    }

    /// A worker takes the activity.
    pub(crate) fn take_activity(&self) -> Input {
        let (id, activity) = self.state.run.activities.first_key_value().expect("an activity is scheduled");
        Input::ActivityStart {
            scheduled_event_id: *id,
            attempt: activity.attempt,
            identity: IDENTITY.into(),
            request_id: RUN_ID.into(),
            worker_version: None,
            taken_by: TakenBy::default(),
        }
    }

    pub(crate) fn complete_activity(&self) -> Input {
        let (id, activity) = self.state.run.activities.first_key_value().expect("an activity is started");
        let activity = ActivityRef::Token { scheduled_event_id: *id, attempt: activity.attempt, started_time: NOW };
        Input::ActivityCompleted { activity, result: Some(payloads()), identity: IDENTITY.into() }
    }

    /// Six events: a workflow task, and the activity that it schedules, with all that comes to it.
    pub(crate) fn do_one_activity(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for next in
            [Self::take_task, |run: &Self| run.complete_task(schedule()), Self::take_activity, Self::complete_activity]
        {
            let input = next(self);
            changes.extend(self.step(input).changes);
        }
        changes
    }
}

pub(crate) fn request() -> Start {
    Start {
        namespace_id: NAMESPACE_ID.into(),
        namespace: "default".into(),
        workflow_id: "order-0195d2a0".into(),
        run_id: RUN_ID.into(),
        request_id: "0195d2a0-0000-7000-8000-00000000000c".into(),
        workflow_type: "OrderWorkflow".into(),
        task_queue: "orders".into(),
        identity: IDENTITY.into(),
        input: Some(payloads()),
        ..Default::default()
    }
}

/// What no event says of it.
pub(crate) fn created() -> Created {
    let Start { namespace_id, namespace, workflow_id, run_id, request_id, .. } = request();
    Created { namespace_id, namespace, workflow_id, run_id, request_id }
}

pub(crate) fn schedule() -> Command {
    let attributes = ScheduleActivityTaskCommandAttributes {
        activity_id: "1".into(),
        activity_type: Some(ActivityType { name: "charge".into() }),
        task_queue: Some(TaskQueue { name: "orders".into(), ..Default::default() }),
        input: Some(payloads()),
        start_to_close_timeout: seconds(60),
        ..Default::default()
    };
    command(CommandType::ScheduleActivityTask, Attributes::ScheduleActivityTaskCommandAttributes(attributes))
}

pub(crate) fn complete() -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes { result: Some(payloads()) };
    command(CommandType::CompleteWorkflowExecution, Attributes::CompleteWorkflowExecutionCommandAttributes(attributes))
}

fn command(command_type: CommandType, attributes: Attributes) -> Command {
    Command { command_type: command_type.into(), attributes: Some(attributes), ..Default::default() }
}

fn payloads() -> Payloads {
    let metadata = [("encoding".to_owned(), "json/plain".into())].into();
    Payloads { payloads: vec![Payload { metadata, data: vec![b'1'; 100].into(), ..Default::default() }] }
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}
