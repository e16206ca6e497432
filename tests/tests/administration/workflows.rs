//! Workflows for the commands to look at, without workers.

use anyhow::Result;
use perdure_proto::api::{
    common::{Memo, Payload, SearchAttributes, WorkflowExecution, WorkflowType},
    enums::IndexedValueType,
    operatorservice::{AddSearchAttributesRequest, operator_service_client::OperatorServiceClient},
    taskqueue::TaskQueue,
    workflow::WorkflowExecutionInfo,
    workflowservice::{
        ListWorkflowExecutionsRequest, RegisterNamespaceRequest, SignalWorkflowExecutionRequest,
        StartWorkflowExecutionRequest, TerminateWorkflowExecutionRequest,
        workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::Server;
use tonic::transport::Channel;

pub(crate) const ATTRIBUTE: &str = "CustomerId";

pub(crate) struct Workflows {
    pub(crate) client: WorkflowServiceClient<Channel>,
    pub(crate) namespace: String,
}

fn json(value: &str) -> Payload {
    let metadata = [("encoding".to_owned(), "json/plain".into())].into();
    Payload { metadata, data: format!("\"{value}\"").into(), ..Default::default() }
}

impl Workflows {
    /// In a namespace that is made, with an attribute of its own.
    pub(crate) async fn create(server: &Server, namespace: &str, retention_hours: i64) -> Result<Self> {
        let mut client = WorkflowServiceClient::new(server.channel().await?);
        let retention = prost_types::Duration { seconds: retention_hours * 3_600, nanos: 0 };
        let request = RegisterNamespaceRequest {
            namespace: namespace.to_owned(),
            workflow_execution_retention_period: Some(retention),
            ..Default::default()
        };
        client.register_namespace(request).await?;
        Ok(Self { client, namespace: namespace.to_owned() })
    }

    pub(crate) async fn add_attribute(&self, server: &Server) -> Result<()> {
        let mut operator = OperatorServiceClient::new(server.channel().await?);
        let request = AddSearchAttributesRequest {
            namespace: self.namespace.clone(),
            search_attributes: [(ATTRIBUTE.to_owned(), IndexedValueType::Keyword as i32)].into(),
        };
        operator.add_search_attributes(request).await?;
        Ok(())
    }

    pub(crate) async fn start(&mut self, workflow_id: &str, attribute: Option<&str>) -> Result<String> {
        let indexed_fields = attribute.map(|value| (ATTRIBUTE.to_owned(), json(value))).into_iter().collect();
        let request = StartWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_id: workflow_id.to_owned(),
            workflow_type: Some(WorkflowType { name: "Type".into() }),
            task_queue: Some(TaskQueue { name: "queue".into(), ..Default::default() }),
            memo: Some(Memo { fields: [("note".to_owned(), json("m"))].into() }),
            search_attributes: attribute.map(|_| SearchAttributes { indexed_fields }),
            ..Default::default()
        };
        Ok(self.client.start_workflow_execution(request).await?.into_inner().run_id)
    }

    pub(crate) async fn signal(&mut self, workflow_id: &str) -> Result<()> {
        let request = SignalWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), ..Default::default() }),
            signal_name: "s".into(),
            ..Default::default()
        };
        self.client.signal_workflow_execution(request).await?;
        Ok(())
    }

    pub(crate) async fn terminate(&mut self, workflow_id: &str) -> Result<()> {
        let request = TerminateWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), ..Default::default() }),
            reason: "test".into(),
            ..Default::default()
        };
        self.client.terminate_workflow_execution(request).await?;
        Ok(())
    }

    /// A run with a few events that has closed.
    pub(crate) async fn closed(&mut self, workflow_id: &str, attribute: Option<&str>) -> Result<String> {
        let run_id = self.start(workflow_id, attribute).await?;
        self.signal(workflow_id).await?;
        self.terminate(workflow_id).await?;
        Ok(run_id)
    }

    /// What lists show, apart from what only this server counts.
    pub(crate) async fn listed(&mut self, query: &str) -> Result<Vec<WorkflowExecutionInfo>> {
        let request = ListWorkflowExecutionsRequest {
            namespace: self.namespace.clone(),
            query: query.to_owned(),
            ..Default::default()
        };
        let mut listed = self.client.list_workflow_executions(request).await?.into_inner().executions;
        listed.iter_mut().for_each(|info| info.state_transition_count = 0);
        Ok(listed)
    }
}
