//! `perdure schedule …`

pub(crate) mod list;
mod patch;
mod write;

commands! {
    /// Start workflows at times.
    ScheduleCommand {
        /// Make a schedule
        #[command(after_help = "Examples:\n  perdure schedule create --schedule-id daily --cron '0 12 * * *' --time-zone Europe/Berlin --type Report --task-queue reports --workflow-id report\n  perdure schedule create --schedule-id often --interval 1h/15m --overlap-policy BufferOne --type Sync --task-queue sync\n  perdure schedule create --schedule-id fridays --calendar '{\"dayOfWeek\":\"Fri\",\"hour\":\"17\",\"minute\":\"5\"}' --type Report --task-queue reports")]
        Create(write::Create),
        /// Show one schedule: what it starts, when, and what it has started
        #[command(after_help = "Example:\n  perdure schedule describe --schedule-id daily")]
        Describe(list::Describe),
        /// Show the schedules of the namespace
        #[command(after_help = "Examples:\n  perdure schedule list --long\n  perdure schedule list --query 'TemporalSchedulePaused = true' -o json")]
        List(list::List),
        /// Show the times at which a schedule acts within a time range
        #[command(after_help = "Example:\n  perdure schedule list-matching-times --schedule-id daily --start-time 2026-03-01T00:00:00Z --end-time 2026-04-01T00:00:00Z")]
        ListMatchingTimes(list::ListMatchingTimes),
        /// Pause a schedule, or let it go on
        #[command(after_help = "Examples:\n  perdure schedule toggle --schedule-id daily --pause --reason 'holidays'\n  perdure schedule toggle --schedule-id daily --unpause")]
        Toggle(patch::Toggle),
        /// Act now
        #[command(after_help = "Example:\n  perdure schedule trigger --schedule-id daily --overlap-policy AllowAll")]
        Trigger(patch::Trigger),
        /// Replace all of a schedule
        #[command(after_help = "Example:\n  perdure schedule update --schedule-id daily --cron '0 13 * * *' --type Report --task-queue reports --workflow-id report")]
        Update(write::Update),
        /// Act for times that have passed
        #[command(after_help = "Example:\n  perdure schedule backfill --schedule-id daily --start-time 2026-03-01T00:00:00Z --end-time 2026-03-08T00:00:00Z --overlap-policy BufferAll")]
        Backfill(patch::Backfill),
        /// Remove a schedule; what it has started goes on
        #[command(after_help = "Example:\n  perdure schedule delete --schedule-id daily")]
        Delete(patch::Delete),
    }
}

/// A schedule that is named.
#[derive(clap::Args, Debug)]
pub(crate) struct ScheduleReference {
    /// The schedule's id.
    #[arg(long, short)]
    schedule_id: String,
}

/// What happens where the last action has not ended.
#[derive(clap::Args, Debug)]
pub(crate) struct Overlap {
    /// What to do at a time when the workflow of the last one still runs.
    #[arg(long, ignore_case = true, value_name = "POLICY", default_value = "Skip",
        value_parser = crate::choices::choices("SCHEDULE_OVERLAP_POLICY_",
            &["Skip", "BufferOne", "BufferAll", "CancelOther", "TerminateOther", "AllowAll"],
            perdure_proto::api::enums::ScheduleOverlapPolicy::from_str_name))]
    overlap_policy: perdure_proto::api::enums::ScheduleOverlapPolicy,
}
