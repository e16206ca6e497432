//! `perdure worker …`

mod deployment;
pub(crate) mod deployment_describe;
mod deployment_manager;
pub(crate) mod list;

use crate::commands::Group;

commands! {
    /// Look at workers, and say which versions get work.
    WorkerCommand {
        /// Show the workers that report to the server
        #[command(after_help = "Example:\n  perdure worker list --query 'TaskQueue = \"orders\"'")]
        List(list::List),
        /// Count the workers that report to the server
        #[command(after_help = "Example:\n  perdure worker count --query 'TaskQueue = \"orders\"'")]
        Count(list::Count),
        /// Show all that one worker reports
        #[command(after_help = "Example:\n  perdure worker describe --worker-instance-key 5f0c2b7e")]
        Describe(list::Describe),
        /// Versions of workers, and which of them gets work
        Deployment(Group<deployment::DeploymentCommand>),
    }
}
