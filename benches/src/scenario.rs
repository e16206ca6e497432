//! What the workflows do, as a worker sees it: events in, commands out.

use clap::ValueEnum;
use perdure_proto::api::{
    command::{
        Command, CompleteWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
        RecordMarkerCommandAttributes, ScheduleActivityTaskCommandAttributes,
        StartChildWorkflowExecutionCommandAttributes, StartTimerCommandAttributes, command::Attributes,
    },
    common::{ActivityType, Payload, Payloads, WorkflowType},
    enums::CommandType,
    failure::Failure,
    taskqueue::TaskQueue,
};

use crate::progress::Progress;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Completes at once.
    Hello,
    /// One local activity: the worker runs it itself, and records its result with its answer.
    Local1,
    /// One activity that does nothing.
    Activity1,
    /// Ten activities, one after the other.
    Activity10seq,
    /// A timer of one second.
    Timer,
    /// Waits for ten signals, which the driver sends at once.
    Signal,
    /// A hundred activities at the same time.
    Fanout100,
    /// A thousand signals, many of them on their way at the same time.
    Signal1000,
    /// Ten updates, one after the other; each is accepted and completed by the worker.
    Update,
    /// A hundred queries that the worker answers, one after the other, and a signal that ends the workflow.
    Query,
    /// Two hundred children, which complete at once.
    Children200,
    /// Not workflows but pages of 100 of a list of --prepare closed ones, by type and status.
    List100000,
    /// Not workflows but actions of 200 schedules, each of which starts a workflow every second; the latency is how late.
    Schedule,
}

/// Activities of `fanout100`, children of `children200`.
const FAN_OUT: u32 = 100;
const CHILDREN: u32 = 200;
const UPDATES: u32 = 10;
const QUERIES: u32 = 100;
/// The type of the workflows that are children: they complete at once.
const CHILD: &str = "child";

impl Scenario {
    /// The name on the command line; also the workflow type.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Signals that a workflow waits for before it completes.
    pub(crate) fn signals(self) -> u32 {
        match self {
            Self::Signal => 10,
            Self::Signal1000 => 1000,
            // It tells the workflow that there are no more queries.
            Self::Query => 1,
            _ => 0,
        }
    }

    /// Updates, one after the other: each is sent when the one before it has completed.
    pub(crate) fn updates(self) -> u32 {
        if self == Self::Update { UPDATES } else { 0 }
    }

    /// Queries, one after the other.
    pub(crate) fn queries(self) -> u32 {
        if self == Self::Query { QUERIES } else { 0 }
    }

    /// What costs are given for.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::List100000 => "page",
            Self::Schedule => "action",
            _ => "workflow",
        }
    }
}

/// What stays the same for all workflows of a measurement.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) task_queue: String,
    pub(crate) payload: Payloads,
    pub(crate) eager: bool,
}

impl Plan {
    /// What a worker answers a workflow task with.
    pub(crate) fn decide(&self, progress: &Progress) -> Vec<Command> {
        if let Some(why) = progress.broken {
            return vec![fail(why)];
        }
        if progress.is_child {
            return vec![self.complete()];
        }
        match self.scenario {
            Scenario::Hello | Scenario::List100000 | Scenario::Schedule => vec![self.complete()],
            Scenario::Local1 => vec![self.local_activity(), self.complete()],
            Scenario::Activity1 => self.activities(progress, 1, 1),
            Scenario::Activity10seq => self.activities(progress, 10, 1),
            Scenario::Fanout100 => self.activities(progress, FAN_OUT, FAN_OUT),
            Scenario::Children200 if progress.children == 0 => {
                (1..=CHILDREN).map(|number| self.child(progress, number)).collect()
            }
            Scenario::Children200 => self.complete_after(progress.children_done.len(), CHILDREN),
            Scenario::Timer if progress.timer_started => self.complete_after(usize::from(progress.timer_fired), 1),
            Scenario::Timer => vec![start_timer()],
            Scenario::Signal | Scenario::Signal1000 | Scenario::Query => {
                self.complete_after(progress.signals.len(), self.scenario.signals())
            }
            Scenario::Update => self.complete_after(progress.updates.len(), self.scenario.updates()),
        }
    }

    fn complete_after(&self, done: usize, of: u32) -> Vec<Command> {
        if done >= of as usize { vec![self.complete()] } else { vec![] }
    }

    /// `total` activities, so many of them `at_once`.
    fn activities(&self, progress: &Progress, total: u32, at_once: u32) -> Vec<Command> {
        let done = progress.activities_done.len() as u32;
        if done >= total {
            return vec![self.complete()];
        }
        let until = total.min(done + at_once);
        (progress.activities..until).map(|before| self.schedule(before + 1)).collect()
    }

    fn child(&self, progress: &Progress, number: u32) -> Command {
        let attributes = StartChildWorkflowExecutionCommandAttributes {
            workflow_id: format!("{}-{number}", progress.run_id),
            workflow_type: Some(WorkflowType { name: CHILD.into() }),
            task_queue: Some(TaskQueue { name: self.task_queue.clone(), ..Default::default() }),
            input: Some(self.payload.clone()),
            ..Default::default()
        };
        let attributes = Attributes::StartChildWorkflowExecutionCommandAttributes(attributes);
        command(CommandType::StartChildWorkflowExecution, attributes)
    }

    fn schedule(&self, number: u32) -> Command {
        let attributes = ScheduleActivityTaskCommandAttributes {
            activity_id: number.to_string(),
            activity_type: Some(ActivityType { name: "nothing".into() }),
            task_queue: Some(TaskQueue { name: self.task_queue.clone(), ..Default::default() }),
            input: Some(self.payload.clone()),
            start_to_close_timeout: Some(seconds(60)),
            request_eager_execution: self.eager,
            ..Default::default()
        };
        command(CommandType::ScheduleActivityTask, Attributes::ScheduleActivityTaskCommandAttributes(attributes))
    }

    /// As the SDKs that are built on Core record one.
    fn local_activity(&self) -> Command {
        let data =
            Payload { data: r#"{"seq":1,"attempt":1,"activity_id":"1","activity_type":"nothing"}"#.into(), ..json() };
        let attributes = RecordMarkerCommandAttributes {
            marker_name: "core_local_activity".into(),
            details: [("data".into(), Payloads { payloads: vec![data] }), ("result".into(), self.payload.clone())]
                .into(),
            ..Default::default()
        };
        command(CommandType::RecordMarker, Attributes::RecordMarkerCommandAttributes(attributes))
    }

    fn complete(&self) -> Command {
        let attributes = CompleteWorkflowExecutionCommandAttributes { result: Some(self.payload.clone()) };
        command(
            CommandType::CompleteWorkflowExecution,
            Attributes::CompleteWorkflowExecutionCommandAttributes(attributes),
        )
    }
}

fn fail(why: &str) -> Command {
    let failure = Failure { message: why.into(), ..Default::default() };
    let attributes = FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
    command(CommandType::FailWorkflowExecution, Attributes::FailWorkflowExecutionCommandAttributes(attributes))
}

fn start_timer() -> Command {
    let attributes = StartTimerCommandAttributes { timer_id: "1".into(), start_to_fire_timeout: Some(seconds(1)) };
    command(CommandType::StartTimer, Attributes::StartTimerCommandAttributes(attributes))
}

fn command(command_type: CommandType, attributes: Attributes) -> Command {
    Command { command_type: command_type.into(), attributes: Some(attributes), ..Default::default() }
}

/// True for a command that ends its run.
pub(crate) fn is_closing(command: &Command) -> bool {
    matches!(command.command_type(), CommandType::CompleteWorkflowExecution | CommandType::FailWorkflowExecution)
}

pub(crate) fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

/// A JSON string of `size` bytes.
pub(crate) fn payload(size: usize) -> Payloads {
    let data = format!("\"{}\"", "x".repeat(size.saturating_sub(2)));
    Payloads { payloads: vec![Payload { data: data.into(), ..json() }] }
}

/// A number as a payload, for what must come back as it was sent.
pub(crate) fn numbered(number: u32) -> Payloads {
    Payloads { payloads: vec![Payload { data: number.to_string().into(), ..json() }] }
}

fn json() -> Payload {
    Payload { metadata: [("encoding".to_owned(), "json/plain".into())].into(), ..Default::default() }
}

#[cfg(test)]
mod tests;
