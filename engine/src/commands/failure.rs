//! Why a completion cannot be taken, in the words that workers and histories know.

use perdure_proto::api::enums::{CommandType, WorkflowTaskFailedCause};

/// What a bad completion leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// The call is refused and nothing is written: the completion has no meaning at all.
    Refused,
    /// The workflow task fails; another attempt follows.
    TaskFailed,
    /// The workflow task fails and the run is terminated, with the message as reason: another attempt could not help.
    RunTerminated,
}

/// A completion that cannot be taken. All that its commands did is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkflowTaskFailure {
    pub(crate) cause: WorkflowTaskFailedCause,
    /// The text of the INVALID_ARGUMENT answer, of the event's failure and of a termination's reason.
    pub(crate) message: String,
    pub(crate) consequence: Consequence,
}

impl WorkflowTaskFailure {
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        let cause = WorkflowTaskFailedCause::Unspecified;
        Self { cause, message: message.into(), consequence: Consequence::Refused }
    }

    pub(crate) fn task_failed(cause: WorkflowTaskFailedCause, text: impl AsRef<str>) -> Self {
        Self { cause, message: prefixed(cause, text.as_ref()), consequence: Consequence::TaskFailed }
    }

    pub(crate) fn run_terminated(cause: WorkflowTaskFailedCause, text: impl AsRef<str>) -> Self {
        Self { cause, message: prefixed(cause, text.as_ref()), consequence: Consequence::RunTerminated }
    }
}

fn prefixed(cause: WorkflowTaskFailedCause, text: &str) -> String {
    let cause = pascal(cause.as_str_name().trim_start_matches("WORKFLOW_TASK_FAILED_CAUSE_"));
    if text.is_empty() { cause } else { format!("{cause}: {text}") }
}

/// The name of a command type in texts: `StartTimer`; a number that is no type stands for itself.
pub(crate) fn command_name(command_type: i32) -> String {
    match CommandType::try_from(command_type) {
        Ok(known) => pascal(known.as_str_name().trim_start_matches("COMMAND_TYPE_")),
        Err(_) => command_type.to_string(),
    }
}

/// `START_TIMER` to `StartTimer`.
fn pascal(screaming: &str) -> String {
    screaming
        .split('_')
        .flat_map(|word| {
            let (head, tail) = word.split_at(word.len().min(1));
            [head.to_owned(), tail.to_ascii_lowercase()]
        })
        .collect()
}

/// A command came without the attributes of its type.
pub(crate) fn unset(command_type: i32) -> WorkflowTaskFailure {
    use CommandType as T;
    use WorkflowTaskFailedCause as Cause;
    let cause = match CommandType::try_from(command_type).unwrap_or(T::Unspecified) {
        T::ScheduleActivityTask => Cause::BadScheduleActivityAttributes,
        T::RequestCancelActivityTask => Cause::BadRequestCancelActivityAttributes,
        T::StartTimer => Cause::BadStartTimerAttributes,
        T::CancelTimer => Cause::BadCancelTimerAttributes,
        T::RecordMarker => Cause::BadRecordMarkerAttributes,
        T::CompleteWorkflowExecution => Cause::BadCompleteWorkflowExecutionAttributes,
        T::FailWorkflowExecution => Cause::BadFailWorkflowExecutionAttributes,
        T::CancelWorkflowExecution => Cause::BadCancelWorkflowExecutionAttributes,
        T::ContinueAsNewWorkflowExecution => Cause::BadContinueAsNewAttributes,
        T::StartChildWorkflowExecution => Cause::BadStartChildExecutionAttributes,
        T::SignalExternalWorkflowExecution => Cause::BadSignalWorkflowExecutionAttributes,
        T::RequestCancelExternalWorkflowExecution => Cause::BadRequestCancelExternalWorkflowExecutionAttributes,
        T::UpsertWorkflowSearchAttributes => Cause::BadSearchAttributes,
        T::ModifyWorkflowProperties => Cause::BadModifyWorkflowPropertiesAttributes,
        T::ProtocolMessage => Cause::BadUpdateWorkflowExecutionMessage,
        T::ScheduleNexusOperation => Cause::BadScheduleNexusOperationAttributes,
        T::RequestCancelNexusOperation => Cause::BadRequestCancelNexusOperationAttributes,
        T::Unspecified => Cause::Unspecified,
    };
    // The two that Temporal words in another way.
    match cause {
        Cause::BadScheduleNexusOperationAttributes => {
            return WorkflowTaskFailure::task_failed(cause, "empty ScheduleNexusOperationCommandAttributes");
        }
        Cause::BadRequestCancelNexusOperationAttributes => {
            return WorkflowTaskFailure::task_failed(cause, "empty CancelNexusOperationCommandAttributes");
        }
        _ => {}
    }
    let name = command_name(command_type);
    WorkflowTaskFailure::task_failed(cause, format!("{name}CommandAttributes is not set on {name}Command."))
}

/// A limit on things that are pending at the same time.
pub(crate) fn too_many(
    cause: WorkflowTaskFailedCause,
    what: &str,
    pending: usize,
    limit: usize,
) -> WorkflowTaskFailure {
    let text = format!("the number of {what}, {pending}, has reached the per-workflow limit of {limit}");
    WorkflowTaskFailure::task_failed(cause, text)
}
