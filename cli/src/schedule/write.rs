//! `schedule create` and `schedule update`.

use anyhow::Context;
use clap::Args;
use perdure_proto::api::{
    common::Payloads,
    schedule::{
        CalendarSpec, IntervalSpec, Schedule, ScheduleAction, SchedulePolicies, ScheduleSpec, ScheduleState,
        schedule_action,
    },
    workflow::NewWorkflowExecutionInfo,
    workflowservice::{CreateScheduleRequest, StartWorkflowExecutionRequest, UpdateScheduleRequest},
};
use prost_types::{Duration, Timestamp};

use super::{Overlap, ScheduleReference};
use crate::{
    duration::{proto_duration, proto_timestamp},
    json,
    key_value::KeyValue,
    payload::PayloadInput,
    session::Session,
    start::{StartFlags, memo, search_attributes},
};

#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    flags: ScheduleFlags,
    /// A search attribute of the schedule, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    schedule_search_attribute: Vec<KeyValue>,
    /// A field of the schedule's memo, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    schedule_memo: Vec<KeyValue>,
}

#[derive(Args, Debug)]
pub struct Update {
    #[command(flatten)]
    flags: ScheduleFlags,
}

#[derive(Args, Debug)]
pub(crate) struct ScheduleFlags {
    #[command(flatten)]
    schedule: ScheduleReference,
    /// Times as JSON, like `{"dayOfWeek":"Fri","hour":"17"}`; may be repeated.
    #[arg(long, value_name = "JSON", value_parser = calendar)]
    calendar: Vec<CalendarSpec>,
    /// Times as a cron string, like `0 12 * * *` or `@hourly`; may be repeated.
    #[arg(long, value_name = "CRON")]
    cron: Vec<String>,
    /// Times at an interval, `DURATION` or `DURATION/OFFSET`, like `1h/15m`; may be repeated.
    #[arg(long, value_name = "DURATION[/OFFSET]", value_parser = interval)]
    interval: Vec<IntervalSpec>,
    /// No times before this one.
    #[arg(long, value_parser = proto_timestamp, value_name = "TIME")]
    start_time: Option<Timestamp>,
    /// No times after this one.
    #[arg(long, value_parser = proto_timestamp, value_name = "TIME")]
    end_time: Option<Timestamp>,
    /// Each time is later by a random part of this.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    jitter: Option<Duration>,
    /// The time zone of calendars and cron strings, like Europe/Berlin [default: UTC]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    time_zone: String,
    /// How late an action may be that the server missed.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    catchup_window: Option<Duration>,
    #[command(flatten)]
    overlap: Overlap,
    /// Pause after a workflow that failed or timed out.
    #[arg(long)]
    pause_on_failure: bool,
    /// Paused from the beginning.
    #[arg(long)]
    paused: bool,
    /// Notes for people.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    notes: String,
    /// Act so often and no more; 0 is no limit.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    remaining_actions: i64,
    #[command(flatten)]
    start: StartFlags,
    #[command(flatten)]
    input: PayloadInput,
}

fn calendar(text: &str) -> Result<CalendarSpec, String> {
    json::parse(text, "temporal.api.schedule.v1.CalendarSpec").map_err(|error| {
        format!("{error}: write it like {{\"dayOfWeek\":\"Mon-Fri\",\"hour\":\"9\",\"minute\":\"30\"}}")
    })
}

fn interval(text: &str) -> Result<IntervalSpec, String> {
    let (every, offset) = match text.split_once('/') {
        Some((every, offset)) => (every, Some(proto_duration(offset)?)),
        None => (text, None),
    };
    Ok(IntervalSpec { interval: Some(proto_duration(every)?), phase: offset })
}

impl ScheduleFlags {
    fn schedule(&self, session: &Session, input: Option<Payloads>) -> anyhow::Result<Schedule> {
        let spec = ScheduleSpec {
            cron_string: self.cron.clone(),
            calendar: self.calendar.clone(),
            interval: self.interval.clone(),
            start_time: self.start_time,
            end_time: self.end_time,
            jitter: self.jitter,
            timezone_name: self.time_zone.clone(),
            ..ScheduleSpec::default()
        };
        let action = schedule_action::Action::StartWorkflow(action(self.start.request(session, input)?));
        Ok(Schedule {
            spec: Some(spec),
            action: Some(ScheduleAction { action: Some(action) }),
            policies: Some(SchedulePolicies {
                overlap_policy: self.overlap.overlap_policy.into(),
                catchup_window: self.catchup_window,
                pause_on_failure: self.pause_on_failure,
                ..SchedulePolicies::default()
            }),
            state: Some(ScheduleState {
                notes: self.notes.clone(),
                paused: self.paused,
                limited_actions: self.remaining_actions > 0,
                remaining_actions: self.remaining_actions,
            }),
        })
    }
}

/// What a schedule starts: the fields of a start that it may have.
fn action(start: StartWorkflowExecutionRequest) -> NewWorkflowExecutionInfo {
    NewWorkflowExecutionInfo {
        workflow_id: start.workflow_id,
        workflow_type: start.workflow_type,
        task_queue: start.task_queue,
        input: start.input,
        workflow_execution_timeout: start.workflow_execution_timeout,
        workflow_run_timeout: start.workflow_run_timeout,
        workflow_task_timeout: start.workflow_task_timeout,
        memo: start.memo,
        search_attributes: start.search_attributes,
        header: start.header,
        user_metadata: start.user_metadata,
        priority: start.priority,
        ..NewWorkflowExecutionInfo::default()
    }
}

impl Create {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = CreateScheduleRequest {
            namespace: session.namespace(),
            schedule: Some(self.flags.schedule(session, self.flags.input.payloads()?)?),
            schedule_id: self.flags.schedule.schedule_id,
            identity: session.identity(),
            request_id: uuid::Uuid::new_v4().to_string(),
            memo: memo("--schedule-memo", &self.schedule_memo)?,
            search_attributes: search_attributes("--schedule-search-attribute", &self.schedule_search_attribute)?,
            ..CreateScheduleRequest::default()
        };
        session.done(request, "Schedule created").await
    }
}

impl Update {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let schedule = self.flags.schedule(session, self.flags.input.payloads()?).context("the schedule")?;
        let request = UpdateScheduleRequest {
            namespace: session.namespace(),
            schedule: Some(schedule),
            schedule_id: self.flags.schedule.schedule_id,
            identity: session.identity(),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..UpdateScheduleRequest::default()
        };
        session.done(request, "Schedule updated").await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        let seconds = |interval: IntervalSpec| {
            (interval.interval.map(|every| every.seconds), interval.phase.map(|phase| phase.seconds))
        };
        let cases = [
            ("1h", Some((Some(3_600), None))),
            ("1h/15m", Some((Some(3_600), Some(900)))),
            ("1d/2h30m", Some((Some(86_400), Some(9_000)))),
            ("", None),
            ("1h/", None),
            ("1h/1m/1s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(interval(text).ok().map(seconds), expected, "{text}");
        }
    }

    #[test]
    fn calendars() {
        let friday = calendar("{\"dayOfWeek\":\"Fri\",\"hour\":\"17\"}").expect("a calendar");
        assert_eq!((friday.day_of_week.as_str(), friday.hour.as_str()), ("Fri", "17"));
        for bad in ["", "Fri", "{\"weekday\":\"Fri\"}", "{} {}"] {
            let error = calendar(bad).expect_err(bad);
            assert!(error.contains("write it like"), "{error}");
        }
    }
}
