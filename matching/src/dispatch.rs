//! A poller and a task on their way to each other.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use crate::{
    PollerInfo, RecordError, StartedTask, TaskRef,
    queue::{Handed, Parked, Queue, Seat},
};

/// A parked poller, taken out of its line. Dropping it gives the poller its place back.
#[must_use = "dropping a reservation gives the poller back"]
pub struct Reservation {
    queue: Arc<Queue>,
    seat: Seat,
    /// None once it was used.
    parked: Option<Parked>,
    info: Arc<PollerInfo>,
    /// Its task comes straight from history, not from the backlog.
    sync: bool,
}

impl Reservation {
    pub(crate) fn new(queue: Arc<Queue>, seat: Seat, parked: Parked) -> Self {
        let info = Arc::clone(&parked.info);
        Self { queue, seat, parked: Some(parked), info, sync: false }
    }

    pub(crate) fn sync(mut self) -> Self {
        self.sync = true;
        self
    }

    pub fn poller(&self) -> &PollerInfo {
        &self.info
    }

    /// Hands the task over. Where the poller is gone the task comes back: it is started, so it needs another poller
    /// (`Matching::redeliver`) or its time-out.
    pub fn deliver(mut self, mut task: Box<StartedTask>) -> Result<(), Box<StartedTask>> {
        let Some(parked) = self.parked.take() else { return Err(task) };
        let mut core = self.queue.lock();
        if let StartedTask::Workflow(task) = &mut *task {
            task.backlog_count_hint = i64::try_from(core.backlog.len()).unwrap_or(i64::MAX);
        }
        match parked.hand.send(Handed::Task(task)) {
            Ok(()) => {
                core.note_dispatched(self.sync);
                Ok(())
            }
            Err(Handed::Task(task)) => Err(task),
            // Only what was sent comes back.
            Err(Handed::Query(_)) => Ok(()),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some(parked) = self.parked.take() else { return };
        let mut core = self.queue.lock();
        core.rate.refund();
        self.queue.put_back(&mut core, self.seat, parked);
        self.queue.settle(core);
    }
}

/// Records one task of the backlog for one poller. Runs as a task of its own, so that a poll that is dropped meanwhile
/// cannot leave a task that is started and forgotten.
pub(crate) struct Dispatch {
    /// Both are taken when it is decided what becomes of them.
    reservation: Option<Reservation>,
    task: Option<TaskRef>,
    queue: Arc<Queue>,
}

impl Dispatch {
    pub(crate) fn new(reservation: Reservation, task: TaskRef) -> Self {
        let queue = Arc::clone(&reservation.queue);
        Self { reservation: Some(reservation), task: Some(task), queue }
    }

    pub(crate) async fn run(mut self) {
        let result = match (self.queue.shared.recorder(), &self.reservation, &self.task) {
            (Some(recorder), Some(reservation), Some(task)) => {
                recorder.record_started(task, reservation.poller()).await
            }
            _ => return,
        };
        match result {
            Ok(started) => {
                self.task = None;
                self.hand_over(Box::new(started));
            }
            Err(RecordError::Stale) => self.task = None,
            Err(RecordError::Retry) => {
                tracing::debug!("history cannot tell whether a task is wanted; its queue pauses");
                self.return_task();
                sleep(self.queue.shared.limits.retry_pause).await;
            }
        }
        // The poller goes back, if it is still here, and the next match is made.
        drop(self.reservation.take());
    }

    fn hand_over(&mut self, started: Box<StartedTask>) {
        let Some(reservation) = self.reservation.take() else { return };
        if let Err(started) = reservation.deliver(started) {
            let mut core = self.queue.lock();
            core.add_redelivery(started, Instant::now() + self.queue.shared.limits.redelivery_window);
            self.queue.settle(core);
        }
    }

    fn return_task(&mut self) {
        if let Some(task) = self.task.take() {
            self.queue.lock().backlog.push_front(task);
        }
    }
}

impl Drop for Dispatch {
    /// Cut off: the runtime ends, or the recorder panicked. Both sides go back, but no new match is made here: while a
    /// runtime ends, what it is asked to run is dropped at once, which would come here again.
    fn drop(&mut self) {
        self.return_task();
        if let Some(mut reservation) = self.reservation.take()
            && let Some(parked) = reservation.parked.take()
        {
            let mut core = self.queue.lock();
            core.rate.refund();
            self.queue.put_back(&mut core, reservation.seat, parked);
        }
    }
}
