//! How an activity or a Nexus operation without a workflow ended.

use anyhow::bail;
use perdure_proto::api::{common::Payloads, failure::Failure};
use serde_json::Value as Json;

use crate::{failure::in_words, json, session::Session, workflow::values};

pub(crate) enum Ended {
    Result(Payloads),
    Failure(Box<Failure>),
}

impl Ended {
    /// Prints it; an error where it failed.
    pub(crate) fn print(&self, session: &Session, id: (&str, &str), run_id: &str) -> anyhow::Result<()> {
        let (status, result, failure) = match self {
            Self::Result(payloads) => ("COMPLETED", values(session, payloads)?, Json::Null),
            Self::Failure(failure) if session.output.is_text() => ("FAILED", Json::Null, Json::from(in_words(failure))),
            Self::Failure(failure) => {
                let style = session.output.style();
                ("FAILED", Json::Null, json::render(failure.as_ref(), "temporal.api.failure.v1.Failure", style)?)
            }
        };
        session.output.say("Results:")?;
        session.output.card([
            (id.0, Json::from(id.1)),
            ("RunId", Json::from(run_id)),
            ("Status", Json::from(status)),
            ("Result", result),
            ("Failure", failure),
        ])?;
        match self {
            Self::Result(_) => Ok(()),
            Self::Failure(failure) => bail!("{} failed: {}", id.1, in_words(failure)),
        }
    }
}
