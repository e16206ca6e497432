//! Invariants of a run's state.

use crate::{
    Archetype,
    obligations::obligations,
    outcome::Task,
    state::{RunState, WorkflowState, WorkflowTask},
    workflow_task,
};

/// What is wrong with this state; empty for every state that the engine makes.
pub fn check(state: &WorkflowState) -> Vec<String> {
    let mut wrong = Vec::new();
    let run = &state.run;
    match run.archetype() {
        Archetype::Workflow => check_workflow(state, &mut wrong),
        Archetype::Activity => check_activity(run, &mut wrong),
        Archetype::NexusOperation => check_nexus_operation(run, &mut wrong),
        Archetype::Schedule => check_schedule(run, &mut wrong),
        Archetype::Batch => check_batch(run, &mut wrong),
    }
    wrong
}

fn check_workflow(state: &WorkflowState, wrong: &mut Vec<String>) {
    let run = &state.run;
    if run.next_event_id < 2 {
        wrong.push(format!("a run without its first event: next event id {}", run.next_event_id));
    }
    match &run.close {
        Some(close) => {
            if close.event_id != run.next_event_id - 1 {
                wrong.push(format!("the close event {} is not the last", close.event_id));
            }
            check_closed(state, wrong);
        }
        None => check_open(state, wrong),
    }
}

/// It has no history, and counts what it did.
fn check_batch(run: &RunState, wrong: &mut Vec<String>) {
    let counts = |batch: &crate::batch::Batch| batch.progress.completed >= 0 && batch.progress.failed >= 0;
    if run.next_event_id != 1 || !run.batch.as_deref().is_some_and(counts) {
        wrong.push(format!("batch {} is none", run.workflow_id));
    }
}

/// It has no history and no other machine, and starts what it has not started yet.
fn check_schedule(run: &RunState, wrong: &mut Vec<String>) {
    let Some(schedule) = run.schedule.as_deref() else {
        wrong.push(format!("schedule {} is none", run.workflow_id));
        return;
    };
    if run.next_event_id != 1 || !run.activities.is_empty() {
        wrong.push(format!("schedule {} has more than itself", run.workflow_id));
    }
    let progress = &schedule.progress;
    if progress.starting.iter().any(|start| start.action_id > progress.last_action_id) {
        wrong.push(format!("schedule {} starts what it did not decide", run.workflow_id));
    }
    let blocking = progress.running.len() + progress.starting.iter().filter(|start| !start.overlaps).count();
    if blocking > 1 {
        wrong.push(format!("schedule {} has {blocking} workflows that must not overlap", run.workflow_id));
    }
}

/// One activity until the close, one outcome afterwards, and no history.
fn check_activity(run: &RunState, wrong: &mut Vec<String>) {
    let ended = run.standalone_activity.as_ref().is_some_and(|one| one.last.is_some() && one.outcome.is_some());
    let open = run.activities.len() == 1;
    if run.close.is_some() != ended || run.close.is_none() != open || run.next_event_id != 1 {
        wrong.push(format!("activity {}: open {open}, ended {ended}", run.workflow_id));
    }
}

/// One operation until the close, one outcome afterwards, and no history.
fn check_nexus_operation(run: &RunState, wrong: &mut Vec<String>) {
    let ended = run.standalone_nexus.as_ref().is_some_and(|one| one.last.is_some() && one.outcome.is_some());
    let open = run.nexus_operations.len() == 1;
    if run.close.is_some() != ended || run.close.is_none() != open || run.next_event_id != 1 {
        wrong.push(format!("Nexus operation {}: open {open}, ended {ended}", run.workflow_id));
    }
}

fn check_closed(state: &WorkflowState, wrong: &mut Vec<String>) {
    let run = &state.run;
    let empty = run.workflow_task.is_none()
        && state.volatile.speculative_task.is_none()
        && run.buffered.is_empty()
        && run.timers.is_empty()
        && run.external_signals.is_empty()
        && run.external_cancels.is_empty()
        && run.nexus_operations.is_empty();
    if !empty {
        wrong.push("a closed run has machines that run".into());
    }
    let allowed = |task: &Task| {
        matches!(
            task,
            Task::NotifyParent
                | Task::ApplyParentClosePolicy { .. }
                | Task::StartChild { .. }
                | Task::InvokeCallback { .. }
        )
    };
    if !obligations(state).iter().all(allowed) {
        wrong.push("a closed run owes work of an open one".into());
    }
    let owed = run.owed_at_close.iter().flat_map(|owed| &owed.children);
    for child in owed.filter(|child| !run.children.contains_key(child)) {
        wrong.push(format!("owed to child {child}, which is not known"));
    }
}

fn check_open(state: &WorkflowState, wrong: &mut Vec<String>) {
    let run = &state.run;
    if run.owed_at_close.is_some() {
        wrong.push("an open run owes what only a close makes".into());
    }
    if run.task_attempt < 1 {
        wrong.push(format!("workflow task attempt {}", run.task_attempt));
    }
    if let Some(task) = &run.workflow_task {
        if state.volatile.speculative_task.is_some() {
            wrong.push("two workflow tasks are pending".into());
        }
        if run.first_task_backoff_until != 0 {
            wrong.push("a workflow task is pending before the first one's backoff is over".into());
        }
        check_task(run, task, wrong);
    }
    if let Some(task) = &state.volatile.speculative_task {
        check_unwritten(run, task, wrong);
    }
    let started = run.workflow_task.as_ref().is_some_and(|task| task.started.is_some());
    if !run.buffered.is_empty() && !started {
        wrong.push("events are kept back though no workflow task is started".into());
    }
    if workflow_task::buffered_size(run) != run.buffered_bytes {
        wrong.push("the size of the buffered events is another".into());
    }
    if run.buffered.iter().any(|event| event.event_id != 0) {
        wrong.push("a buffered event has an id".into());
    }
    check_ids(run, wrong);
}

fn check_task(run: &RunState, task: &WorkflowTask, wrong: &mut Vec<String>) {
    if task.attempt != run.task_attempt {
        wrong.push(format!("the pending task has attempt {}, the run {}", task.attempt, run.task_attempt));
    }
    if task.attempt > 1 {
        // Until it starts, events may pass it by; from then on it has the next two ids.
        if task.started.is_some() {
            check_unwritten(run, task, wrong);
        }
        return;
    }
    let written = task.started.as_ref().map_or(task.scheduled_event_id, |started| started.event_id);
    if written >= run.next_event_id {
        wrong.push(format!("the pending task's event {written} is not in the history"));
    }
}

/// A task without events has the ids that its events will have.
fn check_unwritten(run: &RunState, task: &WorkflowTask, wrong: &mut Vec<String>) {
    if task.scheduled_event_id != run.next_event_id {
        wrong.push(format!("an unwritten task has id {}, not {}", task.scheduled_event_id, run.next_event_id));
    }
    if task.started.as_ref().is_some_and(|started| started.event_id != task.scheduled_event_id + 1) {
        wrong.push("an unwritten task's Started does not follow its Scheduled".into());
    }
}

/// Machines are keyed by events that exist.
fn check_ids(run: &RunState, wrong: &mut Vec<String>) {
    let keys = run
        .activities
        .iter()
        .map(|(key, activity)| (*key, activity.scheduled_event_id))
        .chain(run.children.iter().map(|(key, child)| (*key, child.initiated_event_id)))
        .chain(run.external_signals.iter().map(|(key, signal)| (*key, signal.initiated_event_id)))
        .chain(run.external_cancels.iter().map(|(key, cancel)| (*key, cancel.initiated_event_id)))
        .chain(run.nexus_operations.iter().map(|(key, operation)| (*key, operation.scheduled_event_id)));
    for (key, id) in keys {
        if key != id || key >= run.next_event_id {
            wrong.push(format!("machine {key} began with event {id} of {}", run.next_event_id - 1));
        }
    }
    for (id, timer) in &run.timers {
        if timer.started_event_id >= run.next_event_id {
            wrong.push(format!("timer {id} was not started by an event"));
        }
    }
}
