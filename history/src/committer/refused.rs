//! Batches that the database refuses for their data: who is to blame.
//!
//! Validation keeps such data out, so this is for what it missed. A batch that is refused is divided, and the parts are
//! committed one after the other, until the workflows to blame stand alone. All runs of one workflow in a batch stand or
//! fall together: the end of a run and the start of the next one must not be torn apart.

use std::collections::HashSet;

use perdure_storage::{Batch, CommitError, RunWrite, Store, WorkflowKey};

use super::Committed;

/// Commits a batch. Tells the workflows whose writes were refused, all others are durable.
pub(super) async fn commit(store: &dyn Store, batch: Batch, workflows: Vec<WorkflowKey>) -> Committed {
    match store.commit(std::slice::from_ref(&batch)).await {
        Err(CommitError::Refused(error)) => {
            tracing::error!(%error, "the database refused a batch for its data: looking for the culprit");
        }
        result => return result.map(|()| HashSet::new()),
    }
    let Batch { lease, runs } = batch;
    let mut refused = HashSet::new();
    let mut parts = vec![by_workflow(workflows, runs)];
    while let Some(mut part) = parts.pop() {
        if part.len() <= 1 {
            refused.extend(part.into_iter().map(|(workflow, _)| workflow));
            continue;
        }
        let rest = part.split_off(part.len() / 2);
        for part in [part, rest] {
            let runs = part.iter().flat_map(|(_, runs)| runs.iter().cloned()).collect();
            match store.commit(&[Batch { lease: lease.clone(), runs }]).await {
                Ok(()) => {}
                Err(CommitError::Refused(_)) => parts.push(part),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(refused)
}

fn by_workflow(workflows: Vec<WorkflowKey>, runs: Vec<RunWrite>) -> Vec<(WorkflowKey, Vec<RunWrite>)> {
    let mut units: Vec<(WorkflowKey, Vec<RunWrite>)> = Vec::new();
    for (workflow, run) in workflows.into_iter().zip(runs) {
        match units.iter_mut().find(|(known, _)| *known == workflow) {
            Some((_, runs)) => runs.push(run),
            None => units.push((workflow, vec![run])),
        }
    }
    units
}
