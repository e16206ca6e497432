//! Sends one case and tells the answer in the recorded form.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use perdure_proto::google::rpc;
use perdure_tests::raw::{Options, Raw};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use serde_json::{Map, Value, json};
use tokio::{task::JoinSet, time::sleep};
use tonic::{Code, Status};

use super::{
    case::{Call, Case},
    placeholders::{Namespaces, Scope, lookup},
};

const DEADLINE: Duration = Duration::from_secs(10);
/// So long a call that carries no deadline is waited for.
const PATIENCE: Duration = Duration::from_secs(25);
/// A call that others answer while it waits has reached the server by then; if not, they wait for it.
const HEAD_START: Duration = Duration::from_millis(300);

/// A client for all cases.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) raw: Raw,
    pub(crate) pool: DescriptorPool,
}

/// What a case came to.
pub(crate) enum Got {
    Answer {
        answer: Value,
        code: Code,
    },
    /// A step that prepares it is not built.
    NotBuilt,
}

/// The answer of one call: its message as JSON.
type Answer = Result<Value, Status>;

impl Client {
    fn method(&self, rpc: &str) -> Option<MethodDescriptor> {
        let (service, method) = rpc.split_once('/')?;
        self.pool.get_service_by_name(service)?.methods().find(|candidate| candidate.name() == method)
    }

    /// Calls, and decodes the answer. An answer that does not decode is an error of the test.
    pub(crate) async fn send(&self, rpc: &str, request: Value, call: &Call) -> Result<Answer> {
        let method = self.method(rpc);
        let mut body = match (&method, request.get("raw_base64").and_then(Value::as_str)) {
            (_, Some(raw)) => BASE64_STANDARD.decode(raw)?,
            (None, None) => Vec::new(),
            (Some(method), None) => DynamicMessage::deserialize(method.input(), request)?.encode_to_vec(),
        };
        body.extend(BASE64_STANDARD.decode(&call.append_base64)?);
        let deadline = match call.timeout_s {
            None => Some(DEADLINE),
            Some(0.0) => None,
            Some(seconds) => Some(Duration::from_secs_f64(seconds)),
        };
        let metadata = call.metadata.clone().into_iter().collect();
        let sent = self.raw.call(rpc, Bytes::from(body), Options { deadline, metadata, ..Options::default() });
        let bytes = match tokio::time::timeout(deadline.unwrap_or(PATIENCE) + Duration::from_secs(1), sent).await {
            Err(_) => bail!("{rpc} is not answered"),
            Ok(Err(status)) => return Ok(Err(status)),
            Ok(Ok(bytes)) => bytes,
        };
        let method = method.with_context(|| format!("{rpc}, which does not exist, is answered"))?;
        let message = DynamicMessage::decode(method.output(), bytes)?;
        Ok(Ok(serde_json::to_value(&message)?))
    }

    /// The details of a status, as JSON.
    fn details(&self, status: &Status) -> Result<Vec<Value>> {
        let any = self.pool.get_message_by_name("google.protobuf.Any").context("Any")?;
        let details = rpc::Status::decode(status.details())?.details;
        details
            .iter()
            .map(|detail| {
                let message = DynamicMessage::decode(any.clone(), detail.encode_to_vec().as_slice())?;
                Ok(serde_json::to_value(&message)?)
            })
            .collect()
    }
}

/// Runs the steps of a case and the call itself, and tells the answer in the form of the recordings.
pub(crate) async fn run(client: &Client, namespaces: &Namespaces, case: &Case) -> Result<Got> {
    let mut run = Run { client, scope: Scope::new(namespaces.clone()), background: JoinSet::new() };
    if !run.steps(&case.setup).await? {
        return Ok(Got::NotBuilt);
    }
    let request = run.scope.fill(&case.call.request)?;
    let call = client.send(&case.call.rpc, request, &case.call);
    let answer = if case.during.is_empty() {
        call.await?
    } else {
        let others = async {
            sleep(HEAD_START).await;
            run.steps(&case.during).await
        };
        let (answer, others) = tokio::join!(call, others);
        if !others? {
            return Ok(Got::NotBuilt);
        }
        answer?
    };
    let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
    let mut told = run.told(&answer)?;
    if !case.call.fields.is_empty() {
        let response = answer.unwrap_or_default();
        told.insert("fields".into(), run.fields(&response, &case.call.fields));
    }
    if !case.after.is_empty() {
        let mut after = Vec::new();
        for call in &case.after {
            sleep(Duration::from_secs_f64(call.wait_s.unwrap_or(0.0))).await;
            let request = run.scope.fill(&call.request)?;
            after.push(match client.send(&call.rpc, request, call).await? {
                Ok(response) => run.fields(&response, &call.fields),
                Err(status) => {
                    json!({"code": name(status.code()), "message": run.scope.plain_text(status.message())})
                }
            });
        }
        told.insert("after".into(), after.into());
    }
    Ok(Got::Answer { answer: told.into(), code })
}

struct Run<'a> {
    client: &'a Client,
    scope: Scope,
    /// Calls that nobody waits for; they end with the case.
    background: JoinSet<()>,
}

impl Run<'_> {
    /// False: a step is not built.
    async fn steps(&mut self, steps: &[Call]) -> Result<bool> {
        for step in steps {
            if let (Some(seconds), true) = (step.wait_s, step.rpc.is_empty()) {
                sleep(Duration::from_secs_f64(seconds)).await;
                self.scope.answers.push(json!({}));
                continue;
            }
            let mut response = json!({});
            for index in 0..step.repeat.unwrap_or(1) {
                self.scope.index = index;
                let request = self.scope.fill(&step.request)?;
                if step.is_async {
                    let (client, step) = (self.client.clone(), step.clone());
                    self.background.spawn(async move {
                        // Whatever it is answered with: the case itself shows what it did.
                        client.send(&step.rpc, request, &step).await.ok();
                    });
                    continue;
                }
                match self.client.send(&step.rpc, request, step).await? {
                    Ok(answer) => response = answer,
                    Err(_) if step.any => {}
                    Err(status) if status.code() == Code::Unimplemented => return Ok(false),
                    Err(status) => bail!("step {} {}: {status:?}", self.scope.answers.len(), step.rpc),
                }
            }
            self.scope.answers.push(response);
        }
        Ok(true)
    }

    fn told(&self, answer: &Answer) -> Result<Map<String, Value>> {
        let (code, message, details) = match answer {
            Ok(_) => (Code::Ok, "", Vec::new()),
            Err(status) => (status.code(), status.message(), self.client.details(status)?),
        };
        let names: Vec<&str> =
            details.iter().filter_map(|detail| detail["@type"].as_str()?.split('/').nth(1)).collect();
        let mut told = Map::new();
        told.insert("code".into(), name(code).into());
        told.insert("message".into(), self.scope.plain_text(message).into());
        told.insert("details".into(), names.into());
        if !details.is_empty() {
            told.insert("detail_values".into(), self.scope.plain(&details.into()));
        }
        Ok(told)
    }

    fn fields(&self, response: &Value, paths: &[String]) -> Value {
        let fields = paths.iter().map(|path| (path.clone(), self.scope.plain(&lookup(response, path))));
        fields.collect::<Map<_, _>>().into()
    }
}

/// gRPC's own name of a code.
fn name(code: Code) -> String {
    let camel = format!("{code:?}");
    if code == Code::Cancelled {
        return "CANCELLED".into();
    }
    let mut name = String::new();
    for (index, letter) in camel.char_indices() {
        if letter.is_ascii_uppercase() && index > 0 {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
