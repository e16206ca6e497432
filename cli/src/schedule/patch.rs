//! `schedule toggle`, `trigger`, `backfill` and `delete`.

use clap::{ArgGroup, Args};
use perdure_proto::api::{
    schedule::{BackfillRequest, SchedulePatch, TriggerImmediatelyRequest},
    workflowservice::{DeleteScheduleRequest, PatchScheduleRequest},
};
use prost_types::Timestamp;

use super::{Overlap, ScheduleReference};
use crate::{duration::proto_timestamp, session::Session};

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("state").args(["pause", "unpause"]).required(true)))]
pub struct Toggle {
    #[command(flatten)]
    schedule: ScheduleReference,
    /// Pause it.
    #[arg(long)]
    pause: bool,
    /// Let it go on.
    #[arg(long)]
    unpause: bool,
    /// Why; the schedule's notes keep it.
    #[arg(long, default_value = "(no reason provided)")]
    reason: String,
}

#[derive(Args, Debug)]
pub struct Trigger {
    #[command(flatten)]
    schedule: ScheduleReference,
    #[command(flatten)]
    overlap: Overlap,
}

#[derive(Args, Debug)]
pub struct Backfill {
    #[command(flatten)]
    schedule: ScheduleReference,
    #[command(flatten)]
    overlap: Overlap,
    /// From here on.
    #[arg(long, value_parser = proto_timestamp, value_name = "TIME")]
    start_time: Timestamp,
    /// To here.
    #[arg(long, value_parser = proto_timestamp, value_name = "TIME")]
    end_time: Timestamp,
}

#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    schedule: ScheduleReference,
}

async fn patch(session: &Session, schedule: ScheduleReference, patch: SchedulePatch, done: &str) -> anyhow::Result<()> {
    let request = PatchScheduleRequest {
        namespace: session.namespace(),
        schedule_id: schedule.schedule_id,
        patch: Some(patch),
        identity: session.identity(),
        request_id: uuid::Uuid::new_v4().to_string(),
    };
    session.done(request, done).await
}

impl Toggle {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (change, done) = if self.pause {
            (SchedulePatch { pause: self.reason, ..SchedulePatch::default() }, "Schedule paused")
        } else {
            (SchedulePatch { unpause: self.reason, ..SchedulePatch::default() }, "Schedule unpaused")
        };
        patch(session, self.schedule, change, done).await
    }
}

impl Trigger {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let overlap_policy = self.overlap.overlap_policy.into();
        let trigger = TriggerImmediatelyRequest { overlap_policy, ..TriggerImmediatelyRequest::default() };
        let change = SchedulePatch { trigger_immediately: Some(trigger), ..SchedulePatch::default() };
        patch(session, self.schedule, change, "Trigger request sent").await
    }
}

impl Backfill {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let backfill = BackfillRequest {
            start_time: Some(self.start_time),
            end_time: Some(self.end_time),
            overlap_policy: self.overlap.overlap_policy.into(),
        };
        let change = SchedulePatch { backfill_request: vec![backfill], ..SchedulePatch::default() };
        patch(session, self.schedule, change, "Backfill request sent").await
    }
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = DeleteScheduleRequest {
            namespace: session.namespace(),
            schedule_id: self.schedule.schedule_id,
            identity: session.identity(),
        };
        session.done(request, "Schedule deleted").await
    }
}
