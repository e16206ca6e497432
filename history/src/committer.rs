//! One transaction at a time for all shards of a node: batches that wait while one commits go together in the next.
//!
//! | what happens | idle | a transaction is under way |
//! |---|---|---|
//! | a batch comes | its transaction begins at once | it waits |
//! | the transaction ends, batches wait | - | all of them are the next transaction |
//! | the transaction ends, none waits | - | idle |
//! | several batches together are refused, or one of their leases is lost | - | each is committed alone: only whose it is fails |
//! | the transaction's fate is unknown | - | unknown for each of its batches |
//!
//! There is no timer: what gathers is what came during a commit. So a busy node commits less often for each workflow, and
//! an idle one answers at once.

mod refused;

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;
use perdure_storage::{Batch, CommitError, Store, WorkflowKey};
use tokio::sync::oneshot;

/// Ends with the workflows whose data was refused.
pub(crate) type Committed = Result<HashSet<WorkflowKey>, CommitError>;

/// A shard's batch on its way.
struct Submission {
    batch: Batch,
    /// Of each run in the batch.
    workflows: Vec<WorkflowKey>,
    done: oneshot::Sender<Committed>,
}

pub(crate) struct Committer {
    store: Arc<dyn Store>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    busy: bool,
    waiting: Vec<Submission>,
}

impl Committer {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, queue: Mutex::default() }
    }

    /// The answer comes when the batch is durable, or is not. A receiver without one: its fate is unknown.
    pub(crate) fn submit(self: &Arc<Self>, batch: Batch, workflows: Vec<WorkflowKey>) -> oneshot::Receiver<Committed> {
        let (done, answer) = oneshot::channel();
        let submission = Submission { batch, workflows, done };
        let mut queue = self.queue.lock();
        if queue.busy {
            queue.waiting.push(submission);
        } else {
            queue.busy = true;
            let turn = Turn { committer: self.clone(), is_over: false };
            tokio::spawn(async move { turn.run(vec![submission]).await });
        }
        answer
    }
}

/// Whoever has it commits. A panic gives it back, and with it goes what waits: its shards learn that they know nothing.
struct Turn {
    committer: Arc<Committer>,
    /// It was given back, and another may have it by now.
    is_over: bool,
}

impl Turn {
    async fn run(mut self, mut together: Vec<Submission>) {
        while !self.is_over {
            commit(&*self.committer.store, together).await;
            let mut queue = self.committer.queue.lock();
            together = std::mem::take(&mut queue.waiting);
            queue.busy = !together.is_empty();
            self.is_over = together.is_empty();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            *self.committer.queue.lock() = Queue::default();
        }
    }
}

async fn commit(store: &dyn Store, together: Vec<Submission>) {
    let (mut batches, mut others) = (Vec::new(), Vec::new());
    for Submission { batch, workflows, done } in together {
        batches.push(batch);
        others.push((workflows, done));
    }
    // Nothing is known against one that is alone.
    let together = if batches.len() > 1 { Some(store.commit(&batches).await) } else { None };
    for (batch, (workflows, done)) in batches.into_iter().zip(others) {
        let committed = match &together {
            Some(Ok(())) => Ok(HashSet::new()),
            Some(Err(CommitError::Unknown(error))) => Err(CommitError::Unknown(error.to_string().into())),
            Some(Err(CommitError::LeaseLost | CommitError::Refused(_))) | None => {
                refused::commit(store, batch, workflows).await
            }
        };
        // A shard that has ended needs no answer.
        let _ = done.send(committed);
    }
}

#[cfg(test)]
mod tests;
