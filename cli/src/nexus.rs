//! `perdure nexus operation …`: Nexus operations without a workflow.

use anyhow::bail;
use clap::Args;
use perdure_proto::api::{
    common::Payloads,
    enums::{NexusOperationIdConflictPolicy, NexusOperationIdReusePolicy, NexusOperationWaitStage},
    sdk::UserMetadata,
    workflowservice::{
        CountNexusOperationExecutionsRequest, DescribeNexusOperationExecutionRequest,
        ListNexusOperationExecutionsRequest, PollNexusOperationExecutionRequest,
        RequestCancelNexusOperationExecutionRequest, StartNexusOperationExecutionRequest,
        TerminateNexusOperationExecutionRequest, poll_nexus_operation_execution_response::Outcome,
    },
};
use prost_types::Duration;
use serde_json::Value as Json;

use crate::{
    choices::choices,
    commands::Group,
    count,
    duration::proto_duration,
    ended::Ended,
    key_value::KeyValue,
    output::{Field, Section},
    payload::{PayloadInput, text_payload},
    session::Session,
    start::search_attributes,
    target::default_reason,
    workflow::ListFlags,
};

commands! {
    /// Call Nexus services without a workflow.
    NexusCommand {
        /// Start, look at and end Nexus operations without a workflow
        Operation(Group<OperationCommand>),
    }
}

commands! {
    /// Start, look at and end Nexus operations without a workflow.
    OperationCommand {
        /// Start an operation and print its ids
        #[command(after_help = "Example:\n  perdure nexus operation start --endpoint shop --service orders --operation place --operation-id place-7 --input '{\"item\": 3}'")]
        Start(Start),
        /// Start an operation, wait for its end and print the result
        #[command(after_help = "Example:\n  perdure nexus operation execute --endpoint shop --service orders --operation place --operation-id place-7 --input '{\"item\": 3}'")]
        Execute(Execute),
        /// Wait for the end of an operation and print the result
        #[command(after_help = "Example:\n  perdure nexus operation result --operation-id place-7")]
        Result(ResultOf),
        /// Show the state of one operation
        #[command(after_help = "Example:\n  perdure nexus operation describe --operation-id place-7")]
        Describe(Describe),
        /// Show the operations that a filter finds
        #[command(after_help = "Example:\n  perdure nexus operation list --query 'Endpoint = \"shop\"'")]
        List(List),
        /// Count the operations that a filter finds
        #[command(after_help = "Example:\n  perdure nexus operation count --query 'Endpoint = \"shop\"'")]
        Count(Count),
        /// Ask an operation to end in its own way
        #[command(after_help = "Example:\n  perdure nexus operation cancel --operation-id place-7")]
        Cancel(Cancel),
        /// End an operation at once
        #[command(after_help = "Example:\n  perdure nexus operation terminate --operation-id place-7 --reason 'wrong item'")]
        Terminate(Terminate),
    }
}

/// An operation that is named.
#[derive(Args, Debug)]
pub(crate) struct OperationReference {
    /// The operation's id.
    #[arg(long)]
    operation_id: String,
    /// One of its runs; without it the latest.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    run_id: String,
}

#[derive(Args, Debug)]
pub struct Start {
    /// The Nexus endpoint's name.
    #[arg(long)]
    endpoint: String,
    /// The service's name.
    #[arg(long)]
    service: String,
    /// The operation's name.
    #[arg(long)]
    operation: String,
    /// The operation's id.
    #[arg(long)]
    operation_id: String,
    /// The longest time for all of it.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    schedule_to_close_timeout: Option<Duration>,
    /// The longest time until it has started.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    schedule_to_start_timeout: Option<Duration>,
    /// The longest time from its start to its end.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    start_to_close_timeout: Option<Duration>,
    /// What to do where an operation of this id runs.
    #[arg(long, ignore_case = true, value_name = "POLICY", value_parser = choices("NEXUS_OPERATION_ID_CONFLICT_POLICY_",
        &["Fail", "UseExisting"], NexusOperationIdConflictPolicy::from_str_name))]
    id_conflict_policy: Option<NexusOperationIdConflictPolicy>,
    /// Whether the id of a closed operation may be taken again.
    #[arg(long, ignore_case = true, value_name = "POLICY", value_parser = choices("NEXUS_OPERATION_ID_REUSE_POLICY_",
        &["AllowDuplicate", "AllowDuplicateFailedOnly", "RejectDuplicate"], NexusOperationIdReusePolicy::from_str_name))]
    id_reuse_policy: Option<NexusOperationIdReusePolicy>,
    /// A search attribute, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    search_attribute: Vec<KeyValue>,
    /// One line about it for people, in Markdown.
    #[arg(long, value_name = "TEXT")]
    static_summary: Option<String>,
    #[command(flatten)]
    input: PayloadInput,
}

#[derive(Args, Debug)]
pub struct Execute {
    #[command(flatten)]
    start: Start,
}

#[derive(Args, Debug)]
pub struct ResultOf {
    #[command(flatten)]
    operation: OperationReference,
}

#[derive(Args, Debug)]
pub struct Describe {
    #[command(flatten)]
    operation: OperationReference,
    /// Print the answer as JSON.
    #[arg(long)]
    raw: bool,
}

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    flags: ListFlags,
}

#[derive(Args, Debug)]
pub struct Count {
    /// A list filter; without it all are counted.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    query: String,
}

#[derive(Args, Debug)]
pub struct Cancel {
    #[command(flatten)]
    operation: OperationReference,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Args, Debug)]
pub struct Terminate {
    #[command(flatten)]
    operation: OperationReference,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
}

pub(crate) const OPERATIONS: &[Field] = &[
    ("Status", "/status"),
    ("OperationId", "/operationId"),
    ("Endpoint", "/endpoint"),
    ("Service", "/service"),
    ("Operation", "/operation"),
    ("StartTime", "/scheduleTime"),
];

pub(crate) const OPERATION: &[Section] = &[Section {
    title: "",
    at: "/info",
    fields: &[
        ("OperationId", "/operationId"),
        ("RunId", "/runId"),
        ("Endpoint", "/endpoint"),
        ("Service", "/service"),
        ("Operation", "/operation"),
        ("OperationToken", "/operationToken"),
        ("Status", "/status"),
        ("State", "/state"),
        ("Attempt", "/attempt"),
        ("ScheduleTime", "/scheduleTime"),
        ("ExpirationTime", "/expirationTime"),
        ("NextAttemptTime", "/nextAttemptScheduleTime"),
        ("CloseTime", "/closeTime"),
        ("ExecutionDuration", "/executionDuration"),
        ("ScheduleToCloseTimeout", "/scheduleToCloseTimeout"),
        ("LastAttemptFailure", "/lastAttemptFailure/message"),
        ("BlockedReason", "/blockedReason"),
        ("Cancellation", "/cancellationInfo/state"),
        ("StaticSummary", "/userMetadata/summary"),
        ("SearchAttributes", "/searchAttributes/indexedFields"),
        ("Identity", "/identity"),
    ],
}];

impl Start {
    /// Starts the operation; answers its run id.
    async fn start(&self, session: &Session) -> anyhow::Result<String> {
        let mut input = self.input.payloads()?.unwrap_or_default().payloads;
        if input.len() > 1 {
            bail!("a Nexus operation takes one --input");
        }
        let summary = self.static_summary.as_deref().map(text_payload);
        let mut request = StartNexusOperationExecutionRequest {
            namespace: session.namespace(),
            identity: session.identity(),
            request_id: uuid::Uuid::new_v4().to_string(),
            operation_id: self.operation_id.clone(),
            endpoint: self.endpoint.clone(),
            service: self.service.clone(),
            operation: self.operation.clone(),
            schedule_to_close_timeout: self.schedule_to_close_timeout,
            schedule_to_start_timeout: self.schedule_to_start_timeout,
            start_to_close_timeout: self.start_to_close_timeout,
            input: input.pop(),
            search_attributes: search_attributes("--search-attribute", &self.search_attribute)?,
            user_metadata: summary.map(|summary| UserMetadata { summary: Some(summary), details: None }),
            ..StartNexusOperationExecutionRequest::default()
        };
        request.set_id_conflict_policy(self.id_conflict_policy.unwrap_or_default());
        request.set_id_reuse_policy(self.id_reuse_policy.unwrap_or_default());
        Ok(session.call(request).await?.run_id)
    }

    fn print(&self, session: &Session, run_id: &str) -> anyhow::Result<()> {
        session.output.say("Running execution:")?;
        session.output.card([
            ("OperationId", Json::from(self.operation_id.as_str())),
            ("RunId", Json::from(run_id)),
            ("Namespace", Json::from(session.namespace())),
        ])
    }

    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let run_id = self.start(session).await?;
        self.print(session, &run_id)
    }
}

impl Execute {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let run_id = self.start.start(session).await?;
        if session.output.is_text() {
            self.start.print(session, &run_id)?;
        }
        result(session, OperationReference { operation_id: self.start.operation_id, run_id }).await
    }
}

impl ResultOf {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        result(session, self.operation).await
    }
}

/// Waits for the end and prints it; an error where the operation failed.
async fn result(session: &Session, operation: OperationReference) -> anyhow::Result<()> {
    let request = PollNexusOperationExecutionRequest {
        namespace: session.namespace(),
        operation_id: operation.operation_id.clone(),
        run_id: operation.run_id,
        wait_stage: NexusOperationWaitStage::Closed.into(),
    };
    loop {
        let Some(answer) = session.poll(request.clone()).await? else { continue };
        let ended = match answer.outcome {
            Some(Outcome::Result(payload)) => Ended::Result(Payloads { payloads: vec![payload] }),
            Some(Outcome::Failure(failure)) => Ended::Failure(Box::new(failure)),
            None => continue,
        };
        return ended.print(session, ("OperationId", &operation.operation_id), &answer.run_id);
    }
}

impl Describe {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let OperationReference { operation_id, run_id } = self.operation;
        let request = DescribeNexusOperationExecutionRequest {
            namespace: session.namespace(),
            operation_id,
            run_id,
            ..DescribeNexusOperationExecutionRequest::default()
        };
        session.show_or_raw(request, OPERATION, self.raw).await
    }
}

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let page_size = self.flags.page_size();
        let ListFlags { query, limit, .. } = self.flags;
        let namespace = session.namespace();
        let request = ListNexusOperationExecutionsRequest { namespace, query, page_size, ..Default::default() };
        session.list(request, limit, OPERATIONS).await
    }
}

impl Count {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let namespace = session.namespace();
        count::print(session, CountNexusOperationExecutionsRequest { namespace, query: self.query }).await
    }
}

impl Cancel {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = RequestCancelNexusOperationExecutionRequest {
            namespace: session.namespace(),
            operation_id: self.operation.operation_id,
            run_id: self.operation.run_id,
            identity: session.identity(),
            request_id: uuid::Uuid::new_v4().to_string(),
            reason: self.reason.unwrap_or_default(),
        };
        session.done(request, "Cancellation requested").await
    }
}

impl Terminate {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = TerminateNexusOperationExecutionRequest {
            namespace: session.namespace(),
            operation_id: self.operation.operation_id,
            run_id: self.operation.run_id,
            identity: session.identity(),
            request_id: uuid::Uuid::new_v4().to_string(),
            reason: self.reason.unwrap_or_else(default_reason),
        };
        session.done(request, "Nexus operation terminated").await
    }
}
