//! Ids in conditions: as what the indexes have, and prefixes as ranges.

use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{
    condition::{Operand, Type, push_test},
    dialect::Dialect,
};
use crate::{filter::Test, visibility::Value};

/// Compares run ids as ids where that is possible.
pub(super) fn push_run_id_test<D: Dialect>(sql: &mut QueryBuilder<D>, test: &Test, negated: bool) {
    let asked = match test {
        Test::Equals(value) => std::slice::from_ref(value),
        Test::In(values) => values,
        _ => &[],
    };
    let texts: Vec<&String> =
        asked.iter().filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None }).collect();
    match test {
        Test::Equals(_) | Test::In(_) if !texts.is_empty() => {
            // A text that is no id is no run's.
            let canonical = |text: &&String| Uuid::try_parse(text).ok().filter(|id| id.to_string() == **text);
            let ids: Vec<Uuid> = texts.iter().filter_map(canonical).collect();
            if ids.is_empty() {
                sql.push(if negated { "TRUE" } else { "FALSE" });
                return;
            }
            sql.push(if negated { "run_id NOT IN (" } else { "run_id IN (" });
            for (index, id) in ids.into_iter().enumerate() {
                sql.push(if index > 0 { ", " } else { "" });
                D::bind_uuid(sql, id);
            }
            sql.push(")");
        }
        Test::StartsWith(prefix) => match ids_with_prefix(prefix) {
            Some((first, last)) => {
                sql.push(if negated { "run_id NOT BETWEEN " } else { "run_id BETWEEN " });
                D::bind_uuid(sql, first);
                sql.push(" AND ");
                D::bind_uuid(sql, last);
            }
            None => {
                sql.push(if negated { "TRUE" } else { "FALSE" });
            }
        },
        _ => push_test(sql, &Operand::Column(D::RUN_ID_TEXT), Type::Text, test, negated),
    }
}

/// The first and the last id whose text starts with this; None if there is none.
fn ids_with_prefix(prefix: &str) -> Option<(Uuid, Uuid)> {
    const FIRST: &str = "00000000-0000-0000-0000-000000000000";
    const LAST: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    let complete = |rest: &str| Uuid::try_parse(&format!("{prefix}{}", rest.get(prefix.len()..)?)).ok();
    let (first, last) = (complete(FIRST)?, complete(LAST)?);
    // The text of an id is in lower case.
    first.to_string().starts_with(prefix).then_some((first, last))
}

/// The least text above all that start with this, by their bytes; None if there is none.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // Skips the numbers that are no letters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_as_ranges() {
        let cases = [
            ("a", Some("b")),
            ("a-9", Some("a-:")),
            ("", None),
            ("ü", Some("ý")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ];
        for (prefix, end) in cases {
            assert_eq!(after_prefix(prefix).as_deref(), end, "{prefix:?}");
        }
    }

    #[test]
    fn prefixes_of_ids() {
        let last = |prefix: &str| ids_with_prefix(prefix).map(|(_, last)| last.to_string());
        assert_eq!(ids_with_prefix(""), Some((Uuid::nil(), Uuid::max())));
        assert_eq!(last("0198a").as_deref(), Some("0198afff-ffff-ffff-ffff-ffffffffffff"));
        assert_eq!(last("0198abcd-").as_deref(), Some("0198abcd-ffff-ffff-ffff-ffffffffffff"));
        let whole = "0198abcd-0123-7123-8123-0123456789ab";
        assert_eq!(last(whole).as_deref(), Some(whole));
        for prefix in ["x", "-", "0198A", "0198abcd0", "ü", &format!("{whole}0"), "{", "urn:uuid:"] {
            assert_eq!(ids_with_prefix(prefix), None, "{prefix}");
        }
    }
}
