//! The old lists of open and of closed runs: a range of times and at most one of a few conditions.

use perdure_engine::time::from_timestamp;
use perdure_proto::api::{
    enums::WorkflowExecutionStatus,
    filter::StartTimeFilter,
    workflowservice::{
        ListClosedWorkflowExecutionsRequest, ListClosedWorkflowExecutionsResponse, ListOpenWorkflowExecutionsRequest,
        ListOpenWorkflowExecutionsResponse, list_closed_workflow_executions_request::Filters as ClosedFilters,
        list_open_workflow_executions_request::Filters as OpenFilters,
    },
};
use perdure_storage::visibility::{CompareOp, Field, Filter, Value};
use tonic::Status;

use super::{Lists, query::Query};
use crate::{namespaces::AuthorizedNamespace, status, validate::ids::no_nul};

impl Lists {
    pub(crate) async fn open(
        &self,
        namespace: &AuthorizedNamespace,
        request: ListOpenWorkflowExecutionsRequest,
    ) -> Result<ListOpenWorkflowExecutionsResponse, Status> {
        may_filter(namespace, request.filters.is_some())?;
        let mut terms = vec![status_is(CompareOp::Eq, WorkflowExecutionStatus::Running)];
        terms.extend(time_range(Field::StartTime, request.start_time_filter.as_ref())?);
        terms.extend(match request.filters {
            Some(OpenFilters::ExecutionFilter(filter)) => Some(equals(Field::WorkflowId, filter.workflow_id)?),
            Some(OpenFilters::TypeFilter(filter)) => Some(equals(Field::WorkflowType, filter.name)?),
            None => None,
        });
        let read = |_| Ok(Query { filter: Filter::And(terms), group_by: None, order: Vec::new() });
        let page = self.page(namespace, read, request.maximum_page_size, &request.next_page_token).await?;
        Ok(ListOpenWorkflowExecutionsResponse { executions: page.executions, next_page_token: page.next_page_token })
    }

    pub(crate) async fn closed(
        &self,
        namespace: &AuthorizedNamespace,
        request: ListClosedWorkflowExecutionsRequest,
    ) -> Result<ListClosedWorkflowExecutionsResponse, Status> {
        may_filter(namespace, request.filters.is_some())?;
        let mut terms = vec![Filter::Not(Box::new(Filter::IsNull(Field::CloseTime)))];
        terms.extend(time_range(Field::CloseTime, request.start_time_filter.as_ref())?);
        terms.extend(match request.filters {
            Some(ClosedFilters::ExecutionFilter(filter)) => Some(equals(Field::WorkflowId, filter.workflow_id)?),
            Some(ClosedFilters::TypeFilter(filter)) => Some(equals(Field::WorkflowType, filter.name)?),
            Some(ClosedFilters::StatusFilter(filter)) => match filter.status() {
                WorkflowExecutionStatus::Unspecified | WorkflowExecutionStatus::Running => {
                    return Err(status::invalid("StatusFilter must be specified and must be not Running."));
                }
                closed => Some(status_is(CompareOp::Eq, closed)),
            },
            None => None,
        });
        let read = |_| Ok(Query { filter: Filter::And(terms), group_by: None, order: Vec::new() });
        let page = self.page(namespace, read, request.maximum_page_size, &request.next_page_token).await?;
        Ok(ListClosedWorkflowExecutionsResponse { executions: page.executions, next_page_token: page.next_page_token })
    }
}

fn may_filter(namespace: &AuthorizedNamespace, filters: bool) -> Result<(), Status> {
    if filters && namespace.limits().old_lists_refuse_filters {
        return Err(status::permission_denied("List is disabled on this namespace."));
    }
    Ok(())
}

fn compare(field: Field, op: CompareOp, value: Value) -> Filter {
    Filter::Compare { field, op, value }
}

fn equals(field: Field, text: String) -> Result<Filter, Status> {
    no_nul("Filter", &text)?;
    Ok(compare(field, CompareOp::Eq, Value::Text(text)))
}

fn status_is(op: CompareOp, status: WorkflowExecutionStatus) -> Filter {
    compare(Field::Status, op, Value::Int(i32::from(status).into()))
}

/// Both ends belong to the range; an end that is not set does not bound it.
fn time_range(field: Field, range: Option<&StartTimeFilter>) -> Result<Vec<Filter>, Status> {
    let end = |time: Option<&prost_types::Timestamp>| time.map(from_timestamp);
    let earliest = range.and_then(|range| end(range.earliest_time.as_ref()));
    let latest = range.and_then(|range| end(range.latest_time.as_ref()));
    if let (Some(earliest), Some(latest)) = (earliest, latest)
        && earliest > latest
    {
        return Err(status::invalid("EarliestTime in StartTimeFilter should not be larger than LatestTime."));
    }
    let earliest = earliest.map(|time| compare(field.clone(), CompareOp::Ge, Value::Int(time)));
    let latest = latest.map(|time| compare(field, CompareOp::Le, Value::Int(time)));
    Ok(earliest.into_iter().chain(latest).collect())
}
