//! `activity complete` and `activity fail`: answers in place of a worker.

use clap::Args;
use perdure_proto::api::{
    common::Payloads,
    failure::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    workflowservice::{RespondActivityTaskCompletedByIdRequest, RespondActivityTaskFailedByIdRequest},
};

use super::operate::ActivityOf;
use crate::{payload::json_payload, session::Session};

#[derive(Args, Debug)]
pub struct Complete {
    #[command(flatten)]
    activity: ActivityOf,
    /// The result in JSON.
    #[arg(long, value_name = "JSON", value_parser = json)]
    result: Payloads,
}

#[derive(Args, Debug)]
pub struct Fail {
    #[command(flatten)]
    activity: ActivityOf,
    /// Details of the failure in JSON.
    #[arg(long, value_name = "JSON", value_parser = json)]
    detail: Option<Payloads>,
    /// The failure's message.
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

fn json(text: &str) -> Result<Payloads, String> {
    let payload = json_payload(text).map_err(|error| format!("not JSON ({error}); a text needs quotes: '\"…\"'"))?;
    Ok(Payloads { payloads: vec![payload] })
}

impl Complete {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = RespondActivityTaskCompletedByIdRequest {
            namespace: session.namespace(),
            resource_id: self.activity.resource(),
            workflow_id: self.activity.workflow_id,
            run_id: self.activity.run_id,
            activity_id: self.activity.activity_id,
            result: Some(self.result),
            identity: session.identity(),
        };
        session.done(request, "Activity completed").await
    }
}

impl Fail {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let info =
            ApplicationFailureInfo { non_retryable: true, details: self.detail, ..ApplicationFailureInfo::default() };
        let failure = Failure {
            message: self.reason,
            source: "CLI".to_owned(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Failure::default()
        };
        let request = RespondActivityTaskFailedByIdRequest {
            namespace: session.namespace(),
            resource_id: self.activity.resource(),
            workflow_id: self.activity.workflow_id,
            run_id: self.activity.run_id,
            activity_id: self.activity.activity_id,
            failure: Some(failure),
            identity: session.identity(),
            ..RespondActivityTaskFailedByIdRequest::default()
        };
        session.done(request, "Activity failed").await
    }
}
