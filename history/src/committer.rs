//! One transaction at a time for all shards of a node.
//!
//! A shard asks for a place before it makes its batch, so that what comes while another transaction is under way is in it.
//!
//! | what happens | idle | places are given out | a transaction is under way |
//! |---|---|---|---|
//! | a shard asks | it gets a place at once | it waits | it waits |
//! | each place has its batch, or was given back | - | the transaction begins; idle if there is no batch | - |
//! | the transaction ends, shards wait | - | - | each gets a place in the next one |
//! | the transaction ends, none waits | - | - | idle |
//! | several batches together are refused, or one of their leases is lost | - | - | each is committed alone: only whose it is fails |
//! | the transaction's fate is unknown | - | - | unknown for each of its batches |
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

/// A shard's place in the next transaction, which waits for its batch. Dropped: it goes without.
pub(crate) struct Place(oneshot::Sender<Submission>);

impl Place {
    /// The answer comes when the batch is durable, or is not. A receiver without one: its fate is unknown.
    pub(crate) fn take(self, batch: Batch, workflows: Vec<WorkflowKey>) -> oneshot::Receiver<Committed> {
        let (done, answer) = oneshot::channel();
        // A committer that is gone drops it, which is an unknown fate.
        let _ = self.0.send(Submission { batch, workflows, done });
        answer
    }
}

pub(crate) struct Committer {
    store: Arc<dyn Store>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    busy: bool,
    waiting: Vec<oneshot::Sender<Place>>,
}

impl Committer {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, queue: Mutex::default() }
    }

    /// A place, as soon as the transaction before is over. A receiver without one: ask again.
    pub(crate) fn ask(self: &Arc<Self>) -> oneshot::Receiver<Place> {
        let (asks, place) = oneshot::channel();
        let mut queue = self.queue.lock();
        if queue.busy {
            queue.waiting.push(asks);
        } else {
            queue.busy = true;
            let first = give_place(asks).into_iter().collect();
            let turn = Turn { committer: self.clone(), is_over: false };
            tokio::spawn(async move { turn.run(first).await });
        }
        place
    }
}

/// None if the shard is gone.
fn give_place(asks: oneshot::Sender<Place>) -> Option<oneshot::Receiver<Submission>> {
    let (place, submission) = oneshot::channel();
    asks.send(Place(place)).ok().map(|()| submission)
}

/// Whoever has it commits. A panic gives it back, and with it goes what waits: its shards learn that they know nothing.
struct Turn {
    committer: Arc<Committer>,
    /// It was given back, and another may have it by now.
    is_over: bool,
}

impl Turn {
    async fn run(mut self, mut places: Vec<oneshot::Receiver<Submission>>) {
        while !self.is_over {
            let mut together = Vec::with_capacity(places.len());
            for place in places {
                together.extend(place.await);
            }
            if !together.is_empty() {
                commit(&*self.committer.store, together).await;
                // The shards that hear of it now may ask for the next one.
                tokio::task::yield_now().await;
            }
            let mut queue = self.committer.queue.lock();
            places = std::mem::take(&mut queue.waiting).into_iter().filter_map(give_place).collect();
            queue.busy = !places.is_empty();
            self.is_over = places.is_empty();
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
