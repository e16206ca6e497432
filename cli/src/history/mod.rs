//! `perdure history …`: closed histories between servers and files or object storage.
//!
//! A file holds one history, as JSON in the form of `temporal workflow show --output json`, which SDKs replay, or as the protobuf
//! message `temporal.api.history.v1.History` with gzip. Its place, `NAMESPACE/WORKFLOW ID/RUN ID.SUFFIX`, follows from the run
//! alone, so that an export that is run again finds what is there already.

mod archive;
mod export;
mod file;
mod http;
mod import;
mod progress;
mod read;
mod spelling;

pub use file::{FileFormat, HistoryFile};
pub use read::{Selection, read_history, selected_runs};

commands! {
    /// `perdure history …`
    HistoryCommand {
        /// Write the histories of closed workflows to files or object storage.
        ///
        /// Each file appears whole or not at all, and one that is there already is left alone: to go on after an interruption,
        /// or to add what has closed since, run the same command again.
        #[command(after_help = "Examples:\n  perdure history export --to ./histories --query 'WorkflowType = \"Order\"'\n  perdure history export --to s3://archive/perdure --namespace orders")]
        Export(export::Export),
        /// Take histories of closed workflows into a namespace, with their run ids and times.
        ///
        /// A run that exists is never written over; the same import again changes nothing. The workflows are in lists and can be
        /// read, queried and reset like others; nobody is told again that they have ended.
        #[command(after_help = "Example:\n  perdure history import --namespace orders ./histories")]
        Import(import::Import),
    }
}
