//! What the workflows do, as a worker sees it: events in, commands out.

use clap::ValueEnum;
use perdure_proto::api::{
    command::{
        Command, CompleteWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
        ScheduleActivityTaskCommandAttributes, StartTimerCommandAttributes, command::Attributes,
    },
    common::{ActivityType, Payload, Payloads},
    enums::{CommandType, EventType},
    failure::Failure,
    history::HistoryEvent,
    taskqueue::TaskQueue,
};

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Scenario {
    /// Completes at once.
    Hello,
    /// One activity that does nothing.
    Activity1,
    /// Ten activities, one after the other.
    Activity10seq,
    /// A timer of one second.
    Timer,
    /// Waits for ten signals, which the driver sends at once.
    Signal,
}

/// Signals that a workflow of the scenario `signal` waits for.
const SIGNALS: u32 = 10;

/// What a run's history says so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    scheduled: u32,
    completed: u32,
    timer_started: bool,
    timer_fired: bool,
    signals: u32,
    /// An activity failed or timed out, which none should.
    broken: bool,
}

impl Progress {
    pub(crate) fn apply(&mut self, event: &HistoryEvent) {
        match event.event_type() {
            EventType::ActivityTaskScheduled => self.scheduled += 1,
            EventType::ActivityTaskCompleted => self.completed += 1,
            EventType::ActivityTaskFailed | EventType::ActivityTaskTimedOut => self.broken = true,
            EventType::TimerStarted => self.timer_started = true,
            EventType::TimerFired => self.timer_fired = true,
            EventType::WorkflowExecutionSignaled => self.signals += 1,
            _ => {}
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
    /// The name of the scenario on the command line; also the workflow type.
    pub(crate) fn name(&self) -> String {
        self.scenario.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    pub(crate) fn signals(&self) -> u32 {
        if self.scenario == Scenario::Signal { SIGNALS } else { 0 }
    }

    /// What a worker answers a workflow task with.
    pub(crate) fn decide(&self, progress: &Progress) -> Vec<Command> {
        if progress.broken {
            return vec![self.fail()];
        }
        match self.scenario {
            Scenario::Hello => vec![self.complete()],
            Scenario::Activity1 => self.activities(progress, 1),
            Scenario::Activity10seq => self.activities(progress, 10),
            Scenario::Timer if progress.timer_fired => vec![self.complete()],
            Scenario::Timer if progress.timer_started => vec![],
            Scenario::Timer => vec![start_timer()],
            Scenario::Signal if progress.signals >= SIGNALS => vec![self.complete()],
            Scenario::Signal => vec![],
        }
    }

    fn activities(&self, progress: &Progress, count: u32) -> Vec<Command> {
        if progress.completed >= count {
            vec![self.complete()]
        } else if progress.scheduled == progress.completed {
            vec![self.schedule(progress.scheduled + 1)]
        } else {
            vec![]
        }
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

    fn complete(&self) -> Command {
        let attributes = CompleteWorkflowExecutionCommandAttributes { result: Some(self.payload.clone()) };
        command(
            CommandType::CompleteWorkflowExecution,
            Attributes::CompleteWorkflowExecutionCommandAttributes(attributes),
        )
    }

    fn fail(&self) -> Command {
        let failure = Failure { message: "an activity did not complete".into(), ..Default::default() };
        let attributes = FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
        command(CommandType::FailWorkflowExecution, Attributes::FailWorkflowExecutionCommandAttributes(attributes))
    }
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
    let metadata = [("encoding".to_owned(), "json/plain".into())].into();
    Payloads { payloads: vec![Payload { metadata, data: data.into(), ..Default::default() }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(plan: &Plan, events: &[EventType]) -> Vec<CommandType> {
        let mut progress = Progress::default();
        for event_type in events {
            progress.apply(&HistoryEvent { event_type: (*event_type).into(), ..Default::default() });
        }
        plan.decide(&progress).iter().map(|command| command.command_type()).collect()
    }

    #[test]
    fn commands_follow_from_the_events() {
        use CommandType as C;
        use EventType as E;
        use Scenario as S;
        let done = [E::ActivityTaskScheduled, E::ActivityTaskCompleted];
        let cases: [(S, Vec<E>, Vec<C>); 11] = [
            (S::Hello, vec![], vec![C::CompleteWorkflowExecution]),
            (S::Activity1, vec![], vec![C::ScheduleActivityTask]),
            (S::Activity1, vec![E::ActivityTaskScheduled], vec![]),
            (S::Activity1, done.to_vec(), vec![C::CompleteWorkflowExecution]),
            (S::Activity1, vec![E::ActivityTaskScheduled, E::ActivityTaskTimedOut], vec![C::FailWorkflowExecution]),
            (S::Activity10seq, done.repeat(9), vec![C::ScheduleActivityTask]),
            (S::Activity10seq, done.repeat(10), vec![C::CompleteWorkflowExecution]),
            (S::Timer, vec![E::TimerStarted], vec![]),
            (S::Timer, vec![E::TimerStarted, E::TimerFired], vec![C::CompleteWorkflowExecution]),
            (S::Signal, vec![E::WorkflowExecutionSignaled; 9], vec![]),
            (S::Signal, vec![E::WorkflowExecutionSignaled; 10], vec![C::CompleteWorkflowExecution]),
        ];
        for (scenario, events, expected) in cases {
            let plan = Plan { scenario, task_queue: "queue".into(), payload: payload(8), eager: false };
            assert_eq!(types(&plan, &events), expected, "{scenario:?} after {events:?}");
        }
    }
}
