//! `worker list`, `count` and `describe`.

use clap::Args;
use perdure_proto::api::workflowservice::{CountWorkersRequest, DescribeWorkerRequest, ListWorkersRequest};

use crate::{
    count,
    output::{Field, Section},
    session::Session,
};

#[derive(Args, Debug)]
pub struct List {
    /// A filter; without it all are found.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    query: String,
    /// The most that are shown.
    #[arg(long)]
    limit: Option<usize>,
    /// Also the server's own workers.
    #[arg(long)]
    include_system_workers: bool,
}

#[derive(Args, Debug)]
pub struct Count {
    /// A filter; without it all are counted.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    query: String,
    /// Also the server's own workers.
    #[arg(long)]
    include_system_workers: bool,
}

#[derive(Args, Debug)]
pub struct Describe {
    /// The worker's key, as the list has it.
    #[arg(long)]
    worker_instance_key: String,
}

pub(crate) const WORKERS: &[Field] = &[
    ("WorkerInstanceKey", "/workerInstanceKey"),
    ("Status", "/status"),
    ("TaskQueue", "/taskQueue"),
    ("WorkerIdentity", "/workerIdentity"),
    ("HostName", "/hostName"),
    ("Deployment", "/deploymentVersion/deploymentName"),
    ("BuildID", "/deploymentVersion/buildId"),
    ("SDK", "/sdkName"),
    ("StartTime", "/startTime"),
];

pub(crate) const WORKER: &[Section] = &[Section {
    title: "",
    at: "/workerInfo/workerHeartbeat",
    fields: &[
        ("WorkerInstanceKey", "/workerInstanceKey"),
        ("WorkerIdentity", "/workerIdentity"),
        ("Status", "/status"),
        ("TaskQueue", "/taskQueue"),
        ("Deployment", "/deploymentVersion/deploymentName"),
        ("BuildID", "/deploymentVersion/buildId"),
        ("SDK", "/sdkName"),
        ("SDKVersion", "/sdkVersion"),
        ("StartTime", "/startTime"),
        ("HeartbeatTime", "/heartbeatTime"),
        ("Host", "/hostInfo"),
        ("WorkflowTaskSlots", "/workflowTaskSlotsInfo"),
        ("ActivityTaskSlots", "/activityTaskSlotsInfo"),
        ("LocalActivitySlots", "/localActivitySlotsInfo"),
        ("NexusTaskSlots", "/nexusTaskSlotsInfo"),
        ("WorkflowPollers", "/workflowPollerInfo"),
        ("StickyPollers", "/workflowStickyPollerInfo"),
        ("ActivityPollers", "/activityPollerInfo"),
        ("StickyCacheHits", "/totalStickyCacheHit"),
        ("StickyCacheMisses", "/totalStickyCacheMiss"),
        ("StickyCacheSize", "/currentStickyCacheSize"),
        ("Plugins", "/plugins"),
    ],
}];

impl List {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = ListWorkersRequest {
            namespace: session.namespace(),
            query: self.query,
            include_system_workers: self.include_system_workers,
            ..ListWorkersRequest::default()
        };
        session.list(request, self.limit, WORKERS).await
    }
}

impl Count {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let Self { query, include_system_workers } = self;
        count::print(session, CountWorkersRequest { namespace: session.namespace(), query, include_system_workers })
            .await
    }
}

impl Describe {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let Self { worker_instance_key } = self;
        session.show(DescribeWorkerRequest { namespace: session.namespace(), worker_instance_key }, WORKER).await
    }
}
