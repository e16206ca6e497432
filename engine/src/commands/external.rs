//! SignalExternalWorkflowExecution and RequestCancelExternalWorkflowExecution.

use perdure_proto::api::{
    command::{
        RequestCancelExternalWorkflowExecutionCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
    },
    common::WorkflowExecution,
    enums::WorkflowTaskFailedCause as Cause,
    history::{
        RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
        SignalExternalWorkflowExecutionInitiatedEventAttributes, history_event::Attributes,
    },
};
use prost::Message;
use uuid::Uuid;

use super::{Batch, WorkflowTaskFailure, failure::too_many};
use crate::{
    outcome::Task,
    tx::{EventExtras, Tx},
};

pub(super) fn signal(
    tx: &mut Tx,
    batch: &Batch,
    command: SignalExternalWorkflowExecutionCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    const CAUSE: Cause = Cause::BadSignalWorkflowExecutionAttributes;
    let bad = |text: String| WorkflowTaskFailure::task_failed(CAUSE, text);
    let target = command
        .execution
        .ok_or_else(|| bad("Execution is not set on SignalExternalWorkflowExecutionCommand.".into()))?;
    let limits = tx.ctx.limits;
    let check = Target {
        command: "SignalExternalWorkflowExecutionCommand",
        namespace: &command.namespace,
        execution: &target,
        suffix: format!(" SignalName={}", command.signal_name),
    };
    check.check(tx, limits.id_length).map_err(bad)?;
    if command.signal_name.is_empty() {
        return Err(bad(format!(
            "SignalName is not set on SignalExternalWorkflowExecutionCommand. WorkflowId={} Namespace={} RunId={}",
            target.workflow_id, command.namespace, target.run_id
        )));
    }
    let pending = tx.state.run.external_signals.len();
    if pending >= limits.pending_signals {
        let what = "pending signals to external workflows";
        return Err(too_many(Cause::PendingSignalsLimitExceeded, what, pending, limits.pending_signals));
    }
    if command.input.as_ref().map_or(0, Message::encoded_len) as i64 > limits.blob_size {
        let text = "SignalExternalWorkflowExecutionCommandAttributes.Input exceeds size limit.";
        return Err(WorkflowTaskFailure::run_terminated(CAUSE, text));
    }
    let attributes = SignalExternalWorkflowExecutionInitiatedEventAttributes {
        workflow_task_completed_event_id: batch.completed_event_id,
        namespace: command.namespace,
        namespace_id: tx.state.run.namespace_id.clone(),
        workflow_execution: Some(target),
        signal_name: command.signal_name,
        input: command.input,
        control: command.control,
        child_workflow_only: command.child_workflow_only,
        header: command.header,
    };
    let attributes = Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(attributes);
    let initiated_event_id = tx.event_with(attributes, extras);
    tx.task(Task::SignalExternal { initiated_event_id });
    Ok(())
}

pub(super) fn request_cancel(
    tx: &mut Tx,
    batch: &Batch,
    command: RequestCancelExternalWorkflowExecutionCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    const CAUSE: Cause = Cause::BadRequestCancelExternalWorkflowExecutionAttributes;
    let bad = |text: String| WorkflowTaskFailure::task_failed(CAUSE, text);
    let target = WorkflowExecution { workflow_id: command.workflow_id, run_id: command.run_id };
    let limits = tx.ctx.limits;
    let check = Target {
        command: "RequestCancelExternalWorkflowExecutionCommand",
        namespace: &command.namespace,
        execution: &target,
        suffix: String::new(),
    };
    check.check(tx, limits.id_length).map_err(bad)?;
    if batch.children.contains(&target.workflow_id) {
        return Err(bad(format!(
            "Start and RequestCancel for child workflow is not allowed in same workflow task. \
             WorkflowId={} RunId={} Namespace={}",
            target.workflow_id, target.run_id, command.namespace
        )));
    }
    let pending = tx.state.run.external_cancels.len();
    if pending >= limits.pending_cancels {
        let what = "pending requests to cancel external workflows";
        return Err(too_many(Cause::PendingRequestCancelLimitExceeded, what, pending, limits.pending_cancels));
    }
    let attributes = RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
        workflow_task_completed_event_id: batch.completed_event_id,
        namespace: command.namespace,
        namespace_id: tx.state.run.namespace_id.clone(),
        workflow_execution: Some(target),
        control: command.control,
        child_workflow_only: command.child_workflow_only,
        reason: command.reason,
    };
    let attributes = Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(attributes);
    let initiated_event_id = tx.event_with(attributes, extras);
    tx.task(Task::CancelExternal { initiated_event_id });
    Ok(())
}

/// Whom a command is for.
struct Target<'a> {
    command: &'static str,
    namespace: &'a str,
    execution: &'a WorkflowExecution,
    /// What the texts tell at their end.
    suffix: String,
}

impl Target<'_> {
    fn check(&self, tx: &Tx, limit: usize) -> Result<(), String> {
        let Self { command, namespace, execution: WorkflowExecution { workflow_id, run_id }, suffix } = self;
        same_namespace(tx, namespace)?;
        if workflow_id.is_empty() {
            return Err(format!("WorkflowId is not set on {command}. Namespace={namespace} RunId={run_id}{suffix}"));
        }
        let length = workflow_id.len();
        if length > limit {
            return Err(format!(
                "WorkflowId on {command} exceeds length limit. WorkflowId={workflow_id} Length={length} Limit={limit} \
                 RunId={run_id} Namespace={namespace}{suffix}"
            ));
        }
        if !run_id.is_empty() && Uuid::try_parse(run_id).is_err() {
            return Err(format!(
                "Invalid RunId set on {command}. WorkflowId={workflow_id} Namespace={namespace} RunId={run_id}{suffix}"
            ));
        }
        Ok(())
    }
}

/// Commands stay in their namespace (CVE-2025-14987): only the namespace of the run was authorised.
pub(super) fn same_namespace(tx: &Tx, namespace: &str) -> Result<(), String> {
    if namespace.is_empty() || namespace == tx.state.run.namespace {
        Ok(())
    } else {
        Err("cross namespace commands are not allowed".into())
    }
}
