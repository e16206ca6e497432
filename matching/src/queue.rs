//! One queue: pollers in a line, tasks in a backlog, one lock, which is never held across an await.
//!
//! | poller    | what happens                                     | becomes                                        |
//! |-----------|--------------------------------------------------|------------------------------------------------|
//! | -         | polls                                            | parked, at the end of the line                 |
//! | parked    | is reserved, or taken for a task of the backlog  | out                                            |
//! | parked    | a redelivery or a query comes                    | served                                         |
//! | parked    | deadline, or its worker or the server shuts down | gone: its poll ends Empty                      |
//! | parked    | its poll is dropped                              | gone                                           |
//! | out       | a task is delivered                              | served                                         |
//! | out       | the reservation is dropped                       | parked, at its old place in the line           |
//! | out       | deadline, or its poll is dropped                 | gone: the delivery fails                       |
//! | served    | its poll takes what it was given                 | gone: its poll ends with that                  |
//! | served    | its poll is dropped                              | gone: what it was given goes to the next       |
//!
//! What waits is given to pollers in this order: started tasks that lost their poller (their time-outs run), queries
//! (a caller waits), the backlog (by priority, then age).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep_until},
};

use crate::{
    MatchingLimits, PollerInfo, QueryTask, QueueKind, Reservation, StartedTask, TaskRef,
    backlog::Backlog,
    describe::{QueueDescription, Seen},
    dispatch::Dispatch,
    matching::Shared,
    rate::{Meter, RateLimit, Wait},
};

/// A poller's place in the line: lower came earlier.
pub(crate) type Seat = u64;

/// What a parked poller is given.
#[derive(Debug)]
pub(crate) enum Handed {
    Task(Box<StartedTask>),
    Query(Box<QueryTask>),
}

/// A poller that waits; dropping it ends its poll Empty.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) info: Arc<PollerInfo>,
    pub(crate) hand: oneshot::Sender<Handed>,
}

#[derive(Debug)]
struct Redelivery {
    task: Box<StartedTask>,
    expires: Instant,
}

pub(crate) struct Queue {
    pub(crate) kind: QueueKind,
    pub(crate) shared: Arc<Shared>,
    core: Mutex<Core>,
}

pub(crate) struct Core {
    next_seat: Seat,
    line: BTreeMap<Seat, Parked>,
    /// Polls that run: parked, out, or served and not yet taken.
    polls: usize,
    redeliveries: VecDeque<Redelivery>,
    queries: VecDeque<Box<QueryTask>>,
    pub(crate) backlog: Backlog,
    pub(crate) rate: RateLimit,
    /// When a sleeper will look again, because the rate limit allows the next task then.
    alarm: Option<Instant>,
    seen: Seen,
    added: Meter,
    dispatched: Meter,
    last_used: Instant,
    /// Out of the map: whoever finds it must look the queue up again.
    pub(crate) retired: bool,
}

impl Queue {
    pub(crate) fn new(kind: QueueKind, shared: Arc<Shared>) -> Self {
        Self { kind, shared, core: Mutex::new(Core::new(Instant::now())) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock()
    }

    /// Matches what can be matched, lets go of the lock, and sets the matches going. Every change that can make a match
    /// ends here.
    pub(crate) fn settle(self: &Arc<Self>, mut core: MutexGuard<'_, Core>) {
        // Without a runtime, or before the wiring is done, the backlog waits for the next change.
        let runtime = Handle::try_current().ok().filter(|_| self.shared.recorder().is_some());
        let (matches, alarm) = core.match_all(Instant::now(), runtime.is_some());
        // Dropping a dispatch takes the lock, and so may spawning one while the runtime ends.
        drop(core);
        let Some(runtime) = runtime else { return };
        for (seat, parked, task) in matches {
            let reservation = Reservation::new(Arc::clone(self), seat, parked);
            runtime.spawn(Dispatch::new(reservation, task).run());
        }
        if let Some(at) = alarm {
            let queue = Arc::clone(self);
            runtime.spawn(async move {
                sleep_until(at).await;
                let mut core = queue.lock();
                if core.alarm == Some(at) {
                    core.alarm = None;
                }
                queue.settle(core);
            });
        }
    }

    /// Gives a poller its place back, unless it left meanwhile, or its worker or the server is shutting down.
    pub(crate) fn put_back(&self, core: &mut Core, seat: Seat, parked: Parked) {
        if !core.retired && !parked.hand.is_closed() && !self.shared.is_shut(&parked.info) {
            core.line.insert(seat, parked);
        }
    }
}

// === impl Core ===

impl Core {
    fn new(now: Instant) -> Self {
        Self {
            next_seat: 0,
            line: BTreeMap::new(),
            polls: 0,
            redeliveries: VecDeque::new(),
            queries: VecDeque::new(),
            backlog: Backlog::default(),
            rate: RateLimit::default(),
            alarm: None,
            seen: Seen::default(),
            added: Meter::new(now),
            dispatched: Meter::new(now),
            last_used: now,
            retired: false,
        }
    }

    /// A poller joins the line.
    pub(crate) fn park(&mut self, info: Arc<PollerInfo>, limits: &MatchingLimits) -> (Seat, oneshot::Receiver<Handed>) {
        let now = Instant::now();
        self.seen.note(&info, now, limits.poller_history);
        if let Some(per_second) = info.max_tasks_per_second {
            self.rate.set(per_second, now);
        }
        let (hand, receiver) = oneshot::channel();
        let seat = self.next_seat;
        self.next_seat += 1;
        self.polls += 1;
        self.line.insert(seat, Parked { info, hand });
        (seat, receiver)
    }

    /// A poll is over. `dropped`: its client went away, which is no sign of a living worker.
    pub(crate) fn leave(&mut self, seat: Seat, info: &PollerInfo, dropped: bool, limits: &MatchingLimits) {
        self.line.remove(&seat);
        self.polls -= 1;
        self.last_used = Instant::now();
        if !dropped {
            self.seen.note(info, self.last_used, limits.poller_history);
        }
    }

    /// Takes the longest parked poller out of the line, unless something waits that must go first.
    pub(crate) fn reserve(&mut self) -> Option<(Seat, Parked)> {
        let now = Instant::now();
        if self.line.is_empty() || self.something_waits(now) || self.rate.take(now).is_err() {
            return None;
        }
        self.line.pop_first()
    }

    pub(crate) fn add(&mut self, task: TaskRef) {
        let now = Instant::now();
        self.last_used = now;
        self.added.count(now);
        self.backlog.push(task);
    }

    pub(crate) fn add_redelivery(&mut self, task: Box<StartedTask>, expires: Instant) {
        self.last_used = Instant::now();
        self.redeliveries.push_back(Redelivery { task, expires });
    }

    pub(crate) fn add_query(&mut self, query: Box<QueryTask>) {
        self.last_used = Instant::now();
        self.queries.push_back(query);
    }

    /// A query whose poller went away before it took it.
    pub(crate) fn return_query(&mut self, query: Box<QueryTask>) {
        self.queries.push_front(query);
    }

    pub(crate) fn forget_query(&mut self, task_id: &str) {
        self.queries.retain(|query| query.task_id != task_id);
    }

    /// A task reached a poller. `sync`: it never was in the backlog.
    pub(crate) fn note_dispatched(&mut self, sync: bool) {
        let now = Instant::now();
        self.dispatched.count(now);
        if sync {
            self.added.count(now);
        }
    }

    fn something_waits(&mut self, now: Instant) -> bool {
        self.drop_expired(now);
        !(self.redeliveries.is_empty() && self.queries.is_empty() && self.backlog.is_empty())
    }

    fn drop_expired(&mut self, now: Instant) {
        self.redeliveries.retain(|redelivery| redelivery.expires > now);
    }

    /// Serves redeliveries and queries, pairs tasks with pollers, and says when the rate limit wants to be asked again.
    fn match_all(&mut self, now: Instant, can_record: bool) -> (Vec<(Seat, Parked, TaskRef)>, Option<Instant>) {
        let mut matches = Vec::new();
        self.drop_expired(now);
        while !self.line.is_empty() {
            if !self.redeliveries.is_empty() || !self.queries.is_empty() {
                self.serve_first();
                continue;
            }
            if self.backlog.is_empty() || !can_record {
                break;
            }
            match self.rate.take(now) {
                Ok(()) => {}
                Err(Wait::Until(at)) if self.alarm.is_none_or(|alarm| at < alarm) => {
                    self.alarm = Some(at);
                    return (matches, Some(at));
                }
                Err(_) => break,
            }
            if let (Some((seat, parked)), Some(task)) = (self.line.pop_first(), self.backlog.pop()) {
                matches.push((seat, parked, task));
            }
        }
        (matches, None)
    }

    /// Gives the first redelivery, or else the first query, to the first poller; keeps it where that one just left.
    fn serve_first(&mut self) {
        let Some((_, parked)) = self.line.pop_first() else { return };
        if let Some(Redelivery { task, expires }) = self.redeliveries.pop_front() {
            if let Err(Handed::Task(task)) = parked.hand.send(Handed::Task(task)) {
                self.redeliveries.push_front(Redelivery { task, expires });
            }
        } else if let Some(query) = self.queries.pop_front()
            && let Err(Handed::Query(query)) = parked.hand.send(Handed::Query(query))
        {
            self.queries.push_front(query);
        }
    }

    /// Somebody polls now, or did within the window.
    pub(crate) fn polled_within(&self, window: Duration) -> bool {
        self.polls > 0 || self.seen.within(window, Instant::now())
    }

    pub(crate) fn is_idle(&self, limits: &MatchingLimits, now: Instant) -> bool {
        self.polls == 0
            && self.redeliveries.is_empty()
            && self.queries.is_empty()
            && self.backlog.is_empty()
            && now.saturating_duration_since(self.last_used) >= limits.idle_queue
    }

    /// Ends the parked polls of one worker, or all.
    pub(crate) fn end_polls(&mut self, worker_instance_key: Option<&str>) {
        self.line.retain(|_, parked| worker_instance_key.is_some_and(|key| parked.info.worker_instance_key != key));
    }

    /// Takes the queue out of service: polls end, and what waited is forgotten. Returns the ids of its queries.
    pub(crate) fn retire(&mut self) -> Vec<String> {
        self.retired = true;
        self.end_polls(None);
        self.redeliveries.clear();
        self.backlog.clear();
        self.take_query_ids()
    }

    pub(crate) fn take_query_ids(&mut self) -> Vec<String> {
        self.queries.drain(..).map(|query| query.task_id).collect()
    }

    pub(crate) fn describe(&mut self, limits: &MatchingLimits) -> QueueDescription {
        let now = Instant::now();
        QueueDescription {
            pollers: self.seen.list(now, limits.poller_history),
            backlog_count: self.backlog.len(),
            backlog_by_priority: self.backlog.counts(),
            oldest_scheduled_time: self.backlog.oldest(),
            tasks_add_rate: self.added.per_second(now),
            tasks_dispatch_rate: self.dispatched.per_second(now),
        }
    }
}
