//! Queries of workers, in the grammar of list filters: names become fields of a heartbeat.
//!
//! The texts of errors are Temporal's (server 1.32.1). Unlike there, a query that names no field or compares it in a way that
//! it cannot be compared is refused with its error; there it finds nothing.

use std::fmt::Display;

use chrono::DateTime;
use perdure_engine::{Nanos, time::from_timestamp};
use perdure_proto::api::{enums::WorkerStatus, worker::WorkerHeartbeat};
use perdure_storage::search_values::unix_nanos;
use prost_types::Timestamp;
use tonic::Status;

use crate::{
    list::query::{
        LENGTH_MAX,
        parser::{self, ParseError},
        tree::{Expr, Operand},
    },
    status,
};

/// Whether a worker passes.
pub(super) type Test = Box<dyn Fn(&WorkerHeartbeat) -> bool + Send + Sync>;

type TextOf = fn(&WorkerHeartbeat) -> String;
type TimeOf = fn(&WorkerHeartbeat) -> Option<Timestamp>;

/// A field of a heartbeat. A text that is not set is empty.
#[derive(Clone, Copy)]
enum Field {
    Text(TextOf),
    Time(TimeOf),
}

/// Reads a query; all workers pass an empty one. INVALID_ARGUMENT says what is wrong with it.
pub(super) fn read(text: &str) -> Result<Test, Status> {
    compile(text.trim()).map_err(status::invalid)
}

fn compile(text: &str) -> Result<Test, String> {
    if text.len() > LENGTH_MAX {
        return Err(format!("malformed query: longer than {LENGTH_MAX} bytes"));
    }
    let first_word = text.split_ascii_whitespace().next().unwrap_or_default();
    if ["where", "select"].iter().any(|word| first_word.eq_ignore_ascii_case(word)) {
        return Err(format!("invalid filter: {text}"));
    }
    let query = parser::parse(text).map_err(|error| match error {
        ParseError::Syntax(_) => format!("malformed query: {error}"),
        ParseError::TooDeep => not_supported(error),
    })?;
    if query.has_limit {
        return Err(not_supported("'limit' clause"));
    }
    match &query.filter {
        Some(filter) => test(filter),
        None if text.is_empty() => Ok(Box::new(|_| true)),
        None => Err(not_supported("'where' clause is missing")),
    }
}

fn test(expr: &Expr) -> Result<Test, String> {
    match expr {
        Expr::And(terms) => {
            let tests = tests(terms)?;
            Ok(Box::new(move |worker| tests.iter().all(|test| test(worker))))
        }
        Expr::Or(terms) => {
            let tests = tests(terms)?;
            Ok(Box::new(move |worker| tests.iter().any(|test| test(worker))))
        }
        Expr::Compare { left, operator, right } => compare(left, operator, right),
        Expr::Between { left, negated, low, high } => between(left, *negated, low, high),
        Expr::IsNull { left, negated } => {
            let (field, negated) = (field(left)?.1, *negated);
            Ok(match field {
                Field::Text(text_of) => Box::new(move |worker| text_of(worker).is_empty() != negated),
                Field::Time(time_of) => Box::new(move |worker| time_of(worker).is_none() != negated),
            })
        }
        Expr::IsTruth(_) => Err(not_supported("'is' operator; only IS NULL and IS NOT NULL are supported")),
        Expr::Not(_) => Err(not_supported("'not' expression")),
        Expr::Bare(Operand::Name(_)) => Err("incomplete expression".to_owned()),
        Expr::Bare(Operand::Function(_)) => Err(not_supported("function expression")),
        Expr::Bare(other) => Err(not_supported(format_args!("expression {}", shown(other)))),
    }
}

fn tests(terms: &[Expr]) -> Result<Vec<Test>, String> {
    terms.iter().map(test).collect()
}

fn compare(left: &Operand, operator: &str, right: &Operand) -> Result<Test, String> {
    let (name, field) = field(left)?;
    if !matches!(right, Operand::Text(_) | Operand::Int(_) | Operand::Float(_)) {
        return Err(format!("invalid value: {}", shown(right)));
    }
    let invalid = |reason: String| format!("invalid value for {name}: {reason}");
    match field {
        Field::Text(text_of) => {
            let value = text(right).map_err(invalid)?;
            compare_text(name, text_of, operator, value)
        }
        Field::Time(time_of) => {
            let value = time(right).map_err(invalid)?;
            let holds: fn(&Nanos, &Nanos) -> bool = match operator {
                "=" => Nanos::eq,
                "!=" => Nanos::ne,
                "<" => Nanos::lt,
                "<=" => Nanos::le,
                ">" => Nanos::gt,
                ">=" => Nanos::ge,
                _ => return Err(bad_operation(operator, "")),
            };
            // A time that is not set counts as the beginning of all time here, as in Temporal.
            Ok(Box::new(move |worker| holds(&time_of(worker).as_ref().map_or(0, from_timestamp), &value)))
        }
    }
}

fn compare_text(name: &str, text_of: TextOf, operator: &str, value: &str) -> Result<Test, String> {
    if value.is_empty() {
        return Err(format!("{name} cannot be empty"));
    }
    let value = value.to_owned();
    match operator {
        "=" => Ok(Box::new(move |worker| text_of(worker) == value)),
        "!=" => Ok(Box::new(move |worker| text_of(worker) != value)),
        "STARTS_WITH" => Ok(Box::new(move |worker| text_of(worker).starts_with(&value))),
        "NOT STARTS_WITH" => Ok(Box::new(move |worker| !text_of(worker).starts_with(&value))),
        _ => Err(bad_operation(operator, &format!(" for {name} column"))),
    }
}

/// A time that is not set is neither between two others nor not.
fn between(left: &Operand, negated: bool, low: &Operand, high: &Operand) -> Result<Test, String> {
    let (name, field) = field(left)?;
    let Field::Time(time_of) = field else { return Err(format!("unknown or unsupported column name: {name}")) };
    let range = time(low)?..=time(high)?;
    Ok(Box::new(move |worker| time_of(worker).is_some_and(|time| range.contains(&from_timestamp(&time)) != negated)))
}

/// Names are case-sensitive, but for `Status`, which is a keyword in SQL.
fn field(operand: &Operand) -> Result<(&str, Field), String> {
    let Operand::Name(name) = operand else { return Err(format!("invalid filter name: {}", shown(operand))) };
    let text_of: TextOf = match name.as_str() {
        "WorkerInstanceKey" => |worker| worker.worker_instance_key.clone(),
        "WorkerIdentity" => |worker| worker.worker_identity.clone(),
        "HostName" => |worker| worker.host_info.as_ref().map(|host| host.host_name.clone()).unwrap_or_default(),
        "TaskQueue" => |worker| worker.task_queue.clone(),
        "DeploymentName" => {
            |worker| worker.deployment_version.as_ref().map(|at| at.deployment_name.clone()).unwrap_or_default()
        }
        "BuildId" => |worker| worker.deployment_version.as_ref().map(|at| at.build_id.clone()).unwrap_or_default(),
        "SdkName" => |worker| worker.sdk_name.clone(),
        "SdkVersion" => |worker| worker.sdk_version.clone(),
        "StartTime" => return Ok((name, Field::Time(|worker| worker.start_time))),
        "HeartbeatTime" => return Ok((name, Field::Time(|worker| worker.heartbeat_time))),
        name if name == "WorkerStatus" || name.eq_ignore_ascii_case("status") => status_name,
        _ => return Err(format!("unknown or unsupported worker heartbeat search field: {name}")),
    };
    Ok((name, Field::Text(text_of)))
}

/// `ShuttingDown` and the like; the number of a status that this version does not know.
fn status_name(worker: &WorkerHeartbeat) -> String {
    match WorkerStatus::try_from(worker.status) {
        Ok(status) => format!("{status:?}"),
        Err(_) => worker.status.to_string(),
    }
}

fn text(operand: &Operand) -> Result<&str, String> {
    match operand {
        Operand::Text(text) => Ok(text),
        other => Err(format!("value {} is not a string value", shown(other))),
    }
}

/// Unix nanoseconds, or a text as of RFC 3339.
fn time(operand: &Operand) -> Result<Nanos, String> {
    if let Operand::Int(nanos) = operand {
        return nanos.parse().map_err(|_| format!("value {nanos} is not a time"));
    }
    let text = text(operand)?;
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| format!("parsing time {text:?} as RFC 3339"))?;
    Ok(unix_nanos(&time))
}

fn not_supported(what: impl Display) -> String {
    format!("operation is not supported: {what}")
}

fn bad_operation(operator: &str, column: &str) -> String {
    format!("invalid expression: operation {} is not supported{column}", operator.to_ascii_lowercase())
}

/// As SQL would write it.
fn shown(operand: &Operand) -> String {
    match operand {
        Operand::Name(text) | Operand::Int(text) | Operand::Float(text) => text.clone(),
        Operand::Text(text) => format!("'{text}'"),
        Operand::Bool(value) => value.to_string(),
        Operand::List(items) => format!("({})", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Operand::Function(name) => format!("{name}()"),
        Operand::Other(what) => (*what).to_owned(),
    }
}

#[cfg(test)]
mod tests;
