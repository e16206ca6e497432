//! What a state owes to others: the tasks that a host hands out again after it lost its memory.

use perdure_proto::api::enums::ParentClosePolicy;

use crate::{
    batch, child, close, nexus,
    outcome::Task,
    pause, schedule,
    state::{Activity, ActivityPhase, Child, RunState, WorkflowState},
    workflow_task,
};

/// All tasks that this state owes. Each may have been handed out before: their receivers look whether it still stands.
pub fn obligations(state: &WorkflowState) -> Vec<Task> {
    let run = &state.run;
    let mut tasks = Vec::new();
    if let Some(task) = workflow_task::pending(state).filter(|task| task.started.is_none()) {
        tasks.push(Task::DispatchWorkflowTask { scheduled_event_id: task.scheduled_event_id, attempt: task.attempt });
    }
    let works = run.close.is_none() && !pause::is_paused(run);
    let waiting = run.activities.values().filter(|activity| works && waits(activity));
    tasks.extend(waiting.map(|activity| Task::DispatchActivity {
        scheduled_event_id: activity.scheduled_event_id,
        attempt: activity.attempt,
    }));
    let to_start = run.children.values().filter(|child| is_to_be_started(run, child));
    tasks.extend(to_start.map(|child| Task::StartChild { initiated_event_id: child.initiated_event_id }));
    let signals = run.external_signals.keys();
    tasks.extend(signals.map(|&initiated_event_id| Task::SignalExternal { initiated_event_id }));
    let cancels = run.external_cancels.keys();
    tasks.extend(cancels.map(|&initiated_event_id| Task::CancelExternal { initiated_event_id }));
    nexus::push_obligations(run, &mut tasks);
    schedule::push_obligations(run, &mut tasks);
    batch::push_obligations(run, &mut tasks);
    close::push_obligations(state, &mut tasks);
    tasks
}

fn waits(activity: &Activity) -> bool {
    activity.pause.is_none() && matches!(activity.phase, Some(ActivityPhase::Scheduled(_)))
}

/// After the close only a child that is to outlive its parent is still started.
fn is_to_be_started(run: &RunState, child: &Child) -> bool {
    !child::is_started(child) && (run.close.is_none() || child.parent_close_policy == ParentClosePolicy::Abandon as i32)
}
