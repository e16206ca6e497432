//! A queue and the store: backlogs beyond memory go out and come back.

use std::{ops::Range, sync::Arc};

use perdure_storage::{BacklogId, Slot};

use super::{Core, Queue};
use crate::spill::{Done, Job, Spill};

impl Queue {
    /// Lets the store do what a backlog beyond its memory needs, until there is nothing more to do now.
    pub(super) async fn spill(self: Arc<Self>, mut job: Job) {
        let Some(store) = self.shared.store() else { return };
        loop {
            let done = job.run(&**store).await;
            let failed = done.is_err();
            {
                let mut core = self.lock();
                match done {
                    Ok(done) => core.store_did(done),
                    Err((job, error)) => {
                        tracing::debug!(%error, "a backlog could not be spilled or read; it is tried again");
                        core.store_failed(job);
                    }
                }
                self.settle(core);
            }
            if failed {
                let pause = self.shared.limits().retry_pause;
                tokio::time::sleep(pause).await;
            }
            let mut core = self.lock();
            match core.next_job() {
                Some(next) => job = next,
                None => {
                    core.spilling = false;
                    return self.settle(core);
                }
            }
        }
    }
}

impl Core {
    /// A shard forgets what it handed out, and hands it out again.
    pub(crate) fn forget(&mut self, slots: &Range<Slot>) {
        self.lanes().for_each(|lane| lane.backlog.forget(slots));
        for spill in &mut self.rerouted {
            // It takes no new tasks.
            spill.forget(slots, i64::MAX);
        }
    }

    pub(super) fn has_spill(&self) -> bool {
        let mut lanes = std::iter::once(&self.unversioned).chain(self.versioned.values());
        !self.rerouted.is_empty() || lanes.any(|lane| lane.backlog.has_spill())
    }

    pub(super) fn next_job(&mut self) -> Option<Job> {
        if let Some(spill) = self.rerouted.first()
            && let Some(job) = spill.read_job(true, usize::MAX)
        {
            return Some(job);
        }
        self.lanes().find_map(|lane| lane.backlog.next_job())
    }

    fn spill_mut(&mut self, id: BacklogId) -> Option<&mut Spill> {
        let lanes = std::iter::once(&mut self.unversioned).chain(self.versioned.values_mut());
        let spills = lanes.filter_map(|lane| lane.backlog.spill_mut());
        spills.chain(self.rerouted.iter_mut()).find(|spill| spill.id == id)
    }

    fn store_did(&mut self, done: Done) {
        match done {
            Done::Written { spill, rows } => {
                self.budget.shrink(rows);
                if let Some(spill) = self.spill_mut(spill) {
                    spill.written(rows);
                }
            }
            Done::Read(page) => match self.rerouted.iter().position(|spill| spill.id == page.spill) {
                Some(index) => {
                    let spill = &mut self.rerouted[index];
                    let tasks = spill.accept(page);
                    if spill.is_read_out() {
                        self.rerouted.remove(index);
                    }
                    tasks.into_iter().for_each(|waiting| self.push(waiting.task, waiting.since, true));
                }
                None => {
                    let lane = self.lanes().find(|lane| lane.backlog.has_spill_of(page.spill));
                    if let Some(lane) = lane {
                        lane.backlog.accept(page);
                    }
                }
            },
        }
    }

    fn store_failed(&mut self, job: Job) {
        let Job::Write { spill, tasks } = job else { return };
        if let Some(index) = self.rerouted.iter().position(|rerouted| rerouted.id == spill) {
            self.budget.shrink(tasks.len());
            self.rerouted[index].unwritten(Vec::new());
            if self.rerouted[index].is_read_out() {
                self.rerouted.remove(index);
            }
            tasks.into_iter().for_each(|waiting| self.push(waiting.task, waiting.since, true));
        } else if let Some(spill) = self.spill_mut(spill) {
            spill.unwritten(tasks);
        } else {
            self.budget.shrink(tasks.len());
        }
    }
}
