//! Requests of a run to the handlers of its Nexus operations. Each attempt is one delivery: whether there will be another is
//! the engine's affair, so an attempt always ends with an answer.

use std::{collections::BTreeMap, time::Duration};

use perdure_engine::{
    Archetype, Input, Limits, Nanos, NexusCancelOutcome, NexusStartOutcome, RunState, state::NexusOperation,
    time::timestamp,
};
use perdure_matching::Receipt;
use perdure_proto::{
    api::{
        common::{
            Link,
            link::{
                NexusOperation as NexusOperationLink, Variant, WorkflowEvent,
                workflow_event::{EventReference, Reference},
            },
        },
        enums::{EventType, TimeoutType},
        nexus::{CancelOperationRequest, StartOperationRequest},
    },
    perdure::persistence::v1::{NexusEndpoint, nexus_endpoint::Target},
    token::NexusCallbackToken,
};

use crate::{
    nexus::{
        self, CALLBACK_TOKEN, Envelope, RequestError, SYSTEM_CALLBACK, links,
        system::{SYSTEM_ENDPOINT, SystemOperation},
    },
    shard::cell::Cell,
    shared::Shared,
};

/// Tells the handler how long the operation may take.
const OPERATION_TIMEOUT: &str = "operation-timeout";

/// An operation and the run that asked for it.
pub(super) struct Operation {
    attempt: i32,
    operation: NexusOperation,
    namespace: String,
    namespace_id: uuid::Uuid,
    run_id: uuid::Uuid,
    archetype: Archetype,
    link: Link,
    workflow_id: String,
}

impl Operation {
    pub(super) fn of(cell: &Cell, scheduled_event_id: i64, attempt: i32) -> Option<Self> {
        let run = &cell.state.run;
        let operation = run.nexus_operations.get(&scheduled_event_id)?.clone();
        Some(Self {
            attempt,
            namespace: run.namespace.clone(),
            namespace_id: cell.workflow.namespace_id,
            run_id: cell.key.run_id,
            archetype: run.archetype(),
            link: caller(run, operation.scheduled_event_id),
            operation,
            workflow_id: run.workflow_id.clone(),
        })
    }

    pub(super) async fn start(&self, shared: &Shared, receipt: &mut Option<Receipt>) -> Input {
        let outcome = match self.try_start(shared, receipt).await {
            Ok(outcome) => outcome,
            Err(RequestError { failure, retryable }) => NexusStartOutcome::HandlerError { failure, retryable },
        };
        let scheduled_event_id = self.operation.scheduled_event_id;
        Input::NexusOperationStartDone { scheduled_event_id, attempt: self.attempt, outcome }
    }

    async fn try_start(
        &self,
        shared: &Shared,
        receipt: &mut Option<Receipt>,
    ) -> Result<NexusStartOutcome, RequestError> {
        let operation = &self.operation;
        let now = shared.clock.now();
        if operation.endpoint == SYSTEM_ENDPOINT {
            return self.ask_server(shared).await;
        }
        let endpoint = shared.nexus.endpoint(&operation.endpoint_id, &operation.endpoint)?;
        let times = RequestTimes::of(shared.limits.load().of(&self.namespace));
        let timeout = match time_to_start(operation, now, times) {
            Ok(timeout) => timeout,
            Err(kind) => return Ok(NexusStartOutcome::TimedOut(kind)),
        };
        let mut header = operation.nexus_header.clone();
        if let Some(left) = time_of_operation(operation, now) {
            header.entry(OPERATION_TIMEOUT.to_owned()).or_insert_with(|| format!("{}ms", left.as_millis()));
        }
        let request = StartOperationRequest {
            service: operation.service.clone(),
            operation: operation.operation.clone(),
            request_id: operation.request_id.clone(),
            callback: self.callback(&endpoint, shared),
            payload: Some(nexus::or_null(operation.input.clone())),
            callback_header: self.callback_header(shared),
            links: links::to_nexus(&self.link).into_iter().collect(),
        };
        let envelope = self.envelope(&endpoint, header, now, (timeout, times.margin));
        let outcome = match &endpoint.target {
            Some(Target::Worker(target)) => nexus::start(&shared.matching, target, envelope, request, receipt).await?,
            Some(Target::ExternalUrl(url)) => shared.nexus.http.start(url, envelope, request).await?,
            None => return Err(RequestError::handler("NOT_FOUND", "the endpoint has no target")),
        };
        check_size(&outcome, shared.limits.load().of(&self.namespace))?;
        Ok(outcome)
    }

    /// The server is its own handler, and near: no time-out is too short for it.
    async fn ask_server(&self, shared: &Shared) -> Result<NexusStartOutcome, RequestError> {
        let operation = &self.operation;
        let server = shared.system.get().map_err(|error| RequestError::call(error.to_string(), true))?;
        let operation = SystemOperation {
            namespace: self.namespace.clone(),
            service: operation.service.clone(),
            operation: operation.operation.clone(),
            input: operation.input.clone(),
            request_id: operation.request_id.clone(),
            caller: self.link.clone(),
        };
        server.start(operation).await
    }

    pub(super) async fn cancel(&self, shared: &Shared, receipt: &mut Option<Receipt>) -> Input {
        let outcome = match self.try_cancel(shared, receipt).await {
            Ok(()) => NexusCancelOutcome::Delivered,
            Err(RequestError { failure, retryable }) => NexusCancelOutcome::Failed { failure, retryable },
        };
        let scheduled_event_id = self.operation.scheduled_event_id;
        Input::NexusCancelDone { scheduled_event_id, attempt: self.attempt, outcome }
    }

    async fn try_cancel(&self, shared: &Shared, receipt: &mut Option<Receipt>) -> Result<(), RequestError> {
        let operation = &self.operation;
        let now = shared.clock.now();
        let endpoint = shared.nexus.endpoint(&operation.endpoint_id, &operation.endpoint)?;
        let times = RequestTimes::of(shared.limits.load().of(&self.namespace));
        let timeout = time_to_cancel(operation, now, times).map_err(|kind| {
            let text = format!("not enough time to execute another request before {kind:?} timeout");
            RequestError::call(text, false)
        })?;
        let token = operation.started().map(|started| started.operation_token.clone()).unwrap_or_default();
        let request = CancelOperationRequest {
            service: operation.service.clone(),
            operation: operation.operation.clone(),
            operation_id: token.clone(),
            operation_token: token,
        };
        let envelope = self.envelope(&endpoint, operation.nexus_header.clone(), now, (timeout, times.margin));
        match &endpoint.target {
            Some(Target::Worker(target)) => nexus::cancel(&shared.matching, target, envelope, request, receipt).await,
            Some(Target::ExternalUrl(url)) => shared.nexus.http.cancel(url, envelope, request).await,
            None => Err(RequestError::handler("NOT_FOUND", "the endpoint has no target")),
        }
    }

    fn envelope(
        &self,
        endpoint: &NexusEndpoint,
        header: BTreeMap<String, String>,
        now: Nanos,
        (timeout, margin): (Duration, Duration),
    ) -> Envelope {
        let endpoint = endpoint.name.clone();
        Envelope { endpoint, whole_failures: true, header, scheduled_time: timestamp(now), timeout, margin }
    }

    /// Where the handler is to send the end of the operation.
    fn callback(&self, endpoint: &NexusEndpoint, shared: &Shared) -> String {
        match (&endpoint.target, &shared.nexus.callback_base) {
            (Some(Target::ExternalUrl(_)), Some(base)) => {
                format!("{}/namespaces/{}/nexus/callback", base, links::escape(&self.namespace))
            }
            (Some(Target::ExternalUrl(_)), None) => String::new(),
            _ => SYSTEM_CALLBACK.to_owned(),
        }
    }

    fn callback_header(&self, shared: &Shared) -> BTreeMap<String, String> {
        let bytes = |id: &uuid::Uuid| bytes::Bytes::copy_from_slice(id.as_bytes());
        let token = NexusCallbackToken {
            namespace_id: bytes(&self.namespace_id),
            workflow_id: self.workflow_id.clone(),
            run_id: bytes(&self.run_id),
            scheduled_event_id: self.operation.scheduled_event_id,
            request_id: self.operation.request_id.clone(),
            archetype: self.archetype as i32,
        };
        [(CALLBACK_TOKEN.to_owned(), shared.nexus.seal(&token))].into()
    }
}

/// Who asks for the operation.
fn caller(run: &RunState, scheduled_event_id: i64) -> Link {
    let (namespace, run_id) = (run.namespace.clone(), run.run_id.clone());
    let variant = if run.archetype() == Archetype::NexusOperation {
        Variant::NexusOperation(NexusOperationLink { namespace, operation_id: run.workflow_id.clone(), run_id })
    } else {
        let event_type = EventType::NexusOperationScheduled.into();
        let reference = Reference::EventRef(EventReference { event_id: scheduled_event_id, event_type });
        let workflow_id = run.workflow_id.clone();
        Variant::WorkflowEvent(WorkflowEvent { namespace, workflow_id, run_id, reference: Some(reference) })
    };
    Link { variant: Some(variant) }
}

/// A result goes into the run's history, which takes no larger one.
fn check_size(outcome: &NexusStartOutcome, limits: &Limits) -> Result<(), RequestError> {
    use prost::Message;
    match outcome {
        NexusStartOutcome::Completed { result: Some(result), .. } if result.encoded_len() as i64 > limits.blob_size => {
            Err(RequestError::call("http: response body too large", false))
        }
        _ => Ok(()),
    }
}

/// How long a request to start the operation may take; Err: too little is left of this time-out of the operation.
fn time_to_start(operation: &NexusOperation, now: Nanos, times: RequestTimes) -> Result<Duration, TimeoutType> {
    let passed = now - operation.scheduled_time;
    match (operation.schedule_to_start, operation.schedule_to_close) {
        (0, 0) => Ok(times.most),
        (0, close) => times.within(close - passed, TimeoutType::ScheduleToClose),
        (start, _) => times.within(start - passed, TimeoutType::ScheduleToStart),
    }
}

fn time_to_cancel(operation: &NexusOperation, now: Nanos, times: RequestTimes) -> Result<Duration, TimeoutType> {
    let started = operation.started().map_or(now, |started| started.time);
    let mut longest = times.most;
    if operation.start_to_close > 0 {
        longest = times.within(operation.start_to_close - (now - started), TimeoutType::StartToClose)?;
    }
    if operation.schedule_to_close > 0 {
        let left = operation.schedule_to_close - (now - operation.scheduled_time);
        longest = longest.min(times.within(left, TimeoutType::ScheduleToClose)?);
    }
    Ok(longest)
}

/// How long one request to a handler may take.
#[derive(Clone, Copy)]
struct RequestTimes {
    most: Duration,
    /// With less time no request is made.
    least: Duration,
    /// Kept of it for the way back.
    margin: Duration,
}

impl RequestTimes {
    fn of(limits: &Limits) -> Self {
        Self {
            most: span(limits.nexus_request_timeout),
            least: span(limits.nexus_request_timeout_min),
            margin: span(limits.nexus_dispatch_margin),
        }
    }

    /// The time for a request when so much is left of this time-out of the operation.
    fn within(self, left: Nanos, kind: TimeoutType) -> Result<Duration, TimeoutType> {
        let left = span(left).min(self.most);
        if left < self.least { Err(kind) } else { Ok(left) }
    }
}

/// A time in the past is none.
pub(super) fn span(time: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(time).unwrap_or(0))
}

/// How long the operation as a whole may still take. None: for ever.
fn time_of_operation(operation: &NexusOperation, now: Nanos) -> Option<Duration> {
    let closes =
        (operation.schedule_to_close > 0).then(|| operation.schedule_to_close - (now - operation.scheduled_time));
    let runs = (operation.start_to_close > 0).then_some(operation.start_to_close);
    let left = closes.into_iter().chain(runs).min()?;
    Some(span(left))
}
