//! `activity pause`, `unpause` and `reset`: of a workflow's activity, of one without a workflow, or of all workflows of a
//! query.

use anyhow::bail;
use clap::{ArgGroup, Args};
use perdure_proto::api::{
    batch::{
        BatchOperationResetActivities, BatchOperationUnpauseActivities, batch_operation_reset_activities,
        batch_operation_unpause_activities,
    },
    workflowservice::{
        PauseActivityExecutionRequest, ResetActivityExecutionRequest, StartBatchOperationRequest,
        UnpauseActivityExecutionRequest, start_batch_operation_request::Operation,
    },
};
use prost_types::Duration;

use crate::{
    duration::proto_duration,
    session::Session,
    target::{self, Batch, Counted},
};

/// One activity: of a workflow, or without one.
#[derive(Args, Clone, Debug)]
pub(crate) struct ActivityOf {
    /// The activity's id.
    #[arg(long, short)]
    pub(super) activity_id: String,
    /// The workflow whose activity it is; without it the activity has no workflow.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    pub(super) workflow_id: String,
    /// The run of the workflow, or of the activity that has none; without it the latest.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    pub(super) run_id: String,
}

impl ActivityOf {
    /// What the API routes requests by.
    pub(super) fn resource(&self) -> String {
        match self.workflow_id.as_str() {
            "" => format!("activity:{}", self.activity_id),
            workflow_id => format!("workflow:{workflow_id}"),
        }
    }
}

/// One activity, or those of all workflows of a query.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("which").args(["activity_id", "query"]).required(true).multiple(true)))]
pub(crate) struct ActivitiesOf {
    /// The activity's id.
    #[arg(long, short)]
    activity_id: Option<String>,
    /// The workflow whose activity it is; without it the activity has no workflow.
    #[arg(long, short, conflicts_with = "query", default_value = "", hide_default_value = true)]
    workflow_id: String,
    /// The run of the workflow, or of the activity that has none; without it the latest.
    #[arg(long, short, conflicts_with = "query", default_value = "", hide_default_value = true)]
    run_id: String,
    #[command(flatten)]
    batch: Batch,
}

/// What was chosen.
pub(super) enum Chosen {
    One(ActivityOf),
    Many(Box<StartBatchOperationRequest>),
}

impl ActivitiesOf {
    pub(super) async fn choose(&self, session: &Session) -> anyhow::Result<Chosen> {
        if let Some(job) = self.batch.job(session, Counted::Workflows).await? {
            if self.activity_id.is_some() {
                bail!("--query is for the activities of all workflows that it finds: leave --activity-id out");
            }
            return Ok(Chosen::Many(Box::new(job)));
        }
        Ok(Chosen::One(ActivityOf {
            // One of the two flags is required.
            activity_id: self.activity_id.clone().unwrap_or_default(),
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id.clone(),
        }))
    }

    pub(super) fn has_workflow(&self) -> bool {
        self.activity_id.is_none() || !self.workflow_id.is_empty()
    }
}

#[derive(Args, Debug)]
pub struct Pause {
    #[command(flatten)]
    activity: ActivityOf,
    /// Why.
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

#[derive(Args, Debug)]
pub struct Unpause {
    #[command(flatten)]
    target: ActivitiesOf,
    /// Spread the next attempts over this time.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    jitter: Option<Duration>,
}

#[derive(Args, Debug)]
pub struct Reset {
    #[command(flatten)]
    target: ActivitiesOf,
    /// Let a paused activity be paused.
    #[arg(long)]
    keep_paused: bool,
    /// Spread the next attempts over this time.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    jitter: Option<Duration>,
    /// Undo what update-options has changed.
    #[arg(long)]
    restore_original_options: bool,
}

impl Pause {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = PauseActivityExecutionRequest {
            namespace: session.namespace(),
            resource_id: self.activity.resource(),
            workflow_id: self.activity.workflow_id,
            activity_id: self.activity.activity_id,
            run_id: self.activity.run_id,
            identity: session.identity(),
            reason: self.reason,
            request_id: uuid::Uuid::new_v4().to_string(),
        };
        session.done(request, "Activity paused").await
    }
}

impl Unpause {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (identity, jitter) = (session.identity(), self.jitter);
        match self.target.choose(session).await? {
            Chosen::One(activity) => {
                let request = UnpauseActivityExecutionRequest {
                    namespace: session.namespace(),
                    resource_id: activity.resource(),
                    workflow_id: activity.workflow_id,
                    activity_id: activity.activity_id,
                    run_id: activity.run_id,
                    identity,
                    reason: self.target.batch.given_reason(),
                    jitter,
                    request_id: uuid::Uuid::new_v4().to_string(),
                };
                session.done(request, "Activity unpaused").await
            }
            Chosen::Many(job) => {
                let operation = BatchOperationUnpauseActivities {
                    identity,
                    jitter,
                    activity: Some(batch_operation_unpause_activities::Activity::MatchAll(true)),
                    ..BatchOperationUnpauseActivities::default()
                };
                target::start(session, *job, Operation::UnpauseActivitiesOperation(operation)).await
            }
        }
    }
}

impl Reset {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let Self { keep_paused, jitter, restore_original_options, .. } = self;
        let identity = session.identity();
        match self.target.choose(session).await? {
            Chosen::One(activity) => {
                let request = ResetActivityExecutionRequest {
                    namespace: session.namespace(),
                    resource_id: activity.resource(),
                    workflow_id: activity.workflow_id,
                    activity_id: activity.activity_id,
                    run_id: activity.run_id,
                    identity,
                    keep_paused,
                    jitter,
                    restore_original_options,
                    request_id: uuid::Uuid::new_v4().to_string(),
                    ..ResetActivityExecutionRequest::default()
                };
                session.call(request).await?;
                session.output.card([("KeepPaused", serde_json::Value::from(keep_paused))])
            }
            Chosen::Many(job) => {
                let operation = BatchOperationResetActivities {
                    identity,
                    activity: Some(batch_operation_reset_activities::Activity::MatchAll(true)),
                    reset_heartbeat: true,
                    keep_paused,
                    jitter,
                    restore_original_options,
                    ..BatchOperationResetActivities::default()
                };
                target::start(session, *job, Operation::ResetActivitiesOperation(operation)).await
            }
        }
    }
}
