//! The methods of the API that commands call: one line for each. The line names a generated client method, so a method
//! and its messages cannot be mixed up.

use std::future::Future;

use bytes::Bytes;
use perdure_proto::api::{
    operatorservice::{self, operator_service_client::OperatorServiceClient},
    workflowservice::{self, workflow_service_client::WorkflowServiceClient},
};
use prost::Message;
use tonic::{Request, Response, Status, transport::Channel};

/// A request, with the method that takes it.
pub trait Call: Message + Default + Sized {
    type Answer: Message + Default;
    /// The request's name, which is the method's and `Request`.
    const REQUEST: &'static str;
    /// The answer's name in protobuf, for its JSON.
    const ANSWER: &'static str;

    fn send(
        request: Request<Self>,
        channel: Channel,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;

    fn method() -> &'static str {
        Self::REQUEST.trim_end_matches("Request")
    }
}

/// A list that comes in pages.
pub(crate) trait Paged: Call + Clone {
    /// The list's name in the JSON of the answer.
    const ITEMS: &'static str;

    fn start_at(&mut self, token: Bytes);
    fn next(answer: &Self::Answer) -> &Bytes;
}

/// Histories are long; what the server sends is not the client's to refuse.
const ANSWER_BYTES: usize = 256 * 1024 * 1024;

macro_rules! calls {
    ($package:ident, $client:ident: $($method:ident($request:ident) -> $answer:ident,)+) => {$(
        impl Call for $package::$request {
            type Answer = $package::$answer;
            const REQUEST: &'static str = stringify!($request);
            const ANSWER: &'static str =
                concat!("temporal.api.", stringify!($package), ".v1.", stringify!($answer));

            async fn send(request: Request<Self>, channel: Channel) -> Result<Response<Self::Answer>, Status> {
                $client::new(channel).max_decoding_message_size(ANSWER_BYTES).$method(request).await
            }
        }
    )+};
}

macro_rules! paged {
    ($($package:ident::$request:ident, $items:literal;)+) => {$(
        impl Paged for $package::$request {
            const ITEMS: &'static str = $items;

            fn start_at(&mut self, token: Bytes) {
                self.next_page_token = token;
            }

            fn next(answer: &Self::Answer) -> &Bytes {
                &answer.next_page_token
            }
        }
    )+};
}

calls! { workflowservice, WorkflowServiceClient:
    start_workflow_execution(StartWorkflowExecutionRequest) -> StartWorkflowExecutionResponse,
    signal_with_start_workflow_execution(SignalWithStartWorkflowExecutionRequest) -> SignalWithStartWorkflowExecutionResponse,
    execute_multi_operation(ExecuteMultiOperationRequest) -> ExecuteMultiOperationResponse,
    signal_workflow_execution(SignalWorkflowExecutionRequest) -> SignalWorkflowExecutionResponse,
    query_workflow(QueryWorkflowRequest) -> QueryWorkflowResponse,
    update_workflow_execution(UpdateWorkflowExecutionRequest) -> UpdateWorkflowExecutionResponse,
    poll_workflow_execution_update(PollWorkflowExecutionUpdateRequest) -> PollWorkflowExecutionUpdateResponse,
    request_cancel_workflow_execution(RequestCancelWorkflowExecutionRequest) -> RequestCancelWorkflowExecutionResponse,
    terminate_workflow_execution(TerminateWorkflowExecutionRequest) -> TerminateWorkflowExecutionResponse,
    delete_workflow_execution(DeleteWorkflowExecutionRequest) -> DeleteWorkflowExecutionResponse,
    reset_workflow_execution(ResetWorkflowExecutionRequest) -> ResetWorkflowExecutionResponse,
    pause_workflow_execution(PauseWorkflowExecutionRequest) -> PauseWorkflowExecutionResponse,
    unpause_workflow_execution(UnpauseWorkflowExecutionRequest) -> UnpauseWorkflowExecutionResponse,
    update_workflow_execution_options(UpdateWorkflowExecutionOptionsRequest) -> UpdateWorkflowExecutionOptionsResponse,
    describe_workflow_execution(DescribeWorkflowExecutionRequest) -> DescribeWorkflowExecutionResponse,
    get_workflow_execution_history(GetWorkflowExecutionHistoryRequest) -> GetWorkflowExecutionHistoryResponse,
    get_workflow_execution_history_reverse(GetWorkflowExecutionHistoryReverseRequest) -> GetWorkflowExecutionHistoryReverseResponse,
    list_workflow_executions(ListWorkflowExecutionsRequest) -> ListWorkflowExecutionsResponse,
    list_archived_workflow_executions(ListArchivedWorkflowExecutionsRequest) -> ListArchivedWorkflowExecutionsResponse,
    count_workflow_executions(CountWorkflowExecutionsRequest) -> CountWorkflowExecutionsResponse,
    start_activity_execution(StartActivityExecutionRequest) -> StartActivityExecutionResponse,
    describe_activity_execution(DescribeActivityExecutionRequest) -> DescribeActivityExecutionResponse,
    poll_activity_execution(PollActivityExecutionRequest) -> PollActivityExecutionResponse,
    list_activity_executions(ListActivityExecutionsRequest) -> ListActivityExecutionsResponse,
    count_activity_executions(CountActivityExecutionsRequest) -> CountActivityExecutionsResponse,
    request_cancel_activity_execution(RequestCancelActivityExecutionRequest) -> RequestCancelActivityExecutionResponse,
    terminate_activity_execution(TerminateActivityExecutionRequest) -> TerminateActivityExecutionResponse,
    delete_activity_execution(DeleteActivityExecutionRequest) -> DeleteActivityExecutionResponse,
    pause_activity_execution(PauseActivityExecutionRequest) -> PauseActivityExecutionResponse,
    unpause_activity_execution(UnpauseActivityExecutionRequest) -> UnpauseActivityExecutionResponse,
    reset_activity_execution(ResetActivityExecutionRequest) -> ResetActivityExecutionResponse,
    update_activity_execution_options(UpdateActivityExecutionOptionsRequest) -> UpdateActivityExecutionOptionsResponse,
    respond_activity_task_completed_by_id(RespondActivityTaskCompletedByIdRequest) -> RespondActivityTaskCompletedByIdResponse,
    respond_activity_task_failed_by_id(RespondActivityTaskFailedByIdRequest) -> RespondActivityTaskFailedByIdResponse,
    create_schedule(CreateScheduleRequest) -> CreateScheduleResponse,
    describe_schedule(DescribeScheduleRequest) -> DescribeScheduleResponse,
    update_schedule(UpdateScheduleRequest) -> UpdateScheduleResponse,
    patch_schedule(PatchScheduleRequest) -> PatchScheduleResponse,
    delete_schedule(DeleteScheduleRequest) -> DeleteScheduleResponse,
    list_schedules(ListSchedulesRequest) -> ListSchedulesResponse,
    list_schedule_matching_times(ListScheduleMatchingTimesRequest) -> ListScheduleMatchingTimesResponse,
    start_batch_operation(StartBatchOperationRequest) -> StartBatchOperationResponse,
    stop_batch_operation(StopBatchOperationRequest) -> StopBatchOperationResponse,
    describe_batch_operation(DescribeBatchOperationRequest) -> DescribeBatchOperationResponse,
    list_batch_operations(ListBatchOperationsRequest) -> ListBatchOperationsResponse,
    describe_task_queue(DescribeTaskQueueRequest) -> DescribeTaskQueueResponse,
    list_task_queue_partitions(ListTaskQueuePartitionsRequest) -> ListTaskQueuePartitionsResponse,
    update_task_queue_config(UpdateTaskQueueConfigRequest) -> UpdateTaskQueueConfigResponse,
    list_workers(ListWorkersRequest) -> ListWorkersResponse,
    count_workers(CountWorkersRequest) -> CountWorkersResponse,
    describe_worker(DescribeWorkerRequest) -> DescribeWorkerResponse,
    list_worker_deployments(ListWorkerDeploymentsRequest) -> ListWorkerDeploymentsResponse,
    create_worker_deployment(CreateWorkerDeploymentRequest) -> CreateWorkerDeploymentResponse,
    describe_worker_deployment(DescribeWorkerDeploymentRequest) -> DescribeWorkerDeploymentResponse,
    delete_worker_deployment(DeleteWorkerDeploymentRequest) -> DeleteWorkerDeploymentResponse,
    create_worker_deployment_version(CreateWorkerDeploymentVersionRequest) -> CreateWorkerDeploymentVersionResponse,
    describe_worker_deployment_version(DescribeWorkerDeploymentVersionRequest) -> DescribeWorkerDeploymentVersionResponse,
    delete_worker_deployment_version(DeleteWorkerDeploymentVersionRequest) -> DeleteWorkerDeploymentVersionResponse,
    set_worker_deployment_current_version(SetWorkerDeploymentCurrentVersionRequest) -> SetWorkerDeploymentCurrentVersionResponse,
    set_worker_deployment_ramping_version(SetWorkerDeploymentRampingVersionRequest) -> SetWorkerDeploymentRampingVersionResponse,
    set_worker_deployment_manager(SetWorkerDeploymentManagerRequest) -> SetWorkerDeploymentManagerResponse,
    update_worker_deployment_version_metadata(UpdateWorkerDeploymentVersionMetadataRequest) -> UpdateWorkerDeploymentVersionMetadataResponse,
    start_nexus_operation_execution(StartNexusOperationExecutionRequest) -> StartNexusOperationExecutionResponse,
    describe_nexus_operation_execution(DescribeNexusOperationExecutionRequest) -> DescribeNexusOperationExecutionResponse,
    poll_nexus_operation_execution(PollNexusOperationExecutionRequest) -> PollNexusOperationExecutionResponse,
    list_nexus_operation_executions(ListNexusOperationExecutionsRequest) -> ListNexusOperationExecutionsResponse,
    count_nexus_operation_executions(CountNexusOperationExecutionsRequest) -> CountNexusOperationExecutionsResponse,
    request_cancel_nexus_operation_execution(RequestCancelNexusOperationExecutionRequest) -> RequestCancelNexusOperationExecutionResponse,
    terminate_nexus_operation_execution(TerminateNexusOperationExecutionRequest) -> TerminateNexusOperationExecutionResponse,
    register_namespace(RegisterNamespaceRequest) -> RegisterNamespaceResponse,
    describe_namespace(DescribeNamespaceRequest) -> DescribeNamespaceResponse,
    update_namespace(UpdateNamespaceRequest) -> UpdateNamespaceResponse,
    list_namespaces(ListNamespacesRequest) -> ListNamespacesResponse,
    get_cluster_info(GetClusterInfoRequest) -> GetClusterInfoResponse,
    get_system_info(GetSystemInfoRequest) -> GetSystemInfoResponse,
}

calls! { operatorservice, OperatorServiceClient:
    delete_namespace(DeleteNamespaceRequest) -> DeleteNamespaceResponse,
    add_search_attributes(AddSearchAttributesRequest) -> AddSearchAttributesResponse,
    remove_search_attributes(RemoveSearchAttributesRequest) -> RemoveSearchAttributesResponse,
    list_search_attributes(ListSearchAttributesRequest) -> ListSearchAttributesResponse,
    list_clusters(ListClustersRequest) -> ListClustersResponse,
    create_nexus_endpoint(CreateNexusEndpointRequest) -> CreateNexusEndpointResponse,
    update_nexus_endpoint(UpdateNexusEndpointRequest) -> UpdateNexusEndpointResponse,
    delete_nexus_endpoint(DeleteNexusEndpointRequest) -> DeleteNexusEndpointResponse,
    list_nexus_endpoints(ListNexusEndpointsRequest) -> ListNexusEndpointsResponse,
}

paged! {
    workflowservice::ListWorkflowExecutionsRequest, "executions";
    workflowservice::ListArchivedWorkflowExecutionsRequest, "executions";
    workflowservice::ListActivityExecutionsRequest, "executions";
    workflowservice::ListNexusOperationExecutionsRequest, "operations";
    workflowservice::ListSchedulesRequest, "schedules";
    workflowservice::ListBatchOperationsRequest, "operationInfo";
    workflowservice::ListWorkersRequest, "workers";
    workflowservice::ListWorkerDeploymentsRequest, "workerDeployments";
    workflowservice::ListNamespacesRequest, "namespaces";
    operatorservice::ListClustersRequest, "clusters";
    operatorservice::ListNexusEndpointsRequest, "endpoints";
}
