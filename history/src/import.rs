//! Imports, as callers see them: no run is written over, and the same import again changes nothing.

use perdure_engine::Import;
use perdure_storage::{RunKey, WorkflowKey};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    History,
    api::Target,
    error::Error,
    shard::message::{ImportOp, Message},
    shared::Shared,
    unavailable,
};

/// What became of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    New,
    /// The same run with the same history was there already.
    WasThere,
    /// The run is there with another history, or is still open.
    Differs,
    /// Another workflow has a run with this id: run ids are unique in a server.
    OfAnother,
}

/// Of one run id at a time.
struct Claim<'a> {
    shared: &'a Shared,
    run_id: Uuid,
}

impl<'a> Claim<'a> {
    fn take(shared: &'a Shared, run_id: Uuid) -> Option<Self> {
        let free = shared.imports.lock().insert(run_id);
        // Made only where it is free: the drop of one that is not would free another's.
        free.then(|| Self { shared, run_id })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.shared.imports.lock().remove(&self.run_id);
    }
}

impl History {
    /// Takes in a closed run with its events. `import` names the same run as the other arguments.
    pub async fn import(&self, workflow: WorkflowKey, run_id: Uuid, import: Import) -> Result<Imported, Error> {
        let Some(_claim) = Claim::take(&self.shared, run_id) else {
            return Err(Error::Busy("the same run is being imported by another call".into()));
        };
        match self.shared.store.find_run(run_id).await.map_err(unavailable)? {
            Some(owner) if owner != workflow => Ok(Imported::OfAnother),
            Some(_) => self.compare(workflow, run_id, &import).await,
            None => {
                let (reply, answer) = oneshot::channel();
                let op = ImportOp { workflow: workflow.clone(), run_id, import, reply };
                self.shared.post(&workflow, Message::Import(Box::new(op)))?;
                answer.await.unwrap_or(Err(Error::Unavailable)).map(|()| Imported::New)
            }
        }
    }

    /// Bytes of the longest history that is taken in.
    pub fn largest_import(&self, namespace: &str) -> i64 {
        self.shared.limits.load().of(namespace).history_size
    }

    async fn compare(&self, workflow: WorkflowKey, run_id: Uuid, import: &Import) -> Result<Imported, Error> {
        let run = RunKey { slot: workflow.slot(), run_id };
        let target = Target { workflow, run_id: Some(run_id) };
        let next_event_id = self.view(target, |state| state.run.next_event_id).await?;
        let (events, _) = self.events(run, next_event_id).await?;
        Ok(if events == import.events { Imported::WasThere } else { Imported::Differs })
    }
}
