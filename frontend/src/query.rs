//! QueryWorkflow.

use perdure_history::Error;
use perdure_proto::api::{
    enums::QueryRejectCondition,
    query::QueryRejected,
    workflowservice::{QueryWorkflowRequest, QueryWorkflowResponse},
};
use tonic::Status;

use crate::{
    Frontend,
    call::{Call, QUERY_TIMEOUT},
    error,
    quotas::Waiting,
    status,
    validate::{ids, sizes},
};

impl Frontend {
    pub(crate) async fn query_workflow(
        &self,
        call: &Call,
        request: QueryWorkflowRequest,
    ) -> Result<QueryWorkflowResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = ids::execution(namespace.id(), request.execution.as_ref())?;
        // A number without a meaning rejects nothing.
        let reject = QueryRejectCondition::try_from(request.query_reject_condition).unwrap_or_default();
        let query = request.query.ok_or_else(|| status::invalid("WorkflowQuery is not set on request."))?;
        ids::required("QueryType", &query.query_type, namespace.limits())?;
        sizes::blob(query.query_args.as_ref(), namespace.limits())?;
        let longest = call.timeout.unwrap_or(QUERY_TIMEOUT);
        let _seat = self.quotas.wait(&namespace, Waiting::Query)?;
        match self.history.query(target.clone(), query, reject, call.deadline(longest)).await {
            Ok(outcome) => Ok(QueryWorkflowResponse { query_result: outcome.result, ..Default::default() }),
            Err(Error::QueryRejected(status)) => {
                let rejected = QueryRejected { status: status.into() };
                Ok(QueryWorkflowResponse { query_rejected: Some(rejected), ..Default::default() })
            }
            Err(Error::Timeout) => Err(Status::deadline_exceeded("query timed out before a worker could process it")),
            Err(error) => Err(error::of_call(error, &target)),
        }
    }
}
