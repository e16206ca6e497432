//! `perdure workflow …`

pub(crate) mod describe;
pub(crate) mod list;
pub(crate) mod message;
mod options;
mod outcome;
mod reset;
pub(crate) mod show;
mod start;
mod stop;
mod update;
mod with_start;

pub(crate) use {list::ListFlags, outcome::values};

commands! {
    /// Start workflows, talk to them, look at them and end them.
    WorkflowCommand {
        /// Start a workflow and print its ids
        #[command(after_help = "Examples:\n  perdure workflow start --type Order --task-queue orders --workflow-id order-7 --input '{\"item\": 3}'\n  perdure workflow start --type Report --task-queue reports --start-delay 1h --memo 'owner=\"Anna\"'")]
        Start(start::Start),
        /// Start a workflow, wait for its end and print the result; fails where it fails
        #[command(after_help = "Example:\n  perdure workflow execute --type Greet --task-queue greetings --input '\"World\"' -o json")]
        Execute(start::Execute),
        /// Show the workflows that a filter finds
        #[command(after_help = "Examples:\n  perdure workflow list --query 'WorkflowType = \"Order\" AND ExecutionStatus = \"Running\"'\n  perdure workflow list --limit 20 -o jsonl")]
        List(list::List),
        /// Count the workflows that a filter finds
        #[command(after_help = "Examples:\n  perdure workflow count\n  perdure workflow count --query 'WorkflowType = \"Order\" GROUP BY ExecutionStatus'")]
        Count(list::Count),
        /// Show the state of one workflow: what it waits for, and how it ended
        #[command(after_help = "Example:\n  perdure workflow describe --workflow-id order-7")]
        Describe(describe::Describe),
        /// Show the history of one workflow
        #[command(after_help = "Examples:\n  perdure workflow show --workflow-id order-7 --follow\n  perdure workflow show --workflow-id order-7 -o json > history.json")]
        Show(show::Show),
        /// Send a signal to a workflow, or to all of a query
        #[command(after_help = "Examples:\n  perdure workflow signal --workflow-id order-7 --name approve --input '{\"by\": \"Anna\"}'\n  perdure workflow signal --query 'WorkflowType = \"Order\"' --name pause --yes")]
        Signal(message::Signal),
        /// Send a signal to a workflow, and start it first where it does not run
        #[command(after_help = "Example:\n  perdure workflow signal-with-start --signal-name add --signal-input '3' --type Cart --task-queue carts --workflow-id cart-1")]
        SignalWithStart(with_start::SignalWithStart),
        /// Ask a workflow for its state
        #[command(after_help = "Example:\n  perdure workflow query --workflow-id order-7 --name status")]
        Query(message::Query),
        /// Show where the code of a workflow waits
        #[command(after_help = "Example:\n  perdure workflow stack --workflow-id order-7")]
        Stack(message::Stack),
        /// Show which queries, signals and updates a workflow takes
        #[command(after_help = "Example:\n  perdure workflow metadata --workflow-id order-7")]
        Metadata(message::Metadata),
        /// Send updates to workflows and wait for their results
        Update(crate::commands::Group<update::UpdateCommand>),
        /// Send an update, start the workflow first where it does not run, and wait until the update is accepted
        #[command(after_help = "Example:\n  perdure workflow start-update-with-start --update-name add --update-input 3 --update-wait-for-stage accepted --type Cart --task-queue carts --workflow-id cart-1 --id-conflict-policy UseExisting")]
        StartUpdateWithStart(with_start::StartUpdateWithStart),
        /// Send an update, start the workflow first where it does not run, and wait for the update's result
        #[command(after_help = "Example:\n  perdure workflow execute-update-with-start --update-name add --update-input 3 --type Cart --task-queue carts --workflow-id cart-1 --id-conflict-policy UseExisting")]
        ExecuteUpdateWithStart(with_start::ExecuteUpdateWithStart),
        /// Ask a workflow, or all of a query, to end in its own way
        #[command(after_help = "Examples:\n  perdure workflow cancel --workflow-id order-7\n  perdure workflow cancel --query 'WorkflowType = \"Order\"' --rps 50 --yes")]
        Cancel(stop::Cancel),
        /// End a workflow, or all of a query, at once and without its code
        #[command(after_help = "Examples:\n  perdure workflow terminate --workflow-id order-7 --reason 'wrong customer'\n  perdure workflow terminate --query 'WorkflowType = \"Order\"' --yes")]
        Terminate(stop::Terminate),
        /// Remove a workflow, or all of a query, with its history; one that runs is terminated
        #[command(after_help = "Examples:\n  perdure workflow delete --workflow-id order-7 --yes\n  perdure workflow delete --query 'CloseTime < \"2026-01-01T00:00:00Z\"' --yes")]
        Delete(stop::Delete),
        /// Stop the progress of a workflow until it is unpaused
        #[command(after_help = "Example:\n  perdure workflow pause --workflow-id order-7 --reason 'look into it'")]
        Pause(stop::Pause),
        /// Let a paused workflow go on
        #[command(after_help = "Example:\n  perdure workflow unpause --workflow-id order-7")]
        Unpause(stop::Unpause),
        /// Wait for a workflow's end and print its result; fails where it failed
        #[command(after_help = "Example:\n  perdure workflow result --workflow-id order-7 -o json")]
        Result(outcome::ResultOf),
        /// Run a workflow again from a point of its history; what was signalled since is sent again
        #[command(after_help = "Examples:\n  perdure workflow reset --workflow-id order-7 --type LastWorkflowTask --reason 'bug is mended'\n  perdure workflow reset --workflow-id order-7 --event-id 12 --reason retry\n  perdure workflow reset --query 'WorkflowType = \"Order\"' --type FirstWorkflowTask --reason again --yes")]
        Reset(reset::Reset),
        /// Change the versioning override of a workflow, or of all of a query
        #[command(after_help = "Examples:\n  perdure workflow update-options --workflow-id order-7 --versioning-override-behavior auto_upgrade\n  perdure workflow update-options --workflow-id order-7 --versioning-override-behavior pinned --versioning-override-deployment-name orders --versioning-override-build-id 1.4")]
        UpdateOptions(options::UpdateOptions),
    }
}
