//! UpdateWorkflowExecutionOptions: an operator sets or unsets a run's override, or changes its priority.

use perdure_proto::api::{
    common::Priority,
    history::{WorkflowExecutionOptionsUpdatedEventAttributes, history_event::Attributes},
    workflow::{VersioningOverride, WorkflowExecutionOptions},
};

use super::{effective, overrides, transition};
use crate::{
    outcome::Reply,
    reject::Reject,
    state::RunState,
    tx::{EventExtras, Tx},
    workflow_task,
};

/// What an operator asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptionsUpdate {
    /// The override in its newest form ([`super::normalized_override`]).
    pub options: WorkflowExecutionOptions,
    /// Paths of the fields to change, in snake case. Their names are known.
    pub paths: Vec<String>,
    pub identity: String,
}

pub(crate) fn update_options(tx: &mut Tx, update: OptionsUpdate) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    if run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    let current = WorkflowExecutionOptions {
        versioning_override: run.versioning.info.as_ref().and_then(|info| info.versioning_override.clone()),
        priority: run.priority.clone(),
        time_skipping_config: None,
    };
    let merged = merged(current.clone(), update.options, &update.paths)?;
    if merged == current {
        return Ok(Reply::WorkflowOptions(Box::new(merged)));
    }
    let before = effective(run);
    let event = WorkflowExecutionOptionsUpdatedEventAttributes {
        versioning_override: merged.versioning_override.clone(),
        unset_versioning_override: merged.versioning_override.is_none(),
        identity: update.identity,
        priority: merged.priority.clone(),
        ..Default::default()
    };
    let extras = EventExtras { worker_may_ignore: true, ..Default::default() };
    tx.event_or_buffer_with(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(event), extras);
    if effective(&tx.state.run) != before {
        workflow_task::redirect(tx);
        transition::redirect_waiting_activities(tx);
    } else if merged.priority != current.priority {
        workflow_task::redirect(tx);
    }
    Ok(Reply::WorkflowOptions(Box::new(merged)))
}

/// The options with the fields that the mask names taken from `given`.
fn merged(
    mut options: WorkflowExecutionOptions,
    given: WorkflowExecutionOptions,
    paths: &[String],
) -> Result<WorkflowExecutionOptions, Reject> {
    let invalid = |text: &str| Err(Reject::InvalidArgument(format!("error applying update_options: {text}")));
    let has = |path: &str| paths.iter().any(|named| named == path);
    // The two fields of an older form were updated by name.
    let (deployment, behavior) = (has("versioning_override.deployment"), has("versioning_override.behavior"));
    if deployment != behavior {
        return invalid("versioning_override fields must be updated together");
    }
    let is_part = |path: &String| {
        path.starts_with("versioning_override.")
            && path != "versioning_override.deployment"
            && path != "versioning_override.behavior"
    };
    if paths.iter().any(is_part) {
        return invalid("versioning_override doesn't support partial updates");
    }
    if has("versioning_override") || deployment {
        options.versioning_override = given.versioning_override;
    }
    merge_priority(&mut options.priority, given.priority, &has);
    Ok(options)
}

fn merge_priority(priority: &mut Option<Priority>, given: Option<Priority>, has: &dyn Fn(&str) -> bool) {
    if has("priority") {
        priority.clone_from(&given);
    }
    let given = given.unwrap_or_default();
    if has("priority.priority_key") {
        priority.get_or_insert_default().priority_key = given.priority_key;
    }
    if has("priority.fairness_key") {
        priority.get_or_insert_default().fairness_key = given.fairness_key;
    }
    if has("priority.fairness_weight") {
        priority.get_or_insert_default().fairness_weight = given.fairness_weight;
    }
}

pub(crate) fn apply_options(run: &mut RunState, options: &WorkflowExecutionOptionsUpdatedEventAttributes) {
    let before = effective(run);
    match &options.versioning_override {
        Some(set) if !options.unset_versioning_override => set_override(run, set),
        _ if options.unset_versioning_override => unset_override(run),
        _ => {}
    }
    if effective(run) != before {
        run.sticky = None;
    }
    if let Some(priority) = &options.priority {
        run.priority = Some(priority.clone());
    }
}

fn set_override(run: &mut RunState, set: &VersioningOverride) {
    let info = run.versioning.info.get_or_insert_default();
    if let Some(version) = overrides::target(Some(set)) {
        run.versioning.worker_deployment_name.clone_from(&version.deployment_name);
        // A run that is stuck on its way to a version can be pinned to another.
        info.version_transition = None;
    }
    info.versioning_override = Some(set.clone());
}

fn unset_override(run: &mut RunState) {
    let version = run.versioning.info.as_mut().and_then(|info| {
        info.versioning_override = None;
        info.deployment_version.as_ref()
    });
    run.versioning.worker_deployment_name = version.map(|version| version.deployment_name.clone()).unwrap_or_default();
}
