//! How a group of commands is declared: once, with its help and the struct of its flags.

use std::future::Future;

use crate::session::Session;

/// A group of commands.
pub trait Run {
    fn run(self, session: &Session) -> impl Future<Output = anyhow::Result<()>>;
}

/// The clap enum of a group and its dispatch. Each struct has `async fn run(self, session: &Session)`.
macro_rules! commands {
    ($(#[$doc:meta])* $name:ident { $($(#[$help:meta])* $variant:ident($command:ty),)+ }) => {
        $(#[$doc])*
        #[derive(Debug, clap::Subcommand)]
        pub enum $name {
            $($(#[$help])* $variant(Box<$command>),)+
        }

        impl $crate::commands::Run for $name {
            async fn run(self, session: &$crate::session::Session) -> anyhow::Result<()> {
                match self {
                    $(Self::$variant(command) => command.run(session).await,)+
                }
            }
        }
    };
}

/// A group inside of a group.
#[derive(Debug, clap::Args)]
pub struct Group<C: clap::Subcommand> {
    #[command(subcommand)]
    command: C,
}

impl<C: clap::Subcommand + Run> Group<C> {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        self.command.run(session).await
    }
}
