//! Tasks of a queue's backlog beyond what matching keeps in memory.
//!
//! Nothing here must survive a crash: what a run owes is in its state. The rows of a process that ended are deleted by the next.

use uuid::Uuid;

/// Where a task stands in its backlog: lower goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BacklogOrder {
    pub level: i16,
    pub pass: i64,
    /// Unique in its backlog.
    pub sequence: i64,
}

impl BacklogOrder {
    /// Before all others.
    pub const FIRST: Self = Self { level: i16::MIN, pass: i64::MIN, sequence: i64::MIN };
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BacklogRow {
    pub order: BacklogOrder,
    /// The task as matching encodes it.
    pub task: Vec<u8>,
}

/// Names one backlog, for as long as its process lives.
pub type BacklogId = Uuid;
