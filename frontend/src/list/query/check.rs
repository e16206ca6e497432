//! From an expression to a filter: names become fields, literals become values of their types, and each operator is one that
//! its type has.

use perdure_engine::{
    Archetype, Nanos,
    standalone_nexus::{ENDPOINT, OPERATION, REQUEST_ID, SERVICE},
};
use perdure_storage::visibility::{AttributeKind, CompareOp, DIVISION, Field, Filter, GroupBy, SortKey, Value};

use super::{
    Query, QueryError,
    tree::{self, Expr, Operand},
    values::value,
};
use crate::namespaces::{AuthorizedNamespace, other_spelling, predefined, system};

/// Each key of an order costs a level of nesting in the databases' conditions.
const SORT_KEYS_MAX: usize = 16;

/// A name in a filter, resolved.
pub(super) struct Column {
    /// As the filter spells it.
    pub(super) alias: String,
    pub(super) field: Field,
    pub(super) kind: AttributeKind,
}

pub(super) fn check(
    query: tree::Query,
    namespace: &AuthorizedNamespace,
    archetype: Archetype,
    now: Nanos,
) -> Result<Query, QueryError> {
    let mut checker = Checker { namespace, archetype, now, names_division: false };
    if query.has_limit {
        return Err(QueryError::not_supported("'LIMIT' clause"));
    }
    let filter = query.filter.as_ref().map(|expr| checker.filter(expr)).transpose()?;
    let group_by = checker.group_by(&query.group_by)?;
    let order = checker.order_by(&query.order_by)?;
    // Hidden is what is not a workflow of the user, unless the query names the attribute.
    let hidden = (!checker.names_division).then(|| Filter::IsNull(attribute(DIVISION, AttributeKind::Keyword)));
    let mut terms: Vec<Filter> = hidden.into_iter().chain(filter).collect();
    let filter = if terms.len() == 1 { terms.swap_remove(0) } else { Filter::And(terms) };
    Ok(Query { filter, group_by, order })
}

struct Checker<'a> {
    namespace: &'a AuthorizedNamespace,
    archetype: Archetype,
    /// What relative times are relative to.
    now: Nanos,
    names_division: bool,
}

impl Checker<'_> {
    fn filter(&mut self, expr: &Expr) -> Result<Filter, QueryError> {
        match expr {
            Expr::And(terms) => Ok(Filter::And(self.filters(terms)?)),
            Expr::Or(terms) => Ok(Filter::Or(self.filters(terms)?)),
            Expr::Not(inner) => Ok(not(self.filter(inner)?)),
            Expr::Compare { left, operator, right } => self.compare(left, operator, right),
            Expr::Between { left, negated, low, high } => {
                let between = self.between(left, low, high)?;
                Ok(if *negated { not(between) } else { between })
            }
            Expr::IsNull { left, negated } => {
                let is_null = Filter::IsNull(self.column(left)?.field);
                Ok(if *negated { not(is_null) } else { is_null })
            }
            Expr::IsTruth(_) => {
                Err(QueryError::invalid("'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'"))
            }
            Expr::Bare(Operand::Name(_)) => Err(QueryError::invalid("incomplete expression")),
            Expr::Bare(Operand::Function(_)) => Err(QueryError::not_supported("function expression")),
            Expr::Bare(other) => Err(QueryError::not_supported(format_args!("expression of type {}", go_type(other)))),
        }
    }

    fn filters(&mut self, terms: &[Expr]) -> Result<Vec<Filter>, QueryError> {
        terms.iter().map(|term| self.filter(term)).collect()
    }

    fn compare(&mut self, left: &Operand, operator: &str, right: &Operand) -> Result<Filter, QueryError> {
        let column = self.column(left)?;
        if let (Some(negated), Operand::List(items)) = (in_operator(operator), right) {
            let values = items.iter().map(|item| value(item, &column, self.now)).collect::<Result<Vec<_>, _>>()?;
            allow(&column, operator)?;
            let filter = member(column, values);
            return Ok(if negated { not(filter) } else { filter });
        }
        let value = value(right, &column, self.now)?;
        allow(&column, operator)?;
        if column.kind == AttributeKind::Text && matches!(&value, Value::Text(text) if text.trim().is_empty()) {
            let text = "unexpected value for Text type search attribute (no tokens found)";
            return Err(QueryError::invalid(text));
        }
        match (operator, value) {
            ("STARTS_WITH", Value::Text(prefix)) => Ok(Filter::StartsWith { field: column.field, prefix }),
            ("NOT STARTS_WITH", Value::Text(prefix)) => Ok(not(Filter::StartsWith { field: column.field, prefix })),
            (operator, value) => {
                let op = compare_op(operator).ok_or_else(|| unsupported(&column, operator))?;
                Ok(comparison(column, op, value))
            }
        }
    }

    fn between(&mut self, left: &Operand, low: &Operand, high: &Operand) -> Result<Filter, QueryError> {
        let column = self.column(left)?;
        if !has_range(column.kind) {
            return Err(QueryError::invalid(format_args!(
                "cannot do range condition on search attribute '{}' of type {}",
                column.alias,
                column.kind.name()
            )));
        }
        match (value(low, &column, self.now)?, value(high, &column, self.now)?) {
            (low @ Value::Double(_), high) | (low, high @ Value::Double(_)) if column.kind == AttributeKind::Int => {
                let upper = Column { alias: String::new(), field: column.field.clone(), kind: column.kind };
                Ok(Filter::And(vec![comparison(column, CompareOp::Ge, low), comparison(upper, CompareOp::Le, high)]))
            }
            (low, high) => Ok(Filter::Between { field: column.field, low, high }),
        }
    }

    fn group_by(&mut self, names: &[Operand]) -> Result<Option<GroupBy>, QueryError> {
        let [name] = names else {
            let text = "'GROUP BY' clause supports only a single field";
            return if names.is_empty() { Ok(None) } else { Err(QueryError::not_supported(text)) };
        };
        let column = self.column(name)?;
        match column.field {
            Field::Status => Ok(Some(GroupBy::Status)),
            Field::WorkflowType => Ok(Some(GroupBy::WorkflowType)),
            Field::TaskQueue => Ok(Some(GroupBy::TaskQueue)),
            _ => Err(QueryError::not_supported(format_args!(
                "'GROUP BY' clause is not supported for search attribute {}",
                column.alias
            ))),
        }
    }

    fn order_by(&mut self, names: &[(Operand, bool)]) -> Result<Vec<SortKey>, QueryError> {
        if names.len() > SORT_KEYS_MAX {
            let text = format!("'ORDER BY' clause with more than {SORT_KEYS_MAX} search attributes");
            return Err(QueryError::not_supported(text));
        }
        let key = |(name, descending): &(Operand, bool)| {
            Ok(SortKey { field: self.column(name)?.field, descending: *descending })
        };
        names.iter().map(key).collect()
    }

    fn column(&mut self, operand: &Operand) -> Result<Column, QueryError> {
        let Operand::Name(alias) = operand else {
            let text = format!("must be a column name but was {}", go_type(operand));
            return Err(QueryError::invalid(text));
        };
        let (field, kind) = self.resolve(alias).ok_or_else(|| unknown_name(self.archetype, alias))?;
        self.names_division |= matches!(&field, Field::Attribute { name, .. } if name == DIVISION);
        Ok(Column { alias: alias.clone(), field, kind })
    }

    /// A custom attribute, else a built-in one, else a built-in one that the filter spells without or with `Temporal`.
    fn resolve(&self, alias: &str) -> Option<(Field, AttributeKind)> {
        let built_in = |name: &str| {
            let system = system(name).and_then(|kind| Some((system_field(name)?, kind)));
            system.or_else(|| predefined(name).map(|kind| (attribute(name, kind), kind)))
        };
        let custom = self.namespace.custom_attribute(alias).map(|kind| (attribute(alias, kind), kind));
        custom
            .or_else(|| own_name(self.archetype, alias).map(|field| (field, AttributeKind::Keyword)))
            .or_else(|| built_in(alias))
            .or_else(|| built_in(&other_spelling(alias)))
    }
}

fn unknown_name(archetype: Archetype, alias: &str) -> QueryError {
    match archetype {
        Archetype::Workflow | Archetype::Schedule => QueryError(format!("invalid search attribute: {alias}")),
        _ => QueryError::invalid(format_args!("column name '{alias}' is not a valid search attribute")),
    }
}

/// What lists call the id and the type of their kind. A schedule was a workflow once, and is asked for as one still.
fn own_name(archetype: Archetype, alias: &str) -> Option<Field> {
    match (archetype, alias) {
        (Archetype::Schedule | Archetype::Workflow, "ScheduleId") => Some(Field::WorkflowId),
        (Archetype::Activity, "ActivityId") => Some(Field::WorkflowId),
        (Archetype::Activity, "ActivityType") => Some(Field::WorkflowType),
        (Archetype::NexusOperation, "OperationId") => Some(Field::WorkflowId),
        (Archetype::NexusOperation, ENDPOINT | SERVICE | OPERATION | REQUEST_ID) => {
            Some(attribute(alias, AttributeKind::Keyword))
        }
        _ => None,
    }
}

fn system_field(name: &str) -> Option<Field> {
    Some(match name {
        "WorkflowId" => Field::WorkflowId,
        "RunId" => Field::RunId,
        "WorkflowType" => Field::WorkflowType,
        "StartTime" => Field::StartTime,
        "ExecutionTime" => Field::ExecutionTime,
        "CloseTime" => Field::CloseTime,
        "ExecutionStatus" => Field::Status,
        "TaskQueue" => Field::TaskQueue,
        "HistoryLength" => Field::HistoryLength,
        "HistorySizeBytes" => Field::HistorySizeBytes,
        "ExecutionDuration" => Field::ExecutionDuration,
        "StateTransitionCount" => Field::StateTransitionCount,
        "ParentWorkflowId" => Field::ParentWorkflowId,
        "ParentRunId" => Field::ParentRunId,
        "RootWorkflowId" => Field::RootWorkflowId,
        "RootRunId" => Field::RootRunId,
        _ => return None,
    })
}

fn attribute(name: &str, kind: AttributeKind) -> Field {
    Field::Attribute { name: name.to_owned(), kind }
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

/// Whether it is NOT IN; None for other operators.
fn in_operator(operator: &str) -> Option<bool> {
    match operator {
        "IN" => Some(false),
        "NOT IN" => Some(true),
        _ => None,
    }
}

fn compare_op(operator: &str) -> Option<CompareOp> {
    match operator {
        "=" => Some(CompareOp::Eq),
        "!=" => Some(CompareOp::Ne),
        "<" => Some(CompareOp::Lt),
        "<=" => Some(CompareOp::Le),
        ">" => Some(CompareOp::Gt),
        ">=" => Some(CompareOp::Ge),
        _ => None,
    }
}

/// Whether the column's type has the operator.
fn allow(column: &Column, operator: &str) -> Result<(), QueryError> {
    let equality = matches!(operator, "=" | "!=");
    let membership = in_operator(operator).is_some();
    let order = compare_op(operator).is_some();
    let prefix = matches!(operator, "STARTS_WITH" | "NOT STARTS_WITH");
    let allowed = match column.kind {
        AttributeKind::Text => equality,
        AttributeKind::KeywordList => equality || membership,
        AttributeKind::Keyword if column.field == Field::Status => order || membership,
        AttributeKind::Keyword => order || membership || prefix,
        AttributeKind::Int | AttributeKind::Double | AttributeKind::Bool | AttributeKind::Datetime => {
            order || membership
        }
    };
    if allowed { Ok(()) } else { Err(unsupported(column, operator)) }
}

fn unsupported(column: &Column, operator: &str) -> QueryError {
    QueryError::not_supported(format_args!(
        "operator '{operator}' not supported for {} type search attribute '{}'",
        column.kind.name(),
        column.alias
    ))
}

fn has_range(kind: AttributeKind) -> bool {
    matches!(kind, AttributeKind::Datetime | AttributeKind::Double | AttributeKind::Int | AttributeKind::Keyword)
}

/// A comparison with a value of the column's own type. A whole number is never equal to a fraction, and is above or below
/// it as it is above or below the next whole number.
fn comparison(column: Column, op: CompareOp, value: Value) -> Filter {
    let (op, value) = match (column.kind, value) {
        (AttributeKind::Int, Value::Double(fraction)) => whole(op, fraction),
        (_, value) => (op, value),
    };
    Filter::Compare { field: column.field, op, value }
}

fn whole(op: CompareOp, fraction: f64) -> (CompareOp, Value) {
    // Casts of floats saturate, so a bound outside of i64 becomes the last i64 on that side.
    let below = fraction.floor() as i64;
    let is_whole = fraction.fract() == 0.0 && fraction.abs() < i64::MAX as f64;
    match op {
        _ if is_whole => (op, Value::Int(below)),
        CompareOp::Eq => (CompareOp::Lt, Value::Int(i64::MIN)),
        CompareOp::Ne => (CompareOp::Ge, Value::Int(i64::MIN)),
        CompareOp::Lt | CompareOp::Le => (CompareOp::Le, Value::Int(below)),
        CompareOp::Gt | CompareOp::Ge => (CompareOp::Gt, Value::Int(below)),
    }
}

fn member(column: Column, values: Vec<Value>) -> Filter {
    let kind = column.kind;
    let values = values.into_iter().filter_map(|value| match (kind, value) {
        (AttributeKind::Int, Value::Double(fraction)) => {
            (fraction.fract() == 0.0 && fraction.abs() < i64::MAX as f64).then_some(Value::Int(fraction as i64))
        }
        (_, value) => Some(value),
    });
    let values: Vec<_> = values.collect();
    if values.is_empty() {
        return comparison(column, CompareOp::Lt, Value::Int(i64::MIN));
    }
    Filter::In { field: column.field, values }
}

/// The name of an operand's type in Temporal's errors.
fn go_type(operand: &Operand) -> &'static str {
    match operand {
        Operand::Name(_) => "*sqlparser.ColName",
        Operand::Text(_) | Operand::Int(_) | Operand::Float(_) => "*sqlparser.SQLVal",
        Operand::Bool(_) => "sqlparser.BoolVal",
        Operand::List(_) => "sqlparser.ValTuple",
        Operand::Function(_) => "*sqlparser.FuncExpr",
        Operand::Other(name) => name,
    }
}
