//! `perdure operator namespace …`

use std::time::Duration;

use clap::{Args, Subcommand};
use perdure_proto::api::workflowservice::{
    DescribeNamespaceRequest, DescribeNamespaceResponse, ListNamespacesRequest, RegisterNamespaceRequest,
};
use tonic::Status;

use crate::{Connection, parse_duration};

#[derive(Debug, Subcommand)]
pub enum NamespaceCommand {
    /// Create a namespace.
    Create(Create),
    /// Print all namespaces.
    List(Connection),
    /// Print one namespace.
    Describe(Describe),
}

#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    connection: Connection,
    /// Name of the new namespace.
    #[arg(long, short, env = "TEMPORAL_NAMESPACE")]
    namespace: String,
    /// How long closed workflows are kept.
    #[arg(long, default_value = "72h", value_parser = parse_duration)]
    retention: Duration,
    /// What it is for.
    #[arg(long, default_value = "")]
    description: String,
    /// Mail address of its owner.
    #[arg(long, default_value = "")]
    email: String,
}

#[derive(Args, Debug)]
pub struct Describe {
    #[command(flatten)]
    connection: Connection,
    #[arg(long, short, env = "TEMPORAL_NAMESPACE", default_value = "default")]
    namespace: String,
}

impl NamespaceCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run().await,
            Self::List(connection) => list(&connection).await,
            Self::Describe(describe) => describe.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let retention = prost_types::Duration::try_from(self.retention)?;
        let request = RegisterNamespaceRequest {
            namespace: self.namespace.clone(),
            description: self.description,
            owner_email: self.email,
            workflow_execution_retention_period: Some(retention),
            ..RegisterNamespaceRequest::default()
        };
        let refused = |status: Status| self.connection.refused("namespace create", &status);
        let mut client = self.connection.workflow_service().await?;
        client.register_namespace(self.connection.request(request)).await.map_err(refused)?;
        println!("Namespace {} created.", self.namespace);
        Ok(())
    }
}

impl Describe {
    async fn run(self) -> anyhow::Result<()> {
        let request = DescribeNamespaceRequest { namespace: self.namespace, ..DescribeNamespaceRequest::default() };
        let refused = |status: Status| self.connection.refused("namespace describe", &status);
        let mut client = self.connection.workflow_service().await?;
        print(&client.describe_namespace(self.connection.request(request)).await.map_err(refused)?.into_inner());
        Ok(())
    }
}

async fn list(connection: &Connection) -> anyhow::Result<()> {
    let mut client = connection.workflow_service().await?;
    let mut request = ListNamespacesRequest::default();
    loop {
        let refused = |status: Status| connection.refused("namespace list", &status);
        let page = client.list_namespaces(connection.request(request.clone())).await.map_err(refused)?.into_inner();
        page.namespaces.iter().for_each(print);
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        request.next_page_token = page.next_page_token;
    }
}

fn print(namespace: &DescribeNamespaceResponse) {
    let info = namespace.namespace_info.clone().unwrap_or_default();
    let retention = namespace.config.as_ref().and_then(|config| config.workflow_execution_retention_ttl);
    let hours = retention.map_or(0, |retention| retention.seconds / 3_600);
    println!("{}", info.name);
    println!("  Id         {}", info.id);
    println!("  State      {}", info.state().as_str_name().trim_start_matches("NAMESPACE_STATE_"));
    println!("  Retention  {hours}h");
    if !info.description.is_empty() {
        println!("  About      {}", info.description);
    }
    if !info.owner_email.is_empty() {
        println!("  Owner      {}", info.owner_email);
    }
}
