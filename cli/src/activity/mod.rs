//! `perdure activity …`: activities of workflows, and those that stand alone.

pub(crate) mod list;
mod operate;
pub(crate) mod options;
mod respond;
mod start;
mod stop;

commands! {
    /// Start activities, look at them, and step in.
    ActivityCommand {
        /// Start an activity without a workflow and print its ids
        #[command(after_help = "Example:\n  perdure activity start --activity-id mail-1 --type SendMail --task-queue mail --start-to-close-timeout 30s --input '\"anna@example.org\"'")]
        Start(start::Start),
        /// Start an activity without a workflow, wait for its end and print the result
        #[command(after_help = "Example:\n  perdure activity execute --activity-id sum-1 --type Sum --task-queue sums --start-to-close-timeout 30s --input '[1,2]'")]
        Execute(start::Execute),
        /// Wait for the end of an activity without a workflow and print the result
        #[command(after_help = "Example:\n  perdure activity result --activity-id sum-1")]
        Result(start::ResultOf),
        /// Show the activities without a workflow that a filter finds
        #[command(after_help = "Example:\n  perdure activity list --query 'ActivityType = \"SendMail\" AND ExecutionStatus = \"Running\"'")]
        List(list::List),
        /// Count the activities without a workflow that a filter finds
        #[command(after_help = "Example:\n  perdure activity count --query 'ActivityType = \"SendMail\"'")]
        Count(list::Count),
        /// Show the state of one activity without a workflow
        #[command(after_help = "Example:\n  perdure activity describe --activity-id mail-1")]
        Describe(list::Describe),
        /// Ask an activity without a workflow, or all of a query, to end in its own way
        #[command(after_help = "Example:\n  perdure activity cancel --activity-id mail-1 --reason 'not needed'")]
        Cancel(stop::Cancel),
        /// End an activity without a workflow, or all of a query, at once
        #[command(after_help = "Example:\n  perdure activity terminate --activity-id mail-1 --reason 'wrong address'")]
        Terminate(stop::Terminate),
        /// Remove an activity without a workflow, or all of a query
        #[command(after_help = "Example:\n  perdure activity delete --activity-id mail-1 --yes")]
        Delete(stop::Delete),
        /// Answer for the worker: the activity is completed
        #[command(after_help = "Examples:\n  perdure activity complete --activity-id 5 --workflow-id order-7 --result '{\"paid\": true}'\n  perdure activity complete --activity-id mail-1 --result null")]
        Complete(respond::Complete),
        /// Answer for the worker: the activity has failed for good
        #[command(after_help = "Example:\n  perdure activity fail --activity-id 5 --workflow-id order-7 --reason 'the shop is closed'")]
        Fail(respond::Fail),
        /// Stop the attempts of an activity until it is unpaused
        #[command(after_help = "Example:\n  perdure activity pause --activity-id 5 --workflow-id order-7")]
        Pause(operate::Pause),
        /// Let a paused activity, or those of all workflows of a query, go on
        #[command(after_help = "Examples:\n  perdure activity unpause --activity-id 5 --workflow-id order-7\n  perdure activity unpause --query 'WorkflowType = \"Order\"' --jitter 30s --yes")]
        Unpause(operate::Unpause),
        /// Begin with the first attempt again, for one activity or those of all workflows of a query
        #[command(after_help = "Example:\n  perdure activity reset --activity-id 5 --workflow-id order-7 --keep-paused")]
        Reset(operate::Reset),
        /// Change time limits, retry policy or task queue of an activity, or of those of all workflows of a query
        #[command(after_help = "Example:\n  perdure activity update-options --activity-id 5 --workflow-id order-7 --start-to-close-timeout 2m --retry-maximum-attempts 10")]
        UpdateOptions(options::UpdateOptions),
    }
}

/// An activity without a workflow that is named.
#[derive(clap::Args, Debug)]
pub(crate) struct ActivityReference {
    /// The activity's id.
    #[arg(long, short)]
    activity_id: String,
    /// One of its runs; without it the latest.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    run_id: String,
}
