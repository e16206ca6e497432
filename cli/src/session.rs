//! One command's conversation with a server: calls, and what becomes of their answers.

use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use perdure_proto::api::common::WorkflowExecution;
use serde_json::Value as Json;
use tokio::sync::OnceCell;
use tonic::{Code, Request, Status, metadata::MetadataMap, transport::Channel};

use crate::{
    call::{Call, Paged},
    connect::Options,
    json,
    output::{Field, Output, Section},
};

/// A call that is not answered within this time has failed.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

/// The same for calls that the server keeps until something has happened: its own limit, and a bit.
const WAIT: Duration = Duration::from_secs(70);

pub struct Session {
    options: Options,
    metadata: MetadataMap,
    channel: OnceCell<Channel>,
    started: Instant,
    pub output: Output,
}

impl Session {
    pub fn new(options: Options) -> anyhow::Result<Self> {
        let output = Output {
            format: options.output,
            time: options.time_format,
            short_payloads: !options.no_json_shorthand_payloads,
        };
        Ok(Self { metadata: options.metadata()?, options, channel: OnceCell::new(), started: Instant::now(), output })
    }

    pub fn namespace(&self) -> String {
        self.options.named_namespace().unwrap_or_else(|| "default".to_owned())
    }

    /// The namespace that the caller named; some commands must not guess.
    pub fn named_namespace(&self) -> anyhow::Result<String> {
        self.options.named_namespace().ok_or_else(|| anyhow!("which namespace? Name it with --namespace NAME"))
    }

    pub(crate) fn identity(&self) -> String {
        self.options.identity()
    }

    pub fn address(&self) -> String {
        self.options.address()
    }

    pub async fn channel(&self) -> anyhow::Result<Channel> {
        self.channel.get_or_try_init(|| self.options.channel()).await.cloned()
    }

    /// Asks for what can be answered at once.
    pub async fn call<C: Call>(&self, request: C) -> anyhow::Result<C::Answer> {
        self.attempt(request).await.map_err(|failed| self.explain(C::method(), failed, ANSWER))
    }

    /// The same, for callers that know what to make of a refusal; what they do not know is for `explain_attempt`.
    pub(crate) async fn attempt<C: Call>(&self, request: C) -> Result<C::Answer, Failed> {
        self.send(request, ANSWER).await
    }

    pub(crate) fn explain_attempt<C: Call>(&self, failed: Failed) -> anyhow::Error {
        self.explain(C::method(), failed, ANSWER)
    }

    /// Asks for what may take a worker's time, or somebody's decision.
    pub(crate) async fn wait<C: Call>(&self, request: C) -> anyhow::Result<C::Answer> {
        self.send(request, WAIT).await.map_err(|failed| self.explain(C::method(), failed, WAIT))
    }

    /// A long poll: nothing where it ended without news, so that the caller may ask again.
    pub(crate) async fn poll<C: Call>(&self, request: C) -> anyhow::Result<Option<C::Answer>> {
        match self.send(request, WAIT).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Failed::Refused(status)) if timed_out(&status) && self.left() > Duration::ZERO => Ok(None),
            Err(failed) => Err(self.explain(C::method(), failed, WAIT)),
        }
    }

    async fn send<C: Call>(&self, message: C, within: Duration) -> Result<C::Answer, Failed> {
        let channel = self.channel().await.map_err(Failed::Unreachable)?;
        let request = self.request(message, within);
        let answer = C::send(request, channel).await.map_err(|status| Failed::Refused(Box::new(status)))?;
        Ok(answer.into_inner())
    }

    pub(crate) fn request<T>(&self, message: T, within: Duration) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        request.set_timeout(within.min(self.left()));
        request
    }

    /// What is left of the time for the whole command.
    fn left(&self) -> Duration {
        let limit = self.options.command_timeout.unwrap_or(Duration::MAX);
        limit.saturating_sub(self.started.elapsed())
    }

    fn explain(&self, what: &str, failed: Failed, within: Duration) -> anyhow::Error {
        match failed {
            Failed::Unreachable(error) => error,
            Failed::Refused(status) => self.refused(what, &status, within),
        }
    }

    /// What the server answered instead of doing it.
    pub(crate) fn refused(&self, what: &str, status: &Status, within: Duration) -> anyhow::Error {
        let message = status.message();
        match status.code() {
            _ if timed_out(status) => {
                let seconds = within.min(self.options.command_timeout.unwrap_or(within)).as_secs_f32();
                anyhow!("{what}: {} did not answer within {seconds} s ({message})", self.address())
            }
            Code::Unauthenticated | Code::PermissionDenied if !self.options.shows_who() => {
                anyhow!(
                    "{what}: the server does not know you: give --api-key, or a certificate with --tls-cert-path ({message})"
                )
            }
            Code::Unimplemented => anyhow!("{what}: this server does not have it ({message})"),
            code => anyhow!("{what}: {message} ({code:?})"),
        }
    }

    /// The JSON of an answer, in the style of the output.
    pub(crate) fn render<C: Call>(&self, answer: &C::Answer) -> anyhow::Result<Json> {
        json::render(answer, C::ANSWER, self.output.style())
    }

    /// Calls, and says that it is done; to programs the exit code says so.
    pub(crate) async fn done<C: Call>(&self, request: C, text: &str) -> anyhow::Result<()> {
        self.call(request).await?;
        self.output.say(text)
    }

    /// Calls, and prints parts of the answer.
    pub(crate) async fn show<C: Call>(&self, request: C, sections: &[Section]) -> anyhow::Result<()> {
        self.show_or_raw(request, sections, false).await
    }

    /// The same, or the whole answer as JSON.
    pub(crate) async fn show_or_raw<C: Call>(&self, request: C, sections: &[Section], raw: bool) -> anyhow::Result<()> {
        let answer = self.call(request).await?;
        let rendered = self.render::<C>(&answer)?;
        if raw { self.output.raw(&rendered) } else { self.output.sections(&rendered, sections) }
    }

    /// Prints a list to its end, or its first `limit` entries.
    pub(crate) async fn list<C: Paged>(
        &self,
        mut request: C,
        limit: Option<usize>,
        fields: &'static [Field],
    ) -> anyhow::Result<()> {
        let mut list = self.output.list(fields);
        let mut left = limit.unwrap_or(usize::MAX);
        loop {
            let answer = self.call(request.clone()).await?;
            let rendered = self.render::<C>(&answer)?;
            let items = rendered.get(C::ITEMS).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
            let items = &items[..items.len().min(left)];
            list.page(items)?;
            left -= items.len();
            let next = C::next(&answer).clone();
            if next.is_empty() || left == 0 {
                return list.end();
            }
            request.start_at(next);
        }
    }

    /// Asks the person at the terminal, unless `yes` has answered already.
    pub(crate) fn confirm(&self, question: &str, yes: bool) -> anyhow::Result<()> {
        if yes {
            return Ok(());
        }
        if !self.output.is_text() {
            bail!("nobody can be asked in this output format: add --yes");
        }
        eprint!("{question} y/N ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => bail!("nothing was done: answer y, or add --yes"),
        }
    }
}

/// Nobody answered in time. tonic reports its own deadline as Cancelled.
fn timed_out(status: &Status) -> bool {
    matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled)
}

/// An execution by its ids; an empty run id is the latest run.
pub(crate) fn execution(workflow_id: &str, run_id: Option<&String>) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: run_id.cloned().unwrap_or_default() })
}

/// Why there is no answer.
pub(crate) enum Failed {
    Unreachable(anyhow::Error),
    /// Boxed, as it is large.
    Refused(Box<Status>),
}
