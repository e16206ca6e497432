//! Lists and counts of workflow executions.
//!
//! A page token is the place of the last row shown, sealed and bound to its namespace and query: rows that come, go or close
//! between two pages neither shift nor repeat the others.

mod pages;
pub(crate) mod query;
mod recent;
mod rows;
mod token;

use std::sync::Arc;

use perdure_engine::{Archetype, Nanos};
use perdure_proto::{
    api::{
        common::Payload,
        workflow::WorkflowExecutionInfo,
        workflowservice::{
            CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse, ListWorkflowExecutionsRequest,
            ListWorkflowExecutionsResponse, ScanWorkflowExecutionsRequest, ScanWorkflowExecutionsResponse,
            count_workflow_executions_response::AggregationGroup,
        },
    },
    token::{ListPageToken, Sealer},
};
use perdure_storage::{
    Store, VisibilityRow,
    search_values::{TYPE_KEY, unix_nanos},
    visibility::{AttributeKind, CountGroup, ListQuery, Value},
};
use prost::bytes::Bytes;
use tonic::Status;

use crate::{error, limits, namespaces::AuthorizedNamespace, status};
use query::Query;

/// Most groups of a count.
const GROUPS_MAX: usize = 1_000;

/// The list RPCs.
#[derive(Clone)]
pub struct Lists {
    store: Arc<dyn Store>,
    sealer: Sealer,
}

struct Page {
    executions: Vec<WorkflowExecutionInfo>,
    next_page_token: Bytes,
}

impl Lists {
    pub fn new(store: Arc<dyn Store>, sealer: Sealer) -> Self {
        Self { store, sealer }
    }

    pub(crate) async fn list(
        &self,
        namespace: &AuthorizedNamespace,
        request: &ListWorkflowExecutionsRequest,
    ) -> Result<ListWorkflowExecutionsResponse, Status> {
        let read = |now| query::read(Archetype::Workflow, &request.query, namespace, now);
        let page = self.page(namespace, read, request.page_size, &request.next_page_token).await?;
        Ok(ListWorkflowExecutionsResponse { executions: page.executions, next_page_token: page.next_page_token })
    }

    /// The same as a list: no order is promised, and this one is as cheap as none.
    pub(crate) async fn scan(
        &self,
        namespace: &AuthorizedNamespace,
        request: &ScanWorkflowExecutionsRequest,
    ) -> Result<ScanWorkflowExecutionsResponse, Status> {
        let read = |now| query::read(Archetype::Workflow, &request.query, namespace, now);
        let page = self.page(namespace, read, request.page_size, &request.next_page_token).await?;
        Ok(ScanWorkflowExecutionsResponse { executions: page.executions, next_page_token: page.next_page_token })
    }

    pub(crate) async fn count(
        &self,
        namespace: &AuthorizedNamespace,
        request: &CountWorkflowExecutionsRequest,
    ) -> Result<CountWorkflowExecutionsResponse, Status> {
        let (count, groups) = self.count_of(namespace, Archetype::Workflow, &request.query).await?;
        let groups =
            groups.into_iter().map(|(value, count)| AggregationGroup { group_values: vec![value], count }).collect();
        Ok(CountWorkflowExecutionsResponse { count, groups })
    }

    /// Workflows that are open, paused ones among them.
    pub async fn open_workflows(&self, namespace: &AuthorizedNamespace) -> Result<i64, Status> {
        Ok(self.count_of(namespace, Archetype::Workflow, "CloseTime is null").await?.0)
    }

    /// How many runs of a kind pass a filter, and how many of each group where the filter asks for groups.
    pub(crate) async fn count_of(
        &self,
        namespace: &AuthorizedNamespace,
        archetype: Archetype,
        text: &str,
    ) -> Result<(i64, Vec<(Payload, i64)>), Status> {
        let Query { filter, group_by, .. } = query::read(archetype, text, namespace, now())?;
        let query = ListQuery { namespace_id: namespace.id(), archetype, filter: Some(filter), ..ListQuery::default() };
        let Some(group_by) = group_by else {
            return Ok((self.store.count(&query).await.map_err(error::of_store)?, Vec::new()));
        };
        let groups = self.store.count_by(&query, group_by, GROUPS_MAX + 1).await.map_err(error::of_store)?;
        if groups.len() > GROUPS_MAX {
            let text = format!(
                "invalid query: operation is not supported: 'GROUP BY' clause with more than {GROUPS_MAX} groups"
            );
            return Err(status::invalid(text));
        }
        let count = groups.iter().map(|group| group.count).sum();
        Ok((count, groups.iter().map(|group| (group_value(group), group.count)).collect()))
    }

    /// INVALID_ARGUMENT for a filter that no list would take.
    pub(crate) fn check(
        &self,
        namespace: &AuthorizedNamespace,
        archetype: Archetype,
        text: &str,
    ) -> Result<(), Status> {
        query::read(archetype, text, namespace, now()).map(|_| ())
    }

    /// A page of runs of a kind that pass a filter, and the token of the next one.
    pub(crate) async fn rows_of(
        &self,
        namespace: &AuthorizedNamespace,
        archetype: Archetype,
        text: &str,
        page_size: i32,
        token: &[u8],
    ) -> Result<(Vec<VisibilityRow>, Bytes), Status> {
        let read = |now| query::read(archetype, text, namespace, now);
        self.rows(namespace, archetype, read, page_size, token).await
    }

    async fn page(
        &self,
        namespace: &AuthorizedNamespace,
        read: impl FnOnce(Nanos) -> Result<Query, Status>,
        page_size: i32,
        token: &[u8],
    ) -> Result<Page, Status> {
        let (rows, next_page_token) = self.rows(namespace, Archetype::Workflow, read, page_size, token).await?;
        let executions = rows.into_iter().map(rows::execution_info).collect::<Result<_, _>>();
        Ok(Page { executions: executions.map_err(error::of_store)?, next_page_token })
    }

    /// `read` makes the query, with the time from which it counts: that of the first page for all pages.
    async fn rows(
        &self,
        namespace: &AuthorizedNamespace,
        archetype: Archetype,
        read: impl FnOnce(Nanos) -> Result<Query, Status>,
        page_size: i32,
        token: &[u8],
    ) -> Result<(Vec<VisibilityRow>, Bytes), Status> {
        let token = match token {
            [] => None,
            token => Some(self.sealer.open::<ListPageToken>(token).map_err(|_| token::invalid())?),
        };
        let now = token.as_ref().map_or_else(now, |token| token.now);
        let Query { filter, order, .. } = read(now)?;
        let list = token::List::new(namespace, archetype, &filter, &order);
        let page_size = limits::page_size(page_size, namespace.limits().list_page);
        let query = ListQuery {
            namespace_id: namespace.id(),
            archetype,
            after: token.as_ref().map(|token| list.cursor(token, &order)).transpose()?,
            filter: Some(filter),
            order,
            // One more tells whether there is a next page.
            page_size: page_size + 1,
        };
        let as_of = token.map(|token| token.as_of);
        let mut rows = pages::read(&*self.store, &query, as_of).await.map_err(error::of_store)?;
        let more = rows.len() > page_size;
        rows.truncate(page_size);
        let next_page_token = match rows.last() {
            Some(last) if more => {
                let as_of = as_of.unwrap_or_else(|| pages::as_of(&rows, now));
                self.sealer.seal(&list.token(last, &query.order, now, as_of).map_err(error::of_store)?)
            }
            _ => Bytes::new(),
        };
        Ok((rows, next_page_token))
    }
}

fn now() -> Nanos {
    unix_nanos(&chrono::Utc::now().fixed_offset())
}

/// The group's value is a Keyword: a status' name, or a name.
fn group_value(group: &CountGroup) -> Payload {
    let name = match &group.value {
        Value::Text(text) => text.as_str(),
        Value::Int(status) => i32::try_from(*status).ok().and_then(query::status_name).unwrap_or_default(),
        Value::Double(_) | Value::Bool(_) => "",
    };
    let metadata = [("encoding", "json/plain"), (TYPE_KEY, AttributeKind::Keyword.name())];
    Payload {
        metadata: metadata
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Bytes::from_static(value.as_bytes())))
            .collect(),
        data: serde_json::Value::from(name).to_string().into(),
        ..Payload::default()
    }
}

#[cfg(test)]
mod tests;
