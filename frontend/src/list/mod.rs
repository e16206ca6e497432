//! Lists and counts of workflow executions.
//!
//! A page token is the position of the last row shown, sealed and bound to its namespace and query: rows that come or go
//! between two pages neither shift nor repeat the others.

pub(crate) mod query;
mod recent;
mod rows;

use std::sync::Arc;

use perdure_engine::Archetype;
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
    search_values::TYPE_KEY,
    visibility::{AttributeKind, CountGroup, Filter, ListQuery, Position},
};
use prost::bytes::Bytes;
use tonic::Status;
use uuid::Uuid;

use crate::{error, namespaces::AuthorizedNamespace, status};

/// Longest page; also the one of callers that ask for none, as in Temporal.
const PAGE_SIZE_MAX: usize = 1_000;

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
        let filter = query::read(&request.query, namespace)?.filter;
        let page = self.page(namespace, filter, request.page_size, &request.next_page_token).await?;
        Ok(ListWorkflowExecutionsResponse { executions: page.executions, next_page_token: page.next_page_token })
    }

    /// The same as a list: no order is promised, and this one is as cheap as none.
    pub(crate) async fn scan(
        &self,
        namespace: &AuthorizedNamespace,
        request: &ScanWorkflowExecutionsRequest,
    ) -> Result<ScanWorkflowExecutionsResponse, Status> {
        let filter = query::read(&request.query, namespace)?.filter;
        let page = self.page(namespace, filter, request.page_size, &request.next_page_token).await?;
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

    /// How many runs of a kind pass a filter, and how many of each status where the filter asks for groups.
    pub(crate) async fn count_of(
        &self,
        namespace: &AuthorizedNamespace,
        archetype: Archetype,
        text: &str,
    ) -> Result<(i64, Vec<(Payload, i64)>), Status> {
        let query::Query { filter, group_by_status } = query::read_of(archetype, text, namespace)?;
        let query = ListQuery { namespace_id: namespace.id(), archetype, filter: Some(filter), ..ListQuery::default() };
        if !group_by_status {
            return Ok((self.store.count(&query).await.map_err(error::of_store)?, Vec::new()));
        }
        let groups = self.store.count_by_status(&query).await.map_err(error::of_store)?;
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
        query::read_of(archetype, text, namespace).map(|_| ())
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
        let filter = query::read_of(archetype, text, namespace)?.filter;
        self.rows(namespace, archetype, filter, page_size, token).await
    }

    async fn page(
        &self,
        namespace: &AuthorizedNamespace,
        filter: Filter,
        page_size: i32,
        token: &[u8],
    ) -> Result<Page, Status> {
        let (rows, next_page_token) = self.rows(namespace, Archetype::Workflow, filter, page_size, token).await?;
        let executions = rows.into_iter().map(rows::execution_info).collect::<Result<_, _>>();
        Ok(Page { executions: executions.map_err(error::of_store)?, next_page_token })
    }

    async fn rows(
        &self,
        namespace: &AuthorizedNamespace,
        archetype: Archetype,
        filter: Filter,
        page_size: i32,
        token: &[u8],
    ) -> Result<(Vec<VisibilityRow>, Bytes), Status> {
        let query_hash = hash(archetype, &filter);
        let page_size = usize::try_from(page_size).ok().filter(|size| (1..=PAGE_SIZE_MAX).contains(size));
        let page_size = page_size.unwrap_or(PAGE_SIZE_MAX);
        let query = ListQuery {
            namespace_id: namespace.id(),
            archetype,
            filter: Some(filter),
            after: self.position(namespace, &query_hash, token)?,
            // One more tells whether there is a next page.
            page_size: page_size + 1,
        };
        let mut rows = self.store.list(&query).await.map_err(error::of_store)?;
        let more = rows.len() > page_size;
        rows.truncate(page_size);
        let next_page_token = match rows.last() {
            Some(row) if more => self.sealer.seal(&ListPageToken {
                namespace_id: namespace.id().into_bytes().to_vec().into(),
                query_hash,
                close_time: row.close_time.unwrap_or(i64::MAX),
                start_time: row.start_time,
                run_id: row.run_id.into_bytes().to_vec().into(),
                after: String::new(),
            }),
            _ => Bytes::new(),
        };
        Ok((rows, next_page_token))
    }

    fn position(
        &self,
        namespace: &AuthorizedNamespace,
        query_hash: &[u8],
        token: &[u8],
    ) -> Result<Option<Position>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let invalid = || status::invalid("Invalid NextPageToken.");
        let token: ListPageToken = self.sealer.open(token).map_err(|_| invalid())?;
        if token.namespace_id != namespace.id().as_bytes()[..] || token.query_hash != query_hash {
            return Err(invalid());
        }
        let run_id = Uuid::from_slice(&token.run_id).map_err(|_| invalid())?;
        Ok(Some(Position { close_time: token.close_time, start_time: token.start_time, run_id }))
    }
}

/// Two spellings of one filter may continue each other's list: what counts is what is asked.
fn hash(archetype: Archetype, filter: &Filter) -> Bytes {
    blake3::hash(format!("{archetype:?} {filter:?}").as_bytes()).as_bytes()[..16].to_vec().into()
}

/// The group's value is a Keyword: the status' name.
fn group_value(group: &CountGroup) -> Payload {
    let name = query::status_name(group.status).unwrap_or_default();
    let metadata = [("encoding", "json/plain"), (TYPE_KEY, AttributeKind::Keyword.name())];
    Payload {
        metadata: metadata
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Bytes::from_static(value.as_bytes())))
            .collect(),
        data: format!("{name:?}").into(),
        ..Payload::default()
    }
}

#[cfg(test)]
mod tests;
