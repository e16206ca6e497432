//! What arrives in a shard's mailbox.

use std::collections::BTreeMap;

use perdure_engine::{Import, Input, Nanos, Reset, Start, WorkflowState, WorkflowTaskRef};
use perdure_matching::{PollerInfo, RecordError, StartedTask, TaskRef};
use perdure_proto::api::{
    enums::{QueryRejectCondition, UpdateWorkflowExecutionLifecycleStage as Stage},
    query::WorkflowQuery,
    update,
    workflowservice::RespondWorkflowTaskCompletedRequest,
};
use perdure_storage::{Lease, RunKey, StoreError, StoredRun, WorkflowKey};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::cell::QueryRoute;
use crate::{
    api::{InputReply, Progress, Responded, Started, Target, Until, UpdateResult},
    error::Error,
};

pub(crate) type ReplyTo<T> = oneshot::Sender<Result<T, Error>>;

/// Runs after the commit; sends one answer. With an error: what it would tell did not become durable.
pub(crate) type Send = Box<dyn FnOnce(Option<Error>) + std::marker::Send>;

/// The answer to one who may have changed something.
pub(crate) fn answer<T: std::marker::Send + 'static>(reply: ReplyTo<T>, result: Result<T, Error>) -> Send {
    Box::new(move |refused| {
        let result = match refused {
            None => result,
            Some(error) if result.is_ok() => Err(error),
            // It changed nothing, but looked at what others had changed.
            Some(_) => Err(Error::Unavailable),
        };
        // Whoever has gone needs no answer.
        drop(reply.send(result));
    })
}

/// The answer to one who only looked, or waited: looking again is right where others were refused.
pub(crate) fn tell<T: std::marker::Send + 'static>(reply: ReplyTo<T>, result: Result<T, Error>) -> Send {
    Box::new(move |refused| drop(reply.send(refused.map_or(result, |_| Err(Error::Unavailable)))))
}

/// Looks at a run and says what to send once all that was seen is durable.
pub(crate) type Look = Box<dyn FnOnce(Result<&WorkflowState, Error>) -> Send + std::marker::Send>;

pub(crate) enum Message {
    Op(Op),
    Start(Box<StartOp>),
    Import(Box<ImportOp>),
    Loaded(Loaded),
    Due(DueRuns),
    /// Begin anew under this lease.
    Lease(Lease),
    /// The lease may be lost: forget everything and wait for a new one.
    Suspend,
    /// Finish what is under way, then end.
    Stop(oneshot::Sender<()>),
}

pub(crate) struct StartOp {
    pub start: Start,
    pub reply: ReplyTo<Started>,
    /// Update-with-start. Answered by itself, and only where the start is.
    pub update: Option<UpdateOp>,
}

/// A closed run that another server has written. No run with its id is stored.
pub(crate) struct ImportOp {
    pub workflow: WorkflowKey,
    pub run_id: Uuid,
    pub import: Import,
    pub reply: ReplyTo<()>,
}

pub(crate) struct UpdateOp {
    pub update_id: String,
    pub request: Box<update::Request>,
    pub wait: Stage,
    pub reply: ReplyTo<UpdateResult>,
}

/// A reset of the run that the operation is for.
pub(crate) struct ResetOp {
    pub reset: Reset,
    /// The current run that the caller found.
    pub current: Uuid,
    /// The caller has read the current run's events before this one, and they are the last that it has read. None: they
    /// are not wanted.
    pub read_to: Option<i64>,
    /// The new run. None: something has changed that the caller must look at again.
    pub reply: ReplyTo<Option<Uuid>>,
}

/// Something to do with a run that exists.
pub(crate) struct Op {
    pub target: Target,
    pub action: Action,
}

pub(crate) enum Action {
    Input {
        input: Input,
        reply: ReplyTo<InputReply>,
    },
    Respond {
        token: WorkflowTaskRef,
        request: Box<RespondWorkflowTaskCompletedRequest>,
        nexus_endpoints: BTreeMap<String, String>,
        poller: PollerInfo,
        reply: ReplyTo<Responded>,
    },
    Record {
        task: Box<TaskRef>,
        poller: PollerInfo,
        reply: oneshot::Sender<Result<StartedTask, RecordError>>,
    },
    View(Look),
    Query {
        query: WorkflowQuery,
        reject: QueryRejectCondition,
        /// How long the caller waits.
        until: Nanos,
        reply: ReplyTo<QueryRoute>,
    },
    Update {
        update_id: String,
        request: Box<update::Request>,
        wait: Stage,
        reply: ReplyTo<UpdateResult>,
    },
    PollUpdate {
        update_id: String,
        wait: Stage,
        reply: ReplyTo<UpdateResult>,
    },
    Reset(Box<ResetOp>),
    Wait {
        until: Until,
        reply: ReplyTo<Progress>,
    },
}

impl Action {
    /// Answers with an error at once.
    pub(crate) fn refuse(self, error: Error) {
        // Whoever has gone needs no answer.
        match self {
            Action::Input { reply, .. } => drop(reply.send(Err(error))),
            Action::Respond { reply, .. } => drop(reply.send(Err(error))),
            Action::Record { reply, .. } => {
                let gone = matches!(error, Error::RunNotFound | Error::WorkflowNotFound);
                drop(reply.send(Err(if gone { RecordError::Stale } else { RecordError::Retry })));
            }
            Action::View(look) => look(Err(error))(None),
            Action::Query { reply, .. } => drop(reply.send(Err(error))),
            Action::Update { reply, .. } | Action::PollUpdate { reply, .. } => drop(reply.send(Err(error))),
            Action::Reset(op) => drop(op.reply.send(Err(error))),
            Action::Wait { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

/// The answer of one read of the store.
pub(crate) struct Loaded {
    /// Reads of an earlier life of the shard are dropped.
    pub generation: u64,
    pub asked: Wanted,
    pub found: Result<Found, StoreError>,
}

#[derive(Default)]
pub(crate) struct Found {
    /// Current run of each workflow asked for.
    pub current: Vec<Option<Uuid>>,
    /// The runs that were asked for, and the current runs that were found.
    pub runs: Vec<(RunKey, Option<StoredRun>)>,
}

#[derive(Clone, Default)]
pub(crate) struct Wanted {
    pub workflows: Vec<WorkflowKey>,
    pub runs: Vec<RunKey>,
}

/// One page of the wake scanner.
pub(crate) struct DueRuns {
    pub generation: u64,
    pub window: super::scan::Window,
    pub found: Result<Vec<(Nanos, RunKey)>, StoreError>,
}
