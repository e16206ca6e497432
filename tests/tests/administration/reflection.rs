//! gRPC reflection, as `grpcurl` asks it: what services there are, and the file that a name is from.

use anyhow::{Context, Result};
use perdure_tests::{Database, Server};
use prost::Message;
use prost_types::FileDescriptorProto;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

#[tokio::test]
async fn tools_learn_the_api_from_the_server() -> Result<()> {
    let server = Server::start("reflection", Database::SqliteMemory).await?;
    let mut client = ServerReflectionClient::new(server.channel().await?);
    let questions = [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("temporal.api.workflowservice.v1.WorkflowService".into()),
        MessageRequest::FileContainingSymbol("no.such.Service".into()),
    ];
    let asked =
        questions.map(|question| ServerReflectionRequest { host: String::new(), message_request: Some(question) });
    let mut answers = client.server_reflection_info(tokio_stream::iter(asked)).await?.into_inner();

    let services = answers.message().await?.and_then(|answer| answer.message_response).context("no list")?;
    let MessageResponse::ListServicesResponse(services) = services else { panic!("{services:?}") };
    let names: Vec<_> = services.service.iter().map(|service| service.name.as_str()).collect();
    for expected in
        ["temporal.api.workflowservice.v1.WorkflowService", "temporal.api.operatorservice.v1.OperatorService"]
    {
        assert!(names.contains(&expected), "{names:?}");
    }

    let file = answers.message().await?.and_then(|answer| answer.message_response).context("no file")?;
    let MessageResponse::FileDescriptorResponse(file) = file else { panic!("{file:?}") };
    let file = FileDescriptorProto::decode(file.file_descriptor_proto[0].as_slice())?;
    assert_eq!(file.name(), "temporal/api/workflowservice/v1/service.proto");
    assert!(file.service[0].method.iter().any(|method| method.name() == "StartWorkflowExecution"));

    let refused = answers.message().await.expect_err("such a name is not known");
    assert_eq!(refused.code(), tonic::Code::NotFound);
    Ok(())
}
