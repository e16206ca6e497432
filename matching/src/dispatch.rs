//! A poller and a task on their way to each other.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    PollerInfo, RecordError, StartedTask, TaskPriority,
    backlog::Waiting,
    queue::{Handed, Parked, Queue, Seat, Source},
};

/// A parked poller, taken out of its line. Dropping it gives the poller its place back.
#[must_use = "dropping a reservation gives the poller back"]
pub struct Reservation {
    queue: Arc<Queue>,
    seat: Seat,
    /// None once it was used.
    parked: Option<Parked>,
    info: Arc<PollerInfo>,
    /// Of the task that it is for.
    priority: TaskPriority,
    source: Source,
    made: Instant,
}

impl Reservation {
    pub(crate) fn new(queue: Arc<Queue>, seat: Seat, parked: Parked, priority: TaskPriority) -> Self {
        let info = Arc::clone(&parked.info);
        Self { queue, seat, parked: Some(parked), info, priority, source: Source::Backlog, made: Instant::now() }
    }

    /// Its task comes straight from history, not from the backlog.
    pub(crate) fn sync(mut self) -> Self {
        self.source = Source::Sync;
        self
    }

    pub fn poller(&self) -> &PollerInfo {
        &self.info
    }

    /// Hands the task over. It is started: where the poller is gone it waits for another one that may have it, as it is, for
    /// `keep`; then its time-out ends it.
    pub fn deliver(mut self, mut task: Box<StartedTask>, keep: Duration) {
        let Some(parked) = self.parked.take() else { return };
        let mut core = self.queue.lock();
        let lane = core.lane_of_poller(&self.info);
        if let StartedTask::Workflow(task) = &mut *task {
            task.backlog_count_hint = i64::try_from(lane.backlog.len()).unwrap_or(i64::MAX);
        }
        match parked.hand.send(Handed::Task(task, self.source)) {
            Err(Handed::Task(task, _)) => {
                lane.add_redelivery(task, Instant::now() + keep);
                self.queue.settle(core);
            }
            // Only what was sent comes back.
            Ok(()) | Err(Handed::Direct(_)) => {
                lane.note_dispatched(self.priority.level, self.source);
                if self.source == Source::Sync {
                    self.queue.metrics.sync_latency.observe(self.made.elapsed().as_secs_f64());
                }
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some(parked) = self.parked.take() else { return };
        let mut core = self.queue.lock();
        core.rates.refund_for(&self.priority);
        self.queue.put_back(&mut core, self.seat, parked);
        self.queue.settle(core);
    }
}

/// Records one task of the backlog for one poller. Runs as a task of its own, so that a poll that is dropped meanwhile
/// cannot leave a task that is started and forgotten.
pub(crate) struct Dispatch {
    /// Both are taken when it is decided what becomes of them.
    reservation: Option<Reservation>,
    waiting: Option<Waiting>,
    queue: Arc<Queue>,
}

impl Dispatch {
    pub(crate) fn new(reservation: Reservation, waiting: Waiting) -> Self {
        let queue = Arc::clone(&reservation.queue);
        Self { reservation: Some(reservation), waiting: Some(waiting), queue }
    }

    pub(crate) async fn run(mut self) {
        let result = match (self.queue.shared.recorder(), &self.reservation, &self.waiting) {
            (Some(recorder), Some(reservation), Some(waiting)) => {
                recorder.record_started(&waiting.task, reservation.poller()).await
            }
            _ => return,
        };
        match result {
            Ok(started) => {
                self.waiting = None;
                if let Some(reservation) = self.reservation.take() {
                    let window = self.queue.shared.limits().redelivery_window;
                    reservation.deliver(Box::new(started), window);
                }
            }
            Err(RecordError::Stale) => self.waiting = None,
            Err(RecordError::Retry) => {
                tracing::debug!("history cannot tell whether a task is wanted; its queue pauses");
                self.return_task();
                let pause = self.queue.shared.limits().retry_pause;
                sleep(pause).await;
            }
        }
        // The poller goes back, if it is still here, and the next match is made.
        drop(self.reservation.take());
    }

    fn return_task(&mut self) {
        if let (Some(waiting), Some(reservation)) = (self.waiting.take(), &self.reservation) {
            let can_spill = self.queue.shared.store().is_some();
            self.queue.lock().return_task(waiting, reservation.info.deployment.as_ref(), can_spill);
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
            core.rates.refund_for(&reservation.priority);
            self.queue.put_back(&mut core, reservation.seat, parked);
        }
    }
}
