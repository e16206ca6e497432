//! `activity start`, `execute` and `result`.

use anyhow::bail;
use clap::Args;
use perdure_proto::api::{
    activity::activity_execution_outcome,
    common::{ActivityType, RetryPolicy},
    enums::{ActivityIdConflictPolicy, ActivityIdReusePolicy},
    workflowservice::{PollActivityExecutionRequest, StartActivityExecutionRequest},
};
use prost_types::Duration;
use serde_json::Value as Json;

use super::ActivityReference;
use crate::{
    choices::choices,
    duration::proto_duration,
    ended::Ended,
    key_value::KeyValue,
    payload::PayloadInput,
    session::Session,
    start::{Labels, header, search_attributes, task_queue},
};

#[derive(Args, Debug)]
pub struct Start {
    #[command(flatten)]
    flags: StartFlags,
}

#[derive(Args, Debug)]
pub struct Execute {
    #[command(flatten)]
    flags: StartFlags,
}

#[derive(Args, Debug)]
pub struct ResultOf {
    #[command(flatten)]
    activity: ActivityReference,
}

#[derive(Args, Debug)]
pub(crate) struct StartFlags {
    /// The activity's id.
    #[arg(long, short)]
    activity_id: String,
    /// The activity's type.
    #[arg(long)]
    r#type: String,
    /// The task queue whose workers run it.
    #[arg(long, short)]
    task_queue: String,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    retry: Retry,
    /// Wait before the first attempt.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    start_delay: Option<Duration>,
    /// Whether the id of a closed activity may be taken again.
    #[arg(long, ignore_case = true, value_name = "POLICY", value_parser = choices("ACTIVITY_ID_REUSE_POLICY_",
        &["AllowDuplicate", "AllowDuplicateFailedOnly", "RejectDuplicate"], ActivityIdReusePolicy::from_str_name))]
    id_reuse_policy: Option<ActivityIdReusePolicy>,
    /// What to do where an activity of this id runs.
    #[arg(long, ignore_case = true, value_name = "POLICY", value_parser = choices("ACTIVITY_ID_CONFLICT_POLICY_",
        &["Fail", "UseExisting"], ActivityIdConflictPolicy::from_str_name))]
    id_conflict_policy: Option<ActivityIdConflictPolicy>,
    /// A search attribute, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    search_attribute: Vec<KeyValue>,
    /// A header, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    headers: Vec<KeyValue>,
    #[command(flatten)]
    labels: Labels,
    #[command(flatten)]
    input: PayloadInput,
}

/// Time limits of an activity.
#[derive(Args, Debug)]
pub(crate) struct Limits {
    /// The longest time for all attempts together.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    pub(crate) schedule_to_close_timeout: Option<Duration>,
    /// The longest time that it may wait for a worker.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    pub(crate) schedule_to_start_timeout: Option<Duration>,
    /// The longest time for one attempt.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    pub(crate) start_to_close_timeout: Option<Duration>,
    /// The longest time between two heartbeats.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    pub(crate) heartbeat_timeout: Option<Duration>,
}

/// When an activity is tried again.
#[derive(Args, Debug)]
pub(crate) struct Retry {
    /// The wait before the second attempt.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    pub(crate) retry_initial_interval: Option<Duration>,
    /// The longest wait between attempts.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    pub(crate) retry_maximum_interval: Option<Duration>,
    /// By how much each wait is longer than the one before.
    #[arg(long, value_name = "FACTOR")]
    pub(crate) retry_backoff_coefficient: Option<f64>,
    /// The most attempts; 0 is no limit.
    #[arg(long, value_name = "COUNT")]
    pub(crate) retry_maximum_attempts: Option<i32>,
}

impl Retry {
    pub(crate) fn policy(&self) -> Option<RetryPolicy> {
        let set = self.retry_initial_interval.is_some()
            || self.retry_maximum_interval.is_some()
            || self.retry_backoff_coefficient.is_some()
            || self.retry_maximum_attempts.is_some();
        set.then(|| RetryPolicy {
            initial_interval: self.retry_initial_interval,
            maximum_interval: self.retry_maximum_interval,
            backoff_coefficient: self.retry_backoff_coefficient.unwrap_or_default(),
            maximum_attempts: self.retry_maximum_attempts.unwrap_or_default(),
            ..RetryPolicy::default()
        })
    }
}

impl StartFlags {
    /// Starts the activity; answers its run id.
    async fn start(&self, session: &Session) -> anyhow::Result<String> {
        let mut request = StartActivityExecutionRequest {
            namespace: session.namespace(),
            identity: session.identity(),
            request_id: uuid::Uuid::new_v4().to_string(),
            activity_id: self.activity_id.clone(),
            activity_type: Some(ActivityType { name: self.r#type.clone() }),
            task_queue: Some(task_queue(&self.task_queue)),
            schedule_to_close_timeout: self.limits.schedule_to_close_timeout,
            schedule_to_start_timeout: self.limits.schedule_to_start_timeout,
            start_to_close_timeout: self.limits.start_to_close_timeout,
            heartbeat_timeout: self.limits.heartbeat_timeout,
            retry_policy: self.retry.policy(),
            start_delay: self.start_delay,
            input: self.input.payloads()?,
            search_attributes: search_attributes("--search-attribute", &self.search_attribute)?,
            header: header(&self.headers)?,
            user_metadata: self.labels.user_metadata(),
            priority: self.labels.priority(),
            ..StartActivityExecutionRequest::default()
        };
        request.set_id_reuse_policy(self.id_reuse_policy.unwrap_or_default());
        request.set_id_conflict_policy(self.id_conflict_policy.unwrap_or_default());
        Ok(session.call(request).await?.run_id)
    }

    fn print(&self, session: &Session, run_id: &str) -> anyhow::Result<()> {
        session.output.say("Running execution:")?;
        session.output.card([
            ("ActivityId", Json::from(self.activity_id.as_str())),
            ("RunId", Json::from(run_id)),
            ("Namespace", Json::from(session.namespace())),
        ])
    }
}

impl Start {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let run_id = self.flags.start(session).await?;
        self.flags.print(session, &run_id)
    }
}

impl Execute {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let run_id = self.flags.start(session).await?;
        if session.output.is_text() {
            self.flags.print(session, &run_id)?;
        }
        result(session, &self.flags.activity_id, &run_id).await
    }
}

impl ResultOf {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        result(session, &self.activity.activity_id, &self.activity.run_id).await
    }
}

/// Waits for the end and prints it; an error where the activity failed.
async fn result(session: &Session, activity_id: &str, run_id: &str) -> anyhow::Result<()> {
    let request = PollActivityExecutionRequest {
        namespace: session.namespace(),
        activity_id: activity_id.to_owned(),
        run_id: run_id.to_owned(),
    };
    loop {
        let Some(answer) = session.poll(request.clone()).await? else { continue };
        let Some(outcome) = answer.outcome else { continue };
        let ended = match outcome.value {
            Some(activity_execution_outcome::Value::Result(payloads)) => Ended::Result(payloads),
            Some(activity_execution_outcome::Value::Failure(failure)) => Ended::Failure(Box::new(failure)),
            None => bail!("activity {activity_id} ended, and the server does not tell how"),
        };
        return ended.print(session, ("ActivityId", activity_id), &answer.run_id);
    }
}
