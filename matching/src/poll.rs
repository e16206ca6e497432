//! A poll that runs.

use std::sync::Arc;

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    Poll, PollerInfo,
    queue::{Handed, Queue, Seat},
};

/// A poller's end of its place in the line. Dropped with the poll's future when the client goes away.
pub(crate) struct Ticket {
    queue: Arc<Queue>,
    seat: Seat,
    info: Arc<PollerInfo>,
    receiver: oneshot::Receiver<Handed>,
    left: bool,
}

impl Ticket {
    pub(crate) fn new(
        queue: Arc<Queue>,
        info: Arc<PollerInfo>,
        (seat, receiver): (Seat, oneshot::Receiver<Handed>),
    ) -> Self {
        Self { queue, seat, info, receiver, left: false }
    }

    pub(crate) async fn wait(mut self, deadline: Instant) -> Poll {
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
        match handed {
            Some(Handed::Task(task)) => Poll::Task(task),
            Some(Handed::Query(query)) => Poll::Query(query),
            None => Poll::Empty,
        }
    }

    /// Closed before it is out of the line: a reservation that is dropped at this moment must see either.
    fn leave(&mut self, dropped: bool) {
        self.left = true;
        self.receiver.close();
        self.queue.lock().leave(self.seat, &self.info, dropped, &self.queue.shared.limits);
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
            Handed::Task(task) => {
                core.add_redelivery(task, Instant::now() + self.queue.shared.limits.redelivery_window);
            }
            Handed::Query(query) if self.queue.shared.is_query_open(&query.task_id) => core.return_query(query),
            Handed::Query(_) => {}
        }
        self.queue.settle(core);
    }
}
