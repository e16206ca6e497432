//! What the engine computes: each input of a workflow with one activity, and states from what is stored.

use perdure_engine::{Change, Input, WorkflowState, journal, replay};
use perdure_proto::api::history::HistoryEvent;

use crate::{
    run::{self, Run},
    suite::Suite,
};

/// Events of the history that is replayed, about.
const EVENTS: usize = 1_000;

/// What happens next to a run.
type NextInput = fn(&Run) -> Input;

pub(crate) fn measure(suite: &mut Suite) {
    suite.measure("step", "start", run::request, Run::of);
    let (mut run, _) = Run::new();
    let inputs: [(&str, NextInput); 6] = [
        ("workflow_task_started", Run::take_task),
        ("workflow_task_completed_with_activity", |run| run.complete_task(run::schedule())),
        ("activity_started", Run::take_activity),
        ("activity_completed", Run::complete_activity),
        ("workflow_task_started_again", Run::take_task),
        ("workflow_task_completed_with_result", |run| run.complete_task(run::complete())),
    ];
    for (name, next) in inputs {
        let input = next(&run);
        suite.measure(
            "step",
            name,
            || (run.clone(), input.clone()),
            |(mut run, input)| {
                let outcome = run.step(input);
                (run, outcome)
            },
        );
        run.step(input);
    }
    measure_replay(suite);
}

fn measure_replay(suite: &mut Suite) {
    let (mut run, outcome) = Run::new();
    let mut commits = vec![outcome.changes];
    let mut events = Vec::new();
    while events.len() < EVENTS {
        commits.push(run.do_one_activity());
        events = commits.iter().flatten().filter_map(event).collect();
    }
    let replayed = |events: Vec<HistoryEvent>| replay(run::created(), events).expect("the history is one of ours");
    suite.measure("replay", "events", || events.clone(), replayed);
    let rows: Vec<_> = commits.iter().map(|changes| journal::encode(changes)).collect();
    let loaded = |()| {
        let mut state = WorkflowState::default();
        for row in &rows {
            journal::apply(&mut state, &row.events, &row.changes).expect("the row is one of ours");
        }
        state
    };
    suite.measure("replay", "journal_rows", || (), loaded);
}

fn event(change: &Change) -> Option<HistoryEvent> {
    match change {
        Change::Event { event, .. } => Some((**event).clone()),
        Change::Durable(_) | Change::Volatile(_) => None,
    }
}
