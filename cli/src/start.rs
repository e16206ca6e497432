//! The flags that say how a workflow starts, and the request that they make.

use clap::Args;
use perdure_proto::api::{
    common::{Header, Memo, Payloads, Priority, SearchAttributes, WorkflowType},
    enums::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy},
    sdk::UserMetadata,
    taskqueue::TaskQueue,
    workflowservice::StartWorkflowExecutionRequest,
};
use prost_types::Duration;

use crate::{
    choices::choices,
    duration::proto_duration,
    key_value::{self, KeyValue},
    payload::text_payload,
    session::Session,
};

/// What each started workflow has, also those that a schedule starts.
#[derive(Args, Debug)]
pub(crate) struct StartFlags {
    /// The workflow's id; without it a random one.
    #[arg(long, short)]
    pub(crate) workflow_id: Option<String>,
    /// The workflow's type.
    #[arg(long, alias = "name")]
    pub(crate) r#type: String,
    /// The task queue whose workers run it.
    #[arg(long, short)]
    pub(crate) task_queue: String,
    /// The longest time for one run.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    run_timeout: Option<Duration>,
    /// The longest time for all runs together, with retries and continuations.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    execution_timeout: Option<Duration>,
    /// The longest time for one workflow task.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION", default_value = "10s")]
    task_timeout: Duration,
    /// A search attribute, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    search_attribute: Vec<KeyValue>,
    /// A header, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    headers: Vec<KeyValue>,
    /// A field of the memo, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    memo: Vec<KeyValue>,
    #[command(flatten)]
    labels: Labels,
}

/// What people and task queues see of something that is started.
#[derive(Args, Debug)]
pub(crate) struct Labels {
    /// One line about it for people, in Markdown.
    #[arg(long, value_name = "TEXT")]
    static_summary: Option<String>,
    /// More about it for people, in Markdown.
    #[arg(long, value_name = "TEXT")]
    static_details: Option<String>,
    /// 1 is handed out first, 5 last [default: 3]
    #[arg(long, value_name = "1-5")]
    priority_key: Option<i32>,
    /// Tasks of each key get their share of the queue.
    #[arg(long, value_name = "KEY")]
    fairness_key: Option<String>,
    /// How large the share of the key is, against 1.
    #[arg(long, value_name = "WEIGHT")]
    fairness_weight: Option<f32>,
}

impl Labels {
    pub(crate) fn user_metadata(&self) -> Option<UserMetadata> {
        let payload = |text: &Option<String>| text.as_deref().map(text_payload);
        let (summary, details) = (payload(&self.static_summary), payload(&self.static_details));
        (summary.is_some() || details.is_some()).then_some(UserMetadata { summary, details })
    }

    pub(crate) fn priority(&self) -> Option<Priority> {
        let set = self.priority_key.is_some() || self.fairness_key.is_some() || self.fairness_weight.is_some();
        set.then(|| Priority {
            priority_key: self.priority_key.unwrap_or_default(),
            fairness_key: self.fairness_key.clone().unwrap_or_default(),
            fairness_weight: self.fairness_weight.unwrap_or_default(),
        })
    }
}

/// What only a workflow that starts now has.
#[derive(Args, Debug)]
pub(crate) struct StartNowFlags {
    /// Start it again and again by a cron string; a schedule can do more.
    #[arg(long, value_name = "CRON")]
    cron: Option<String>,
    /// Fail where a workflow of this id runs; without it that one is taken for the answer.
    #[arg(long)]
    pub(crate) fail_existing: bool,
    /// Wait before the first workflow task.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    start_delay: Option<Duration>,
    /// Whether the id of a closed workflow may be taken again.
    #[arg(long, ignore_case = true, value_name = "POLICY", value_parser = choices("WORKFLOW_ID_REUSE_POLICY_",
        &["AllowDuplicate", "AllowDuplicateFailedOnly", "RejectDuplicate", "TerminateIfRunning"],
        WorkflowIdReusePolicy::from_str_name))]
    id_reuse_policy: Option<WorkflowIdReusePolicy>,
    /// What to do where a workflow of this id runs.
    #[arg(long, ignore_case = true, value_name = "POLICY", value_parser = choices("WORKFLOW_ID_CONFLICT_POLICY_",
        &["Fail", "UseExisting", "TerminateExisting"], WorkflowIdConflictPolicy::from_str_name))]
    pub(crate) id_conflict_policy: Option<WorkflowIdConflictPolicy>,
}

impl StartFlags {
    pub(crate) fn request(
        &self,
        session: &Session,
        input: Option<Payloads>,
    ) -> anyhow::Result<StartWorkflowExecutionRequest> {
        let random = || uuid::Uuid::new_v4().to_string();
        Ok(StartWorkflowExecutionRequest {
            namespace: session.namespace(),
            workflow_id: self.workflow_id.clone().unwrap_or_else(random),
            workflow_type: Some(WorkflowType { name: self.r#type.clone() }),
            task_queue: Some(task_queue(&self.task_queue)),
            input,
            workflow_execution_timeout: self.execution_timeout,
            workflow_run_timeout: self.run_timeout,
            workflow_task_timeout: Some(self.task_timeout),
            identity: session.identity(),
            request_id: random(),
            memo: memo("--memo", &self.memo)?,
            search_attributes: search_attributes("--search-attribute", &self.search_attribute)?,
            header: header(&self.headers)?,
            user_metadata: self.labels.user_metadata(),
            priority: self.labels.priority(),
            ..StartWorkflowExecutionRequest::default()
        })
    }
}

impl StartNowFlags {
    pub(crate) fn apply(&self, request: &mut StartWorkflowExecutionRequest) {
        request.cron_schedule = self.cron.clone().unwrap_or_default();
        request.workflow_start_delay = self.start_delay;
        if let Some(policy) = self.id_reuse_policy {
            request.set_workflow_id_reuse_policy(policy);
        }
        if let Some(policy) = self.id_conflict_policy {
            request.set_workflow_id_conflict_policy(policy);
        }
    }
}

pub(crate) fn task_queue(name: &str) -> TaskQueue {
    TaskQueue { name: name.to_owned(), ..TaskQueue::default() }
}

pub(crate) fn memo(flag: &str, pairs: &[KeyValue]) -> anyhow::Result<Option<Memo>> {
    let fields = key_value::payloads(flag, pairs)?;
    Ok((!fields.is_empty()).then_some(Memo { fields }))
}

pub(crate) fn search_attributes(flag: &str, pairs: &[KeyValue]) -> anyhow::Result<Option<SearchAttributes>> {
    let indexed_fields = key_value::payloads(flag, pairs)?;
    Ok((!indexed_fields.is_empty()).then_some(SearchAttributes { indexed_fields }))
}

pub(crate) fn header(pairs: &[KeyValue]) -> anyhow::Result<Option<Header>> {
    let fields = key_value::payloads("--headers", pairs)?;
    Ok((!fields.is_empty()).then_some(Header { fields }))
}
