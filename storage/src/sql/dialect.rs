//! Where the SQL of the databases differs.

use perdure_engine::Archetype;
use sqlx::{Database, QueryBuilder};
use uuid::Uuid;

use crate::visibility::{AttributeKind, Value};

pub(crate) trait Dialect: Database {
    /// A term that few rows pass, where the database cannot know that by itself.
    type Narrow;

    /// Before a statement: asks for its plan.
    const EXPLAIN: &'static str;

    /// Text of a run id as clients write it.
    const RUN_ID_TEXT: &'static str;

    /// The run id of a run's root as text.
    const ROOT_RUN_ID: &'static str;

    /// The run has no division; word for word as in the conditions of the indexes that leave out those that have one.
    const UNDIVIDED: &'static str;

    /// The run has a division.
    const DIVIDED: &'static str;

    /// Before a column: the database is not to look for an index for it.
    const NO_INDEX: &'static str;

    /// `run_id IN (…)`.
    fn push_narrow(sql: &mut QueryBuilder<Self>, narrow: &Self::Narrow, scope: Scope);

    fn bind(sql: &mut QueryBuilder<Self>, value: Value);

    fn bind_uuid(sql: &mut QueryBuilder<Self>, id: Uuid);

    /// ` = one of the values`, after an expression. All values are of one type.
    fn push_one_of(sql: &mut QueryBuilder<Self>, values: Vec<Value>);

    /// The text in the attribute starts with this; NULL where it is missing.
    fn push_attribute_starts_with(sql: &mut QueryBuilder<Self>, name: &str, prefix: &str);

    /// The value of a search attribute; NULL where there is none of this type. Not for lists.
    fn push_attribute(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind);

    /// A search attribute has one of these values, by an index where there is one; false where it is missing.
    fn push_attribute_in(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind, values: &[Value]);

    /// The greatest or the least element of a list; NULL where it is missing.
    fn push_list_end(sql: &mut QueryBuilder<Self>, name: &str, greatest: bool);

    /// The attribute has a value of this type, or has none. NULL counts as false.
    fn push_presence(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind, present: bool);

    /// The text in the attribute has one of these words; NULL or false where it is missing.
    fn push_has_word(sql: &mut QueryBuilder<Self>, name: &str, words: Vec<String>);
}

/// What a list is of; the conditions are on its rows alone.
#[derive(Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) namespace_id: Uuid,
    pub(crate) archetype: Archetype,
    /// Another term bounds close times from above: an index is to begin there, and not at the end of all that is closed.
    pub(crate) is_bounded: bool,
}

impl Scope {
    /// Before a `close_time` in a term that another one already bounds.
    pub(super) fn no_index<D: Dialect>(self) -> &'static str {
        if self.is_bounded { D::NO_INDEX } else { "" }
    }
}
