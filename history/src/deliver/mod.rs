//! Messages from one run to another: child starts, signals, cancels, the end of a child, parent close policies; and to
//! handlers of Nexus operations and completion callbacks.
//!
//! Each is owed by the sender's state until its answer is booked there, and repeating one is harmless: receivers know
//! requests that they have seen. So a delivery that is lost with the process is made again from the state.

mod batch;
mod callback;
mod end_told;
mod nexus;
mod schedule;
mod send;

use std::{sync::Arc, time::Duration};

pub(crate) use self::schedule::Turns;

use perdure_engine::{
    Input, Signal, Start, Task, child_name, inherited_by_child,
    input::ExternalInitiator,
    merge_priority,
    schedule::ActionEnded,
    state::Parent,
    time::{from_duration, from_optional_duration},
};
use perdure_proto::api::{
    enums::{ParentClosePolicy, WorkflowIdConflictPolicy},
    history::{
        HistoryEvent, RequestCancelExternalWorkflowExecutionInitiatedEventAttributes as CancelInitiated,
        SignalExternalWorkflowExecutionInitiatedEventAttributes as SignalInitiated,
        StartChildWorkflowExecutionInitiatedEventAttributes as ChildInitiated, history_event::Attributes,
    },
};
use perdure_storage::WorkflowKey;
use uuid::Uuid;

use crate::{
    api::Target,
    error::Error,
    limits::LiveLimits,
    shard::{cell::Cell, message::Action},
    shared::Shared,
};

/// First and longest wait between tries.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// One message and the run that owes it.
pub(crate) struct Delivery {
    from: Target,
    message: Message,
}

enum Message {
    StartChild {
        policy: ParentClosePolicy,
        initiated_event_id: i64,
        start: Box<Start>,
        /// The child's task queue is not its parent's: what it inherits may not fit there.
        other_queue: bool,
    },
    Signal {
        initiated_event_id: i64,
        to: Target,
        child_of: Option<String>,
        signal: Box<Signal>,
    },
    Cancel {
        initiated_event_id: i64,
        to: Target,
        child_of: Option<String>,
        cancel: Input,
    },
    /// The end of a child, to its parent.
    ChildClosed {
        to: Target,
        closed: Input,
    },
    /// The end of a parent, to its child.
    ParentClosed {
        initiated_event_id: i64,
        to: Target,
        chain: String,
        policy: ParentClosePolicy,
    },
    StartOperation(Box<nexus::Operation>),
    CancelOperation(Box<nexus::Operation>),
    Callback(Box<callback::Call>),
    /// The end of a workflow, to the schedule that started it: one of its callbacks.
    ActionEnded {
        callback_id: String,
        attempt: i32,
        to: Target,
        ended: Box<ActionEnded>,
    },
    BatchPage(Box<crate::batch::BatchPage>),
    StartScheduled {
        action_id: i64,
        start: Box<Start>,
    },
    EndScheduled {
        action_id: i64,
        to: Target,
        /// The first run of the workflow that is meant.
        chain: String,
        end: Box<Input>,
    },
}

impl Delivery {
    /// The message behind a task; None where the state no longer owes it.
    pub(crate) fn of(cell: &Cell, task: &Task, limits: &LiveLimits) -> Option<Self> {
        let message = match task {
            Task::StartChild { initiated_event_id } => start_child(cell, *initiated_event_id),
            Task::SignalExternal { initiated_event_id } => signal(cell, *initiated_event_id),
            Task::CancelExternal { initiated_event_id } => cancel(cell, *initiated_event_id),
            Task::NotifyParent => child_closed(cell),
            Task::ApplyParentClosePolicy { initiated_event_id } => parent_closed(cell, *initiated_event_id),
            Task::StartNexusOperation { scheduled_event_id, attempt }
            | Task::CancelNexusOperation { scheduled_event_id, attempt } => {
                let operation = nexus::Operation::of(cell, *scheduled_event_id, *attempt).map(Box::new);
                match task {
                    Task::StartNexusOperation { .. } => operation.map(Message::StartOperation),
                    _ => operation.map(Message::CancelOperation),
                }
            }
            Task::InvokeCallback { callback_id, attempt } => callback::message(cell, callback_id, *attempt),
            Task::RunBatch { page } => batch::page(cell, *page),
            Task::StartScheduled { action_id } => schedule::start(cell, *action_id, limits),
            Task::EndScheduled { action_id, .. } => schedule::end(cell, *action_id),
            Task::DispatchWorkflowTask { .. } | Task::DispatchActivity { .. } => None,
        }?;
        let from = Target { workflow: cell.workflow.clone(), run_id: Some(cell.key.run_id) };
        Some(Self { from, message })
    }

    /// Tries until there is an answer; the answer is booked with the sender.
    pub(crate) async fn run(self, shared: Arc<Shared>) {
        let mut wait = FIRST_WAIT;
        loop {
            let mut receipt = None;
            match self.message.send(&shared, &self.from, &mut receipt).await {
                Ok(answer) => {
                    if self.book(&shared, answer).await {
                        if let Some(receipt) = receipt {
                            receipt.confirm();
                        }
                        return;
                    }
                }
                Err(error) => tracing::debug!(%error, "a message to another run is tried again"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// True when the sender knows, or does not want to know any more.
    async fn book(&self, shared: &Shared, answer: Input) -> bool {
        match shared.ask(self.from.clone(), |reply| Action::Input { input: answer, reply }).await {
            Err(Error::Unavailable | Error::Busy(_)) => false,
            Err(_) => self.message.unwanted(shared, &self.from).await.is_ok(),
            Ok(_) => true,
        }
    }
}

fn start_child(cell: &Cell, initiated_event_id: i64) -> Option<Message> {
    let run = &cell.state.run;
    let child = run.children.get(&initiated_event_id)?;
    let event = child.initiated.as_ref()?;
    let Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(initiated)) = &event.attributes else {
        return None;
    };
    let root = |own: &str, inherited: &str| if inherited.is_empty() { own.to_owned() } else { inherited.to_owned() };
    let mut start = child_start(event, initiated);
    if start.versioning_override.is_none() {
        start.inherited = inherited_by_child(run);
    }
    let other_queue = start.task_queue != run.task_queue;
    if run.replaced_children.contains(&child_name(&child.workflow_type, &child.workflow_id)) {
        start.conflict_policy = WorkflowIdConflictPolicy::TerminateExisting;
    }
    start.namespace_id = or_own(&initiated.namespace_id, &run.namespace_id);
    start.namespace = or_own(&initiated.namespace, &run.namespace);
    start.request_id = child.create_request_id.clone();
    start.priority = merge_priority(run.priority.as_ref(), initiated.priority.as_ref());
    start.root_workflow_id = root(&run.workflow_id, &run.root_workflow_id);
    start.root_run_id = root(&run.run_id, &run.root_run_id);
    start.parent = Some(Parent {
        namespace_id: run.namespace_id.clone(),
        namespace: run.namespace.clone(),
        workflow_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
        initiated_event_id,
    });
    let policy = child.parent_close_policy();
    Some(Message::StartChild { initiated_event_id, start: Box::new(start), other_queue, policy })
}

fn child_start(event: &HistoryEvent, initiated: &ChildInitiated) -> Start {
    Start {
        workflow_id: initiated.workflow_id.clone(),
        workflow_type: initiated.workflow_type.as_ref().map(|kind| kind.name.clone()).unwrap_or_default(),
        task_queue: initiated.task_queue.as_ref().map(|queue| queue.name.clone()).unwrap_or_default(),
        input: initiated.input.clone(),
        header: initiated.header.clone(),
        execution_timeout: initiated.workflow_execution_timeout.as_ref().map(from_duration),
        run_timeout: initiated.workflow_run_timeout.as_ref().map(from_duration),
        task_timeout: from_optional_duration(initiated.workflow_task_timeout.as_ref()),
        reuse_policy: initiated.workflow_id_reuse_policy(),
        conflict_policy: WorkflowIdConflictPolicy::Fail,
        retry_policy: initiated.retry_policy.clone(),
        cron_schedule: initiated.cron_schedule.clone(),
        memo: initiated.memo.clone(),
        search_attributes: initiated.search_attributes.clone(),
        user_metadata: event.user_metadata.as_deref().cloned(),
        versioning_override: initiated.versioning_override.clone(),
        ..Start::default()
    }
}

fn signal(cell: &Cell, initiated_event_id: i64) -> Option<Message> {
    let owed = cell.state.run.external_signals.get(&initiated_event_id)?;
    let event = owed.initiated.as_ref()?;
    let Some(Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(initiated)) = &event.attributes else {
        return None;
    };
    let SignalInitiated { workflow_execution, signal_name, input, header, child_workflow_only, .. } = initiated;
    let run = &cell.state.run;
    let to = workflow_execution.as_ref()?;
    Some(Message::Signal {
        initiated_event_id,
        to: target(&initiated.namespace_id, cell, &to.workflow_id, &to.run_id)?,
        child_of: child_workflow_only.then(|| run.workflow_id.clone()),
        signal: Box::new(Signal {
            name: signal_name.clone(),
            input: input.clone(),
            header: header.clone(),
            identity: "history-service".into(),
            request_id: owed.request_id.clone(),
            external_workflow: Some((run.workflow_id.clone(), run.run_id.clone())),
            ..Signal::default()
        }),
    })
}

fn cancel(cell: &Cell, initiated_event_id: i64) -> Option<Message> {
    let owed = cell.state.run.external_cancels.get(&initiated_event_id)?;
    let event = owed.initiated.as_ref()?;
    let Some(Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(initiated)) = &event.attributes
    else {
        return None;
    };
    let CancelInitiated { workflow_execution, child_workflow_only, reason, .. } = initiated;
    let run = &cell.state.run;
    let to = workflow_execution.as_ref()?;
    let external = ExternalInitiator {
        workflow_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
        initiated_event_id,
        child_workflow_only: *child_workflow_only,
    };
    Some(Message::Cancel {
        initiated_event_id,
        to: target(&initiated.namespace_id, cell, &to.workflow_id, &to.run_id)?,
        child_of: child_workflow_only.then(|| run.workflow_id.clone()),
        cancel: Input::RequestCancel {
            reason: reason.clone(),
            identity: "history-service".into(),
            request_id: owed.request_id.clone(),
            external: Some(external),
            links: Vec::new(),
        },
    })
}

fn child_closed(cell: &Cell) -> Option<Message> {
    let run = &cell.state.run;
    let parent = run.parent.as_ref()?;
    let closed = Input::ChildClosed {
        initiated_event_id: parent.initiated_event_id,
        workflow_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
        event: run.close.as_ref()?.event.clone()?,
    };
    let to = target(&parent.namespace_id, cell, &parent.workflow_id, &parent.run_id)?;
    Some(Message::ChildClosed { to, closed })
}

fn parent_closed(cell: &Cell, initiated_event_id: i64) -> Option<Message> {
    let child = cell.state.run.children.get(&initiated_event_id)?;
    Some(Message::ParentClosed {
        initiated_event_id,
        // The child may have continued as a new run: whichever of its chain is current is meant.
        to: target(&child.namespace_id, cell, &child.workflow_id, "")?,
        chain: child.run_id.clone(),
        policy: child.parent_close_policy(),
    })
}

fn or_own(named: &str, own: &str) -> String {
    if named.is_empty() { own.to_owned() } else { named.to_owned() }
}

fn target(namespace_id: &str, cell: &Cell, workflow_id: &str, run_id: &str) -> Option<Target> {
    let namespace_id =
        if namespace_id.is_empty() { cell.workflow.namespace_id } else { Uuid::parse_str(namespace_id).ok()? };
    let run_id = if run_id.is_empty() { None } else { Some(Uuid::parse_str(run_id).ok()?) };
    Some(Target { workflow: WorkflowKey::new(namespace_id, workflow_id), run_id })
}
