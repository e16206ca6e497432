//! Activities of their own: start, describe, outcome, deletion. Their lists are in `list`.

mod control;
mod lists;
mod start;

use perdure_engine::Archetype;
use perdure_history::{Target, Until};
use perdure_proto::{
    api::{
        common::{
            Link,
            link::{self, Variant},
        },
        workflowservice::{
            DescribeActivityExecutionRequest, DescribeActivityExecutionResponse, PollActivityExecutionRequest,
            PollActivityExecutionResponse, StartActivityExecutionRequest, StartActivityExecutionResponse,
        },
    },
    token::StateToken,
};
use perdure_storage::WorkflowKey;
use tonic::Status;

use crate::{Frontend, call::Call, error, namespaces::AuthorizedNamespace, status, validate::ids};

/// The run of an activity of its own that a request names.
pub(crate) fn target(namespace: &AuthorizedNamespace, activity_id: &str, run_id: &str) -> Result<Target, Status> {
    if activity_id.is_empty() {
        return Err(status::invalid("activity ID is required"));
    }
    ids::limited("activity ID", activity_id, namespace.limits())?;
    let run_id = ids::optional_run_id(run_id, "invalid run id: must be a valid UUID")?;
    Ok(Target { workflow: WorkflowKey::of(Archetype::Activity, namespace.id(), activity_id), run_id })
}

impl Frontend {
    pub(crate) async fn start_activity(
        &self,
        _call: &Call,
        request: StartActivityExecutionRequest,
    ) -> Result<StartActivityExecutionResponse, Status> {
        let namespace = self.namespace_for_start(&request.namespace)?;
        let start = start::checked(request, &namespace)?;
        let workflow = WorkflowKey::of(Archetype::Activity, namespace.id(), start.workflow_id.as_str());
        let activity_id = start.workflow_id.clone();
        let started = self.history.start(start).await;
        let started = started.map_err(|error| error::of_call(error, &Target { workflow, run_id: None }))?;
        let run_id = started.reply.run_id;
        let link = link::Activity { namespace: namespace.name().to_string(), activity_id, run_id: run_id.clone() };
        Ok(StartActivityExecutionResponse {
            run_id,
            started: started.reply.started,
            link: Some(Link { variant: Some(Variant::Activity(link)) }),
        })
    }

    /// With a token the answer waits until the state is another than the one that the token was given with. Nothing new in
    /// time: an empty answer. Heartbeat details and the last failure are told whether asked for or not, as servers did
    /// before clients could ask.
    pub(crate) async fn describe_activity(
        &self,
        call: &Call,
        request: DescribeActivityExecutionRequest,
    ) -> Result<DescribeActivityExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = target(&namespace, &request.activity_id, &request.run_id)?;
        if !request.long_poll_token.is_empty() {
            let seen = self.seen(&target, &request.long_poll_token).await?;
            let wait = self
                .history
                .wait(target.clone(), Until::Transition(seen), call.deadline(namespace.limits().activity_wait))
                .await;
            if wait.map_err(|error| error::of_call(error, &target))?.is_none() {
                return Ok(DescribeActivityExecutionResponse::default());
            }
        }
        let (include_input, include_outcome, now) = (request.include_input, request.include_outcome, call.time);
        let look = self.history.view(target.clone(), move |state| {
            let input = if include_input { state.activity_input() } else { None };
            let outcome = if include_outcome { state.activity_outcome() } else { None };
            (state.describe_activity(now), input, outcome, state.activity_callbacks())
        });
        let (info, input, outcome, callbacks) = look.await.map_err(|error| error::of_call(error, &target))?;
        let Some(info) = info else { return Err(status::unavailable()) };
        let token = StateToken { run_id: info.run_id.clone(), transitions: info.state_transition_count };
        Ok(DescribeActivityExecutionResponse {
            run_id: info.run_id.clone(),
            long_poll_token: self.sealer.seal(&token),
            info: Some(info),
            input,
            outcome,
            callbacks,
        })
    }

    /// The number of transitions that the caller has seen.
    async fn seen(&self, target: &Target, token: &[u8]) -> Result<i64, Status> {
        let Some(run_id) = target.run_id else {
            return Err(status::invalid("run id is required when long poll token is provided"));
        };
        // That there is no such run is told first.
        let known = self.history.view(target.clone(), |_| ()).await;
        known.map_err(|error| error::of_call(error, target))?;
        let token: StateToken = self.sealer.open(token).map_err(|_| status::invalid("invalid long poll token"))?;
        if token.run_id != run_id.to_string() {
            return Err(status::invalid("long poll token does not match execution"));
        }
        Ok(token.transitions)
    }

    /// Waits for the close. Not closed in time: an empty answer.
    pub(crate) async fn poll_activity(
        &self,
        call: &Call,
        request: PollActivityExecutionRequest,
    ) -> Result<PollActivityExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = target(&namespace, &request.activity_id, &request.run_id)?;
        let wait =
            self.history.wait(target.clone(), Until::Closed, call.deadline(namespace.limits().activity_wait)).await;
        let Some(progress) = wait.map_err(|error| error::of_call(error, &target))? else {
            return Ok(PollActivityExecutionResponse::default());
        };
        let target = Target { run_id: Some(progress.run_id), ..target };
        let outcome = self.history.view(target.clone(), |state| state.activity_outcome()).await;
        let outcome = outcome.map_err(|error| error::of_call(error, &target))?;
        Ok(PollActivityExecutionResponse { run_id: progress.run_id.to_string(), outcome })
    }
}
