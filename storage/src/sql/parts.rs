//! A list of the runs that started until some time, in three parts, each of which begins at the right place of an index.
//!
//! Lists have an index by the time of the close alone. A run that started until `latest` is open; or it closed within [`LONG`] of
//! `latest`; or it closed later, so it took longer than [`LONG`], and those runs have an index of their own. Without that all
//! runs that closed since would be looked at.

use perdure_engine::Nanos;
use sqlx::QueryBuilder;

use super::dialect::Dialect;
use crate::{
    filter::{Condition, Test},
    visibility::{Field, ListQuery, OPEN, Value},
};

/// Runs that take longer are in the index `visibility_long`: seldom enough to cost nothing, and no more runs close within such a time
/// than are soon looked at.
const LONG: Nanos = 600_000_000_000;

/// The rows of a part are those of the list that also...
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    /// ... are in the list: it is not divided.
    Whole,
    Open,
    ClosedUntil(Nanos),
    /// ... closed after this time, long after they started.
    ClosedLongAfter(Nanos),
}

/// The parts that have rows, in the order in which their rows follow one another.
pub(super) fn parts(query: &ListQuery, condition: Option<&Condition>) -> Vec<Part> {
    // In another order the parts would have to be sorted.
    let Some(latest) = condition.and_then(latest).filter(|_| query.order.is_empty()) else { return vec![Part::Whole] };
    let until = latest.saturating_add(LONG).min(OPEN - 1);
    let parts = [Part::Open, Part::ClosedLongAfter(until), Part::ClosedUntil(until)];
    match query.after.as_ref().map(|after| after.position.close_time) {
        // What is left of the list has closed early enough.
        Some(close_time) if close_time <= until => vec![Part::Whole],
        Some(close_time) if close_time < OPEN => parts[1..].to_vec(),
        _ => parts.to_vec(),
    }
}

impl Part {
    /// ` AND …`
    pub(super) fn push<D: Dialect>(self, sql: &mut QueryBuilder<D>) {
        match self {
            Self::Whole => {}
            Self::Open => {
                sql.push(" AND close_time = 9223372036854775807");
            }
            Self::ClosedUntil(time) => {
                sql.push(" AND close_time <= ");
                D::bind(sql, Value::Int(time));
            }
            Self::ClosedLongAfter(time) => {
                sql.push(" AND close_time > ");
                D::bind(sql, Value::Int(time));
                // Word for word as in the index.
                sql.push(" AND close_time < 9223372036854775807 AND close_time > start_time + 600000000000");
            }
        }
    }

    /// Whether the part's own term bounds close times from above, so that an index is to begin there.
    pub(super) fn is_bounded(self) -> bool {
        matches!(self, Self::ClosedUntil(_))
    }
}

/// The time after which no run of the list started. None: no such time is asked for.
fn latest(condition: &Condition) -> Option<Nanos> {
    match condition {
        Condition::All(conditions) => conditions.iter().filter_map(latest).min(),
        Condition::Test {
            field: Field::StartTime,
            test:
                Test::Equals(Value::Int(time))
                | Test::Less(Value::Int(time))
                | Test::LessOrEqual(Value::Int(time))
                | Test::Between(_, Value::Int(time)),
            negated: false,
        } => Some(*time),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::visibility::{Cursor, Position};

    #[test]
    fn what_is_left_after_a_place_in_the_list() {
        let until = Condition::Test { field: Field::StartTime, test: Test::LessOrEqual(Value::Int(5)), negated: false };
        let both = Condition::All(vec![Condition::IsNotNull(Field::TaskQueue), until.clone()]);
        let either = Condition::Any(vec![Condition::IsNotNull(Field::TaskQueue), until]);
        let end = 5 + LONG;
        let all = vec![Part::Open, Part::ClosedLongAfter(end), Part::ClosedUntil(end)];
        let cases = [
            (&either, None, vec![Part::Whole]),
            (&both, None, all.clone()),
            (&both, Some(OPEN), all.clone()),
            (&both, Some(end + 1), all[1..].to_vec()),
            (&both, Some(end), vec![Part::Whole]),
            (&both, Some(3), vec![Part::Whole]),
        ];
        for (condition, close_time, expected) in cases {
            let position = |close_time| Position { close_time, start_time: 3, run_id: Uuid::nil() };
            let query = ListQuery { after: close_time.map(position).map(Cursor::from), ..ListQuery::default() };
            assert_eq!(parts(&query, Some(condition)), expected, "{condition:?} after {close_time:?}");
        }
    }
}
