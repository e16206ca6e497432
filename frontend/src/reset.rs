//! ResetWorkflowExecution.

use perdure_engine::{
    Signal,
    reset::{Exclude, PostReset},
};
use perdure_history::{ResetRequest, Target};
use perdure_proto::api::{
    enums::{ResetReapplyExcludeType, ResetReapplyType},
    workflow::{PostResetOperation, post_reset_operation::Variant},
    workflowservice::{ResetWorkflowExecutionRequest, ResetWorkflowExecutionResponse},
};
use tonic::Status;
use uuid::Uuid;

use crate::{
    Frontend,
    call::Call,
    error,
    namespaces::AuthorizedNamespace,
    status,
    validate::{ids, links, sizes},
};

impl Frontend {
    pub(crate) async fn reset_workflow(
        &self,
        _call: &Call,
        request: ResetWorkflowExecutionRequest,
    ) -> Result<ResetWorkflowExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        ids::required("RequestId", &request.request_id, namespace.limits())?;
        let target = ids::execution(namespace.id(), request.workflow_execution.as_ref())?;
        let exclude = excluded(request.reset_reapply_type, &request.reset_reapply_exclude_types)?;
        let identity = request.identity;
        let mut operations = Vec::with_capacity(request.post_reset_operations.len());
        for operation in request.post_reset_operations {
            operations.push(self.post_reset(&namespace, &target, operation, &identity).await?);
        }
        let reset = ResetRequest {
            request_id: request.request_id,
            reason: request.reason,
            finish_event_id: request.workflow_task_finish_event_id,
            exclude,
            operations,
        };
        let run_id = self.history.reset(target.clone(), reset).await.map_err(|error| error::of_call(error, &target))?;
        Ok(ResetWorkflowExecutionResponse { run_id: run_id.to_string() })
    }

    /// Temporal refuses signals here, though its API has them.
    async fn post_reset(
        &self,
        namespace: &AuthorizedNamespace,
        target: &Target,
        operation: PostResetOperation,
        identity: &str,
    ) -> Result<PostReset, Status> {
        match operation.variant {
            None => Err(status::invalid("unsupported post reset operation: <nil>")),
            Some(Variant::SignalWorkflow(signal)) => {
                ids::required("SignalName", &signal.signal_name, namespace.limits())?;
                links::check(&signal.links, namespace.limits())?;
                sizes::blob(signal.input.as_ref(), namespace.limits())?;
                sizes::blob(signal.header.as_ref(), namespace.limits())?;
                Ok(PostReset::Signal(Box::new(Signal {
                    name: signal.signal_name,
                    input: signal.input,
                    header: signal.header,
                    links: signal.links,
                    identity: identity.to_owned(),
                    request_id: Uuid::new_v4().to_string(),
                    ..Signal::default()
                })))
            }
            Some(Variant::UpdateWorkflowOptions(update)) => {
                let options = update.workflow_execution_options.unwrap_or_default();
                let paths = update.update_mask.unwrap_or_default();
                let update = self.checked_options(namespace, target, options, paths, false).await?;
                Ok(PostReset::UpdateOptions(Box::new(update)))
            }
        }
    }
}

/// `reapply` is the older way to say what is taken over. A number without a meaning excludes nothing, as on the real
/// server; as a type it is refused: the real server fails with INTERNAL.
fn excluded(reapply: i32, types: &[i32]) -> Result<Exclude, Status> {
    use ResetReapplyExcludeType as E;
    let reapply = ResetReapplyType::try_from(reapply)
        .map_err(|_| status::invalid(format!("unknown reset reapply type: {reapply}")))?;
    let named = |wanted: ResetReapplyExcludeType| types.contains(&wanted.into());
    let all = [E::Signal, E::Update, E::Nexus, E::CancelRequest];
    Ok(Exclude {
        everything: all.into_iter().all(named),
        signals: reapply == ResetReapplyType::None || named(E::Signal),
        updates: matches!(reapply, ResetReapplyType::None | ResetReapplyType::Signal) || named(E::Update),
        nexus: named(E::Nexus),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_excluded() {
        use ResetReapplyExcludeType as E;
        use ResetReapplyType as T;
        type Case = (T, &'static [i32], (bool, bool, bool));
        let cases: [Case; 7] = [
            (T::Unspecified, &[], (false, false, false)),
            (T::AllEligible, &[], (false, false, false)),
            (T::Signal, &[], (false, true, false)),
            (T::None, &[], (true, true, false)),
            (T::AllEligible, &[E::Signal as i32], (true, false, false)),
            (T::Unspecified, &[E::Update as i32, E::Nexus as i32], (false, true, true)),
            (T::Unspecified, &[99], (false, false, false)),
        ];
        for (reapply, types, (signals, updates, nexus)) in cases {
            assert_eq!(
                excluded(reapply.into(), types).unwrap(),
                Exclude { everything: false, signals, updates, nexus },
                "{reapply:?} {types:?}"
            );
        }
        let all = [E::Signal as i32, E::Update as i32, E::Nexus as i32, E::CancelRequest as i32];
        assert!(excluded(0, &all).unwrap().everything);
        assert_eq!(excluded(99, &[]).unwrap_err().message(), "unknown reset reapply type: 99");
    }
}
