//! UpdateWorkflowExecutionOptions: an operator changes a run's versioning override or its priority.

use perdure_engine::{Input, OptionsUpdate, Reject, Reply, fill_pinned_version, normalized_override, validate};
use perdure_history::Target;
use perdure_proto::api::{
    workflow::{VersioningOverride, WorkflowExecutionOptions},
    workflowservice::{UpdateWorkflowExecutionOptionsRequest, UpdateWorkflowExecutionOptionsResponse},
};
use prost_types::FieldMask;
use tonic::Status;

use crate::{
    Frontend, call::Call, error, namespaces::AuthorizedNamespace, status, status::invalid, time_skipping, validate::ids,
};

/// Paths of WorkflowExecutionOptions that a mask can name, but for those inside of these.
const PATHS: [(&str, &[&str]); 3] = [
    (
        "versioning_override",
        &[
            "behavior",
            "deployment",
            "deployment.series_name",
            "deployment.build_id",
            "pinned_version",
            "pinned",
            "pinned.behavior",
            "pinned.version",
            "pinned.version.deployment_name",
            "pinned.version.build_id",
            "auto_upgrade",
            "one_time",
            "one_time.target_deployment_version",
            "one_time.target_deployment_version.deployment_name",
            "one_time.target_deployment_version.build_id",
        ],
    ),
    ("priority", &["priority_key", "fairness_key", "fairness_weight"]),
    ("time_skipping_config", &[]),
];

impl Frontend {
    pub(crate) async fn update_workflow_options(
        &self,
        _call: &Call,
        request: UpdateWorkflowExecutionOptionsRequest,
    ) -> Result<UpdateWorkflowExecutionOptionsResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = ids::execution(namespace.id(), request.workflow_execution.as_ref())?;
        ids::optional("Identity", &request.identity, namespace.limits())?;
        let mask = request.update_mask.ok_or_else(|| invalid("UpdateMask is required"))?;
        let options =
            request.workflow_execution_options.ok_or_else(|| invalid("WorkflowExecutionOptions is required"))?;
        let update = self.checked_options(&namespace, &target, options, mask, true).await?;
        let update = OptionsUpdate { identity: request.identity, ..update };
        let reply = self.send(&target, Input::UpdateOptions(Box::new(update))).await?.reply;
        Ok(UpdateWorkflowExecutionOptionsResponse { workflow_execution_options: updated(reply), ..Default::default() })
    }

    /// Checks what the options ask for, and completes them by what the run knows. `open`: refused for a closed run.
    pub(crate) async fn checked_options(
        &self,
        namespace: &AuthorizedNamespace,
        target: &Target,
        mut options: WorkflowExecutionOptions,
        mask: FieldMask,
        open: bool,
    ) -> Result<OptionsUpdate, Status> {
        check_paths(&mask)?;
        validate::priority(options.priority.as_ref()).map_err(invalid)?;
        time_skipping::check(options.time_skipping_config.as_ref())?;
        if let Some(given) = options.versioning_override.take() {
            let looked = self.history.view(target.clone(), move |state| known_to_run(state, given, open)).await;
            let (known, queue) =
                looked.and_then(|known| known.map_err(Into::into)).map_err(|error| error::of_call(error, target))?;
            let checked = normalized_override(known).map_err(invalid)?;
            self.history
                .check_override(namespace.id(), &queue, Some(&checked))
                .map_err(|reject| error::of_call(reject.into(), target))?;
            self.deployments.pin(namespace.id(), Some(&checked)).await?;
            options.versioning_override = Some(checked);
        }
        Ok(OptionsUpdate { options, paths: mask.paths, identity: String::new() })
    }
}

/// The override with what the run adds to it, and the run's task queue.
fn known_to_run(
    state: &perdure_engine::WorkflowState,
    mut given: VersioningOverride,
    open: bool,
) -> Result<(VersioningOverride, String), Reject> {
    if open && state.run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    fill_pinned_version(&state.run, &mut given)?;
    Ok((given, state.run.task_queue.clone()))
}

fn updated(reply: Reply) -> Option<WorkflowExecutionOptions> {
    match reply {
        Reply::WorkflowOptions(options) => Some(*options),
        _ => None,
    }
}

fn check_paths(mask: &FieldMask) -> Result<(), Status> {
    let is_known = |path: &str| {
        PATHS.iter().any(|(field, parts)| match path.strip_prefix(field) {
            Some("") => true,
            Some(rest) => rest.strip_prefix('.').is_some_and(|part| parts.contains(&part)),
            None => false,
        })
    };
    match mask.paths.iter().find(|path| !is_known(path)) {
        Some(path) => Err(status::invalid(format!(
            "error parsing UpdateMask: proto: invalid path {path:?} for message \
             \"temporal.api.workflow.v1.WorkflowExecutionOptions\""
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let known = ["versioning_override", "versioning_override.pinned.version", "priority.fairness_key", "priority"];
        let unknown = ["", "nope", "versioningOverride", "versioning_override.nope", "priority.", "priorityx"];
        let check = |path: &str| check_paths(&FieldMask { paths: vec!["priority".into(), path.into()] });
        for path in known {
            assert!(check(path).is_ok(), "{path}");
        }
        for path in unknown {
            let text = format!(
                "error parsing UpdateMask: proto: invalid path {path:?} for message \
                 \"temporal.api.workflow.v1.WorkflowExecutionOptions\""
            );
            assert_eq!(check(path).unwrap_err().message(), text);
        }
    }
}
