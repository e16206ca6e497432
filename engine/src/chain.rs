//! The next run of a chain: by retry, by cron, by continue-as-new.

use perdure_proto::api::{
    command::ContinueAsNewWorkflowExecutionCommandAttributes,
    common::Payloads,
    enums::{ContinueAsNewInitiator, RetryState, TimeoutType},
    failure::{Failure, TimeoutFailureInfo, failure::FailureInfo},
};

use crate::{
    callback, cron,
    input::{Continued, Start},
    retry,
    state::{Nanos, RunState},
    time::{from_duration, from_optional_duration},
    tx::Tx,
    versioning,
};

/// What follows a run that ends by itself.
pub(crate) struct Following {
    pub(crate) retry_state: RetryState,
    /// Why and after which wait the next run starts.
    pub(crate) next: Option<(ContinueAsNewInitiator, Nanos)>,
}

/// After a failure: another attempt as the retry policy says; where there is none, the next time of the cron schedule.
pub(crate) fn after_failure(run: &RunState, failure: &Failure, now: Nanos) -> Following {
    let answer = match &run.retry_policy {
        None => retry::Next::Stop(RetryState::RetryPolicyNotSet),
        Some(policy) => {
            retry::Attempt { policy, attempt: run.attempt, now, expiration: run.execution_expiration }.next(failure)
        }
    };
    match answer {
        retry::Next::After(wait) => {
            Following { retry_state: RetryState::InProgress, next: Some((ContinueAsNewInitiator::Retry, wait)) }
        }
        retry::Next::Stop(retry_state) => Following { retry_state, next: by_cron(run, now) },
    }
}

/// The next run of the cron schedule, if there is one.
pub(crate) fn by_cron(run: &RunState, now: Nanos) -> Option<(ContinueAsNewInitiator, Nanos)> {
    if run.cron_schedule.is_empty() {
        return None;
    }
    let wait = cron::next_wait(&run.cron_schedule, run.execution_time, now)?;
    Some((ContinueAsNewInitiator::CronSchedule, wait))
}

/// The failure that stands for a run's time-out.
pub(crate) fn timeout_failure() -> Failure {
    Failure {
        message: "workflow timeout".into(),
        source: "Server".into(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: TimeoutType::StartToClose as i32,
            last_heartbeat_details: None,
        })),
        ..Default::default()
    }
}

/// A run that begins as this one began. None where the run was not kept ready for that.
pub(crate) fn again(
    tx: &mut Tx,
    (initiator, wait): (ContinueAsNewInitiator, Nanos),
    failure: Option<Failure>,
    last_completion_result: Option<Payloads>,
) -> Option<Start> {
    let started = tx.state.run.started.clone()?;
    let attempt = match initiator {
        ContinueAsNewInitiator::Retry => tx.state.run.attempt.saturating_add(1),
        _ => 1,
    };
    // Each run of a cron schedule has an end of its own: callbacks hear of the first.
    let completion_callbacks = match initiator {
        ContinueAsNewInitiator::Retry => callback::handed_on(&tx.state.run),
        _ => Vec::new(),
    };
    let continued = continued(tx, initiator, wait);
    let versioning = versioning::inherited_by_retry(&tx.state.run, initiator, &started);
    Some(Start {
        inherited: versioning,
        workflow_type: started.workflow_type.map(|kind| kind.name).unwrap_or_default(),
        task_queue: started.task_queue.map(|queue| queue.name).unwrap_or_default(),
        input: started.input,
        header: started.header,
        run_timeout: started.workflow_run_timeout.as_ref().map(from_duration),
        task_timeout: from_optional_duration(started.workflow_task_timeout.as_ref()),
        retry_policy: started.retry_policy,
        cron_schedule: started.cron_schedule,
        memo: started.memo,
        search_attributes: started.search_attributes,
        priority: started.priority,
        completion_callbacks,
        continued: Some(Continued { attempt, failure, last_completion_result, ..continued }),
        ..inherited(tx)
    })
}

/// The run that a ContinueAsNew command asks for. What the command leaves open was filled in by its check.
pub(crate) fn as_new(tx: &mut Tx, command: &ContinueAsNewWorkflowExecutionCommandAttributes) -> Start {
    let (initiator, attempt) = match command.initiator() {
        ContinueAsNewInitiator::Retry => (ContinueAsNewInitiator::Retry, tx.state.run.attempt.saturating_add(1)),
        ContinueAsNewInitiator::Unspecified => (ContinueAsNewInitiator::Workflow, 1),
        other => (other, 1),
    };
    let continued = continued(tx, initiator, from_optional_duration(command.backoff_start_interval.as_ref()));
    let run = &tx.state.run;
    let name = |given: Option<&String>, own: &String| given.filter(|name| !name.is_empty()).unwrap_or(own).clone();
    Start {
        workflow_type: name(command.workflow_type.as_ref().map(|kind| &kind.name), &run.workflow_type),
        task_queue: name(command.task_queue.as_ref().map(|queue| &queue.name), &run.task_queue),
        input: command.input.clone(),
        header: command.header.clone(),
        run_timeout: command.workflow_run_timeout.as_ref().map(from_duration),
        task_timeout: from_optional_duration(command.workflow_task_timeout.as_ref()),
        retry_policy: command.retry_policy.clone(),
        cron_schedule: command.cron_schedule.clone(),
        memo: command.memo.clone(),
        search_attributes: command.search_attributes.clone(),
        priority: run.priority.clone(),
        completion_callbacks: callback::handed_on(run),
        inherited: versioning::inherited_by_next_run(run, command),
        continued: Some(Continued {
            attempt,
            failure: command.failure.clone(),
            last_completion_result: command.last_completion_result.clone(),
            ..continued
        }),
        ..inherited(tx)
    }
}

fn continued(tx: &Tx, initiator: ContinueAsNewInitiator, wait: Nanos) -> Continued {
    let run = &tx.state.run;
    Continued {
        run_id: run.run_id.clone(),
        first_execution_run_id: run.first_execution_run_id.clone(),
        initiator,
        backoff: spread(run, wait, tx.ctx.now, tx.ctx.limits.min_run_interval),
        execution_expiration: run.execution_expiration,
        ..Default::default()
    }
}

/// Runs of a chain begin at least `min` apart, so that a workflow that does nothing but go on cannot spin.
fn spread(run: &RunState, wait: Nanos, now: Nanos, min: Nanos) -> Nanos {
    let lifetime = now - run.execution_time;
    wait.max(min - lifetime)
}

/// What every next run has from the run before, with ids of its own.
fn inherited(tx: &mut Tx) -> Start {
    let (run_id, request_id) = (tx.ctx.ids.run_id(), tx.ctx.ids.message_id());
    let run = &tx.state.run;
    let is_child = run.parent.is_some();
    Start {
        namespace_id: run.namespace_id.clone(),
        namespace: run.namespace.clone(),
        workflow_id: run.workflow_id.clone(),
        run_id,
        request_id,
        execution_timeout: run.execution_timeout,
        links: run.links.clone(),
        parent: run.parent.as_deref().cloned(),
        root_workflow_id: if is_child { run.root_workflow_id.clone() } else { String::new() },
        root_run_id: if is_child { run.root_run_id.clone() } else { String::new() },
        ..Default::default()
    }
}
