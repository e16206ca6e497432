//! `activity update-options`.

use anyhow::bail;
use clap::Args;
use perdure_proto::api::{
    activity::ActivityOptions,
    batch::{BatchOperationUpdateActivityOptions, batch_operation_update_activity_options},
    workflowservice::{UpdateActivityExecutionOptionsRequest, start_batch_operation_request::Operation},
};
use prost_types::{Duration, FieldMask};

use super::{
    operate::{ActivitiesOf, Chosen},
    start::{Limits, Retry},
};
use crate::{duration::proto_duration, output::Section, session::Session, start::task_queue, target};

#[derive(Args, Debug)]
pub struct UpdateOptions {
    #[command(flatten)]
    target: ActivitiesOf,
    /// The task queue of the next attempts.
    #[arg(long, value_name = "NAME")]
    task_queue: Option<String>,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    retry: Retry,
    /// The wait before the first attempt, of an activity without a workflow.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    start_delay: Option<Duration>,
    /// Undo all changes; no other option goes with it.
    #[arg(long)]
    restore_original_options: bool,
}

pub(crate) const OPTIONS: &[Section] = &[Section {
    title: "",
    at: "/activityOptions",
    fields: &[
        ("TaskQueue", "/taskQueue/name"),
        ("ScheduleToCloseTimeout", "/scheduleToCloseTimeout"),
        ("ScheduleToStartTimeout", "/scheduleToStartTimeout"),
        ("StartToCloseTimeout", "/startToCloseTimeout"),
        ("HeartbeatTimeout", "/heartbeatTimeout"),
        ("StartDelay", "/startDelay"),
        ("InitialInterval", "/retryPolicy/initialInterval"),
        ("BackoffCoefficient", "/retryPolicy/backoffCoefficient"),
        ("MaximumInterval", "/retryPolicy/maximumInterval"),
        ("MaximumAttempts", "/retryPolicy/maximumAttempts"),
    ],
}];

impl UpdateOptions {
    /// The paths of what is given.
    fn mask(&self) -> FieldMask {
        let given = [
            (self.task_queue.is_some(), "task_queue.name"),
            (self.limits.schedule_to_close_timeout.is_some(), "schedule_to_close_timeout"),
            (self.limits.schedule_to_start_timeout.is_some(), "schedule_to_start_timeout"),
            (self.limits.start_to_close_timeout.is_some(), "start_to_close_timeout"),
            (self.limits.heartbeat_timeout.is_some(), "heartbeat_timeout"),
            (self.start_delay.is_some(), "start_delay"),
            (self.retry.retry_initial_interval.is_some(), "retry_policy.initial_interval"),
            (self.retry.retry_maximum_interval.is_some(), "retry_policy.maximum_interval"),
            (self.retry.retry_backoff_coefficient.is_some(), "retry_policy.backoff_coefficient"),
            (self.retry.retry_maximum_attempts.is_some(), "retry_policy.maximum_attempts"),
        ];
        FieldMask { paths: given.iter().filter(|(given, _)| *given).map(|(_, path)| (*path).to_owned()).collect() }
    }

    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        if self.start_delay.is_some() && self.target.has_workflow() {
            bail!("--start-delay is for activities without a workflow: leave --workflow-id and --query out");
        }
        let identity = session.identity();
        let update_mask = Some(self.mask());
        let activity_options = Some(ActivityOptions {
            task_queue: self.task_queue.as_deref().map(task_queue),
            schedule_to_close_timeout: self.limits.schedule_to_close_timeout,
            schedule_to_start_timeout: self.limits.schedule_to_start_timeout,
            start_to_close_timeout: self.limits.start_to_close_timeout,
            heartbeat_timeout: self.limits.heartbeat_timeout,
            retry_policy: self.retry.policy(),
            start_delay: self.start_delay,
            ..ActivityOptions::default()
        });
        let restore_original = self.restore_original_options;
        match self.target.choose(session).await? {
            Chosen::One(activity) => {
                let request = UpdateActivityExecutionOptionsRequest {
                    namespace: session.namespace(),
                    resource_id: activity.resource(),
                    workflow_id: activity.workflow_id,
                    activity_id: activity.activity_id,
                    run_id: activity.run_id,
                    identity,
                    activity_options,
                    update_mask,
                    restore_original,
                    request_id: uuid::Uuid::new_v4().to_string(),
                };
                session.show(request, OPTIONS).await
            }
            Chosen::Many(job) => {
                let operation = BatchOperationUpdateActivityOptions {
                    identity,
                    activity: Some(batch_operation_update_activity_options::Activity::MatchAll(true)),
                    activity_options,
                    update_mask,
                    restore_original,
                };
                target::start(session, *job, Operation::UpdateActivityOptionsOperation(operation)).await
            }
        }
    }
}
