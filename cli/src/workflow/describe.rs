//! `workflow describe`.

use clap::Args;
use perdure_proto::api::{enums::WorkflowExecutionStatus, workflowservice::DescribeWorkflowExecutionRequest};

use super::outcome::Outcome;
use crate::{output::Section, session::Session, target::WorkflowReference};

#[derive(Args, Debug)]
pub struct Describe {
    #[command(flatten)]
    workflow: WorkflowReference,
    /// Print only the points that it can be reset to.
    #[arg(long)]
    reset_points: bool,
    /// Print the answer as JSON.
    #[arg(long)]
    raw: bool,
}

pub(crate) const RESET_POINTS: &[Section] = &[Section {
    title: "Auto Reset Points",
    at: "/workflowExecutionInfo/autoResetPoints/points",
    fields: &[
        ("BuildId", "/buildId"),
        ("CreateTime", "/createTime"),
        ("RunId", "/runId"),
        ("EventId", "/firstWorkflowTaskCompletedId"),
        ("Resettable", "/resettable"),
    ],
}];

pub(crate) const WORKFLOW: &[Section] = &[
    Section {
        title: "Execution Info",
        at: "/workflowExecutionInfo",
        fields: &[
            ("WorkflowId", "/execution/workflowId"),
            ("RunId", "/execution/runId"),
            ("Type", "/type/name"),
            ("Status", "/status"),
            ("TaskQueue", "/taskQueue"),
            ("StartTime", "/startTime"),
            ("CloseTime", "/closeTime"),
            ("ExecutionTime", "/executionTime"),
            ("Memo", "/memo/fields"),
            ("SearchAttributes", "/searchAttributes/indexedFields"),
            ("Priority", "/priority"),
            ("StateTransitionCount", "/stateTransitionCount"),
            ("HistoryLength", "/historyLength"),
            ("HistorySize", "/historySizeBytes"),
            ("ParentWorkflowId", "/parentExecution/workflowId"),
            ("ParentRunId", "/parentExecution/runId"),
            ("RootWorkflowId", "/rootExecution/workflowId"),
            ("RootRunId", "/rootExecution/runId"),
            ("AssignedBuildId", "/assignedBuildId"),
        ],
    },
    Section {
        title: "Extended Execution Info",
        at: "/workflowExtendedInfo",
        fields: &[
            ("CancelRequested", "/cancelRequested"),
            ("ExecutionExpirationTime", "/executionExpirationTime"),
            ("RunExpirationTime", "/runExpirationTime"),
            ("LastResetTime", "/lastResetTime"),
            ("OriginalStartTime", "/originalStartTime"),
            ("ResetRunId", "/resetRunId"),
        ],
    },
    Section {
        title: "Pause Info",
        at: "/workflowExtendedInfo/pauseInfo",
        fields: &[("Identity", "/identity"), ("Reason", "/reason"), ("PausedTime", "/pausedTime")],
    },
    Section {
        title: "Metadata",
        at: "/executionConfig/userMetadata",
        fields: &[("StaticSummary", "/summary"), ("StaticDetails", "/details")],
    },
    Section {
        title: "Versioning Info",
        at: "/workflowExecutionInfo/versioningInfo",
        fields: &[
            ("Behavior", "/behavior"),
            ("DeploymentName", "/deploymentVersion/deploymentName"),
            ("BuildId", "/deploymentVersion/buildId"),
            ("OverridePinnedVersion", "/versioningOverride/pinned/version"),
            ("OverrideAutoUpgrade", "/versioningOverride/autoUpgrade"),
            ("OverrideOneTime", "/versioningOverride/oneTime"),
            ("TransitionVersion", "/versionTransition/deploymentVersion"),
        ],
    },
    Section {
        title: "Callbacks",
        at: "/callbacks",
        fields: &[
            ("URL", "/callback/nexus/url"),
            ("Trigger", "/trigger"),
            ("State", "/state"),
            ("Attempt", "/attempt"),
            ("RegistrationTime", "/registrationTime"),
            ("LastAttemptFailure", "/lastAttemptFailure/message"),
            ("BlockedReason", "/blockedReason"),
        ],
    },
    Section {
        title: "Pending Activities",
        at: "/pendingActivities",
        fields: &[
            ("ActivityId", "/activityId"),
            ("Type", "/activityType/name"),
            ("State", "/state"),
            ("Paused", "/paused"),
            ("Attempt", "/attempt"),
            ("MaximumAttempts", "/maximumAttempts"),
            ("ScheduledTime", "/scheduledTime"),
            ("NextAttemptTime", "/nextAttemptScheduleTime"),
            ("LastHeartbeat", "/lastHeartbeatTime"),
            ("HeartbeatDetails", "/heartbeatDetails"),
            ("LastWorkerIdentity", "/lastWorkerIdentity"),
            ("LastFailure", "/lastFailure/message"),
        ],
    },
    Section {
        title: "Pending Child Workflows",
        at: "/pendingChildren",
        fields: &[
            ("WorkflowId", "/workflowId"),
            ("RunId", "/runId"),
            ("Type", "/workflowTypeName"),
            ("InitiatedId", "/initiatedId"),
            ("ParentClosePolicy", "/parentClosePolicy"),
        ],
    },
    Section {
        title: "Pending Nexus Operations",
        at: "/pendingNexusOperations",
        fields: &[
            ("Endpoint", "/endpoint"),
            ("Service", "/service"),
            ("Operation", "/operation"),
            ("OperationToken", "/operationToken"),
            ("State", "/state"),
            ("Attempt", "/attempt"),
            ("NextAttemptTime", "/nextAttemptScheduleTime"),
            ("LastFailure", "/lastAttemptFailure/message"),
            ("BlockedReason", "/blockedReason"),
            ("Cancellation", "/cancellationInfo/state"),
        ],
    },
    Section {
        title: "Pending Workflow Task",
        at: "/pendingWorkflowTask",
        fields: &[
            ("State", "/state"),
            ("ScheduledTime", "/scheduledTime"),
            ("StartedTime", "/startedTime"),
            ("Attempt", "/attempt"),
        ],
    },
];

impl Describe {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        type Request = DescribeWorkflowExecutionRequest;
        let request = Request { namespace: session.namespace(), execution: self.workflow.execution() };
        let answer = session.call(request).await?;
        let mut rendered = session.render::<Request>(&answer)?;
        if self.reset_points {
            return session.output.sections(&rendered, RESET_POINTS);
        }
        let info = answer.workflow_execution_info.unwrap_or_default();
        let open = [WorkflowExecutionStatus::Running, WorkflowExecutionStatus::Paused];
        let outcome = match info.execution.as_ref() {
            // A run that was closed is closed: the second request finds its end.
            Some(run) if !open.contains(&info.status()) => {
                Some(Outcome::of_closed(session, &run.workflow_id, &run.run_id).await?)
            }
            _ => None,
        };
        if session.output.is_text() && !self.raw {
            session.output.sections(&rendered, WORKFLOW)?;
            return outcome.map_or(Ok(()), |outcome| outcome.card(session, None));
        }
        if let (Some(outcome), Some(object)) = (outcome, rendered.as_object_mut()) {
            object.insert("closeEvent".to_owned(), outcome.event(session)?);
            let result = outcome.result(session)?;
            if !result.is_null() {
                object.insert("result".to_owned(), result);
            }
        }
        session.output.raw(&rendered)
    }
}
