//! `activity list`, `count` and `describe`.

use clap::Args;
use perdure_proto::api::workflowservice::{
    CountActivityExecutionsRequest, DescribeActivityExecutionRequest, ListActivityExecutionsRequest,
};

use super::ActivityReference;
use crate::{
    count,
    output::{Field, Section},
    session::Session,
    workflow::ListFlags,
};

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    flags: ListFlags,
}

#[derive(Args, Debug)]
pub struct Count {
    /// A list filter, also with GROUP BY ExecutionStatus; without it all are counted.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    query: String,
}

#[derive(Args, Debug)]
pub struct Describe {
    #[command(flatten)]
    activity: ActivityReference,
    /// Print the answer as JSON.
    #[arg(long)]
    raw: bool,
}

pub(crate) const ACTIVITIES: &[Field] = &[
    ("Status", "/status"),
    ("ActivityId", "/activityId"),
    ("Type", "/activityType/name"),
    ("TaskQueue", "/taskQueue"),
    ("StartTime", "/scheduleTime"),
];

pub(crate) const ACTIVITY: &[Section] = &[Section {
    title: "",
    at: "/info",
    fields: &[
        ("ActivityId", "/activityId"),
        ("RunId", "/runId"),
        ("Type", "/activityType/name"),
        ("Status", "/status"),
        ("RunState", "/runState"),
        ("TaskQueue", "/taskQueue"),
        ("Attempt", "/attempt"),
        ("ScheduleTime", "/scheduleTime"),
        ("LastStartedTime", "/lastStartedTime"),
        ("LastHeartbeatTime", "/lastHeartbeatTime"),
        ("NextAttemptTime", "/nextAttemptScheduleTime"),
        ("ExpirationTime", "/expirationTime"),
        ("CloseTime", "/closeTime"),
        ("ExecutionDuration", "/executionDuration"),
        ("ScheduleToCloseTimeout", "/scheduleToCloseTimeout"),
        ("ScheduleToStartTimeout", "/scheduleToStartTimeout"),
        ("StartToCloseTimeout", "/startToCloseTimeout"),
        ("HeartbeatTimeout", "/heartbeatTimeout"),
        ("RetryPolicy", "/retryPolicy"),
        ("Priority", "/priority"),
        ("SearchAttributes", "/searchAttributes/indexedFields"),
        ("StaticSummary", "/userMetadata/summary"),
        ("StaticDetails", "/userMetadata/details"),
        ("LastWorkerIdentity", "/lastWorkerIdentity"),
        ("LastFailure", "/lastFailure/message"),
        ("CanceledReason", "/canceledReason"),
        ("StateTransitionCount", "/stateTransitionCount"),
    ],
}];

impl List {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let page_size = self.flags.page_size();
        let ListFlags { query, limit, .. } = self.flags;
        let namespace = session.namespace();
        let request = ListActivityExecutionsRequest { namespace, query, page_size, ..Default::default() };
        session.list(request, limit, ACTIVITIES).await
    }
}

impl Count {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        count::print(session, CountActivityExecutionsRequest { namespace: session.namespace(), query: self.query })
            .await
    }
}

impl Describe {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = DescribeActivityExecutionRequest {
            namespace: session.namespace(),
            activity_id: self.activity.activity_id,
            run_id: self.activity.run_id,
            include_last_failure: true,
            ..DescribeActivityExecutionRequest::default()
        };
        session.show_or_raw(request, ACTIVITY, self.raw).await
    }
}
