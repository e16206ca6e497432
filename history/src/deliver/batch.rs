//! Pages of batch operations.

use perdure_engine::{Input, batch::BatchInput};

use super::Message;
use crate::{
    batch::{BatchPage, BatchPageDone},
    error::Error,
    shard::cell::Cell,
    shared::Shared,
};

/// None: the page is done already, or the job has ended.
pub(super) fn page(cell: &Cell, page: i64) -> Option<Message> {
    let run = &cell.state.run;
    if perdure_engine::batch::owed_page(run) != Some(page) {
        return None;
    }
    Some(Message::BatchPage(Box::new(BatchPage {
        job_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
        started: run.start_time,
        batch: run.batch.as_deref()?.clone(),
    })))
}

pub(super) async fn run(shared: &Shared, page: &BatchPage) -> Result<Input, Error> {
    let number = page.batch.progress.pages;
    let BatchPageDone { progress, last } = shared.batches.get()?.run_page(page.clone()).await?;
    Ok(Input::Batch(BatchInput::PageDone { page: number, progress, last }))
}
