//! What all shards of a node share.

use std::{collections::HashSet, sync::Arc};

use perdure_engine::{Reject, Start, WorkflowState};
use perdure_matching::Matching;
use perdure_proto::api::history::HistoryEvent;
use perdure_storage::{RunKey, SLOTS, Store, WorkflowKey, store::EventBatch};
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

use crate::{
    api::{Clock, Started, Target},
    batch::BatchRunner,
    committer::Committer,
    deliver::{Delivery, Turns},
    error::Error,
    hook::Hook,
    known::KnownWorkflows,
    limits::LiveLimits,
    metrics::Metrics,
    nexus::{NexusConfig, system::SystemOperations},
    shard::message::{self, Action, Message, Op, ReplyTo, StartOp, UpdateOp},
    unavailable,
    versioning::check_override,
};

pub(crate) struct Shared {
    pub store: Arc<dyn Store>,
    pub committer: Arc<Committer>,
    pub matching: Matching,
    pub clock: Arc<dyn Clock>,
    pub limits: LiveLimits,
    pub nexus: NexusConfig,
    /// Of each shard.
    pub cache: CacheBudget,
    pub known: Arc<KnownWorkflows>,
    pub metrics: Metrics,
    pub batches: Hook<dyn BatchRunner>,
    pub system: Hook<dyn SystemOperations>,
    /// Runs that are being imported: no two imports write the same one.
    pub imports: parking_lot::Mutex<HashSet<Uuid>>,
    pub scheduled_starts: Turns,
    /// A namespace may keep its runs for less time than before.
    pub retention: Notify,
    /// A shard dropped its memory: the lease keeper brings it back.
    pub failed: Notify,
    /// Mailboxes by slot range, in order; set once, when the leases are there.
    pub mailboxes: std::sync::OnceLock<Vec<Mailbox>>,
}

/// What a shard may keep in memory.
#[derive(Clone, Copy)]
pub(crate) struct CacheBudget {
    pub runs: usize,
    /// About how many bytes the runs may take.
    pub bytes: usize,
}

pub(crate) struct Mailbox {
    pub end_slot: u16,
    pub sender: mpsc::Sender<Message>,
}

impl Shared {
    pub(crate) fn shard_failed(&self) {
        self.failed.notify_one();
    }

    fn mailbox(&self, workflow: &WorkflowKey) -> Result<&mpsc::Sender<Message>, Error> {
        let slot = workflow.slot();
        debug_assert!(slot < SLOTS);
        let mailboxes = self.mailboxes.get().ok_or(Error::Unavailable)?;
        let at = mailboxes.partition_point(|mailbox| mailbox.end_slot <= slot);
        mailboxes.get(at).map(|mailbox| &mailbox.sender).ok_or(Error::Unavailable)
    }

    /// Puts a message into the mailbox of a workflow's shard. A full mailbox refuses: new work is shed before old.
    pub(crate) fn post(&self, workflow: &WorkflowKey, message: Message) -> Result<(), Error> {
        self.mailbox(workflow)?.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Busy("the server is overloaded, try again later".into()),
            mpsc::error::TrySendError::Closed(_) => Error::Unavailable,
        })
    }

    /// Sends an operation to its shard, at once, and waits for the answer: the future has no part of what was sent.
    pub(crate) fn ask<T>(
        &self,
        target: Target,
        action: impl FnOnce(ReplyTo<T>) -> Action,
    ) -> impl Future<Output = Result<T, Error>> {
        let (reply, answer) = oneshot::channel();
        let workflow = target.workflow.clone();
        let posted = self.post(&workflow, Message::Op(Op { target, action: action(reply) }));
        answered(posted, answer)
    }

    /// A start, alone or with an update that is answered by itself. It is sent at once, as operations are.
    pub(crate) fn start(
        &self,
        start: Start,
        update: Option<UpdateOp>,
    ) -> impl Future<Output = Result<Started, Error>> + use<> {
        let (reply, answer) = oneshot::channel();
        answered(self.post_start(StartOp { start, reply, update }), answer)
    }

    fn post_start(&self, op: StartOp) -> Result<(), Error> {
        let start = &op.start;
        let namespace_id = uuid::Uuid::parse_str(&start.namespace_id).map_err(|_| Error::WorkflowNotFound)?;
        let workflow = WorkflowKey::of(start.archetype(), namespace_id, start.workflow_id.as_str());
        check_override(&self.matching, namespace_id, &start.task_queue, start.versioning_override.as_ref())?;
        self.post(&workflow, Message::Start(Box::new(op)))
    }

    /// Looks at a run, after everything that was sent to it before is durable.
    pub(crate) async fn view<R: Send + 'static>(
        &self,
        target: Target,
        look: impl FnOnce(&WorkflowState) -> R + Send + 'static,
    ) -> Result<R, Error> {
        self.ask(target, |reply| {
            Action::View(Box::new(move |state| {
                let seen = state.map(look);
                message::tell(reply, seen)
            }))
        })
        .await
    }

    /// Batches of a run's events, each with its first id, from the batch that holds `from_event_id` on. Empty: there are no more.
    pub(crate) async fn event_page(
        &self,
        run: RunKey,
        from_event_id: i64,
        end_event_id: i64,
    ) -> Result<Vec<(i64, Vec<HistoryEvent>)>, Error> {
        const BATCHES: usize = 1_000;
        const BYTES: usize = 4 * 1024 * 1024;
        let read = self.store.read_events(run, from_event_id, end_event_id, BATCHES, BYTES);
        let decode = |batch: EventBatch| match perdure_engine::journal::decode_events(&batch.events) {
            Ok(events) => Ok((batch.first_event_id, events)),
            Err(corrupt) => Err(Error::Reject(Reject::Corrupt(corrupt))),
        };
        read.await.map_err(unavailable)?.into_iter().map(decode).collect()
    }

    /// Carries a message to another run, in the background.
    pub(crate) fn deliver(self: &Arc<Self>, delivery: Delivery) {
        tokio::spawn(delivery.run(self.clone()));
    }
}

/// What the shard answers, where the message has reached it.
async fn answered<T>(posted: Result<(), Error>, answer: oneshot::Receiver<Result<T, Error>>) -> Result<T, Error> {
    posted?;
    answer.await.unwrap_or(Err(Error::Unavailable))
}
