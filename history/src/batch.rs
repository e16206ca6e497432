//! Batch operations: pages of them are done by the frontend, which reads queries and knows the operations.

use async_trait::async_trait;
use perdure_engine::batch::{Batch, BatchProgress};

use crate::error::Error;

/// A page of a batch operation that is to be worked on.
#[derive(Clone, Debug)]
pub struct BatchPage {
    /// The job's id, and the run's: together they name it for good.
    pub job_id: String,
    pub run_id: String,
    pub started: perdure_engine::Nanos,
    pub batch: Batch,
}

/// What became of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPageDone {
    /// Of the whole job.
    pub progress: BatchProgress,
    pub last: bool,
}

/// Finds the executions of a page and works on them. A page may be asked for again. Err: try again later.
#[async_trait]
pub trait BatchRunner: Send + Sync + 'static {
    async fn run_page(&self, page: BatchPage) -> Result<BatchPageDone, Error>;
}
