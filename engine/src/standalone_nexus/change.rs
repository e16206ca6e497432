//! Changes of Nexus operations of their own, beside those of the operation machine.

use perdure_proto::api::{
    common::{Link, SearchAttributes},
    failure::Failure,
    sdk::UserMetadata,
};

use super::ONLY;
use crate::{
    Archetype,
    apply::Corrupt,
    callback,
    nexus::{cancellation_ended, mark_started},
    state::{
        Close, Nanos, NexusCancelRequest, NexusCancellation, NexusOperation, NexusOutcome, RunState, StandaloneNexus,
    },
};

#[derive(Clone, PartialEq, prost::Message)]
pub struct StandaloneNexusChange {
    #[prost(oneof = "StandaloneNexusKind", tags = "1, 2, 3, 4, 5, 6")]
    pub kind: Option<StandaloneNexusKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum StandaloneNexusKind {
    /// Follows `Kind::Created`: what the run consists of.
    #[prost(message, tag = "1")]
    Begun(Box<StandaloneNexusBegun>),
    /// The handler works on it.
    #[prost(message, tag = "2")]
    Started(StandaloneNexusStarted),
    #[prost(message, tag = "3")]
    CancelRequested(NexusCancelRequest),
    /// The cancel request was delivered, or refused.
    #[prost(message, tag = "4")]
    CancelEnded(Box<StandaloneNexusCancelEnded>),
    #[prost(message, tag = "5")]
    Closed(Box<StandaloneNexusClosed>),
    /// Links of the handler's answer, or of another start of the same id.
    #[prost(message, tag = "6")]
    Linked(StandaloneNexusLinked),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StandaloneNexusBegun {
    #[prost(message, required, tag = "1")]
    pub operation: NexusOperation,
    #[prost(message, optional, tag = "2")]
    pub search_attributes: Option<SearchAttributes>,
    #[prost(message, optional, tag = "3")]
    pub user_metadata: Option<UserMetadata>,
    #[prost(string, tag = "4")]
    pub identity: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StandaloneNexusStarted {
    #[prost(int64, tag = "1")]
    pub time: Nanos,
    #[prost(string, tag = "2")]
    pub operation_token: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StandaloneNexusCancelEnded {
    #[prost(int64, tag = "1")]
    pub time: Nanos,
    /// None: it was delivered.
    #[prost(message, optional, tag = "2")]
    pub failure: Option<Failure>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StandaloneNexusClosed {
    /// `WorkflowExecutionStatus`.
    #[prost(int32, tag = "1")]
    pub status: i32,
    #[prost(oneof = "NexusOutcome", tags = "2, 3")]
    pub outcome: Option<NexusOutcome>,
    #[prost(int64, tag = "4")]
    pub time: Nanos,
    /// An attempt to start it ended with it; its failure is the outcome's.
    #[prost(bool, tag = "5")]
    pub ends_attempt: bool,
    #[prost(string, tag = "6")]
    pub terminate_request_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StandaloneNexusLinked {
    #[prost(message, repeated, tag = "1")]
    pub links: Vec<Link>,
}

pub(crate) fn apply(run: &mut RunState, change: &StandaloneNexusChange) -> Result<(), Corrupt> {
    match &change.kind {
        Some(StandaloneNexusKind::Begun(begun)) => begin(run, begun),
        Some(StandaloneNexusKind::Started(started)) => mark_started(only(run)?, started.time, &started.operation_token),
        Some(StandaloneNexusKind::CancelRequested(request)) => request_cancel(run, request)?,
        Some(StandaloneNexusKind::CancelEnded(end)) => cancellation_ended(only(run)?, end.time, end.failure.as_ref()),
        Some(StandaloneNexusKind::Closed(closed)) => close(run, closed)?,
        Some(StandaloneNexusKind::Linked(linked)) => run.links.extend(linked.links.iter().cloned()),
        None => return Err(Corrupt::at(0, "a change of a Nexus operation of its own without a kind")),
    }
    Ok(())
}

fn standalone(run: &mut RunState) -> Result<&mut StandaloneNexus, Corrupt> {
    run.standalone_nexus.as_deref_mut().ok_or(Corrupt::at(0, "the run is not a Nexus operation of its own"))
}

fn only(run: &mut RunState) -> Result<&mut NexusOperation, Corrupt> {
    run.nexus_operations.get_mut(&ONLY).ok_or(Corrupt::at(0, "the Nexus operation has ended"))
}

fn begin(run: &mut RunState, begun: &StandaloneNexusBegun) {
    let operation = &begun.operation;
    run.set_archetype(Archetype::NexusOperation);
    let (input, identity) = (operation.input.clone(), begun.identity.clone());
    run.standalone_nexus = Some(Box::new(StandaloneNexus { input, identity, ..StandaloneNexus::default() }));
    run.first_execution_run_id.clone_from(&run.run_id);
    run.workflow_type.clone_from(&operation.operation);
    run.user_metadata = begun.user_metadata.clone().map(Box::new);
    run.search_attributes.clone_from(&begun.search_attributes);
    run.start_time = operation.scheduled_time;
    run.execution_time = operation.scheduled_time;
    run.nexus_operations.insert(ONLY, operation.clone());
}

fn request_cancel(run: &mut RunState, request: &NexusCancelRequest) -> Result<(), Corrupt> {
    let operation = only(run)?;
    let mut cancellation = NexusCancellation { requested_time: request.time, ..NexusCancellation::default() };
    if operation.started().is_some() {
        cancellation.deliver(request.time);
    }
    operation.cancellation = Some(Box::new(cancellation));
    standalone(run)?.cancel = Some(request.clone());
    Ok(())
}

fn close(run: &mut RunState, closed: &StandaloneNexusClosed) -> Result<(), Corrupt> {
    let operation = run.nexus_operations.remove(&ONLY);
    let mut operation = operation.ok_or(Corrupt::at(0, "the Nexus operation has ended already"))?;
    operation.input = None;
    if closed.ends_attempt {
        operation.attempt += 1;
        operation.last_attempt_complete_time = closed.time;
        operation.last_attempt_failure = match &closed.outcome {
            Some(NexusOutcome::Failure(failure)) => Some(failure.clone()),
            Some(NexusOutcome::Result(_)) | None => None,
        };
    }
    let standalone = standalone(run)?;
    standalone.last = Some(operation);
    standalone.outcome.clone_from(&closed.outcome);
    standalone.terminate_request_id.clone_from(&closed.terminate_request_id);
    run.close = Some(Close { status: closed.status, time: closed.time, ..Close::default() });
    callback::on_end(run);
    Ok(())
}
