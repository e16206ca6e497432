//! `workflow reset`.

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use perdure_proto::api::{
    batch::BatchOperationReset,
    common::{ResetOptions, WorkflowExecution, reset_options},
    enums::{EventType, ResetReapplyExcludeType, ResetReapplyType},
    history::history_event::Attributes,
    workflow::{PostResetOperation, post_reset_operation},
    workflowservice::{
        GetWorkflowExecutionHistoryRequest, ResetWorkflowExecutionRequest, start_batch_operation_request::Operation,
    },
};

use super::{options::Override, show};
use crate::{
    connect::user,
    session::Session,
    target::{self, Chosen, Target},
};

#[derive(Args, Debug)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub struct Reset {
    #[command(flatten)]
    flags: ResetFlags,
    #[command(subcommand)]
    with: Option<With>,
}

#[derive(Debug, Subcommand)]
enum With {
    /// Reset, and change the versioning override of the new run
    #[command(
        after_help = "Example:\n  perdure workflow reset with-workflow-update-options --workflow-id order-7 --type LastWorkflowTask --reason 'new build' --versioning-override-behavior auto_upgrade"
    )]
    WithWorkflowUpdateOptions(Box<WithOptions>),
}

#[derive(Args, Debug)]
struct WithOptions {
    #[command(flatten)]
    flags: ResetFlags,
    #[command(flatten)]
    versioning: Override,
}

#[derive(Args, Debug)]
struct ResetFlags {
    #[command(flatten)]
    target: Target,
    /// The event at which the new run begins: a WorkflowTaskStarted, Completed, Failed or TimedOut event.
    #[arg(long, short, conflicts_with = "type")]
    event_id: Option<i64>,
    /// Which point of the history to take.
    #[arg(long, short, value_enum, ignore_case = true, required_unless_present = "event_id")]
    r#type: Option<ResetType>,
    /// For `--type BuildId`: the point before this build ran.
    #[arg(long, required_if_eq("type", "BuildId"))]
    build_id: Option<String>,
    /// What of the discarded events is not sent again; may be repeated.
    #[arg(long, value_enum, ignore_case = true)]
    reapply_exclude: Vec<Exclude>,
    /// The older form of --reapply-exclude.
    #[arg(long, value_enum, ignore_case = true, hide = true, conflicts_with = "reapply_exclude")]
    reapply_type: Option<Reapply>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum ResetType {
    /// Where its code first ran.
    FirstWorkflowTask,
    /// Where its code last ran.
    LastWorkflowTask,
    /// The end of the run before this one.
    LastContinuedAsNew,
    /// Before a build ran, with --build-id; of a batch only.
    BuildId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Exclude {
    All,
    Signal,
    Update,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Reapply {
    All,
    Signal,
    None,
}

impl Reset {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self.with {
            Some(With::WithWorkflowUpdateOptions(with)) => {
                let (options, mask) = with.versioning.options()?;
                let change = post_reset_operation::UpdateWorkflowOptions {
                    workflow_execution_options: Some(options),
                    update_mask: Some(mask),
                };
                let variant = Some(post_reset_operation::Variant::UpdateWorkflowOptions(change));
                with.flags.reset(session, vec![PostResetOperation { variant }]).await
            }
            None => self.flags.reset(session, Vec::new()).await,
        }
    }
}

impl ResetFlags {
    async fn reset(&self, session: &Session, post_reset_operations: Vec<PostResetOperation>) -> anyhow::Result<()> {
        match self.target.choose(session).await? {
            Chosen::One(execution) => self.one(session, *execution, post_reset_operations).await,
            Chosen::Many(job) => {
                let operation = BatchOperationReset {
                    identity: session.identity(),
                    options: Some(self.batch_options()?),
                    post_reset_operations,
                    ..BatchOperationReset::default()
                };
                target::start(session, *job, Operation::ResetOperation(operation)).await
            }
        }
    }

    async fn one(
        &self,
        session: &Session,
        mut execution: WorkflowExecution,
        post_reset_operations: Vec<PostResetOperation>,
    ) -> anyhow::Result<()> {
        let event_id = match (self.r#type, self.event_id) {
            (Some(kind), _) => {
                let point = point(session, &execution, kind).await?;
                execution.run_id = point.run_id;
                point.event_id
            }
            // One of the two flags is required.
            (None, event_id) => event_id.unwrap_or_default(),
        };
        session.output.say(format!("Resetting workflow {} to event ID {event_id}", execution.workflow_id))?;
        let request = ResetWorkflowExecutionRequest {
            namespace: session.namespace(),
            workflow_execution: Some(execution),
            reason: format!("{}: {}", user(), self.target.reason()),
            workflow_task_finish_event_id: event_id,
            request_id: uuid::Uuid::new_v4().to_string(),
            reset_reapply_type: self.reapply().into(),
            reset_reapply_exclude_types: self.excluded(),
            post_reset_operations,
            identity: session.identity(),
        };
        let answer = session.call(request).await?;
        session.output.card([("RunId", serde_json::Value::from(answer.run_id))])
    }

    fn batch_options(&self) -> anyhow::Result<ResetOptions> {
        let target = match (self.r#type, &self.build_id) {
            (Some(ResetType::FirstWorkflowTask), _) => reset_options::Target::FirstWorkflowTask(()),
            (Some(ResetType::LastWorkflowTask), _) => reset_options::Target::LastWorkflowTask(()),
            (Some(ResetType::BuildId), Some(build_id)) => reset_options::Target::BuildId(build_id.clone()),
            _ => bail!("a batch of resets needs --type FirstWorkflowTask, LastWorkflowTask or BuildId"),
        };
        Ok(ResetOptions {
            target: Some(target),
            reset_reapply_type: self.reapply().into(),
            reset_reapply_exclude_types: self.excluded(),
            ..ResetOptions::default()
        })
    }

    fn reapply(&self) -> ResetReapplyType {
        match self.reapply_type {
            None | Some(Reapply::All) => ResetReapplyType::AllEligible,
            Some(Reapply::Signal) => ResetReapplyType::Signal,
            Some(Reapply::None) => ResetReapplyType::None,
        }
    }

    fn excluded(&self) -> Vec<i32> {
        use ResetReapplyExcludeType::{CancelRequest, Nexus, Signal, Update};
        let kinds = |exclude: &Exclude| match exclude {
            Exclude::All => vec![Signal, Update, Nexus, CancelRequest],
            Exclude::Signal => vec![Signal],
            Exclude::Update => vec![Update],
        };
        self.reapply_exclude.iter().flat_map(kinds).map(i32::from).collect()
    }
}

/// A point to reset to.
struct Point {
    run_id: String,
    event_id: i64,
}

/// Looks the point up in the history.
async fn point(session: &Session, execution: &WorkflowExecution, kind: ResetType) -> anyhow::Result<Point> {
    let mut run = execution.clone();
    if kind == ResetType::BuildId {
        bail!("--type BuildId is for a batch: use --query 'WorkflowId = \"{}\"'", execution.workflow_id);
    }
    if kind == ResetType::LastContinuedAsNew {
        run.run_id = previous_run(session, execution).await?;
    }
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: session.namespace(),
        execution: Some(run.clone()),
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    let (mut first, mut last, mut scheduled) = (None, None, None);
    show::each_page(session, request, |events| {
        for event in events {
            match event.event_type() {
                EventType::WorkflowTaskCompleted => {
                    first.get_or_insert(event.event_id);
                    last = Some(event.event_id);
                }
                // A task that has not run yet: the event behind it is the point.
                EventType::WorkflowTaskScheduled => {
                    scheduled.get_or_insert(event.event_id + 1);
                }
                _ => {}
            }
        }
        Ok(())
    })
    .await?;
    let event_id = match kind {
        ResetType::FirstWorkflowTask => first.or(scheduled),
        ResetType::LastWorkflowTask => last.or(scheduled),
        ResetType::LastContinuedAsNew | ResetType::BuildId => last,
    };
    let event_id = event_id.context("the workflow's code has not run yet: there is nothing to reset")?;
    Ok(Point { run_id: run.run_id, event_id })
}

/// The run that this one continues.
async fn previous_run(session: &Session, execution: &WorkflowExecution) -> anyhow::Result<String> {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: session.namespace(),
        execution: Some(execution.clone()),
        maximum_page_size: 1,
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    let first = session.call(request).await?.history.unwrap_or_default().events()?.into_iter().next();
    match first.and_then(|event| event.attributes) {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started))
            if !started.continued_execution_run_id.is_empty() =>
        {
            Ok(started.continued_execution_run_id)
        }
        _ => bail!("--type LastContinuedAsNew: this workflow does not continue another run"),
    }
}
