//! Answers of workers to workflow tasks and queries.

use std::collections::BTreeMap;

use perdure_engine::Input;
use perdure_history::nexus::system::SYSTEM_ENDPOINT;
use perdure_matching::{PollerInfo, QueryAnswer};
use perdure_proto::{
    api::{
        command::{Command, command::Attributes},
        enums::QueryResultType,
        workflowservice::{
            RespondQueryTaskCompletedRequest, RespondQueryTaskCompletedResponse, RespondWorkflowTaskCompletedRequest,
            RespondWorkflowTaskCompletedResponse, RespondWorkflowTaskFailedRequest, RespondWorkflowTaskFailedResponse,
        },
    },
    token::{QueryTaskToken, WorkflowTaskToken},
};
use tonic::Status;

use crate::{
    Frontend,
    call::Call,
    error, status, token,
    token::TaskToken,
    validate::{commands, ids, sizes, versioning},
};

impl Frontend {
    pub(crate) async fn respond_workflow_task_completed(
        &self,
        call: &Call,
        mut request: RespondWorkflowTaskCompletedRequest,
    ) -> Result<RespondWorkflowTaskCompletedResponse, Status> {
        let (namespace, token) = self.open_task_token::<WorkflowTaskToken>(&request.task_token, &request.namespace)?;
        ids::optional("Identity", &request.identity, namespace.limits())?;
        let sticky = request.sticky_attributes.as_ref().and_then(|sticky| sticky.worker_task_queue.as_ref());
        versioning::check(
            request.worker_version_stamp.as_ref(),
            request.deployment_options.as_ref(),
            sticky,
            namespace.limits(),
        )?;
        ids::no_nul("BinaryChecksum", &request.binary_checksum)?;
        if request.intermediate_page || request.page_number > 0 {
            return Err(Status::unimplemented("workflow task completions in pages are not supported"));
        }
        let (target, task) = token::workflow_task(token)?;
        if let Err(bad) = commands::check(&mut request.commands, &namespace, call.time) {
            let failed = Box::new(bad.failure(&request.identity));
            self.send(&target, Input::WorkflowTaskFailed { token: task, request: failed }).await?;
            return Err(status::invalid(bad.text()));
        }
        let deployment = versioning::deployment(request.deployment_options.as_ref());
        let endpoints = self.nexus_endpoints_of(&request.commands);
        let poller = PollerInfo {
            identity: request.identity.clone(),
            worker_version: request.worker_version_stamp.clone().filter(|stamp| !stamp.build_id.is_empty()),
            worker_instance_key: request.worker_instance_key.clone(),
            deployment,
            ..PollerInfo::default()
        };
        let responded = self.history.respond_workflow_task(target.clone(), task, request, endpoints, poller).await;
        let responded = responded.map_err(|error| error::of_call(error, &target))?;
        if let Some(text) = responded.failed {
            return Err(status::invalid(text));
        }
        let workflow_task = match responded.new_task {
            Some(task) => Some(self.workflow_task_response(&namespace, task).await?),
            None => None,
        };
        let activities = responded.activities.into_iter();
        Ok(RespondWorkflowTaskCompletedResponse {
            workflow_task,
            activity_tasks: activities.map(|task| self.activity_task_response(&namespace, task)).collect(),
            reset_history_event_id: responded.reset_history_event_id,
        })
    }

    /// Of the Nexus endpoints that the commands name, those that there are: name to id. The server's own has none.
    fn nexus_endpoints_of(&self, commands: &[Command]) -> BTreeMap<String, String> {
        let named = commands.iter().filter_map(|command| match &command.attributes {
            Some(Attributes::ScheduleNexusOperationCommandAttributes(schedule)) => Some(&schedule.endpoint),
            _ => None,
        });
        let id = |name: &String| match name.as_str() {
            SYSTEM_ENDPOINT => Some(String::new()),
            name => self.nexus_endpoints.by_name(name).map(|endpoint| endpoint.id.clone()),
        };
        named.filter_map(|name| Some((name.clone(), id(name)?))).collect()
    }

    pub(crate) async fn respond_workflow_task_failed(
        &self,
        _call: &Call,
        mut request: RespondWorkflowTaskFailedRequest,
    ) -> Result<RespondWorkflowTaskFailedResponse, Status> {
        let (namespace, token) = self.open_task_token::<WorkflowTaskToken>(&request.task_token, &request.namespace)?;
        ids::optional("Identity", &request.identity, namespace.limits())?;
        if sizes::too_large(request.failure.as_ref(), namespace.limits()) {
            request.failure = request.failure.map(sizes::replace_failure);
        }
        let (target, token) = token::workflow_task(token)?;
        self.send(&target, Input::WorkflowTaskFailed { token, request: Box::new(request) }).await?;
        Ok(RespondWorkflowTaskFailedResponse {})
    }

    pub(crate) async fn respond_query_task_completed(
        &self,
        _call: &Call,
        request: RespondQueryTaskCompletedRequest,
    ) -> Result<RespondQueryTaskCompletedResponse, Status> {
        let (namespace, token) = self.open_task_token::<QueryTaskToken>(&request.task_token, &request.namespace)?;
        let answer = match sizes::blob(request.query_result.as_ref(), namespace.limits()) {
            Ok(()) => answer(request),
            Err(status) => Some(QueryAnswer::Failed { message: status.message().to_owned(), failure: None }),
        };
        let Some(answer) = answer else {
            return Ok(RespondQueryTaskCompletedResponse {});
        };
        if !self.matching.complete_query(&token.task_id, answer) {
            return Err(status::not_found(QueryTaskToken::NOT_FOUND));
        }
        Ok(RespondQueryTaskCompletedResponse {})
    }
}

/// None for an answer of no known type, which answers nothing: the query goes on waiting, as it does on the real server.
fn answer(request: RespondQueryTaskCompletedRequest) -> Option<QueryAnswer> {
    match request.completed_type() {
        QueryResultType::Answered => Some(QueryAnswer::Answered(request.query_result)),
        QueryResultType::Failed => {
            Some(QueryAnswer::Failed { message: request.error_message, failure: request.failure.map(Box::new) })
        }
        QueryResultType::Unspecified => None,
    }
}
