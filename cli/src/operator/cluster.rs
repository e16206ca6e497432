//! `perdure operator cluster …`

use anyhow::bail;
use clap::Args;
use perdure_proto::api::{
    operatorservice::ListClustersRequest,
    workflowservice::{GetClusterInfoRequest, GetSystemInfoRequest},
};
use serde_json::Value as Json;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    output::{Field, Section},
    session::{ANSWER, Session},
};

/// The service whose health stands for the server's.
const SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

commands! {
    /// Look at the server as a whole.
    ClusterCommand {
        /// Print SERVING and succeed, or fail: for container and load-balancer probes
        #[command(after_help = "Example:\n  perdure operator cluster health --address perdure:7233")]
        Health(Health),
        /// Show name, version and store of the server
        #[command(after_help = "Example:\n  perdure operator cluster describe --detail")]
        Describe(Describe),
        /// Show what the server can do
        #[command(after_help = "Example:\n  perdure operator cluster system -o json")]
        System(System),
        /// Show the clusters that the server knows
        #[command(after_help = "Example:\n  perdure operator cluster list")]
        List(List),
    }
}

#[derive(Args, Debug)]
pub struct Health {}

#[derive(Args, Debug)]
pub struct Describe {
    /// Print all that the server tells.
    #[arg(long)]
    detail: bool,
}

#[derive(Args, Debug)]
pub struct System {}

#[derive(Args, Debug)]
pub struct List {
    /// The most that are shown.
    #[arg(long)]
    limit: Option<usize>,
}

pub(crate) const INFO: &[Section] = &[Section {
    title: "",
    at: "",
    fields: &[
        ("ClusterName", "/clusterName"),
        ("ClusterId", "/clusterId"),
        ("ServerVersion", "/serverVersion"),
        ("PersistenceStore", "/persistenceStore"),
        ("VisibilityStore", "/visibilityStore"),
    ],
}];

pub(crate) const SYSTEM: &[Section] = &[Section {
    title: "",
    at: "",
    fields: &[
        ("ServerVersion", "/serverVersion"),
        ("SupportsSchedules", "/capabilities/supportsSchedules"),
        ("UpsertMemo", "/capabilities/upsertMemo"),
        ("EagerWorkflowStart", "/capabilities/eagerWorkflowStart"),
        ("Nexus", "/capabilities/nexus"),
    ],
}];

pub(crate) const CLUSTERS: &[Field] = &[
    ("Name", "/clusterName"),
    ("ClusterId", "/clusterId"),
    ("Address", "/address"),
    ("HistoryShardCount", "/historyShardCount"),
    ("InitialFailoverVersion", "/initialFailoverVersion"),
    ("IsConnectionEnabled", "/isConnectionEnabled"),
];

impl Health {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let mut client = HealthClient::new(session.channel().await?);
        let request = session.request(HealthCheckRequest { service: SERVICE.to_owned() }, ANSWER);
        let answer = client.check(request).await.map_err(|status| session.refused("health check", &status, ANSWER))?;
        match answer.into_inner().status() {
            ServingStatus::Serving if session.output.is_json() => {
                session.output.card([("Status", Json::from("SERVING"))])
            }
            ServingStatus::Serving => session.output.say("SERVING"),
            other => {
                bail!("{} answers, but is {}: it is starting or stopping", session.address(), other.as_str_name())
            }
        }
    }
}

impl Describe {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        session.show_or_raw(GetClusterInfoRequest {}, INFO, self.detail).await
    }
}

impl System {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        session.show(GetSystemInfoRequest {}, SYSTEM).await
    }
}

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        session.list(ListClustersRequest::default(), self.limit, CLUSTERS).await
    }
}
