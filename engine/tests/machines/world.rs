//! One run with a clock that stands still until a test moves it.

use perdure_engine::{
    ActivityRef, Change, Ctx, Ids, Input, Limits, Nanos, Notice, Outcome, Reject, Reply, Reset, Start, TakenBy, Task,
    WorkflowState, WorkflowTaskRef, journal, reset, start, step,
};
use perdure_proto::api::{
    command::{Command, command::Attributes as CommandAttributes},
    common::{Payload, Payloads},
    enums::{CommandType, EventType},
    failure::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    history::{HistoryEvent, history_event::Attributes},
    update,
    workflowservice::RespondWorkflowTaskCompletedRequest,
};

pub(crate) const SECOND: Nanos = 1_000_000_000;
/// When every test begins.
pub(crate) const EPOCH: Nanos = 1_700_000_000 * SECOND;

pub(crate) struct World {
    pub(crate) state: WorkflowState,
    pub(crate) now: Nanos,
    pub(crate) limits: Limits,
    pub(crate) history: Vec<HistoryEvent>,
    ids: Counter,
}

#[derive(Default)]
struct Counter(u32);

impl Ids for Counter {
    fn run_id(&mut self) -> String {
        self.message_id()
    }

    fn message_id(&mut self) -> String {
        self.0 += 1;
        format!("00000000-0000-7000-8000-{:012}", self.0)
    }
}

/// What one input led to.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) reply: Reply,
    /// New in the history.
    pub(crate) events: Vec<HistoryEvent>,
    pub(crate) tasks: Vec<Task>,
    pub notices: Vec<Notice>,
    pub next_run: Option<Box<Start>>,
}

impl Step {
    pub(crate) fn types(&self) -> Vec<EventType> {
        self.events.iter().map(HistoryEvent::event_type).collect()
    }

    /// The new event of a type; there must be exactly one.
    pub(crate) fn event(&self, event_type: EventType) -> &HistoryEvent {
        let mut found = self.events.iter().filter(|event| event.event_type() == event_type);
        let event = found.next().unwrap_or_else(|| panic!("no {event_type:?} in {:?}", self.types()));
        assert!(found.next().is_none(), "more than one {event_type:?}");
        event
    }

    pub(crate) fn attributes(&self, event_type: EventType) -> &Attributes {
        self.event(event_type).attributes.as_ref().unwrap()
    }
}

impl World {
    /// A new run that no worker has seen.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Start)) -> Self {
        let mut request = Start {
            namespace_id: "ns-id".into(),
            namespace: "ns".into(),
            workflow_id: "wf".into(),
            run_id: "00000000-0000-7000-8000-aaaaaaaaaaaa".into(),
            request_id: "start".into(),
            workflow_type: "type".into(),
            task_queue: "queue".into(),
            identity: "client".into(),
            ..Default::default()
        };
        change(&mut request);
        let (limits, mut ids) = (Limits::default(), Counter::default());
        let (state, outcome) = start(request, &mut Ctx { now: EPOCH, ids: &mut ids, limits: &limits }).unwrap();
        let mut world = Self { state, now: EPOCH, limits, history: Vec::new(), ids };
        world.record(&outcome);
        world
    }

    pub(crate) fn advance(&mut self, span: Nanos) {
        self.now += span;
    }

    /// Time passes, and the run acts on it.
    pub(crate) fn wake_after(&mut self, span: Nanos) -> Step {
        self.advance(span);
        self.step(Input::Wake).unwrap()
    }

    /// Lets one input happen. What is stored of it must lead to the same state, and a reject must change nothing.
    pub(crate) fn step(&mut self, input: Input) -> Result<Step, Reject> {
        let before = self.state.clone();
        let mut ctx = Ctx { now: self.now, ids: &mut self.ids, limits: &self.limits };
        match step(&mut self.state, input, &mut ctx) {
            Ok(outcome) => {
                let row = journal::encode(&outcome.changes);
                let mut stored = before.clone();
                journal::apply(&mut stored, &row.events, &row.changes).unwrap();
                let mut again = before;
                outcome.changes.iter().for_each(|change| again.apply(change).unwrap());
                assert_eq!(again, self.state, "the changes do not lead to the state");
                assert_eq!(stored.run, self.state.run, "the stored row does not lead to the state");
                let events = self.record(&outcome);
                let Outcome { reply, tasks, notices, next_run, .. } = outcome;
                Ok(Step { reply, events, tasks, notices, next_run })
            }
            Err(reject) => {
                assert_eq!(before, self.state, "a reject has changed the state");
                Err(reject)
            }
        }
    }

    /// The run that a reset to this event makes of this one. What is stored of it must lead to the same state.
    pub(crate) fn reset(&mut self, finish_event_id: i64, change: impl FnOnce(&mut Reset)) -> Result<Self, Reject> {
        let (prefix, later) = self.history.split_at((finish_event_id - 1) as usize);
        let run = &self.state.run;
        let mut request = Reset {
            namespace_id: run.namespace_id.clone(),
            namespace: run.namespace.clone(),
            workflow_id: run.workflow_id.clone(),
            run_id: "00000000-0000-7000-8000-bbbbbbbbbbbb".into(),
            base_run_id: run.run_id.clone(),
            start_request_id: self.state.start_request_id(),
            request_id: "reset".into(),
            reason: "why".into(),
            prefix: prefix.to_vec(),
            later: later.to_vec(),
            ..Default::default()
        };
        change(&mut request);
        let limits = self.limits.clone();
        let (state, outcome) = reset(request, &mut Ctx { now: self.now, ids: &mut self.ids, limits: &limits })?;
        let row = journal::encode(&outcome.changes);
        let mut stored = WorkflowState::default();
        journal::apply(&mut stored, &row.events, &row.changes).unwrap();
        assert_eq!(stored, state, "the stored row does not lead to the state");
        let mut world = Self { state, now: self.now, limits, history: Vec::new(), ids: Counter(1_000) };
        world.record(&outcome);
        Ok(world)
    }

    fn record(&mut self, outcome: &Outcome) -> Vec<HistoryEvent> {
        let events: Vec<HistoryEvent> = outcome
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Event { event, .. } => Some((**event).clone()),
                Change::Durable(_) | Change::Volatile(_) => None,
            })
            .collect();
        self.history.extend(events.iter().cloned());
        events
    }

    /// A worker takes the pending workflow task.
    pub(crate) fn start_task(&mut self) -> WorkflowTaskRef {
        let task = self.state.run.workflow_task.clone().expect("a pending workflow task");
        let reply = self
            .step(Input::WorkflowTaskStart {
                scheduled_event_id: task.scheduled_event_id,
                attempt: task.attempt,
                identity: "worker".into(),
                request_id: format!("poll-{}-{}", task.scheduled_event_id, task.attempt),
                worker_version: None,
                taken_by: TakenBy::default(),
            })
            .unwrap()
            .reply;
        match reply {
            Reply::WorkflowTaskStarted(started) => WorkflowTaskRef {
                scheduled_event_id: started.scheduled_event_id,
                started_event_id: started.started_event_id,
                attempt: started.attempt,
                started_time: started.started_time,
            },
            other => panic!("{other:?}"),
        }
    }

    /// The token of the pending task of any kind, started or not.
    pub(crate) fn token(&self) -> WorkflowTaskRef {
        let task = self.state.run.workflow_task.as_ref().or(self.state.volatile.speculative_task.as_deref());
        task.map_or_else(WorkflowTaskRef::default, |task| WorkflowTaskRef {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: task.started.as_ref().map_or(0, |started| started.event_id),
            attempt: task.attempt,
            started_time: task.started.as_ref().map_or(0, |started| started.time),
        })
    }

    pub(crate) fn try_complete(&mut self, token: WorkflowTaskRef, commands: Vec<Command>) -> Result<Step, Reject> {
        let request = RespondWorkflowTaskCompletedRequest { identity: "worker".into(), commands, ..Default::default() };
        self.step(Input::WorkflowTaskCompleted {
            token,
            request: Box::new(request),
            nexus_endpoints: [("endpoint".to_owned(), "endpoint-id".to_owned())].into(),
        })
    }

    /// A worker takes the pending workflow task and completes it.
    pub(crate) fn complete(&mut self, commands: Vec<Command>) -> Step {
        let token = self.start_task();
        self.try_complete(token, commands).unwrap()
    }

    pub(crate) fn event_id(&self, event_type: EventType) -> i64 {
        self.history.iter().rfind(|event| event.event_type() == event_type).expect("such an event").event_id
    }

    /// A worker takes the activity's attempt.
    pub(crate) fn take(&mut self, scheduled_event_id: i64) -> ActivityRef {
        let attempt = self.state.run.activities[&scheduled_event_id].attempt;
        let request_id = format!("take-{attempt}");
        match self.step(start_activity(scheduled_event_id, attempt, &request_id)).unwrap().reply {
            Reply::ActivityStarted(task) => {
                ActivityRef::Token { scheduled_event_id, attempt, started_time: task.started_time }
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn start_activity(scheduled_event_id: i64, attempt: i32, request_id: &str) -> Input {
    let (identity, request_id) = ("taker".into(), request_id.into());
    Input::ActivityStart {
        scheduled_event_id,
        attempt,
        identity,
        request_id,
        worker_version: None,
        taken_by: TakenBy::default(),
    }
}

/// A request to update; its id is the client's choice.
pub(crate) fn update_request(update_id: &str) -> Input {
    let request = update::Request {
        meta: Some(update::Meta { update_id: update_id.into(), identity: "client".into() }),
        input: Some(update::Input { name: "change".into(), ..Default::default() }),
        ..Default::default()
    };
    Input::Update { request: Box::new(request), update_id: update_id.into() }
}

pub(crate) fn command(command_type: CommandType, attributes: CommandAttributes) -> Command {
    Command { command_type: command_type as i32, attributes: Some(attributes), ..Default::default() }
}

pub(crate) fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

pub(crate) fn payloads(text: &str) -> Option<Payloads> {
    let payload = Payload {
        metadata: [("encoding".to_owned(), "json/plain".into())].into(),
        data: text.to_owned().into(),
        ..Default::default()
    };
    Some(Payloads { payloads: vec![payload] })
}

/// Just over the limit of one payload.
pub(crate) fn huge() -> Option<Payloads> {
    payloads(&"x".repeat(2 * 1024 * 1024 + 1))
}

pub(crate) fn application_failure(error_type: &str) -> Failure {
    let info = ApplicationFailureInfo { r#type: error_type.into(), ..Default::default() };
    Failure {
        message: "it failed".into(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    }
}
