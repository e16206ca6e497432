//! Literals of a filter as values of the field that they are compared with.

use chrono::DateTime;
use perdure_engine::{Nanos, time::SECOND};
use perdure_proto::api::enums::WorkflowExecutionStatus;
use perdure_storage::{
    search_values::unix_nanos,
    visibility::{AttributeKind, Field, Value},
};

use super::{QueryError, check::Column, lexer::integer, tree::Operand};

const MINUTE: Nanos = 60 * SECOND;
const HOUR: Nanos = 60 * MINUTE;
const DAY: Nanos = 24 * HOUR;

/// Names of statuses in filters and in groups, by number.
const STATUSES: [&str; 9] =
    ["Unspecified", "Running", "Completed", "Failed", "Canceled", "Terminated", "ContinuedAsNew", "TimedOut", "Paused"];

/// `Running` for 1. None for a number that is no status.
pub(in crate::list) fn status_name(status: i32) -> Option<&'static str> {
    STATUSES.get(usize::try_from(status).ok()?).copied()
}

/// A literal, by its own type.
#[derive(Clone, Debug, PartialEq)]
enum Literal<'a> {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(&'a str),
}

impl Literal<'_> {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Int(_) => "int64",
            Self::Float(_) => "float64",
            Self::Bool(_) => "bool",
            Self::Text(_) => "string",
        }
    }
}

impl std::fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

/// One value of the column's type. Int columns may yield a double, where the filter has a fraction. Times may be relative to `now`.
pub(super) fn value(operand: &Operand, column: &Column, now: Nanos) -> Result<Value, QueryError> {
    let literal = literal(operand)?;
    match column.field {
        Field::Status => status(&literal),
        Field::ExecutionDuration => duration(&literal, column),
        _ => typed(&literal, column, now),
    }
}

fn literal(operand: &Operand) -> Result<Literal<'_>, QueryError> {
    let unreadable = |text: &String| QueryError::invalid(format_args!("unable to parse value {text:?}"));
    match operand {
        Operand::Int(digits) => {
            let whole = digits.parse().map(Literal::Int).ok();
            whole.or_else(|| digits.parse().ok().map(Literal::Float)).ok_or_else(|| unreadable(digits))
        }
        Operand::Float(digits) => digits.parse().map(Literal::Float).map_err(|_| unreadable(digits)),
        Operand::Bool(value) => Ok(Literal::Bool(*value)),
        Operand::Text(text) => Ok(Literal::Text(text)),
        Operand::Name(name) => Err(QueryError::not_supported(format_args!(
            "column name on the right side of comparison expression (did you forget to quote {name:?}?)"
        ))),
        Operand::Function(name) if name.eq_ignore_ascii_case("group_concat") => {
            Err(QueryError::not_supported("'group_concat'"))
        }
        Operand::Function(_) => Err(QueryError::not_supported("nested func")),
        Operand::List(_) => Err(QueryError::invalid("unexpected value type sqlparser.ValTuple")),
        Operand::Other(what) => Err(QueryError::invalid(format_args!("unexpected value type {what}"))),
    }
}

fn typed(literal: &Literal<'_>, column: &Column, now: Nanos) -> Result<Value, QueryError> {
    use AttributeKind::{Bool, Datetime, Double, Int, Keyword, KeywordList, Text};
    match (column.kind, literal) {
        (Int, Literal::Int(value)) => Ok(Value::Int(*value)),
        (Double, Literal::Int(value)) => Ok(Value::Double(*value as f64)),
        (Int | Double, Literal::Float(value)) => Ok(Value::Double(*value)),
        (Bool, Literal::Bool(value)) => Ok(Value::Bool(*value)),
        (Datetime, Literal::Int(nanos)) => Ok(Value::Int(*nanos)),
        (Datetime, Literal::Text(text)) => {
            let time = absolute(text).or_else(|| relative(text, now)).map(Value::Int);
            time.ok_or_else(|| QueryError::invalid(format_args!("unable to parse datetime '{text}'")))
        }
        (Keyword | KeywordList | Text, Literal::Text(text)) => Ok(Value::Text((*text).to_owned())),
        _ => Err(QueryError::invalid(format_args!(
            "invalid value type for search attribute {} of type {}: {literal} (type: {})",
            column.alias,
            column.kind.name(),
            literal.type_name()
        ))),
    }
}

/// RFC 3339 as Temporal reads it: in capitals, without leap seconds.
fn absolute(text: &str) -> Option<Nanos> {
    let capital = text.as_bytes().get(10) == Some(&b'T') && !text.ends_with('z');
    let leap_second = text.get(17..19) == Some("60");
    let time = DateTime::parse_from_rfc3339(text).ok().filter(|_| capital && !leap_second)?;
    Some(unix_nanos(&time))
}

/// `now`, `now-1h30m`, `now+1d`.
fn relative(text: &str, now: Nanos) -> Option<Nanos> {
    let offset = text.strip_prefix("now")?;
    match offset.chars().next() {
        None => Some(now),
        Some('+' | '-') => Some(now.saturating_add(parse_units(offset)?)),
        Some(_) => None,
    }
}

fn status(literal: &Literal<'_>) -> Result<Value, QueryError> {
    let number = match literal {
        Literal::Int(number) => i32::try_from(*number).ok().filter(|number| status_name(*number).is_some()),
        Literal::Text(text) => status_number(text),
        Literal::Float(_) | Literal::Bool(_) => {
            let kind = literal.type_name();
            let text = format!("unexpected value type {kind} for search attribute ExecutionStatus");
            return Err(QueryError::invalid(text));
        }
    };
    number.map(|number| Value::Int(number.into())).ok_or_else(|| match literal {
        Literal::Text(text) => QueryError::invalid(format_args!("invalid ExecutionStatus value '{text}'")),
        other => QueryError::invalid(format_args!("invalid ExecutionStatus value {other}")),
    })
}

fn status_number(name: &str) -> Option<i32> {
    let short = STATUSES.iter().position(|status| *status == name).and_then(|number| i32::try_from(number).ok());
    short.or_else(|| WorkflowExecutionStatus::from_str_name(name).map(i32::from))
}

fn duration(literal: &Literal<'_>, column: &Column) -> Result<Value, QueryError> {
    match literal {
        Literal::Int(nanos) => Ok(Value::Int(*nanos)),
        Literal::Text(text) => parse_duration(text).map(Value::Int).ok_or_else(|| {
            QueryError::invalid(format_args!("invalid duration value for search attribute {}: {text}", column.alias))
        }),
        Literal::Float(_) | Literal::Bool(_) => Err(QueryError::invalid(format_args!(
            "unexpected value type {} for search attribute {}",
            literal.type_name(),
            column.alias
        ))),
    }
}

/// Nanoseconds as digits, `1h30m` with units from `ns` to `d`, or `hh:mm:ss`.
fn parse_duration(text: &str) -> Option<Nanos> {
    integer(text.strip_prefix('+').unwrap_or(text)).or_else(|| parse_units(text)).or_else(|| parse_clock(text))
}

fn parse_units(text: &str) -> Option<Nanos> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total = 0.0;
    loop {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (name, after) = after.split_at(unit);
        let nanos = match name {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            _ => return None,
        };
        total += amount.parse::<f64>().ok()? * nanos as f64;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    // A float cast saturates.
    Some(if negative { -total } else { total } as Nanos)
}

fn parse_clock(text: &str) -> Option<Nanos> {
    let mut parts = text.split(':').map(|part| part.parse::<u32>().ok().map(Nanos::from));
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let valid = parts.next().is_none() && minutes < 60 && seconds < 60;
    valid.then_some(hours * HOUR + minutes * MINUTE + seconds * SECOND)
}
