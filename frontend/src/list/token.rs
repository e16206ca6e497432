//! Page tokens: the place of the last row shown, sealed and bound to its namespace and query.

use perdure_engine::{Archetype, Nanos};
use perdure_proto::token::{ListPageToken, SortValue, sort_value};
use perdure_storage::{
    StoreError, VisibilityRow,
    visibility::{Cursor, Filter, OPEN, Position, SortKey, Value},
};
use prost::bytes::Bytes;
use tonic::Status;
use uuid::Uuid;

use crate::{namespaces::AuthorizedNamespace, status};

/// What a token continues: one namespace's list with one query.
pub(super) struct List {
    namespace_id: Bytes,
    query_hash: Bytes,
}

pub(super) fn invalid() -> Status {
    status::invalid("Invalid NextPageToken.")
}

impl List {
    /// Two spellings of one filter may continue each other's list: what counts is what is asked.
    pub(super) fn new(
        namespace: &AuthorizedNamespace,
        archetype: Archetype,
        filter: &Filter,
        order: &[SortKey],
    ) -> Self {
        let text = format!("{archetype:?} {filter:?} {order:?}");
        Self {
            namespace_id: namespace.id().into_bytes().to_vec().into(),
            query_hash: blake3::hash(text.as_bytes()).as_bytes()[..16].to_vec().into(),
        }
    }

    /// Where a page begins. INVALID_ARGUMENT for the token of another list.
    pub(super) fn cursor(&self, token: &ListPageToken, order: &[SortKey]) -> Result<Cursor, Status> {
        let ours = token.namespace_id == self.namespace_id && token.query_hash == self.query_hash;
        if !ours || token.values.len() != order.len() {
            return Err(invalid());
        }
        let run_id = Uuid::from_slice(&token.run_id).map_err(|_| invalid())?;
        Ok(Cursor {
            values: token.values.iter().map(|value| value.value.clone().map(from_token)).collect(),
            position: Position { close_time: token.close_time, start_time: token.start_time, run_id },
        })
    }

    /// The token of the page after a row. In the default order a run that has closed after `as_of` has the place of an open one.
    pub(super) fn token(
        self,
        last: &VisibilityRow,
        order: &[SortKey],
        now: Nanos,
        as_of: Nanos,
    ) -> Result<ListPageToken, StoreError> {
        let Cursor { values, position } = Cursor::of(last, order)?;
        Ok(ListPageToken {
            namespace_id: self.namespace_id,
            query_hash: self.query_hash,
            close_time: if order.is_empty() && position.close_time > as_of { OPEN } else { position.close_time },
            start_time: position.start_time,
            run_id: position.run_id.into_bytes().to_vec().into(),
            values: values.into_iter().map(|value| SortValue { value: value.map(to_token) }).collect(),
            now,
            as_of,
            ..ListPageToken::default()
        })
    }
}

fn to_token(value: Value) -> sort_value::Value {
    match value {
        Value::Int(value) => sort_value::Value::Number(value),
        Value::Double(value) => sort_value::Value::Fraction(value),
        Value::Bool(value) => sort_value::Value::Boolean(value),
        Value::Text(value) => sort_value::Value::Text(value),
    }
}

fn from_token(value: sort_value::Value) -> Value {
    match value {
        sort_value::Value::Number(value) => Value::Int(value),
        sort_value::Value::Fraction(value) => Value::Double(value),
        sort_value::Value::Boolean(value) => Value::Bool(value),
        sort_value::Value::Text(value) => Value::Text(value),
    }
}
