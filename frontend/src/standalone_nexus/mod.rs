//! Nexus operations of their own: describe and outcome. Starts, requests and lists are in the files beside.

mod control;
mod lists;
mod start;

use perdure_engine::{Archetype, state::NexusOutcome};
use perdure_history::{Target, Until};
use perdure_proto::{
    api::{
        enums::NexusOperationWaitStage as Stage,
        workflowservice::{
            DescribeNexusOperationExecutionRequest, DescribeNexusOperationExecutionResponse,
            PollNexusOperationExecutionRequest, PollNexusOperationExecutionResponse,
            describe_nexus_operation_execution_response::Outcome as Described,
            poll_nexus_operation_execution_response::Outcome as Polled,
        },
    },
    token::StateToken,
};
use perdure_storage::WorkflowKey;
use tonic::Status;
use uuid::Uuid;

use crate::{Frontend, call::Call, error, namespaces::AuthorizedNamespace, status, validate::ids};

/// The run of a Nexus operation of its own that a request names.
fn target(namespace: &AuthorizedNamespace, operation_id: &str, run_id: &str) -> Result<Target, Status> {
    if operation_id.is_empty() {
        return Err(status::invalid("operation_id is required"));
    }
    ids::limited("operation_id", operation_id, namespace.limits())?;
    let run_id = ids::optional_run_id(run_id, "run_id is not a valid UUID")?;
    Ok(Target { workflow: WorkflowKey::of(Archetype::NexusOperation, namespace.id(), operation_id), run_id })
}

/// How far an operation is.
struct Progress {
    run_id: String,
    transitions: i64,
    /// Set once it has started or closed.
    token: Option<String>,
    closed: bool,
    outcome: Option<NexusOutcome>,
}

impl Frontend {
    /// With a token the answer waits until the state is another than the one that the token was given with. Nothing new in
    /// time: an empty answer.
    pub(crate) async fn describe_nexus_operation(
        &self,
        call: &Call,
        request: DescribeNexusOperationExecutionRequest,
    ) -> Result<DescribeNexusOperationExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        if !request.long_poll_token.is_empty() && request.run_id.is_empty() {
            return Err(status::invalid("run_id is required when long_poll_token is provided"));
        }
        let target = target(&namespace, &request.operation_id, &request.run_id)?;
        if !request.long_poll_token.is_empty() {
            let token: StateToken =
                self.sealer.open(&request.long_poll_token).map_err(|_| status::invalid("invalid long poll token"))?;
            if token.run_id != request.run_id {
                return Err(status::invalid("long poll token does not match execution"));
            }
            let until = Until::Transition(token.transitions);
            let wait =
                self.history.wait(target.clone(), until, call.deadline(namespace.limits().nexus_operation_wait)).await;
            if wait.map_err(|error| error::of_call(error, &target))?.is_none() {
                return Ok(DescribeNexusOperationExecutionResponse::default());
            }
        }
        let (include_input, include_outcome, now) = (request.include_input, request.include_outcome, call.time);
        let look = self.history.view(target.clone(), move |state| {
            let input = if include_input { state.nexus_operation_input() } else { None };
            let outcome = if include_outcome { state.nexus_operation_outcome() } else { None };
            (state.describe_nexus_operation(now), input, outcome, state.nexus_operation_callbacks())
        });
        let (info, input, outcome, completion_callbacks) =
            look.await.map_err(|error| error::of_call(error, &target))?;
        let Some(info) = info else { return Err(status::unavailable()) };
        let token = StateToken { run_id: info.run_id.clone(), transitions: info.state_transition_count };
        Ok(DescribeNexusOperationExecutionResponse {
            run_id: info.run_id.clone(),
            long_poll_token: self.sealer.seal(&token),
            info: Some(info),
            input,
            completion_callbacks,
            outcome: outcome.map(|outcome| match outcome {
                NexusOutcome::Result(result) => Described::Result(result),
                NexusOutcome::Failure(failure) => Described::Failure(*failure),
            }),
        })
    }

    /// Waits for the stage. Not reached in time: an empty answer.
    pub(crate) async fn poll_nexus_operation(
        &self,
        call: &Call,
        request: PollNexusOperationExecutionRequest,
    ) -> Result<PollNexusOperationExecutionResponse, Status> {
        let stage = match Stage::try_from(request.wait_stage) {
            Ok(Stage::Unspecified) => Stage::Closed,
            Ok(stage) => stage,
            Err(_) => return Err(status::invalid(format!("unsupported wait_stage: {}", request.wait_stage))),
        };
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let mut target = target(&namespace, &request.operation_id, &request.run_id)?;
        let deadline = call.deadline(namespace.limits().nexus_operation_wait);
        loop {
            let progress = self.nexus_operation_progress(&target).await?;
            if progress.closed || (stage == Stage::Started && progress.token.is_some()) {
                return Ok(polled(progress));
            }
            // The same run from now on, whatever starts under its id.
            target.run_id = Uuid::parse_str(&progress.run_id).ok();
            let until = if stage == Stage::Started { Until::Transition(progress.transitions) } else { Until::Closed };
            let wait = self.history.wait(target.clone(), until, deadline).await;
            if wait.map_err(|error| error::of_call(error, &target))?.is_none() {
                return Ok(PollNexusOperationExecutionResponse::default());
            }
        }
    }

    async fn nexus_operation_progress(&self, target: &Target) -> Result<Progress, Status> {
        let look = self.history.view(target.clone(), |state| Progress {
            run_id: state.run.run_id.clone(),
            transitions: state.run.state_transition_count,
            token: state.nexus_operation_token(),
            closed: state.run.close.is_some(),
            outcome: state.nexus_operation_outcome(),
        });
        look.await.map_err(|error| error::of_call(error, target))
    }
}

fn polled(progress: Progress) -> PollNexusOperationExecutionResponse {
    PollNexusOperationExecutionResponse {
        run_id: progress.run_id,
        wait_stage: if progress.closed { Stage::Closed } else { Stage::Started }.into(),
        operation_token: progress.token.unwrap_or_default(),
        outcome: progress.outcome.map(|outcome| match outcome {
            NexusOutcome::Result(result) => Polled::Result(result),
            NexusOutcome::Failure(failure) => Polled::Failure(*failure),
        }),
    }
}
