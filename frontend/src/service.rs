//! The RPCs of `WorkflowService` and who serves each. A method that is not listed answers UNIMPLEMENTED, from one place:
//! the generated trait.

use perdure_metrics::position;
use perdure_proto::api::workflowservice::{self as api, workflow_service_server::WorkflowService};
use tonic::{Request, Response, Status, metadata::MetadataMap};

use crate::{Frontend, admin, call::Call, deployments};

/// Each line: the method with its types, and the function that serves it; `all` where the call is not for one namespace.
macro_rules! serve {
    ($($method:ident($request:ident) -> $response:ident: $handler:path $(, $all:ident)?;)*) => {
        /// In the order of the metrics' handles.
        pub(crate) const METHODS: [&str; [$(stringify!($method)),*].len()] = [$(stringify!($method)),*];

        #[tonic::async_trait]
        impl WorkflowService for Frontend {
            $(async fn $method(&self, request: Request<api::$request>) -> Result<Response<api::$response>, Status> {
                const AT: usize = position(&METHODS, stringify!($method));
                let running = self.requests.begin(AT, namespace!(request $($all)?), &self.namespaces);
                let answer = match self.take_up(request.metadata()) {
                    Ok(call) => $handler(self, &call, request.into_inner()).await.map(Response::new),
                    Err(refused) => Err(refused),
                };
                running.end(&answer);
                answer
            })*
        }
    };
}

impl Frontend {
    fn take_up(&self, metadata: &MetadataMap) -> Result<Call, Status> {
        self.quotas.call()?;
        Call::new(metadata)
    }
}

macro_rules! namespace {
    ($request:ident) => {
        $request.get_ref().namespace.as_str()
    };
    ($request:ident all) => {
        ""
    };
}

serve! {
    // Runs.
    start_workflow_execution(StartWorkflowExecutionRequest) -> StartWorkflowExecutionResponse: Frontend::start_workflow;
    signal_with_start_workflow_execution(SignalWithStartWorkflowExecutionRequest) -> SignalWithStartWorkflowExecutionResponse: Frontend::signal_with_start;
    signal_workflow_execution(SignalWorkflowExecutionRequest) -> SignalWorkflowExecutionResponse: Frontend::signal_workflow;
    request_cancel_workflow_execution(RequestCancelWorkflowExecutionRequest) -> RequestCancelWorkflowExecutionResponse: Frontend::request_cancel;
    delete_workflow_execution(DeleteWorkflowExecutionRequest) -> DeleteWorkflowExecutionResponse: Frontend::delete_workflow;
    terminate_workflow_execution(TerminateWorkflowExecutionRequest) -> TerminateWorkflowExecutionResponse: Frontend::terminate_workflow;
    pause_workflow_execution(PauseWorkflowExecutionRequest) -> PauseWorkflowExecutionResponse: Frontend::pause_workflow;
    update_workflow_execution_options(UpdateWorkflowExecutionOptionsRequest) -> UpdateWorkflowExecutionOptionsResponse: Frontend::update_workflow_options;
    unpause_workflow_execution(UnpauseWorkflowExecutionRequest) -> UnpauseWorkflowExecutionResponse: Frontend::unpause_workflow;
    reset_workflow_execution(ResetWorkflowExecutionRequest) -> ResetWorkflowExecutionResponse: Frontend::reset_workflow;
    describe_workflow_execution(DescribeWorkflowExecutionRequest) -> DescribeWorkflowExecutionResponse: Frontend::describe_workflow;
    get_workflow_execution_history(GetWorkflowExecutionHistoryRequest) -> GetWorkflowExecutionHistoryResponse: Frontend::get_history;
    get_workflow_execution_history_reverse(GetWorkflowExecutionHistoryReverseRequest) -> GetWorkflowExecutionHistoryReverseResponse: Frontend::get_history_reverse;
    execute_multi_operation(ExecuteMultiOperationRequest) -> ExecuteMultiOperationResponse: Frontend::execute_multi_operation;
    query_workflow(QueryWorkflowRequest) -> QueryWorkflowResponse: Frontend::query_workflow;
    update_workflow_execution(UpdateWorkflowExecutionRequest) -> UpdateWorkflowExecutionResponse: Frontend::update_workflow;
    poll_workflow_execution_time_skipping(PollWorkflowExecutionTimeSkippingRequest) -> PollWorkflowExecutionTimeSkippingResponse: Frontend::poll_time_skipping;
    poll_workflow_execution_update(PollWorkflowExecutionUpdateRequest) -> PollWorkflowExecutionUpdateResponse: Frontend::poll_update;

    // Workers.
    poll_workflow_task_queue(PollWorkflowTaskQueueRequest) -> PollWorkflowTaskQueueResponse: Frontend::poll_workflow_task_queue;
    poll_activity_task_queue(PollActivityTaskQueueRequest) -> PollActivityTaskQueueResponse: Frontend::poll_activity_task_queue;
    poll_nexus_task_queue(PollNexusTaskQueueRequest) -> PollNexusTaskQueueResponse: Frontend::poll_nexus_task_queue;
    respond_workflow_task_completed(RespondWorkflowTaskCompletedRequest) -> RespondWorkflowTaskCompletedResponse: Frontend::respond_workflow_task_completed;
    respond_workflow_task_failed(RespondWorkflowTaskFailedRequest) -> RespondWorkflowTaskFailedResponse: Frontend::respond_workflow_task_failed;
    respond_nexus_task_completed(RespondNexusTaskCompletedRequest) -> RespondNexusTaskCompletedResponse: Frontend::respond_nexus_task_completed;
    respond_nexus_task_failed(RespondNexusTaskFailedRequest) -> RespondNexusTaskFailedResponse: Frontend::respond_nexus_task_failed;
    respond_query_task_completed(RespondQueryTaskCompletedRequest) -> RespondQueryTaskCompletedResponse: Frontend::respond_query_task_completed;
    respond_activity_task_completed(RespondActivityTaskCompletedRequest) -> RespondActivityTaskCompletedResponse: Frontend::respond_activity_task_completed;
    respond_activity_task_completed_by_id(RespondActivityTaskCompletedByIdRequest) -> RespondActivityTaskCompletedByIdResponse: Frontend::respond_activity_task_completed_by_id;
    respond_activity_task_failed(RespondActivityTaskFailedRequest) -> RespondActivityTaskFailedResponse: Frontend::respond_activity_task_failed;
    respond_activity_task_failed_by_id(RespondActivityTaskFailedByIdRequest) -> RespondActivityTaskFailedByIdResponse: Frontend::respond_activity_task_failed_by_id;
    respond_activity_task_canceled(RespondActivityTaskCanceledRequest) -> RespondActivityTaskCanceledResponse: Frontend::respond_activity_task_canceled;
    respond_activity_task_canceled_by_id(RespondActivityTaskCanceledByIdRequest) -> RespondActivityTaskCanceledByIdResponse: Frontend::respond_activity_task_canceled_by_id;
    record_activity_task_heartbeat(RecordActivityTaskHeartbeatRequest) -> RecordActivityTaskHeartbeatResponse: Frontend::record_activity_task_heartbeat;
    record_activity_task_heartbeat_by_id(RecordActivityTaskHeartbeatByIdRequest) -> RecordActivityTaskHeartbeatByIdResponse: Frontend::record_activity_task_heartbeat_by_id;
    shutdown_worker(ShutdownWorkerRequest) -> ShutdownWorkerResponse: Frontend::shutdown_worker;
    record_worker_heartbeat(RecordWorkerHeartbeatRequest) -> RecordWorkerHeartbeatResponse: Frontend::record_worker_heartbeat;
    list_workers(ListWorkersRequest) -> ListWorkersResponse: Frontend::list_workers;
    count_workers(CountWorkersRequest) -> CountWorkersResponse: Frontend::count_workers;
    describe_worker(DescribeWorkerRequest) -> DescribeWorkerResponse: Frontend::describe_worker;
    reset_sticky_task_queue(ResetStickyTaskQueueRequest) -> ResetStickyTaskQueueResponse: Frontend::reset_sticky_task_queue;

    // Operators of activities: by the workflow's activities, and the newer calls by execution.
    pause_activity(PauseActivityRequest) -> PauseActivityResponse: Frontend::pause_activity;
    unpause_activity(UnpauseActivityRequest) -> UnpauseActivityResponse: Frontend::unpause_activity;
    reset_activity(ResetActivityRequest) -> ResetActivityResponse: Frontend::reset_activity;
    update_activity_options(UpdateActivityOptionsRequest) -> UpdateActivityOptionsResponse: Frontend::update_activity_options;
    pause_activity_execution(PauseActivityExecutionRequest) -> PauseActivityExecutionResponse: Frontend::pause_activity_execution;
    unpause_activity_execution(UnpauseActivityExecutionRequest) -> UnpauseActivityExecutionResponse: Frontend::unpause_activity_execution;
    reset_activity_execution(ResetActivityExecutionRequest) -> ResetActivityExecutionResponse: Frontend::reset_activity_execution;
    update_activity_execution_options(UpdateActivityExecutionOptionsRequest) -> UpdateActivityExecutionOptionsResponse: Frontend::update_activity_execution_options;

    // Activities of their own.
    start_activity_execution(StartActivityExecutionRequest) -> StartActivityExecutionResponse: Frontend::start_activity;
    describe_activity_execution(DescribeActivityExecutionRequest) -> DescribeActivityExecutionResponse: Frontend::describe_activity;
    poll_activity_execution(PollActivityExecutionRequest) -> PollActivityExecutionResponse: Frontend::poll_activity;
    list_activity_executions(ListActivityExecutionsRequest) -> ListActivityExecutionsResponse: Frontend::list_activities;
    count_activity_executions(CountActivityExecutionsRequest) -> CountActivityExecutionsResponse: Frontend::count_activities;
    request_cancel_activity_execution(RequestCancelActivityExecutionRequest) -> RequestCancelActivityExecutionResponse: Frontend::request_cancel_activity;
    terminate_activity_execution(TerminateActivityExecutionRequest) -> TerminateActivityExecutionResponse: Frontend::terminate_activity;
    delete_activity_execution(DeleteActivityExecutionRequest) -> DeleteActivityExecutionResponse: Frontend::delete_activity;

    // Nexus operations of their own.
    start_nexus_operation_execution(StartNexusOperationExecutionRequest) -> StartNexusOperationExecutionResponse: Frontend::start_nexus_operation;
    describe_nexus_operation_execution(DescribeNexusOperationExecutionRequest) -> DescribeNexusOperationExecutionResponse: Frontend::describe_nexus_operation;
    poll_nexus_operation_execution(PollNexusOperationExecutionRequest) -> PollNexusOperationExecutionResponse: Frontend::poll_nexus_operation;
    list_nexus_operation_executions(ListNexusOperationExecutionsRequest) -> ListNexusOperationExecutionsResponse: Frontend::list_nexus_operations;
    count_nexus_operation_executions(CountNexusOperationExecutionsRequest) -> CountNexusOperationExecutionsResponse: Frontend::count_nexus_operations;
    request_cancel_nexus_operation_execution(RequestCancelNexusOperationExecutionRequest) -> RequestCancelNexusOperationExecutionResponse: Frontend::request_cancel_nexus_operation;
    terminate_nexus_operation_execution(TerminateNexusOperationExecutionRequest) -> TerminateNexusOperationExecutionResponse: Frontend::terminate_nexus_operation;
    delete_nexus_operation_execution(DeleteNexusOperationExecutionRequest) -> DeleteNexusOperationExecutionResponse: Frontend::delete_nexus_operation;

    // Task queues.
    describe_task_queue(DescribeTaskQueueRequest) -> DescribeTaskQueueResponse: Frontend::describe_task_queue;
    update_task_queue_config(UpdateTaskQueueConfigRequest) -> UpdateTaskQueueConfigResponse: Frontend::update_task_queue_config;
    list_task_queue_partitions(ListTaskQueuePartitionsRequest) -> ListTaskQueuePartitionsResponse: Frontend::list_task_queue_partitions;

    // Worker deployments.
    describe_worker_deployment(DescribeWorkerDeploymentRequest) -> DescribeWorkerDeploymentResponse: Frontend::describe_deployment;
    describe_worker_deployment_version(DescribeWorkerDeploymentVersionRequest) -> DescribeWorkerDeploymentVersionResponse: Frontend::describe_deployment_version;
    list_worker_deployments(ListWorkerDeploymentsRequest) -> ListWorkerDeploymentsResponse: Frontend::list_worker_deployments;
    set_worker_deployment_current_version(SetWorkerDeploymentCurrentVersionRequest) -> SetWorkerDeploymentCurrentVersionResponse: Frontend::set_current_version;
    set_worker_deployment_ramping_version(SetWorkerDeploymentRampingVersionRequest) -> SetWorkerDeploymentRampingVersionResponse: Frontend::set_ramping_version;
    set_worker_deployment_manager(SetWorkerDeploymentManagerRequest) -> SetWorkerDeploymentManagerResponse: Frontend::set_deployment_manager;
    update_worker_deployment_version_metadata(UpdateWorkerDeploymentVersionMetadataRequest) -> UpdateWorkerDeploymentVersionMetadataResponse: Frontend::update_version_metadata;
    create_worker_deployment(CreateWorkerDeploymentRequest) -> CreateWorkerDeploymentResponse: Frontend::create_deployment;
    create_worker_deployment_version(CreateWorkerDeploymentVersionRequest) -> CreateWorkerDeploymentVersionResponse: Frontend::create_deployment_version;
    delete_worker_deployment(DeleteWorkerDeploymentRequest) -> DeleteWorkerDeploymentResponse: Frontend::delete_deployment;
    delete_worker_deployment_version(DeleteWorkerDeploymentVersionRequest) -> DeleteWorkerDeploymentVersionResponse: Frontend::delete_deployment_version;
    update_worker_deployment_version_compute_config(UpdateWorkerDeploymentVersionComputeConfigRequest) -> UpdateWorkerDeploymentVersionComputeConfigResponse: Frontend::update_compute_config;
    validate_worker_deployment_version_compute_config(ValidateWorkerDeploymentVersionComputeConfigRequest) -> ValidateWorkerDeploymentVersionComputeConfigResponse: Frontend::validate_compute_config;

    // Schedules.
    create_schedule(CreateScheduleRequest) -> CreateScheduleResponse: Frontend::create_schedule;
    describe_schedule(DescribeScheduleRequest) -> DescribeScheduleResponse: Frontend::describe_schedule;
    update_schedule(UpdateScheduleRequest) -> UpdateScheduleResponse: Frontend::update_schedule;
    patch_schedule(PatchScheduleRequest) -> PatchScheduleResponse: Frontend::patch_schedule;
    delete_schedule(DeleteScheduleRequest) -> DeleteScheduleResponse: Frontend::delete_schedule;
    list_schedule_matching_times(ListScheduleMatchingTimesRequest) -> ListScheduleMatchingTimesResponse: Frontend::list_schedule_matching_times;
    list_schedules(ListSchedulesRequest) -> ListSchedulesResponse: Frontend::list_schedules;
    count_schedules(CountSchedulesRequest) -> CountSchedulesResponse: Frontend::count_schedules;

    // Batch operations.
    start_batch_operation(StartBatchOperationRequest) -> StartBatchOperationResponse: Frontend::start_batch;
    stop_batch_operation(StopBatchOperationRequest) -> StopBatchOperationResponse: Frontend::stop_batch;
    describe_batch_operation(DescribeBatchOperationRequest) -> DescribeBatchOperationResponse: Frontend::describe_batch;
    list_batch_operations(ListBatchOperationsRequest) -> ListBatchOperationsResponse: Frontend::list_batches;

    // Namespaces and the cluster.
    register_namespace(RegisterNamespaceRequest) -> RegisterNamespaceResponse: Frontend::register_namespace;
    describe_namespace(DescribeNamespaceRequest) -> DescribeNamespaceResponse: Frontend::describe_namespace;
    list_namespaces(ListNamespacesRequest) -> ListNamespacesResponse: Frontend::list_namespaces, all;
    update_namespace(UpdateNamespaceRequest) -> UpdateNamespaceResponse: Frontend::update_namespace;
    deprecate_namespace(DeprecateNamespaceRequest) -> DeprecateNamespaceResponse: Frontend::deprecate_namespace;
    get_system_info(GetSystemInfoRequest) -> GetSystemInfoResponse: Frontend::get_system_info, all;
    get_cluster_info(GetClusterInfoRequest) -> GetClusterInfoResponse: Frontend::get_cluster_info, all;
    get_search_attributes(GetSearchAttributesRequest) -> GetSearchAttributesResponse: Frontend::get_search_attributes, all;

    // Lists.
    list_workflow_executions(ListWorkflowExecutionsRequest) -> ListWorkflowExecutionsResponse: Frontend::list_workflows;
    scan_workflow_executions(ScanWorkflowExecutionsRequest) -> ScanWorkflowExecutionsResponse: Frontend::scan_workflows;
    count_workflow_executions(CountWorkflowExecutionsRequest) -> CountWorkflowExecutionsResponse: Frontend::count_workflows;
    list_open_workflow_executions(ListOpenWorkflowExecutionsRequest) -> ListOpenWorkflowExecutionsResponse: Frontend::list_open_workflows;
    list_archived_workflow_executions(ListArchivedWorkflowExecutionsRequest) -> ListArchivedWorkflowExecutionsResponse: admin::no_archive;
    list_closed_workflow_executions(ListClosedWorkflowExecutionsRequest) -> ListClosedWorkflowExecutionsResponse: Frontend::list_closed_workflows;

    // Not built.
    create_workflow_rule(CreateWorkflowRuleRequest) -> CreateWorkflowRuleResponse: admin::no_workflow_rules;
    describe_workflow_rule(DescribeWorkflowRuleRequest) -> DescribeWorkflowRuleResponse: admin::no_workflow_rules;
    delete_workflow_rule(DeleteWorkflowRuleRequest) -> DeleteWorkflowRuleResponse: admin::no_workflow_rules;
    list_workflow_rules(ListWorkflowRulesRequest) -> ListWorkflowRulesResponse: admin::no_workflow_rules;
    trigger_workflow_rule(TriggerWorkflowRuleRequest) -> TriggerWorkflowRuleResponse: admin::no_workflow_rules;
    fetch_worker_config(FetchWorkerConfigRequest) -> FetchWorkerConfigResponse: admin::no_worker_config;
    update_worker_config(UpdateWorkerConfigRequest) -> UpdateWorkerConfigResponse: admin::no_worker_config;

    // Out of service.
    describe_deployment(DescribeDeploymentRequest) -> DescribeDeploymentResponse: admin::deployments_are_gone;
    list_deployments(ListDeploymentsRequest) -> ListDeploymentsResponse: admin::deployments_are_gone;
    get_deployment_reachability(GetDeploymentReachabilityRequest) -> GetDeploymentReachabilityResponse: admin::deployments_are_gone;
    get_current_deployment(GetCurrentDeploymentRequest) -> GetCurrentDeploymentResponse: admin::deployments_are_gone;
    set_current_deployment(SetCurrentDeploymentRequest) -> SetCurrentDeploymentResponse: admin::deployments_are_gone;
    update_worker_build_id_compatibility(UpdateWorkerBuildIdCompatibilityRequest) -> UpdateWorkerBuildIdCompatibilityResponse: deployments::sets_are_disabled;
    get_worker_build_id_compatibility(GetWorkerBuildIdCompatibilityRequest) -> GetWorkerBuildIdCompatibilityResponse: deployments::sets_are_disabled;
    update_worker_versioning_rules(UpdateWorkerVersioningRulesRequest) -> UpdateWorkerVersioningRulesResponse: deployments::rules_are_disabled;
    get_worker_versioning_rules(GetWorkerVersioningRulesRequest) -> GetWorkerVersioningRulesResponse: deployments::rules_are_disabled;
    get_worker_task_reachability(GetWorkerTaskReachabilityRequest) -> GetWorkerTaskReachabilityResponse: deployments::rules_are_disabled;
}
