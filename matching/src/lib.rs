//! Task queues: pollers meet tasks. Knows no workflow, and may lose all of its memory at any time: the runs' states say
//! what is owed, and `history` hands it out again.

pub mod task;

pub use task::{
    Poll, PollerInfo, QueryAnswer, QueryTask, QueueKey, QueueKind, RecordError, Recorder, StartedActivityTask,
    StartedTask, StartedWorkflowTask, TaskKind, TaskRef,
};
