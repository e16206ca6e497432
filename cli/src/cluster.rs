//! `perdure operator cluster …`

use anyhow::bail;
use clap::Subcommand;
use perdure_proto::api::workflowservice::GetClusterInfoRequest;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::Connection;

/// The service whose health stands for the server's.
const SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Print SERVING and succeed, or fail: for container and load-balancer probes.
    Health(Connection),
    /// Print version, store and identity of the server.
    Describe(Connection),
}

impl ClusterCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Health(connection) => health(&connection).await,
            Self::Describe(connection) => describe(&connection).await,
        }
    }
}

async fn health(connection: &Connection) -> anyhow::Result<()> {
    let mut client = HealthClient::new(connection.channel().await?);
    let request = connection.request(HealthCheckRequest { service: SERVICE.to_owned() });
    let answer = client.check(request).await.map_err(|status| connection.refused("health check", &status))?;
    match answer.into_inner().status() {
        ServingStatus::Serving => {
            println!("SERVING");
            Ok(())
        }
        other => bail!("{} answers, but is {}: it is starting or stopping", connection.address, other.as_str_name()),
    }
}

async fn describe(connection: &Connection) -> anyhow::Result<()> {
    let mut client = connection.workflow_service().await?;
    let answer = client.get_cluster_info(connection.request(GetClusterInfoRequest {})).await;
    let info = answer.map_err(|status| connection.refused("cluster describe", &status))?.into_inner();
    println!("Name     {}", info.cluster_name);
    println!("Id       {}", info.cluster_id);
    println!("Version  {}", info.server_version);
    println!("Store    {}", info.persistence_store);
    Ok(())
}
