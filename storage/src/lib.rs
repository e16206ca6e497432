//! Where runs, namespaces and lists are kept: one trait, three stores (PostgreSQL, SQLite, memory). SQL lives only here.

pub mod backlog;
pub mod batch;
pub mod error;
mod filter;
pub mod inspect;
pub mod keys;
mod lease;
mod memory;
mod metered;
mod postgres;
pub mod search_values;
mod sql;
mod sqlite;
pub mod store;
pub mod visibility;

pub use backlog::{BacklogId, BacklogOrder, BacklogRow};
pub use batch::{Batch, JournalRow, RunWrite, Snapshot, WakeAt};
pub use error::{CommitError, StoreError};
pub use keys::{RunKey, SLOTS, Slot, WorkflowKey};
pub use memory::MemoryStore;
pub use metered::MeteredStore;
pub use postgres::{PostgresConfig, PostgresStore, PostgresTls};
pub use sqlite::SqliteStore;
pub use store::{Lease, Store, StoredRun, TaskQueueConfigRow};
pub use visibility::{ExpiredRun, VisibilityRow};
