use perdure_storage::visibility::{AttributeKind, CompareOp, Field, Filter, Value};

use super::*;
use crate::namespaces::tests::with_attributes;

fn namespace() -> AuthorizedNamespace {
    with_attributes(&[
        ("CustomInt", AttributeKind::Int),
        ("CustomDouble", AttributeKind::Double),
        ("CustomBool", AttributeKind::Bool),
        ("CustomDatetime", AttributeKind::Datetime),
        ("CustomKeyword", AttributeKind::Keyword),
        ("CustomText", AttributeKind::Text),
        ("CustomKeywordList", AttributeKind::KeywordList),
        ("with space", AttributeKind::Keyword),
    ])
}

/// 2001-09-09T01:46:40Z.
const NOW: Nanos = 1_000_000_000_000_000_000;

fn query(text: &str) -> Result<Query, Status> {
    read(Archetype::Workflow, text, &namespace(), NOW)
}

/// The filter that the text stands for, without the condition that hides what is not a workflow of the user.
fn filter(text: &str) -> Filter {
    match query(text).unwrap_or_else(|status| panic!("{text}: {}", status.message())).filter {
        Filter::And(mut terms) if terms.len() == 2 => terms.remove(1),
        other => panic!("{text}: {other:?}"),
    }
}

fn error(text: &str) -> String {
    match query(text) {
        Ok(query) => panic!("{text}: {query:?}"),
        Err(status) => {
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            status.message().to_owned()
        }
    }
}

fn custom(name: &str, kind: AttributeKind) -> Field {
    Field::Attribute { name: name.to_owned(), kind }
}

fn compare(field: Field, op: CompareOp, value: Value) -> Filter {
    Filter::Compare { field, op, value }
}

fn is(field: Field, text: &str) -> Filter {
    compare(field, CompareOp::Eq, Value::Text(text.to_owned()))
}

fn status(op: CompareOp, number: i64) -> Filter {
    compare(Field::Status, op, Value::Int(number))
}

fn negated(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

#[test]
fn comparisons() {
    use CompareOp::{Eq, Ge, Gt, Le, Lt, Ne};
    let int = || custom("CustomInt", AttributeKind::Int);
    let double = || custom("CustomDouble", AttributeKind::Double);
    let datetime = || custom("CustomDatetime", AttributeKind::Datetime);
    let boolean = || custom("CustomBool", AttributeKind::Bool);
    let list = || custom("CustomKeywordList", AttributeKind::KeywordList);
    let cases = [
        ("WorkflowId = 'a'", is(Field::WorkflowId, "a")),
        ("`WorkflowId` = \"a\"", is(Field::WorkflowId, "a")),
        ("`with space` = 'it''s'", is(custom("with space", AttributeKind::Keyword), "it's")),
        (r"WorkflowId = 'a\'b\\c'", is(Field::WorkflowId, r"a'b\c")),
        ("WorkflowId = 'ü'", is(Field::WorkflowId, "ü")),
        ("ExecutionStatus = 'Running'", status(Eq, 1)),
        ("ExecutionStatus != 'ContinuedAsNew'", status(Ne, 6)),
        ("ExecutionStatus = \"WORKFLOW_EXECUTION_STATUS_TIMED_OUT\"", status(Eq, 7)),
        ("ExecutionStatus = 2", status(Eq, 2)),
        ("CustomInt >= 5", compare(int(), Ge, Value::Int(5))),
        ("CustomInt < -5", compare(int(), Lt, Value::Int(-5))),
        ("CustomInt <> 5", compare(int(), Ne, Value::Int(5))),
        ("CustomInt = 5.0", compare(int(), Eq, Value::Int(5))),
        ("CustomInt > 5.5", compare(int(), Gt, Value::Int(5))),
        ("CustomInt >= 5.5", compare(int(), Gt, Value::Int(5))),
        ("CustomInt < 5.5", compare(int(), Le, Value::Int(5))),
        ("CustomInt = 5.5", compare(int(), Lt, Value::Int(i64::MIN))),
        ("CustomInt != 5.5", compare(int(), Ge, Value::Int(i64::MIN))),
        ("CustomDouble > 5", compare(double(), Gt, Value::Double(5.0))),
        ("CustomDouble > .5e1", compare(double(), Gt, Value::Double(5.0))),
        ("CustomBool = true", compare(boolean(), Eq, Value::Bool(true))),
        ("CustomBool > FALSE", compare(boolean(), Gt, Value::Bool(false))),
        ("CustomKeywordList = 'a'", is(list(), "a")),
        ("CustomText = 'some words'", is(custom("CustomText", AttributeKind::Text), "some words")),
        ("StartTime > '1970-01-01T00:00:01Z'", compare(Field::StartTime, Gt, Value::Int(1_000_000_000))),
        ("CloseTime <= '1970-01-01T01:00:00.5+01:00'", compare(Field::CloseTime, Le, Value::Int(500_000_000))),
        ("CustomDatetime = 77", compare(datetime(), Eq, Value::Int(77))),
        ("ChangeVersion = 'x'", is(custom("TemporalChangeVersion", AttributeKind::KeywordList), "x")),
        ("TemporalWorkflowId = 'x'", is(Field::WorkflowId, "x")),
        ("WorkflowId = 'a';", is(Field::WorkflowId, "a")),
        ("ScheduleId = 'x'", is(Field::WorkflowId, "x")),
        ("CustomInt = +5", compare(int(), Eq, Value::Int(5))),
        ("CustomInt > 9223372036854775808", compare(int(), Gt, Value::Int(i64::MAX))),
        ("CustomInt = 99999999999999999999", compare(int(), Lt, Value::Int(i64::MIN))),
        ("CustomDouble = 5.", compare(double(), Eq, Value::Double(5.0))),
        ("/* who */ WorkflowId = 'a' -- and no more", is(Field::WorkflowId, "a")),
        ("WorkflowId # the id\n = 'a'", is(Field::WorkflowId, "a")),
    ];
    for (text, expected) in cases {
        assert_eq!(filter(text), expected, "{text}");
    }
}

#[test]
fn durations() {
    const SECOND: i64 = 1_000_000_000;
    let cases = [
        ("5", 5),
        ("'5'", 5),
        ("'-5'", -5),
        ("'300ms'", 300_000_000),
        ("'1h30m'", 5_400 * SECOND),
        ("'-1.5h'", -5_400 * SECOND),
        ("'2d'", 172_800 * SECOND),
        ("'10us'", 10_000),
        ("'01:02:03'", 3_723 * SECOND),
    ];
    for (text, nanos) in cases {
        let expected = compare(Field::ExecutionDuration, CompareOp::Gt, Value::Int(nanos));
        assert_eq!(filter(&format!("ExecutionDuration > {text}")), expected, "{text}");
    }
}

#[test]
fn logic_and_sets() {
    let a = || is(Field::WorkflowId, "a");
    let b = || is(Field::WorkflowId, "b");
    let int = || custom("CustomInt", AttributeKind::Int);
    let texts = |values: &[&str]| values.iter().map(|value| Value::Text((*value).to_owned())).collect();
    let cases = [
        ("WorkflowId = 'a' or WorkflowId = 'b' AND NOT WorkflowId = 'a'", {
            Filter::Or(vec![a(), Filter::And(vec![b(), negated(a())])])
        }),
        ("(WorkflowId = 'a' OR WorkflowId = 'b') AND WorkflowId = 'a'", {
            Filter::And(vec![Filter::Or(vec![a(), b()]), a()])
        }),
        ("not (not WorkflowId = 'a')", negated(negated(a()))),
        ("WorkflowId IN ('a', 'b')", Filter::In { field: Field::WorkflowId, values: texts(&["a", "b"]) }),
        ("WorkflowId NOT IN ('a')", negated(Filter::In { field: Field::WorkflowId, values: texts(&["a"]) })),
        ("ExecutionStatus IN ('Failed', 7)", {
            Filter::In { field: Field::Status, values: vec![Value::Int(3), Value::Int(7)] }
        }),
        ("CustomInt IN (1, 1.5)", Filter::In { field: int(), values: vec![Value::Int(1)] }),
        ("CustomInt IN (1.5)", compare(int(), CompareOp::Lt, Value::Int(i64::MIN))),
        ("WorkflowId STARTS_WITH 'a%'", Filter::StartsWith { field: Field::WorkflowId, prefix: "a%".to_owned() }),
        ("WorkflowId NOT starts_with 'a'", {
            negated(Filter::StartsWith { field: Field::WorkflowId, prefix: "a".to_owned() })
        }),
        ("CloseTime IS NULL", Filter::IsNull(Field::CloseTime)),
        ("ParentWorkflowId is not null", negated(Filter::IsNull(Field::ParentWorkflowId))),
        ("CustomInt BETWEEN 1 AND 2 AND WorkflowId = 'a'", {
            let between = Filter::Between { field: int(), low: Value::Int(1), high: Value::Int(2) };
            Filter::And(vec![between, a()])
        }),
        ("CustomInt BETWEEN 0.5 AND 2", {
            Filter::And(vec![
                compare(int(), CompareOp::Gt, Value::Int(0)),
                compare(int(), CompareOp::Le, Value::Int(2)),
            ])
        }),
        ("StartTime NOT BETWEEN 1 AND '1970-01-01T00:00:00Z'", {
            negated(Filter::Between { field: Field::StartTime, low: Value::Int(1), high: Value::Int(0) })
        }),
    ];
    for (text, expected) in cases {
        assert_eq!(filter(text), expected, "{text}");
    }
}

#[test]
fn what_is_not_a_workflow_is_hidden_unless_asked_for() {
    let division = || custom("TemporalNamespaceDivision", AttributeKind::Keyword);
    assert_eq!(query("  ").unwrap().filter, Filter::IsNull(division()));
    let asked = query("TemporalNamespaceDivision = 'TemporalScheduler'").unwrap();
    assert_eq!(asked.filter, is(division(), "TemporalScheduler"));
}

#[test]
fn group_by() {
    let group_by = |text: &str| query(text).unwrap().group_by;
    assert_eq!(group_by("GROUP BY ExecutionStatus"), Some(GroupBy::Status));
    assert_eq!(group_by("WorkflowId = 'a' group by `ExecutionStatus`"), Some(GroupBy::Status));
    assert_eq!(group_by("GROUP BY WorkflowType ORDER BY WorkflowType"), Some(GroupBy::WorkflowType));
    assert_eq!(group_by("WorkflowId = 'a' ORDER BY StartTime DESC GROUP BY ExecutionStatus"), Some(GroupBy::Status));
    assert_eq!(group_by("GROUP BY TaskQueue"), Some(GroupBy::TaskQueue));
    assert_eq!(group_by("WorkflowId = 'a'"), None);
}

#[test]
fn order_by() {
    let order = |text: &str| query(text).unwrap().order;
    let key = |field: Field, descending: bool| SortKey { field, descending };
    assert_eq!(order("WorkflowId = 'a'"), []);
    assert_eq!(order("ORDER BY StartTime"), [key(Field::StartTime, false)]);
    assert_eq!(order("order by `CloseTime` desc;"), [key(Field::CloseTime, true)]);
    let keys = [key(custom("CustomInt", AttributeKind::Int), true), key(Field::WorkflowId, false)];
    assert_eq!(order("WorkflowId = 'a' ORDER BY CustomInt DESC, WorkflowId ASC"), keys);
    let most = vec!["WorkflowId"; 16].join(", ");
    assert_eq!(order(&format!("ORDER BY {most}")).len(), 16);
    let text = "invalid query: operation is not supported: 'ORDER BY' clause with more than 16 search attributes";
    assert_eq!(error(&format!("ORDER BY {most}, RunId")), text);
}

#[test]
fn relative_times() {
    const HOUR: Nanos = 3_600_000_000_000;
    let cases = [("now", NOW), ("now-1h30m", NOW - 3 * HOUR / 2), ("now+2d", NOW + 48 * HOUR)];
    for (text, time) in cases {
        let expected = compare(Field::StartTime, CompareOp::Ge, Value::Int(time));
        assert_eq!(filter(&format!("StartTime >= '{text}'")), expected, "{text}");
    }
}

/// What Temporal 1.32.1 answered, after `invalid query: `; the lines after the empty one are our own.
const ERRORS: &str = r#"
foo bar => malformed SQL query: syntax error at position 35 near 'bar'
  foo bar   => malformed SQL query: syntax error at position 35 near 'bar'
WorkflowId = 'x => malformed SQL query: syntax error at position 43 near 'x'
WorkflowId = => malformed SQL query: syntax error at position 40
(WorkflowId = 'x' => malformed SQL query: syntax error at position 45
WorkflowId => invalid expression: incomplete expression
select * from x => malformed SQL query: syntax error at position 34 near 'select'
WorkflowId = 'a'; WorkflowId = 'b' => malformed SQL query: syntax error at position 56 near 'WorkflowId'
WorkflowId = B => operation is not supported: column name on the right side of comparison expression (did you forget to quote "B"?)
A = B => invalid search attribute: A
StartTime > 'yesterday' => invalid expression: unable to parse datetime 'yesterday'
CustomDatetime = 'x' => invalid expression: unable to parse datetime 'x'
ExecutionStatus = 'Foo' => invalid expression: invalid ExecutionStatus value 'Foo'
ExecutionStatus = 99 => invalid expression: invalid ExecutionStatus value 99
ExecutionDuration = 'x' => invalid expression: invalid duration value for search attribute ExecutionDuration: x
WorkflowId LIKE 'x%' => operation is not supported: operator 'LIKE' not supported for Keyword type search attribute 'WorkflowId'
CustomInt STARTS_WITH 'x' => invalid expression: invalid value type for search attribute CustomInt of type Int: "x" (type: string)
CustomText > 'a' => operation is not supported: operator '>' not supported for Text type search attribute 'CustomText'
CustomText STARTS_WITH 'a' => operation is not supported: operator 'STARTS_WITH' not supported for Text type search attribute 'CustomText'
CustomKeyword STARTS_WITH 5 => invalid expression: invalid value type for search attribute CustomKeyword of type Keyword: 5 (type: int64)
CustomInt IN 5 => malformed SQL query: syntax error at position 42 near '5'
CustomKeywordList > 'a' => operation is not supported: operator '>' not supported for KeywordList type search attribute 'CustomKeywordList'
WorkflowId REGEXP 'x' => operation is not supported: operator 'REGEXP' not supported for Keyword type search attribute 'WorkflowId'
WorkflowId <=> 'x' => operation is not supported: operator '<=>' not supported for Keyword type search attribute 'WorkflowId'
CustomText BETWEEN 'a' AND 'b' => invalid expression: cannot do range condition on search attribute 'CustomText' of type Text
CustomKeywordList BETWEEN 'a' AND 'b' => invalid expression: cannot do range condition on search attribute 'CustomKeywordList' of type KeywordList
CustomBool BETWEEN false AND true => invalid expression: cannot do range condition on search attribute 'CustomBool' of type Bool
count(WorkflowId) > 1 => invalid expression: must be a column name but was *sqlparser.FuncExpr
WorkflowId = concat('a','b') => operation is not supported: nested func
WorkflowId = 'a' LIMIT 5 => operation is not supported: 'LIMIT' clause
GROUP BY ExecutionStatus, WorkflowType => operation is not supported: 'GROUP BY' clause supports only a single field
GROUP BY WorkflowId => operation is not supported: 'GROUP BY' clause is not supported for search attribute WorkflowId
WorkflowId = upper(lower('a')) => operation is not supported: nested func
WorkflowId = group_concat('a') => operation is not supported: 'group_concat'
WorkflowId = 'a' OFFSET 5 => malformed SQL query: syntax error at position 51 near 'offset'
WorkflowId IN (SELECT 1) => invalid expression: unexpected value type *sqlparser.Subquery
CASE WHEN WorkflowId='a' THEN 1 END => operation is not supported: expression of type *sqlparser.CaseExpr
ORDER BY Nope => invalid search attribute: Nope
ORDER BY 1 => invalid expression: must be a column name but was *sqlparser.SQLVal

StartTime > 'now-' => invalid expression: unable to parse datetime 'now-'
StartTime > 'nowhere' => invalid expression: unable to parse datetime 'nowhere'
WorkflowId = 'a' UNION SELECT 1 => malformed SQL query: syntax error at position 50 near 'union'
WorkflowId = true => invalid expression: invalid value type for search attribute WorkflowId of type Keyword: true (type: bool)
CustomBool = 'true' => invalid expression: invalid value type for search attribute CustomBool of type Bool: "true" (type: string)
WorkflowId = 99999999999999999999 => invalid expression: invalid value type for search attribute WorkflowId of type Keyword: 100000000000000000000 (type: float64)
CustomText = ' ' => invalid expression: unexpected value for Text type search attribute (no tokens found)
CustomInt + 1 = 2 => invalid expression: must be a column name but was *sqlparser.BinaryExpr
CustomInt = 1 + 1 => invalid expression: unexpected value type *sqlparser.BinaryExpr
CustomInt MOD 2 = 1 => invalid expression: must be a column name but was *sqlparser.BinaryExpr
! CustomInt = 5 => invalid expression: must be a column name but was *sqlparser.UnaryExpr
-CustomInt = 5 => invalid expression: must be a column name but was *sqlparser.UnaryExpr
(CustomInt) = 5 => invalid expression: must be a column name but was *sqlparser.ParenExpr
CustomInt = (5) => invalid expression: unexpected value type *sqlparser.ParenExpr
EXISTS (SELECT 1) => operation is not supported: expression of type *sqlparser.ExistsExpr
StartTime > '2020-01-01t00:00:00z' => invalid expression: unable to parse datetime '2020-01-01t00:00:00z'
StartTime > '2020-01-01 00:00:00Z' => invalid expression: unable to parse datetime '2020-01-01 00:00:00Z'
StartTime > '2020-01-01T23:59:60Z' => invalid expression: unable to parse datetime '2020-01-01T23:59:60Z'
WorkflowID = 'a' => invalid search attribute: WorkflowID
CustomInt = (1, 2) => invalid expression: unexpected value type sqlparser.ValTuple
WorkflowId = null => invalid expression: unexpected value type *sqlparser.NullVal
CustomBool IS TRUE => invalid expression: 'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'
ExecutionStatus STARTS_WITH 'Running' => operation is not supported: operator 'STARTS_WITH' not supported for Keyword type search attribute 'ExecutionStatus'
WorkflowId = 'a' AND => malformed SQL query: syntax error at position 48
WorkflowId = 'a') => malformed SQL query: syntax error at position 45
WorkflowId NOT => malformed SQL query: syntax error at position 42
WorkflowId = - => malformed SQL query: syntax error at position 42
f( => malformed SQL query: syntax error at position 30
? => malformed SQL query: syntax error at position 29 near '?'
"#;

#[test]
fn errors() {
    for (text, expected) in ERRORS.lines().filter_map(|line| line.split_once(" => ")) {
        assert_eq!(error(text), format!("invalid query: {expected}"), "{text}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = |depth| format!("{}WorkflowId = 'a'{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(filter(&deep(60)), is(Field::WorkflowId, "a"));
    let message = "invalid query: operation is not supported: more than 64 nested expressions";
    assert_eq!(error(&deep(30_000)), message);
    assert_eq!(error(&"NOT ".repeat(16_000)), message);
    assert_eq!(error(&"x".repeat(65_537)), "invalid query: longer than 65536 bytes");
}

/// Any text is answered, never a panic: the words of the grammar in all orders of three.
#[test]
fn no_text_is_too_strange() {
    let words = [
        "WorkflowId",
        "CustomInt",
        "'a'",
        "5",
        "-",
        "(",
        ")",
        ",",
        "=",
        "!=",
        "AND",
        "OR",
        "NOT",
        "IN",
        "BETWEEN",
        "IS",
        "NULL",
        "STARTS_WITH",
        "GROUP BY",
        "ORDER BY",
        "LIMIT",
        "CASE",
        "END",
        "f(",
        "true",
        "`",
        "\"",
        ".",
        ";",
        "ü",
        "\0",
    ];
    let mut refused = 0;
    for first in words {
        for second in words {
            for third in words {
                refused += usize::from(query(&format!("{first} {second} {third}")).is_err());
            }
        }
    }
    assert!(refused > 29_000, "{refused}");
}
