//! Schedules: the RPCs. What a schedule does is in `perdure_engine::schedule`.

mod check;
mod lists;

use std::time::Duration;

use perdure_engine::{
    Input, Start,
    input::StartKind,
    schedule::{NewSchedule, ScheduleInput, ScheduleUpdate, describe, is_starting, matching_times},
    time::{from_timestamp, timestamp},
};
use perdure_history::{Error, Target, Until};
use perdure_proto::api::{
    enums::WorkflowIdConflictPolicy,
    schedule::{Schedule, schedule_action::Action},
    workflowservice::{
        CreateScheduleRequest, CreateScheduleResponse, DeleteScheduleRequest, DeleteScheduleResponse,
        DescribeScheduleRequest, DescribeScheduleResponse, ListScheduleMatchingTimesRequest,
        ListScheduleMatchingTimesResponse, PatchScheduleRequest, PatchScheduleResponse, UpdateScheduleRequest,
        UpdateScheduleResponse,
    },
};
use prost::bytes::Bytes;
use tokio::time::Instant;
use tonic::Status;

use crate::{Frontend, call::Call, error, status, validate::ids};

/// How long the answer to a trigger waits for what it starts.
const LONGEST_START: Duration = Duration::from_secs(1);

impl Frontend {
    pub(crate) async fn create_schedule(
        &self,
        _call: &Call,
        mut request: CreateScheduleRequest,
    ) -> Result<CreateScheduleResponse, Status> {
        let namespace = self.namespace_for_start(&request.namespace)?;
        ids::required("RequestId", &request.request_id, namespace.limits())?;
        ids::optional("Identity", &request.identity, namespace.limits())?;
        check::new_id(&request.schedule_id, namespace.limits())?;
        let schedule = check::schedule(request.schedule.unwrap_or_default(), &namespace)?;
        check::search_attributes(request.search_attributes.as_mut(), &namespace)?;
        check::sizes(&schedule, request.initial_patch.as_ref(), request.memo.as_ref(), namespace.limits())?;
        if let Some(patch) = &request.initial_patch {
            check::patch(patch)?;
        }
        let acts = request.initial_patch.as_ref().is_some_and(|patch| patch.trigger_immediately.is_some());
        let workflow = check::key(namespace.id(), &request.schedule_id);
        let start = Start {
            namespace_id: namespace.id().to_string(),
            namespace: namespace.name().to_string(),
            workflow_id: request.schedule_id,
            request_id: request.request_id,
            identity: request.identity,
            conflict_policy: WorkflowIdConflictPolicy::Fail,
            memo: request.memo,
            search_attributes: request.search_attributes,
            kind: StartKind::Schedule(Box::new(NewSchedule { schedule, patch: request.initial_patch })),
            ..Start::default()
        };
        let target = Target { workflow, run_id: None };
        self.history.start(start).await.map_err(|error| error::of_call(error, &target))?;
        if acts {
            self.wait_for_starts(&target).await?;
        }
        let (_, conflict_token) = self.described(&target).await?;
        Ok(CreateScheduleResponse { conflict_token })
    }

    pub(crate) async fn describe_schedule(
        &self,
        _call: &Call,
        request: DescribeScheduleRequest,
    ) -> Result<DescribeScheduleResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = check::target(namespace.id(), &request.schedule_id)?;
        Ok(self.described(&target).await?.0)
    }

    async fn described(&self, target: &Target) -> Result<(DescribeScheduleResponse, Bytes), Status> {
        let seen = self.history.view(target.clone(), |state| {
            let run = &state.run;
            (describe(run).filter(|_| run.close.is_none()), run.memo.clone(), run.search_attributes.clone())
        });
        let (described, memo, search_attributes) = seen.await.map_err(|error| error::of_call(error, target))?;
        let described = described.ok_or_else(|| error::of_call(Error::WorkflowNotFound, target))?;
        let conflict_token = Bytes::copy_from_slice(&described.conflict_token.to_be_bytes());
        let response = DescribeScheduleResponse {
            schedule: Some(described.schedule),
            info: Some(described.info),
            memo,
            search_attributes: search_attributes.filter(|attributes| !attributes.indexed_fields.is_empty()),
            conflict_token: conflict_token.clone(),
        };
        Ok((response, conflict_token))
    }

    pub(crate) async fn update_schedule(
        &self,
        _call: &Call,
        mut request: UpdateScheduleRequest,
    ) -> Result<UpdateScheduleResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        ids::optional("RequestId", &request.request_id, namespace.limits())?;
        let target = check::target(namespace.id(), &request.schedule_id)?;
        let schedule = check::schedule(with_action(request.schedule)?, &namespace)?;
        check::search_attributes(request.search_attributes.as_mut(), &namespace)?;
        check::sizes(&schedule, None, request.memo.as_ref(), namespace.limits())?;
        let update = ScheduleUpdate {
            schedule,
            conflict_token: conflict_token(&request.conflict_token)?,
            request_id: request.request_id,
            memo: request.memo,
            search_attributes: request.search_attributes,
        };
        self.schedule_input(&target, ScheduleInput::Update(Box::new(update))).await?;
        Ok(UpdateScheduleResponse {})
    }

    pub(crate) async fn patch_schedule(
        &self,
        _call: &Call,
        request: PatchScheduleRequest,
    ) -> Result<PatchScheduleResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        ids::optional("RequestId", &request.request_id, namespace.limits())?;
        let target = check::target(namespace.id(), &request.schedule_id)?;
        let patch = request.patch.ok_or_else(|| status::invalid("Patch is not set on request."))?;
        check::patch(&patch)?;
        check::sizes(&Schedule::default(), Some(&patch), None, namespace.limits())?;
        let triggers = patch.trigger_immediately.is_some();
        self.schedule_input(&target, ScheduleInput::Patch { patch, request_id: request.request_id }).await?;
        if triggers {
            self.wait_for_starts(&target).await?;
        }
        Ok(PatchScheduleResponse {})
    }

    /// Who triggered an action may look at once for what it started. Where the start takes long the answer does not.
    async fn wait_for_starts(&self, target: &Target) -> Result<(), Status> {
        let deadline = Instant::now() + LONGEST_START;
        loop {
            let look =
                self.history.view(target.clone(), |state| (is_starting(&state.run), state.run.state_transition_count));
            let (starting, seen) = look.await.map_err(|error| error::of_call(error, target))?;
            if !starting {
                return Ok(());
            }
            let next = self.history.wait(target.clone(), Until::Transition(seen), deadline).await;
            if next.map_err(|error| error::of_call(error, target))?.is_none() {
                return Ok(());
            }
        }
    }

    async fn schedule_input(&self, target: &Target, input: ScheduleInput) -> Result<(), Status> {
        let input = Input::Schedule(Box::new(input));
        let done = self.history.input(target.clone(), input).await;
        done.map(|_| ()).map_err(|error| error::of_call(error, target))
    }

    /// What it started goes on.
    pub(crate) async fn delete_schedule(
        &self,
        _call: &Call,
        request: DeleteScheduleRequest,
    ) -> Result<DeleteScheduleResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = check::target(namespace.id(), &request.schedule_id)?;
        let done = self.history.input(target.clone(), Input::Delete).await;
        done.map_err(|error| error::of_call(error, &target))?;
        Ok(DeleteScheduleResponse {})
    }

    pub(crate) async fn list_schedule_matching_times(
        &self,
        _call: &Call,
        request: ListScheduleMatchingTimesRequest,
    ) -> Result<ListScheduleMatchingTimesResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = check::target(namespace.id(), &request.schedule_id)?;
        let time = |time: Option<prost_types::Timestamp>| time.as_ref().map(from_timestamp);
        let (Some(start), Some(end)) = (time(request.start_time), time(request.end_time)) else {
            return Err(status::query_failed("missing or invalid query", None));
        };
        let times = self.history.view(target.clone(), move |state| matching_times(&state.run, start, end)).await;
        let times = times.map_err(|error| error::of_call(error, &target))?;
        let times = times.map_err(|error| status::query_failed(error.to_string(), None))?;
        Ok(ListScheduleMatchingTimesResponse { start_time: times.into_iter().map(timestamp).collect() })
    }
}

/// A schedule can be created without an action, but not left without one.
fn with_action(schedule: Option<Schedule>) -> Result<Schedule, Status> {
    let schedule = schedule.unwrap_or_default();
    match schedule.action.as_ref().and_then(|action| action.action.as_ref()) {
        Some(Action::StartWorkflow(_)) => Ok(schedule),
        None => Err(status::invalid("Only StartWorkflow action is supported for schedules")),
    }
}

/// None: the caller does not mind what it overwrites.
fn conflict_token(token: &[u8]) -> Result<Option<i64>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = token.try_into().map_err(|_| status::failed_precondition("mismatched conflict token"))?;
    Ok(Some(i64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflict_tokens() {
        assert_eq!(conflict_token(&[]).unwrap(), None);
        assert_eq!(conflict_token(&[0, 0, 0, 0, 0, 0, 1, 2]).unwrap(), Some(258));
        assert_eq!(conflict_token(b"x").unwrap_err().code(), tonic::Code::FailedPrecondition);
    }
}
