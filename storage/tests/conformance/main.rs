//! What every store must do, checked on all of them: memory, SQLite in memory, SQLite in a file, PostgreSQL.
//!
//! PostgreSQL is the server that `PERDURE_TEST_POSTGRES` names; each test makes a database of its own there.

mod archetypes;
mod commits;
mod filters;
mod journals;
mod leases;
mod lists;
mod namespaces;
mod nexus_endpoints;
mod random_lists;
mod restarts;
mod rows;
mod stores;
mod task_queues;
mod worker_deployments;

/// Makes a test per store of each case: an async function of `&dyn Store`.
macro_rules! on_all_stores {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $case() { crate::stores::on_memory(async |store| super::$case(store).await).await })+
        }
        mod sqlite_memory {
            $(#[tokio::test] async fn $case() {
                crate::stores::on_sqlite_memory(async |store| super::$case(store).await).await
            })+
        }
        mod sqlite_file {
            $(#[tokio::test] async fn $case() {
                crate::stores::on_sqlite_file(async |store| super::$case(store).await).await
            })+
        }
        mod postgres {
            $(#[tokio::test] async fn $case() { crate::stores::on_postgres(async |store| super::$case(store).await).await })+
        }
    };
}
pub(crate) use on_all_stores;
