//! `schedule list`, `describe` and `list-matching-times`.

use clap::Args;
use perdure_proto::api::workflowservice::{
    DescribeScheduleRequest, ListScheduleMatchingTimesRequest, ListSchedulesRequest,
};
use prost_types::Timestamp;
use serde_json::Value as Json;

use super::ScheduleReference;
use crate::{
    duration::proto_timestamp,
    output::{Field, Section},
    session::Session,
};

#[derive(Args, Debug)]
pub struct List {
    /// A list filter; without it all are found.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    query: String,
    /// Print the times and notes too.
    #[arg(long, short)]
    long: bool,
    /// Print all that lists know.
    #[arg(long)]
    really_long: bool,
}

#[derive(Args, Debug)]
pub struct Describe {
    #[command(flatten)]
    schedule: ScheduleReference,
}

#[derive(Args, Debug)]
pub struct ListMatchingTimes {
    #[command(flatten)]
    schedule: ScheduleReference,
    /// From here on.
    #[arg(long, value_parser = proto_timestamp, value_name = "TIME")]
    start_time: Timestamp,
    /// To here.
    #[arg(long, value_parser = proto_timestamp, value_name = "TIME")]
    end_time: Timestamp,
}

pub(crate) const SCHEDULES: &[Field] = &[
    ("ScheduleId", "/scheduleId"),
    ("Action", "/info/workflowType/name"),
    ("Paused", "/info/paused"),
    ("NextRunTime", "/info/futureActionTimes/0"),
    ("RecentRuns", "/info/recentActions"),
];

/// Without what is only in the whole.
pub(crate) const SCHEDULES_LONG: &[Field] = SCHEDULES_REALLY_LONG.split_at(8).0;

pub(crate) const SCHEDULES_REALLY_LONG: &[Field] = &[
    ("ScheduleId", "/scheduleId"),
    ("Action", "/info/workflowType/name"),
    ("Paused", "/info/paused"),
    ("Notes", "/info/notes"),
    ("NextRunTime", "/info/futureActionTimes/0"),
    ("RecentRuns", "/info/recentActions"),
    ("Calendars", "/info/spec/structuredCalendar"),
    ("Intervals", "/info/spec/interval"),
    ("Excluded", "/info/spec/excludeStructuredCalendar"),
    ("StartTime", "/info/spec/startTime"),
    ("EndTime", "/info/spec/endTime"),
    ("Jitter", "/info/spec/jitter"),
    ("TimeZone", "/info/spec/timezoneName"),
    ("SearchAttributes", "/searchAttributes/indexedFields"),
    ("Memo", "/memo/fields"),
];

pub(crate) const SCHEDULE: &[Section] = &[
    Section {
        title: "Schedule",
        at: "/schedule",
        fields: &[
            ("Paused", "/state/paused"),
            ("Notes", "/state/notes"),
            ("LimitedActions", "/state/limitedActions"),
            ("RemainingActions", "/state/remainingActions"),
            ("OverlapPolicy", "/policies/overlapPolicy"),
            ("CatchupWindow", "/policies/catchupWindow"),
            ("PauseOnFailure", "/policies/pauseOnFailure"),
        ],
    },
    Section {
        title: "Action",
        at: "/schedule/action/startWorkflow",
        fields: &[
            ("WorkflowId", "/workflowId"),
            ("Type", "/workflowType/name"),
            ("TaskQueue", "/taskQueue/name"),
            ("Input", "/input"),
            ("Memo", "/memo/fields"),
            ("SearchAttributes", "/searchAttributes/indexedFields"),
        ],
    },
    Section {
        title: "Spec",
        at: "/schedule/spec",
        fields: &[
            ("Calendars", "/structuredCalendar"),
            ("Intervals", "/interval"),
            ("Excluded", "/excludeStructuredCalendar"),
            ("StartTime", "/startTime"),
            ("EndTime", "/endTime"),
            ("Jitter", "/jitter"),
            ("TimeZone", "/timezoneName"),
        ],
    },
    Section {
        title: "Info",
        at: "/info",
        fields: &[
            ("CreatedAt", "/createTime"),
            ("LastUpdateAt", "/updateTime"),
            ("NextRunTimes", "/futureActionTimes"),
            ("Actions", "/actionCount"),
            ("MissedCatchupWindow", "/missedCatchupWindow"),
            ("SkippedOverlap", "/overlapSkipped"),
            ("BufferDropped", "/bufferDropped"),
            ("Buffered", "/bufferSize"),
            ("InvalidSchedule", "/invalidScheduleError"),
        ],
    },
    Section {
        title: "Running Workflows",
        at: "/info/runningWorkflows",
        fields: &[("WorkflowId", "/workflowId"), ("RunId", "/runId")],
    },
    Section {
        title: "Recent Actions",
        at: "/info/recentActions",
        fields: &[
            ("ScheduleTime", "/scheduleTime"),
            ("ActualTime", "/actualTime"),
            ("WorkflowId", "/startWorkflowResult/workflowId"),
            ("RunId", "/startWorkflowResult/runId"),
            ("Status", "/startWorkflowStatus"),
        ],
    },
    Section { title: "Memo", at: "/memo", fields: &[("Memo", "/fields")] },
    Section { title: "Search Attributes", at: "/searchAttributes", fields: &[("SearchAttributes", "/indexedFields")] },
];

impl List {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = ListSchedulesRequest {
            namespace: session.namespace(),
            query: self.query,
            ..ListSchedulesRequest::default()
        };
        let fields = match (self.long, self.really_long) {
            (_, true) => SCHEDULES_REALLY_LONG,
            (true, _) => SCHEDULES_LONG,
            _ => SCHEDULES,
        };
        session.list(request, None, fields).await
    }
}

impl Describe {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let ScheduleReference { schedule_id } = self.schedule;
        session.show(DescribeScheduleRequest { namespace: session.namespace(), schedule_id }, SCHEDULE).await
    }
}

impl ListMatchingTimes {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        type Request = ListScheduleMatchingTimesRequest;
        let request = Request {
            namespace: session.namespace(),
            schedule_id: self.schedule.schedule_id,
            start_time: Some(self.start_time),
            end_time: Some(self.end_time),
        };
        let answer = session.call(request).await?;
        let rendered = session.render::<Request>(&answer)?;
        if !session.output.is_text() {
            return session.output.json(&rendered);
        }
        let times = rendered.get("startTime").and_then(Json::as_array).into_iter().flatten();
        times.filter_map(Json::as_str).try_for_each(|time| session.output.say(time))
    }
}
