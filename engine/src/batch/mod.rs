//! Batch operations: jobs that do one thing to many executions, page by page.
//!
//! | job | a page is done | another page | the last page is done | stop |
//! |---|---|---|---|---|
//! | runs | booked, the next one is owed | not awaited | completed | failed |
//! | has ended | not awaited | not awaited | not awaited | rejected |
//!
//! Who finds the executions and works on them is the host. After a crash a page may be done again; it is booked once.

use bytes::Bytes;
use perdure_proto::api::{
    enums::{BatchOperationState, WorkflowExecutionStatus as Status},
    workflowservice::StartBatchOperationRequest,
};

use crate::{
    Archetype, Nanos,
    apply::Corrupt,
    change::Kind,
    input::{Input, Start},
    outcome::{Notice, Reply, Task},
    reject::Reject,
    state::{Close, RunState},
    tx::Tx,
};

/// A job, in the state of its run.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Batch {
    #[prost(message, required, tag = "1")]
    pub request: StartBatchOperationRequest,
    #[prost(string, tag = "2")]
    pub identity: String,
    #[prost(message, required, tag = "3")]
    pub progress: BatchProgress,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BatchProgress {
    /// Pages that are done.
    #[prost(int64, tag = "1")]
    pub pages: i64,
    /// Where the next page begins, in the host's words; empty: at the beginning.
    #[prost(bytes = "bytes", tag = "2")]
    pub cursor: Bytes,
    /// Executions to work on, as counted at the beginning.
    #[prost(int64, tag = "3")]
    pub total: i64,
    #[prost(int64, tag = "4")]
    pub completed: i64,
    #[prost(int64, tag = "5")]
    pub failed: i64,
}

/// What a start of archetype Batch says beside its id.
#[derive(Clone, Debug, PartialEq)]
pub struct NewBatch {
    pub request: StartBatchOperationRequest,
    pub identity: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BatchInput {
    /// The page with this number is done. The counts are of the whole job.
    PageDone {
        page: i64,
        progress: BatchProgress,
        last: bool,
    },
    Stop,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BatchChange {
    #[prost(oneof = "BatchKind", tags = "1, 2, 3")]
    pub kind: Option<BatchKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum BatchKind {
    /// Follows `Kind::Created`: what the run consists of.
    #[prost(message, tag = "1")]
    Begun(Box<BatchBegun>),
    #[prost(message, tag = "2")]
    Progressed(Box<BatchProgress>),
    #[prost(message, tag = "3")]
    Ended(BatchEnded),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BatchBegun {
    #[prost(message, required, tag = "1")]
    pub request: StartBatchOperationRequest,
    #[prost(string, tag = "2")]
    pub identity: String,
    #[prost(int64, tag = "3")]
    pub time: Nanos,
    /// Name of its `BatchOperationType`: in lists it stands where workflows have their type.
    #[prost(string, tag = "4")]
    pub operation_type: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BatchEnded {
    #[prost(enumeration = "Status", tag = "1")]
    pub status: i32,
    #[prost(int64, tag = "2")]
    pub time: Nanos,
}

pub(crate) fn start(tx: &mut Tx, start: Start, new: NewBatch) {
    let begun = BatchBegun {
        request: new.request,
        identity: new.identity,
        time: tx.now(),
        operation_type: start.workflow_type,
    };
    write(tx, BatchKind::Begun(Box::new(begun)));
    tx.out.visibility_changed = true;
    tx.task(Task::RunBatch { page: 0 });
}

pub(crate) fn dispatch(tx: &mut Tx, input: Input) -> Result<Reply, Reject> {
    match input {
        Input::Batch(BatchInput::PageDone { page, progress, last }) => page_done(tx, page, progress, last),
        Input::Batch(BatchInput::Stop) if tx.state.run.close.is_some() => Err(Reject::WorkflowClosed),
        Input::Batch(BatchInput::Stop) => {
            end(tx, Status::Terminated);
            Ok(Reply::Done)
        }
        Input::Wake => Ok(Reply::Done),
        // Ids of different archetypes never meet, so nobody sends anything else.
        _ => Err(Reject::NotAwaited),
    }
}

fn page_done(tx: &mut Tx, page: i64, progress: BatchProgress, last: bool) -> Result<Reply, Reject> {
    let awaited = owed_page(&tx.state.run) == Some(page);
    if !awaited {
        return Err(Reject::NotAwaited);
    }
    write(tx, BatchKind::Progressed(Box::new(BatchProgress { pages: page + 1, ..progress })));
    if last {
        end(tx, Status::Completed);
    } else {
        tx.task(Task::RunBatch { page: page + 1 });
    }
    Ok(Reply::Done)
}

pub(crate) fn end(tx: &mut Tx, status: Status) {
    write(tx, BatchKind::Ended(BatchEnded { status: status as i32, time: tx.now() }));
    tx.out.tasks.clear();
    tx.out.visibility_changed = true;
    tx.notice(Notice::Closed);
}

fn write(tx: &mut Tx, kind: BatchKind) {
    tx.durable(Kind::Batch(Box::new(BatchChange { kind: Some(kind) })));
}

pub(crate) fn push_obligations(run: &RunState, tasks: &mut Vec<Task>) {
    tasks.extend(owed_page(run).map(|page| Task::RunBatch { page }));
}

/// The page that is to be done; None: the run is no job, or has ended.
pub fn owed_page(run: &RunState) -> Option<i64> {
    run.batch.as_deref().filter(|_| run.close.is_none()).map(|batch| batch.progress.pages)
}

/// What clients see of the job's state.
pub fn batch_state(status: Status) -> BatchOperationState {
    match status {
        Status::Running | Status::Paused => BatchOperationState::Running,
        Status::Completed => BatchOperationState::Completed,
        _ => BatchOperationState::Failed,
    }
}

pub(crate) fn apply(run: &mut RunState, change: &BatchChange) -> Result<(), Corrupt> {
    match &change.kind {
        Some(BatchKind::Begun(begun)) => {
            run.set_archetype(Archetype::Batch);
            run.first_execution_run_id.clone_from(&run.run_id);
            run.workflow_type.clone_from(&begun.operation_type);
            run.start_time = begun.time;
            run.execution_time = begun.time;
            run.batch = Some(Box::new(Batch {
                request: begun.request.clone(),
                identity: begun.identity.clone(),
                progress: BatchProgress::default(),
            }));
        }
        Some(BatchKind::Progressed(progress)) => {
            let batch = run.batch.as_deref_mut().ok_or(Corrupt::at(0, "the run is not a batch"))?;
            batch.progress = (**progress).clone();
        }
        Some(BatchKind::Ended(ended)) => {
            run.close = Some(Close { status: ended.status, time: ended.time, ..Close::default() });
        }
        None => return Err(Corrupt::at(0, "a change of a batch without a kind")),
    }
    Ok(())
}
