//! What lists show of a run, and the filters that stores turn into SQL.

use bytes::Bytes;
use perdure_engine::{Archetype, Nanos};
use perdure_proto::api::common::SearchAttributes;
use prost::Message;
use uuid::Uuid;

use crate::{
    error::StoreError,
    filter::sort_value,
    keys::{RunKey, WorkflowKey},
    search_values::search_values,
};

/// One row per run, written in the same commit as the change that it shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VisibilityRow {
    pub namespace_id: Uuid,
    pub archetype: Archetype,
    pub workflow_id: String,
    pub run_id: Uuid,
    pub workflow_type: String,
    pub task_queue: String,
    pub start_time: Nanos,
    pub execution_time: Nanos,
    /// None: open. Never before the start, so that a filter by start times also bounds this one, which has the index.
    pub close_time: Option<Nanos>,
    /// `WorkflowExecutionStatus`.
    pub status: i32,
    /// The next three are set when the run closes.
    pub history_length: Option<i64>,
    pub history_size_bytes: Option<i64>,
    pub state_transition_count: Option<i64>,
    pub parent_workflow_id: Option<String>,
    pub parent_run_id: Option<String>,
    pub root_workflow_id: String,
    pub root_run_id: String,
    /// Encoded `temporal.api.common.v1.Memo`.
    pub memo: Bytes,
    /// Encoded `temporal.api.common.v1.SearchAttributes`, as clients get them back.
    pub search_attributes: Bytes,
    /// The same values as JSON, for filters: `{"name": value | [values]}`; date-times as Unix nanoseconds.
    /// Lists do not return it: null.
    pub search_values: serde_json::Value,
}

/// A list or count of the runs of one kind in a namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListQuery {
    pub namespace_id: Uuid,
    pub archetype: Archetype,
    pub filter: Option<Filter>,
    /// What rows are sorted by. Ties go by the default order, in the direction of the last key: close time descending with open runs
    /// first, then start time descending, then run id descending. One direction for all three, so that an index can start at any
    /// position.
    pub order: Vec<SortKey>,
    /// Rows after this place in that order.
    pub after: Option<Cursor>,
    pub page_size: usize,
}

/// Rows without the value come last, whichever the direction; but an open run's close time is later than all others.
/// A KeywordList counts by its least element, or by its greatest where the order descends.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    pub field: Field,
    pub descending: bool,
}

/// A row's place in the order of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    /// A value for each key of [`ListQuery::order`]; None where the row has none.
    pub values: Vec<Option<Value>>,
    pub position: Position,
}

impl Cursor {
    /// The place of a row as a list returns it. `Corrupt` if its search attributes cannot be read.
    pub fn of(row: &VisibilityRow, order: &[SortKey]) -> Result<Self, StoreError> {
        let position = Position::of(row);
        if order.is_empty() {
            return Ok(Self { values: Vec::new(), position });
        }
        let attributes = search_values(&SearchAttributes::decode(row.search_attributes.clone())?);
        let values = order.iter().map(|key| sort_value(key, row, &attributes)).collect();
        Ok(Self { values, position })
    }
}

impl From<Position> for Cursor {
    /// In the default order.
    fn from(position: Position) -> Self {
        Self { values: Vec::new(), position }
    }
}

/// Marks what is not a workflow of the user. Most lists ask for runs without it, so the databases' indexes leave those with it out.
pub const DIVISION: &str = "TemporalNamespaceDivision";

/// Sort key of a row in the default order, which lists the greatest first. `close_time` of an open run is [`OPEN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub close_time: Nanos,
    pub start_time: Nanos,
    pub run_id: Uuid,
}

/// A run that its namespace no longer keeps, and its place among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredRun {
    pub workflow: WorkflowKey,
    pub key: RunKey,
    pub position: Position,
}

impl ExpiredRun {
    pub(crate) fn new(
        namespace_id: Uuid,
        archetype: Archetype,
        workflow_id: impl Into<std::sync::Arc<str>>,
        position: Position,
    ) -> Self {
        let workflow = WorkflowKey::of(archetype, namespace_id, workflow_id);
        let key = RunKey { slot: workflow.slot(), run_id: position.run_id };
        Self { workflow, key, position }
    }
}

/// Stands for the close time of an open run where rows are ordered.
pub const OPEN: Nanos = Nanos::MAX;

impl Position {
    pub fn of(row: &VisibilityRow) -> Self {
        Self { close_time: row.close_time.unwrap_or(OPEN), start_time: row.start_time, run_id: row.run_id }
    }
}

/// What counts can be divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    Status,
    WorkflowType,
    TaskQueue,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CountGroup {
    /// The status' number, or a name.
    pub value: Value,
    pub count: i64,
}

/// A checked filter: names are resolved and values have the type of their field.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Compare { field: Field, op: CompareOp, value: Value },
    Between { field: Field, low: Value, high: Value },
    In { field: Field, values: Vec<Value> },
    StartsWith { field: Field, prefix: String },
    IsNull(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// A value as the store compares it. Times and durations are nanoseconds, the status is its number.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Int(i64),
    Double(f64),
    Bool(bool),
    Text(String),
}

impl Value {
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Int(value) => (*value).into(),
            Self::Double(value) => (*value).into(),
            Self::Bool(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    WorkflowId,
    RunId,
    WorkflowType,
    TaskQueue,
    Status,
    StartTime,
    ExecutionTime,
    CloseTime,
    /// Close time minus execution time; null while open.
    ExecutionDuration,
    HistoryLength,
    HistorySizeBytes,
    StateTransitionCount,
    ParentWorkflowId,
    ParentRunId,
    RootWorkflowId,
    RootRunId,
    /// A search attribute in `search_values`, with its type (`IndexedValueType`).
    Attribute {
        name: String,
        kind: AttributeKind,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    Text,
    Keyword,
    Int,
    Double,
    Bool,
    Datetime,
    KeywordList,
}
