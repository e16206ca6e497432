//! A poll that runs.

use std::sync::Arc;

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    Poll, PollerInfo,
    direct::DirectTask,
    queue::{Handed, Queue, Seat, Source},
};

/// A poller's end of its place in the line. Dropped with the poll's future when the client goes away.
pub(crate) struct Ticket {
    queue: Arc<Queue>,
    seat: Seat,
    info: Arc<PollerInfo>,
    receiver: oneshot::Receiver<Handed>,
    began: Instant,
    left: bool,
}

impl Ticket {
    pub(crate) fn new(
        queue: Arc<Queue>,
        info: Arc<PollerInfo>,
        (seat, receiver): (Seat, oneshot::Receiver<Handed>),
    ) -> Self {
        Self { queue, seat, info, receiver, began: Instant::now(), left: false }
    }

    /// What came, and advice on the number of pollers (`scaling.rs`).
    pub(crate) async fn wait(mut self, deadline: Instant) -> (Poll, Option<i32>) {
        let handed = match timeout_at(deadline, &mut self.receiver).await {
            Ok(handed) => {
                self.leave(false);
                handed.ok()
            }
            Err(_) => {
                self.leave(false);
                self.receiver.try_recv().ok()
            }
        };
        let (poll, source) = match handed {
            Some(Handed::Task(task, source)) => (Poll::Task(task), source),
            Some(Handed::Direct(DirectTask::Query(query))) => (Poll::Query(query), Source::Sync),
            Some(Handed::Direct(DirectTask::Nexus(task))) => (Poll::Nexus(task), Source::Sync),
            None => {
                self.queue.metrics.poll_ended_empty();
                return (Poll::Empty, None);
            }
        };
        let now = Instant::now();
        let waited = now.saturating_duration_since(self.began);
        self.queue.metrics.poll_succeeded(source, waited);
        let mut core = self.queue.lock();
        let limited = core.is_limited();
        (poll, core.lane_of_poller(&self.info).advise(waited, source, limited, now))
    }

    /// Closed before it is out of the line: a reservation that is dropped at this moment must see either.
    fn leave(&mut self, dropped: bool) {
        self.left = true;
        self.receiver.close();
        let mut core = self.queue.lock();
        core.lane_of_poller(&self.info).leave(self.seat, &self.info, dropped, &self.queue.shared.limits());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        self.leave(true);
        let Ok(handed) = self.receiver.try_recv() else { return };
        let mut core = self.queue.lock();
        match handed {
            Handed::Task(task, _) => {
                let expires = Instant::now() + self.queue.shared.limits().redelivery_window;
                core.lane_of_poller(&self.info).add_redelivery(task, expires);
            }
            Handed::Direct(task) if self.queue.shared.is_awaited(task.id()) => core.return_direct(task),
            Handed::Direct(_) => {}
        }
        self.queue.settle(core);
    }
}
