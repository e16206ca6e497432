//! GetWorkflowExecutionHistory and GetWorkflowExecutionHistoryReverse.
//!
//! Forward reads, by what the token (or its absence) says:
//!
//! | position           | run    | wait | answer                                                            |
//! |--------------------|--------|------|-------------------------------------------------------------------|
//! | before its end     | any    | any  | a page, and a token for the rest                                  |
//! | last page          | open   | no   | the page and the events of an unstored workflow task, no token    |
//! | last page          | open   | yes  | the same, and a token that waits                                  |
//! | last page          | closed | any  | the page, no token                                                |
//! | at its end         | open   | yes  | waits for more; nothing in time: an empty page and the same token |
//! | close event wanted | open   | yes  | waits for the close; not in time: an empty page and a token       |
//! | close event wanted | open   | no   | an empty page, no token                                           |
//! | close event wanted | paused | no   | the last event alone: Temporal takes the run for closed, and so do its tools |
//! | close event wanted | closed | any  | the last event alone, no token                                    |
//!
//! Clients follow a chain of runs by its ContinuedAsNew events; that a retry or a cron schedule ends a run with another event, which
//! names the next run, only those know that say so. So all others see such a close event as ContinuedAsNew: where the close event
//! alone was asked for, as one who waits for the result does.

use perdure_history::{Progress, Target};
use perdure_proto::{
    RawHistory,
    api::{
        enums::{EventType, HistoryEventFilterType, TimeoutType},
        failure::{Failure, TimeoutFailureInfo, failure::FailureInfo},
        history::{HistoryEvent, WorkflowExecutionContinuedAsNewEventAttributes, history_event::Attributes},
        workflowservice::{
            GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse,
            GetWorkflowExecutionHistoryReverseRequest, GetWorkflowExecutionHistoryReverseResponse,
        },
    },
    token::HistoryPageToken,
};
use perdure_storage::RunKey;
use prost::bytes::Bytes;
use tonic::Status;
use uuid::Uuid;

use crate::{
    Frontend,
    call::Call,
    error,
    limits::page_size,
    namespaces::AuthorizedNamespace,
    quotas::Waiting,
    status,
    task_response::{append_events, id_bytes},
    validate::ids,
};

/// One page of a forward read.
struct Page {
    history: RawHistory,
    token: Option<HistoryPageToken>,
}

/// What a forward read wants.
struct Read {
    namespace: AuthorizedNamespace,
    target: Target,
    /// None: from the beginning.
    from: Option<HistoryPageToken>,
    wait: bool,
    page_size: usize,
}

impl Frontend {
    pub(crate) async fn get_history(
        &self,
        call: &Call,
        request: GetWorkflowExecutionHistoryRequest,
    ) -> Result<GetWorkflowExecutionHistoryResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = ids::execution(namespace.id(), request.execution.as_ref())?;
        let (target, from) = self.open_page_token(target, &request.next_page_token, false)?;
        let close_only = request.history_event_filter_type() == HistoryEventFilterType::CloseEvent;
        let page_size = page_size(request.maximum_page_size, namespace.limits().history_page);
        let read = Read { namespace, target, from, wait: request.wait_new_event, page_size };
        let page = if close_only { self.close_event(call, read).await? } else { self.page(call, read).await? };
        Ok(GetWorkflowExecutionHistoryResponse {
            history: Some(page.history),
            next_page_token: page.token.map_or_else(Bytes::new, |token| self.sealer.seal(&token)),
            ..Default::default()
        })
    }

    async fn close_event(&self, call: &Call, read: Read) -> Result<Page, Status> {
        let progress = self.progress(&read.namespace, &read.target, 0, read.wait, call).await?;
        if let Some(event) = progress.close_event.as_ref().filter(|_| progress.closed) {
            let continued = if call.follows_next_run { None } else { as_continued(event) };
            return Ok(Page { history: RawHistory::from_iter([continued.as_ref().unwrap_or(event)]), token: None });
        }
        let end = progress.last_event_id + 1;
        if progress.paused && !read.wait {
            let last = self.read_events(&read.target, progress.run_id, end - 1, end, 1).await?;
            return Ok(Page { history: last.0, token: None });
        }
        let token = read.wait.then(|| page_token(&read.target, progress.run_id, end, end));
        Ok(Page { history: RawHistory::default(), token })
    }

    async fn page(&self, call: &Call, read: Read) -> Result<Page, Status> {
        let (next, end, progress) = match &read.from {
            Some(token) if token.next_event_id < token.end_event_id => (token.next_event_id, token.end_event_id, None),
            Some(token) => {
                let seen = if read.wait { token.next_event_id - 1 } else { 0 };
                let progress = self.progress(&read.namespace, &read.target, seen, false, call).await?;
                (token.next_event_id, progress.last_event_id + 1, Some(progress))
            }
            None => {
                let progress = self.progress(&read.namespace, &read.target, 0, false, call).await?;
                (1, progress.last_event_id + 1, Some(progress))
            }
        };
        let run_id = progress.as_ref().map(|progress| progress.run_id).or(read.target.run_id);
        let run_id = run_id.ok_or_else(|| status::invalid("Invalid NextPageToken."))?;
        let (history, next) = self.read_events(&read.target, run_id, next, end, read.page_size).await?;
        if next < end {
            return Ok(Page { history, token: Some(page_token(&read.target, run_id, next, end)) });
        }
        self.last_page(call, read, history, end, progress).await
    }

    /// The page reaches the end that was known when the read began. An unstored task's events may have been stored since.
    async fn last_page(
        &self,
        call: &Call,
        read: Read,
        history: RawHistory,
        end: i64,
        progress: Option<Progress>,
    ) -> Result<Page, Status> {
        let progress = match progress {
            Some(progress) => progress,
            None => self.progress(&read.namespace, &read.target, 0, false, call).await?,
        };
        let new_end = progress.last_event_id + 1;
        if new_end > end {
            return Ok(Page { history, token: Some(page_token(&read.target, progress.run_id, end, new_end)) });
        }
        let in_place = progress.transient_events.first().is_some_and(|event| event.event_id == end);
        let history = if in_place && call.wants_transient_events() {
            append_events(history, &progress.transient_events)
        } else {
            history
        };
        let token = (read.wait && !progress.closed).then(|| page_token(&read.target, progress.run_id, end, end));
        Ok(Page { history, token })
    }

    pub(crate) async fn get_history_reverse(
        &self,
        call: &Call,
        request: GetWorkflowExecutionHistoryReverseRequest,
    ) -> Result<GetWorkflowExecutionHistoryReverseResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = ids::execution(namespace.id(), request.execution.as_ref())?;
        let (target, from) = self.open_page_token(target, &request.next_page_token, true)?;
        let (run_id, last) = match (from, target.run_id) {
            (Some(token), Some(run_id)) => (run_id, token.next_event_id),
            _ => {
                let progress = self.progress(&namespace, &target, 0, false, call).await?;
                (progress.run_id, progress.last_event_id)
            }
        };
        let run = RunKey { slot: target.workflow.slot(), run_id };
        let read = self
            .history
            .read_reverse(run, last, page_size(request.maximum_page_size, namespace.limits().history_page))
            .await;
        let (history, before) = read.map_err(|error| error::of_call(error, &target))?;
        // A run that is gone has no batches, and then nothing comes before them.
        let more = before > 0 && !history.is_empty();
        let token = HistoryPageToken { reverse: true, ..page_token(&target, run_id, before, 0) };
        Ok(GetWorkflowExecutionHistoryReverseResponse {
            history: Some(history),
            next_page_token: if more { self.sealer.seal(&token) } else { Bytes::new() },
        })
    }

    async fn read_events(
        &self,
        target: &Target,
        run_id: Uuid,
        next: i64,
        end: i64,
        page_size: usize,
    ) -> Result<(RawHistory, i64), Status> {
        if next >= end {
            return Ok((RawHistory::default(), end));
        }
        let run = RunKey { slot: target.workflow.slot(), run_id };
        let read = self.history.read(run, next, end, page_size).await;
        let (history, after) = read.map_err(|error| error::of_call(error, target))?;
        if after <= next {
            // Retention has deleted the run between two pages.
            return Err(error::of_call(perdure_history::Error::RunNotFound, target));
        }
        Ok((history, after))
    }

    /// How far the run is, once it has events after this one, or is closed, or the time is up.
    async fn progress(
        &self,
        namespace: &AuthorizedNamespace,
        target: &Target,
        after_event_id: i64,
        until_closed: bool,
        call: &Call,
    ) -> Result<Progress, Status> {
        let _seat = self.quotas.wait(namespace, Waiting::History)?;
        let deadline = call.deadline(namespace.limits().wait_timeout);
        let progress = self.history.wait_events(target.clone(), after_event_id, until_closed, deadline);
        progress.await.map_err(|error| error::of_call(error, target))
    }

    /// The token, and the run that it pins. A token goes on with the read that made it and with no other.
    fn open_page_token(
        &self,
        target: Target,
        sealed: &[u8],
        reverse: bool,
    ) -> Result<(Target, Option<HistoryPageToken>), Status> {
        if sealed.is_empty() {
            return Ok((target, None));
        }
        let bad = || status::invalid("Invalid NextPageToken.");
        let token: HistoryPageToken = self.sealer.open(sealed).map_err(|_| bad())?;
        let run_id = Uuid::from_slice(&token.run_id).map_err(|_| bad())?;
        if target.run_id.is_some_and(|asked| asked != run_id) {
            return Err(status::invalid("RunId in the request does not match the NextPageToken."));
        }
        let same_workflow = token.namespace_id == target.workflow.namespace_id.as_bytes().as_slice()
            && token.workflow_id == *target.workflow.workflow_id;
        if !same_workflow || token.reverse != reverse {
            return Err(bad());
        }
        Ok((Target { run_id: Some(run_id), ..target }, Some(token)))
    }
}

/// A close event that names the next run, as ContinuedAsNew. None: it is that already, or the run was the last one.
fn as_continued(event: &HistoryEvent) -> Option<HistoryEvent> {
    let (new_execution_run_id, last_completion_result, failure) = match event.attributes.as_ref()? {
        Attributes::WorkflowExecutionCompletedEventAttributes(end) => {
            (&end.new_execution_run_id, end.result.clone(), None)
        }
        Attributes::WorkflowExecutionFailedEventAttributes(end) => {
            (&end.new_execution_run_id, None, end.failure.clone())
        }
        Attributes::WorkflowExecutionTimedOutEventAttributes(end) => {
            (&end.new_execution_run_id, None, Some(run_timed_out()))
        }
        _ => return None,
    };
    if new_execution_run_id.is_empty() {
        return None;
    }
    let attributes = WorkflowExecutionContinuedAsNewEventAttributes {
        new_execution_run_id: new_execution_run_id.clone(),
        last_completion_result,
        failure,
        ..Default::default()
    };
    Some(HistoryEvent {
        event_id: event.event_id,
        event_time: event.event_time,
        event_type: EventType::WorkflowExecutionContinuedAsNew.into(),
        version: event.version,
        task_id: event.task_id,
        attributes: Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(Box::new(attributes))),
        ..Default::default()
    })
}

fn run_timed_out() -> Failure {
    let info = TimeoutFailureInfo { timeout_type: TimeoutType::StartToClose.into(), ..Default::default() };
    Failure {
        message: "workflow timeout".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(info)),
        ..Default::default()
    }
}

fn page_token(target: &Target, run_id: Uuid, next_event_id: i64, end_event_id: i64) -> HistoryPageToken {
    HistoryPageToken {
        namespace_id: id_bytes(target.workflow.namespace_id),
        workflow_id: target.workflow.workflow_id.to_string(),
        run_id: id_bytes(run_id),
        next_event_id,
        end_event_id,
        ..Default::default()
    }
}
