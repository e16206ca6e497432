//! The Deployment of `deploy/kubernetes`: three replicas on one PostgreSQL. One serves, two wait; when it goes, another serves.

use anyhow::{Context, Result, bail};
use perdure_proto::api::{
    common::{WorkflowExecution, WorkflowType},
    enums::WorkflowExecutionStatus,
    taskqueue::TaskQueue,
    workflowservice::{
        DescribeWorkflowExecutionRequest, StartWorkflowExecutionRequest, TerminateWorkflowExecutionRequest,
        workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, http, ports, python};
use serde_json::Value;
use tonic::transport::{Channel, Endpoint};

use crate::machine::{Container, Machine, Variables, documents, image_variables, until, words};

struct Pod {
    container: Container,
    grpc_port: u16,
    http_port: u16,
}

#[tokio::test]
async fn one_of_three_replicas_serves_and_another_takes_over() -> Result<()> {
    let machine = Machine::new("deploy_kubernetes", &[])?;
    let server = server()?;
    let variables = variables(&server, Database::fresh_postgres("deploy_kubernetes").await?)?;
    let mut pods = Vec::new();
    for number in 0..server["spec"]["replicas"].as_u64().context("replicas")? {
        pods.push(start(&machine, &server, &variables, &format!("pod-{number}"))?);
    }

    let first = ready(&machine, &server, &mut pods).await?;
    start_workflow(&pods[first], "outlives-servers").await?;
    let address = format!("127.0.0.1:{}", pods[first].grpc_port);
    python("deploy_kubernetes_runner", &["-m", "runner", "--address", &address, "--only", "saga"]).await?;
    // A node that fails, and one that is drained.
    let mut killed = pods.remove(first);
    killed.container.kill9().await?;
    let second = ready(&machine, &server, &mut pods).await?;
    assert_eq!(status(&pods[second], "outlives-servers").await?, WorkflowExecutionStatus::Running);
    start_workflow(&pods[second], "starts-later").await?;
    let mut drained = pods.remove(second);
    drained.container.stop().await?;
    let third = ready(&machine, &server, &mut pods).await?;
    for workflow_id in ["outlives-servers", "starts-later"] {
        terminate(&pods[third], workflow_id).await?;
        assert_eq!(status(&pods[third], workflow_id).await?, WorkflowExecutionStatus::Terminated);
    }

    // The Deployment puts others in their places. They do not disturb.
    for number in 3..5 {
        pods.push(start(&machine, &server, &variables, &format!("pod-{number}"))?);
    }
    assert_eq!(ready(&machine, &server, &mut pods).await?, third);
    for mut pod in pods {
        pod.container.stop().await?;
    }
    Ok(())
}

/// The server's Deployment.
fn server() -> Result<Value> {
    let mut documents = documents::<Value>("kubernetes/server.yaml")?.into_iter();
    documents.find(|document| document["kind"] == "Deployment").context("a Deployment")
}

fn container(server: &Value) -> &Value {
    &server["spec"]["template"]["spec"]["containers"][0]
}

/// The container's environment; where the database is, and its secret, are the test's.
fn variables(server: &Value, database: Database) -> Result<Variables> {
    let Database::Postgres(options) = database else { bail!("not PostgreSQL") };
    let mut variables = image_variables()?;
    let config = documents::<Value>("kubernetes/config.yaml")?;
    let source = &container(server)["envFrom"][0]["configMapRef"]["name"];
    let config = config.iter().find(|config| &config["metadata"]["name"] == source).context("the ConfigMap")?;
    for (name, value) in config["data"].as_object().context("data")? {
        variables.insert(name.clone(), value.as_str().context("a text")?.to_owned());
    }
    for variable in container(server)["env"].as_array().context("env")? {
        let value = match variable["valueFrom"]["secretKeyRef"]["key"].as_str() {
            Some("username") => options.get_username(),
            Some("password") => "secret",
            other => bail!("{variable}: {other:?} is in no secret"),
        };
        variables.insert(variable["name"].as_str().context("a name")?.to_owned(), value.to_owned());
    }
    let own = [
        ("POSTGRES_SEEDS", options.get_host().to_owned()),
        ("DB_PORT", options.get_port().to_string()),
        ("DBNAME", options.get_database().context("a database")?.to_owned()),
        ("BIND_ON_IP", "127.0.0.1".to_owned()),
        ("PROMETHEUS_ENDPOINT", "127.0.0.1:0".to_owned()),
    ];
    variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
    Ok(variables)
}

fn start(machine: &Machine, server: &Value, variables: &Variables, name: &str) -> Result<Pod> {
    assert!(container(server)["command"].is_null() && container(server)["args"].is_null(), "the image's command");
    let (grpc_port, http_port) = (ports::free()?, ports::free()?);
    let mut variables = variables.clone();
    variables.insert("FRONTEND_GRPC_PORT".to_owned(), grpc_port.to_string());
    variables.insert("FRONTEND_HTTP_PORT".to_owned(), ports::free()?.to_string());
    variables.insert("FRONTEND_UI_PORT".to_owned(), http_port.to_string());
    Ok(Pod { container: machine.start(name, &words("perdure server start"), &variables)?, grpc_port, http_port })
}

/// Waits until all pods live and one is ready; which. Fails where two are.
async fn ready(machine: &Machine, server: &Value, pods: &mut [Pod]) -> Result<usize> {
    let mut found = None;
    until("all live and one is ready", async || {
        found = None;
        for (number, pod) in pods.iter_mut().enumerate() {
            pod.container.lives()?;
            if !is_live(server, pod).await? {
                return Ok(false);
            }
            let is_ready = is_ready(machine, server, pod).await?;
            if is_ready && let Some(other) = found.replace(number) {
                bail!("pods {other} and {number} are ready at the same time");
            }
        }
        Ok(found.is_some())
    })
    .await?;
    found.context("one is ready")
}

async fn is_live(server: &Value, pod: &Pod) -> Result<bool> {
    let path = container(server)["livenessProbe"]["httpGet"]["path"].as_str().context("a path")?;
    Ok(matches!(http::get(pod.http_port, path).await, Ok((200, _))))
}

/// By the probe's command, which must agree with `/health`.
async fn is_ready(machine: &Machine, server: &Value, pod: &Pod) -> Result<bool> {
    let command = container(server)["readinessProbe"]["exec"]["command"].as_array().context("a command")?;
    let here = format!("127.0.0.1:{}", pod.grpc_port);
    let command: Vec<_> =
        command.iter().flat_map(Value::as_str).map(|word| word.replace("127.0.0.1:7233", &here)).collect();
    let is_ready = machine.run(&command, &Variables::new()).await?.status.success();
    if is_ready {
        assert_eq!(http::get(pod.http_port, "/health").await?.0, 200);
    }
    Ok(is_ready)
}

async fn client(pod: &Pod) -> Result<WorkflowServiceClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{}", pod.grpc_port))?;
    Ok(WorkflowServiceClient::new(endpoint.connect().await?))
}

async fn start_workflow(pod: &Pod, workflow_id: &str) -> Result<()> {
    let request = StartWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_id: workflow_id.into(),
        workflow_type: Some(WorkflowType { name: "nobody-works-on-it".into() }),
        task_queue: Some(TaskQueue { name: "nobody".into(), ..Default::default() }),
        ..Default::default()
    };
    client(pod).await?.start_workflow_execution(request).await?;
    Ok(())
}

async fn status(pod: &Pod, workflow_id: &str) -> Result<WorkflowExecutionStatus> {
    let request = DescribeWorkflowExecutionRequest {
        namespace: "default".into(),
        execution: Some(WorkflowExecution { workflow_id: workflow_id.into(), run_id: String::new() }),
    };
    let answer = client(pod).await?.describe_workflow_execution(request).await?.into_inner();
    Ok(answer.workflow_execution_info.unwrap_or_default().status())
}

async fn terminate(pod: &Pod, workflow_id: &str) -> Result<()> {
    let request = TerminateWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.into(), run_id: String::new() }),
        ..Default::default()
    };
    client(pod).await?.terminate_workflow_execution(request).await?;
    Ok(())
}
