//! One lane of a queue: the pollers of one worker version, or of those without one, and what waits for them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::{
    MatchingLimits, PollerDescription, PollerInfo, StartedTask,
    backlog::{Backlog, Budget, PRIORITIES, level},
    describe::{LevelStats, Seen},
    direct::DirectTask,
    queue::{Handed, Parked, Seat, Source},
    rate::{Meter, RateLimit},
};

/// A started task that lost its poller.
#[derive(Debug)]
struct Redelivery {
    task: Box<StartedTask>,
    expires: Instant,
}

pub(crate) struct Lane {
    line: BTreeMap<Seat, Parked>,
    /// Polls that run: parked, out, or served and not yet taken.
    polls: usize,
    redeliveries: VecDeque<Redelivery>,
    direct: VecDeque<DirectTask>,
    pub(crate) backlog: Backlog,
    seen: Seen,
    /// By level; made when first needed.
    added: [Option<Box<Meter>>; PRIORITIES],
    dispatched: [Option<Box<Meter>>; PRIORITIES],
    /// How often advice on pollers was given.
    pub(crate) decisions: RateLimit,
    last_used: Instant,
}

impl Lane {
    pub(crate) fn new(now: Instant, budget: Arc<Budget>) -> Self {
        Self {
            line: BTreeMap::new(),
            polls: 0,
            redeliveries: VecDeque::new(),
            direct: VecDeque::new(),
            backlog: Backlog::new(budget),
            seen: Seen::default(),
            added: Default::default(),
            dispatched: Default::default(),
            decisions: RateLimit::default(),
            last_used: now,
        }
    }

    /// A poller joins the line.
    pub(crate) fn park(
        &mut self,
        seat: Seat,
        info: Arc<PollerInfo>,
        now: Instant,
        limits: &MatchingLimits,
    ) -> oneshot::Receiver<Handed> {
        self.seen.note(&info, now, limits.poller_history);
        let (hand, receiver) = oneshot::channel();
        self.polls += 1;
        self.line.insert(seat, Parked { info, hand });
        receiver
    }

    /// Gives a poller its place back.
    pub(crate) fn put_back(&mut self, seat: Seat, parked: Parked) {
        self.line.insert(seat, parked);
    }

    /// A poll is over. `dropped`: its client went away, which is no sign of a living worker.
    pub(crate) fn leave(&mut self, seat: Seat, info: &PollerInfo, dropped: bool, limits: &MatchingLimits) {
        self.line.remove(&seat);
        self.polls = self.polls.saturating_sub(1);
        self.last_used = Instant::now();
        if !dropped {
            self.seen.note(info, self.last_used, limits.poller_history);
        }
    }

    pub(crate) fn has_poller(&self) -> bool {
        !self.line.is_empty()
    }

    /// The longest parked poller.
    pub(crate) fn take_poller(&mut self) -> Option<(Seat, Parked)> {
        self.line.pop_first()
    }

    /// A task with this fairness key would overtake what waits.
    pub(crate) fn is_behind(&mut self, key: Option<&Arc<str>>, now: Instant) -> bool {
        self.drop_expired(now);
        !(self.redeliveries.is_empty() && self.direct.is_empty()) || self.backlog.blocks(key)
    }

    pub(crate) fn note_added(&mut self, priority: i32, now: Instant) {
        self.last_used = now;
        count(&mut self.added[level(priority)], now);
    }

    /// A task reached a poller.
    pub(crate) fn note_dispatched(&mut self, priority: i32, source: Source) {
        let now = Instant::now();
        count(&mut self.dispatched[level(priority)], now);
        if source == Source::Sync {
            self.note_added(priority, now);
        }
    }

    pub(crate) fn add_redelivery(&mut self, task: Box<StartedTask>, expires: Instant) {
        self.last_used = Instant::now();
        self.redeliveries.push_back(Redelivery { task, expires });
    }

    pub(crate) fn add_direct(&mut self, task: DirectTask) {
        self.last_used = Instant::now();
        self.direct.push_back(task);
    }

    /// A direct task whose poller went away before it took it.
    pub(crate) fn return_direct(&mut self, task: DirectTask) {
        self.direct.push_front(task);
    }

    pub(crate) fn forget_direct(&mut self, task_id: &str) {
        self.direct.retain(|task| task.id() != task_id);
    }

    pub(crate) fn take_direct(&mut self) -> Vec<DirectTask> {
        self.direct.drain(..).collect()
    }

    fn drop_expired(&mut self, now: Instant) {
        if !self.redeliveries.is_empty() {
            self.redeliveries.retain(|redelivery| redelivery.expires > now);
        }
    }

    /// Serves what needs no recording: redeliveries, then direct tasks.
    pub(crate) fn serve(&mut self, now: Instant) {
        self.drop_expired(now);
        while !(self.line.is_empty() || self.redeliveries.is_empty() && self.direct.is_empty()) {
            self.serve_first(now);
        }
    }

    /// Gives the first redelivery, or else the first direct task, to the first poller; keeps it where that one just left.
    fn serve_first(&mut self, now: Instant) {
        let Some((_, parked)) = self.line.pop_first() else { return };
        if let Some(Redelivery { task, expires }) = self.redeliveries.pop_front() {
            if let Err(Handed::Task(task, _)) = parked.hand.send(Handed::Task(task, Source::Backlog)) {
                self.redeliveries.push_front(Redelivery { task, expires });
            }
        } else if let Some(task) = self.direct.pop_front() {
            match parked.hand.send(Handed::Direct(task)) {
                Ok(()) => count(&mut self.dispatched[level(0)], now),
                Err(Handed::Direct(task)) => self.direct.push_front(task),
                // Only what was sent comes back.
                Err(Handed::Task(..)) => {}
            }
        }
    }

    /// Somebody polls now, or did within the window.
    pub(crate) fn polled_within(&self, window: Duration) -> bool {
        self.polls > 0 || self.seen.within(window, Instant::now())
    }

    pub(crate) fn is_idle(&self, limits: &MatchingLimits, now: Instant) -> bool {
        self.polls == 0
            && self.redeliveries.is_empty()
            && self.direct.is_empty()
            && self.backlog.is_empty()
            && now.saturating_duration_since(self.last_used) >= limits.idle_queue
    }

    /// Ends the parked polls of those pollers.
    pub(crate) fn end_polls(&mut self, of: impl Fn(&PollerInfo) -> bool) {
        self.line.retain(|_, parked| !of(&parked.info));
    }

    /// Forgets what waits and needs no answer.
    pub(crate) fn forget_tasks(&mut self) {
        self.redeliveries.clear();
        // Rows in the store stay until the next start: sticky queues, the only ones that are unloaded, have hardly any.
        drop(self.backlog.take_all());
    }

    pub(crate) fn pollers(&self, now: Instant, limits: &MatchingLimits) -> Vec<PollerDescription> {
        self.seen.list(now, limits.poller_history)
    }

    pub(crate) fn poller_count(&self) -> usize {
        self.seen.count()
    }

    /// By level, 1 first.
    pub(crate) fn stats(&mut self, now: Instant) -> [LevelStats; PRIORITIES] {
        let (counts, oldest) = (self.backlog.counts(), self.backlog.oldest());
        std::array::from_fn(|level| LevelStats {
            backlog_count: counts[level],
            oldest_scheduled_time: oldest[level],
            tasks_add_rate: rate(&mut self.added[level], now),
            tasks_dispatch_rate: rate(&mut self.dispatched[level], now),
            used: self.added[level].is_some() || self.dispatched[level].is_some(),
        })
    }

    /// Tasks added and handed out per second.
    pub(crate) fn rates(&mut self, now: Instant) -> (f32, f32) {
        let mut sum = |meters: fn(&mut Self) -> &mut [Option<Box<Meter>>]| {
            meters(self).iter_mut().map(|meter| rate(meter, now)).sum::<f32>()
        };
        (sum(|lane| &mut lane.added), sum(|lane| &mut lane.dispatched))
    }
}

fn count(meter: &mut Option<Box<Meter>>, now: Instant) {
    meter.get_or_insert_with(|| Box::new(Meter::new(now))).count(now);
}

fn rate(meter: &mut Option<Box<Meter>>, now: Instant) -> f32 {
    meter.as_mut().map_or(0.0, |meter| meter.per_second(now))
}
