//! Admin commands over the API: they see what every client sees, and never the database.

mod cluster;
mod connect;
mod duration;
mod namespace;

use clap::Subcommand;
pub use connect::Connection;
pub use duration::parse_duration;

/// `perdure operator …`
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Look at the server as a whole.
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Create and show namespaces.
    #[command(subcommand)]
    Namespace(namespace::NamespaceCommand),
}

impl OperatorCommand {
    /// Prints the answer; an error says what was asked of whom and what to do.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Cluster(command) => command.run().await,
            Self::Namespace(command) => command.run().await,
        }
    }
}
