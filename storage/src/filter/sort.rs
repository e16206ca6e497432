//! The order of rows in lists: what the memory store sorts by, and what a page's end is remembered by.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::evaluate::{Stored, attribute, order, stored};
use crate::visibility::{Cursor, Field, OPEN, SortKey, Value, VisibilityRow};

/// What a row is sorted by under a key; None where it has no value. `attributes`: [`VisibilityRow::search_values`].
pub(crate) fn sort_value(key: &SortKey, row: &VisibilityRow, attributes: &Json) -> Option<Value> {
    let (name, kind) = match &key.field {
        Field::CloseTime => return Some(Value::Int(row.close_time.unwrap_or(OPEN))),
        Field::Attribute { name, kind } => (name, *kind),
        field => {
            return match stored(field, row)? {
                Stored::One(value) => Some(value),
                Stored::List(_) | Stored::Words(_) => None,
            };
        }
    };
    let json = attributes.get(name)?;
    match attribute(json, kind)? {
        Stored::One(value) => Some(value),
        Stored::Words(_) => json.as_str().map(|text| Value::Text(text.to_owned())),
        Stored::List(items) => {
            let end = if key.descending { items.into_iter().max() } else { items.into_iter().min() };
            end.map(Value::Text)
        }
    }
}

/// Which of two rows a list shows first.
pub(crate) fn compare(keys: &[SortKey], one: &Cursor, other: &Cursor) -> Ordering {
    let Some(last) = keys.last() else { return other.position.cmp(&one.position) };
    let by_keys = keys.iter().zip(one.values.iter().zip(&other.values)).map(|(key, values)| match values {
        (Some(one), Some(other)) => directed(order(one, other).unwrap_or(Ordering::Equal), key.descending),
        (one, other) => one.is_none().cmp(&other.is_none()),
    });
    // Alike in their ids, they are the same run, at whatever time it closed.
    let by_place = if keys.iter().any(|key| key.field == Field::RunId) {
        Ordering::Equal
    } else {
        directed(one.position.cmp(&other.position), last.descending)
    };
    by_keys.fold(Ordering::Equal, Ordering::then).then(by_place)
}

fn directed(order: Ordering, descending: bool) -> Ordering {
    if descending { order.reverse() } else { order }
}
