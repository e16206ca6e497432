//! One queue: lanes of pollers and tasks, one lock, which is never held across an await.
//!
//! | poller    | what happens                                     | becomes                                        |
//! |-----------|--------------------------------------------------|------------------------------------------------|
//! | -         | polls                                            | parked, at the end of its lane's line          |
//! | parked    | is reserved, or taken for a task of the backlog  | out                                            |
//! | parked    | a redelivery or a direct task comes              | served                                         |
//! | parked    | deadline, or its worker or the server shuts down | gone: its poll ends Empty                      |
//! | parked    | its poll is dropped                              | gone                                           |
//! | out       | a task is delivered                              | served                                         |
//! | out       | the reservation is dropped                       | parked, at its old place in the line           |
//! | out       | deadline, or its poll is dropped                 | gone: the task waits for another               |
//! | served    | its poll takes what it was given                 | gone: its poll ends with that                  |
//! | served    | its poll is dropped                              | gone: what it was given goes to the next       |
//!
//! What waits in a lane is given to pollers in this order: started tasks that lost their poller (their time-outs run),
//! direct tasks (a caller waits), the backlog. Lanes take turns.

mod settings;
mod store;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep_until},
};

use crate::{
    DeploymentVersion, Directive, MatchingLimits, PollerInfo, QueueConfig, QueueKey, QueueKind, QueueRouting,
    Reservation, StartedTask, TaskPriority, TaskRef,
    backlog::{Budget, Waiting},
    direct::DirectTask,
    dispatch::Dispatch,
    lane::Lane,
    metrics::QueueMetrics,
    rate::Wait,
    rates::Rates,
    shared::Shared,
    spill::Spill,
    version::lane_of,
};

/// A poller's place in the line: lower came earlier.
pub(crate) type Seat = u64;

/// Where a poller's task comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It never waited.
    Sync,
    Backlog,
}

/// What a parked poller is given.
#[derive(Debug)]
pub(crate) enum Handed {
    Task(Box<StartedTask>, Source),
    Direct(DirectTask),
}

/// A poller that waits; dropping it ends its poll Empty.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) info: Arc<PollerInfo>,
    pub(crate) hand: oneshot::Sender<Handed>,
}

pub(crate) type Match = (Seat, Parked, Waiting);

pub(crate) struct Queue {
    pub(crate) kind: QueueKind,
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Arc<QueueMetrics>,
    core: Mutex<Core>,
}

pub(crate) struct Core {
    kind: QueueKind,
    next_seat: Seat,
    unversioned: Lane,
    versioned: BTreeMap<DeploymentVersion, Lane>,
    /// Which lane is asked first.
    turn: usize,
    routing: Option<Arc<QueueRouting>>,
    pub(crate) rates: Rates,
    /// When a sleeper will look again, because a rate limit allows the next task then.
    alarm: Option<Instant>,
    budget: Arc<Budget>,
    /// Stored tasks of lanes that were routed otherwise: they are read and find their lanes again.
    rerouted: Vec<Spill>,
    /// The store is at work for this queue.
    spilling: bool,
    /// Out of the map: whoever finds it must look the queue up again.
    pub(crate) retired: bool,
}

impl Queue {
    pub(crate) fn new(
        key: &QueueKey,
        shared: Arc<Shared>,
        routing: Option<Arc<QueueRouting>>,
        config: Option<Arc<QueueConfig>>,
    ) -> Self {
        let now = Instant::now();
        let metrics = shared.metrics.queue(key);
        let mut core = Core::new(key.kind, Arc::clone(&shared.budget), now);
        core.routing = routing;
        if let Some(config) = config {
            core.rates.configure(config, now);
        }
        Self { kind: key.kind, shared, metrics, core: Mutex::new(core) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock()
    }

    /// Matches what can be matched, lets go of the lock, and sets the matches going. Every change that can make a match
    /// ends here.
    pub(crate) fn settle(self: &Arc<Self>, mut core: MutexGuard<'_, Core>) {
        // Without a runtime, or before the wiring is done, the backlog waits for the next change.
        let runtime = Handle::try_current().ok().filter(|_| self.shared.recorder().is_some());
        let now = Instant::now();
        let (mut matches, mut alarm) = core.match_all(now, runtime.is_some());
        let job = match &runtime {
            Some(_) if core.has_spill() && !core.spilling => core.next_job(),
            _ => None,
        };
        if core.has_spill() || job.is_some() {
            // What came in from a spill that ended.
            let (more, later) = core.match_all(now, runtime.is_some());
            matches.extend(more);
            alarm = alarm.or(later);
        }
        core.spilling |= job.is_some();
        // Dropping a dispatch takes the lock, and so may spawning one while the runtime ends.
        drop(core);
        let Some(runtime) = runtime else { return };
        for (seat, parked, waiting) in matches {
            let reservation = Reservation::new(Arc::clone(self), seat, parked, waiting.task.priority.clone());
            runtime.spawn(Dispatch::new(reservation, waiting).run());
        }
        if let Some(job) = job {
            runtime.spawn(Arc::clone(self).spill(job));
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
            core.lane_of_poller(&Arc::clone(&parked.info)).put_back(seat, parked);
        }
    }
}

// === impl Core ===

impl Core {
    fn new(kind: QueueKind, budget: Arc<Budget>, now: Instant) -> Self {
        Self {
            kind,
            next_seat: 0,
            unversioned: Lane::new(now, Arc::clone(&budget)),
            versioned: BTreeMap::new(),
            turn: 0,
            routing: None,
            rates: Rates::default(),
            alarm: None,
            budget,
            rerouted: Vec::new(),
            spilling: false,
            retired: false,
        }
    }

    /// Made if need be. A sticky queue has one lane.
    fn lane(&mut self, version: Option<&DeploymentVersion>) -> &mut Lane {
        let Some(version) = version.filter(|_| self.kind != QueueKind::StickyWorkflow) else {
            return &mut self.unversioned;
        };
        let new = || Lane::new(Instant::now(), Arc::clone(&self.budget));
        self.versioned.entry(version.clone()).or_insert_with(new)
    }

    fn find_lane(&mut self, version: Option<&DeploymentVersion>) -> Option<&mut Lane> {
        match version.filter(|_| self.kind != QueueKind::StickyWorkflow) {
            Some(version) => self.versioned.get_mut(version),
            None => Some(&mut self.unversioned),
        }
    }

    pub(crate) fn lane_of_poller(&mut self, info: &PollerInfo) -> &mut Lane {
        self.lane(info.deployment.as_ref())
    }

    fn lane_of_task(&mut self, directive: &Directive) -> &mut Lane {
        let routing = self.routing.clone();
        self.lane(lane_of(directive, routing.as_deref()))
    }

    fn lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        std::iter::once(&mut self.unversioned).chain(self.versioned.values_mut())
    }

    /// A poller joins the line of its lane.
    pub(crate) fn park(&mut self, info: Arc<PollerInfo>, limits: &MatchingLimits) -> (Seat, oneshot::Receiver<Handed>) {
        let now = Instant::now();
        self.rates.set_polled(info.max_tasks_per_second, info.system_rate, now);
        let seat = self.next_seat;
        self.next_seat += 1;
        if info.deployment.is_some() {
            self.versioned.retain(|_, lane| !lane.is_idle(limits, now));
        }
        (seat, self.lane_of_poller(&Arc::clone(&info)).park(seat, info, now, limits))
    }

    /// Takes the longest parked poller of the task's lane out of the line, unless something waits there that must go first.
    pub(crate) fn reserve(&mut self, directive: &Directive, priority: &TaskPriority) -> Option<(Seat, Parked)> {
        let now = Instant::now();
        let routing = self.routing.clone();
        let lane = match lane_of(directive, routing.as_deref()).filter(|_| self.kind != QueueKind::StickyWorkflow) {
            Some(version) => self.versioned.get_mut(version)?,
            None => &mut self.unversioned,
        };
        if !lane.has_poller() || lane.is_behind(priority.fairness_key.as_ref(), now) {
            return None;
        }
        self.rates.take_for(priority, now).ok()?;
        lane.take_poller()
    }

    pub(crate) fn add(&mut self, task: Box<TaskRef>, can_spill: bool) {
        let now = Instant::now();
        self.lane_of_task(&task.directive).note_added(task.priority.level, now);
        self.push(task, now, can_spill);
    }

    fn push(&mut self, task: Box<TaskRef>, now: Instant, can_spill: bool) {
        let weight = self.rates.keys.weight(&task.priority);
        self.lane_of_task(&task.directive.clone()).backlog.push(task, weight, now, can_spill);
    }

    /// A task that was taken for a poller of this version and is still wanted.
    pub(crate) fn return_task(&mut self, waiting: Waiting, version: Option<&DeploymentVersion>, can_spill: bool) {
        let routing = self.routing.clone();
        if lane_of(&waiting.task.directive, routing.as_deref()) == version {
            self.lane(version).backlog.put_back(waiting);
        } else {
            self.push(waiting.task, waiting.since, can_spill);
        }
    }

    pub(crate) fn add_direct(&mut self, task: DirectTask) {
        let directive = task.directive();
        self.lane_of_task(&directive).add_direct(task);
    }

    /// A direct task whose poller went away before it took it.
    pub(crate) fn return_direct(&mut self, task: DirectTask) {
        let directive = task.directive();
        self.lane_of_task(&directive).return_direct(task);
    }

    pub(crate) fn forget_direct(&mut self, task_id: &str) {
        self.lanes().for_each(|lane| lane.forget_direct(task_id));
    }

    /// Pairs tasks with pollers, and says when a rate limit wants to be asked again.
    fn match_all(&mut self, now: Instant, can_record: bool) -> (Vec<Match>, Option<Instant>) {
        self.lanes().for_each(|lane| lane.serve(now));
        if !can_record {
            return (Vec::new(), None);
        }
        let (mut matches, mut wait) = (Vec::new(), None);
        if self.versioned.is_empty() {
            while match_one(&mut self.unversioned, &mut self.rates, now, &mut matches, &mut wait) {}
        } else {
            self.match_lanes(now, &mut matches, &mut wait);
        }
        let alarm = wait.filter(|at| self.alarm.is_none_or(|alarm| *at < alarm));
        self.alarm = alarm.or(self.alarm);
        (matches, alarm)
    }

    fn match_lanes(&mut self, now: Instant, matches: &mut Vec<Match>, wait: &mut Option<Instant>) {
        let mut lanes: Vec<_> = std::iter::once(&mut self.unversioned).chain(self.versioned.values_mut()).collect();
        let start = self.turn % lanes.len();
        lanes.rotate_left(start);
        loop {
            let mut matched = false;
            for (index, lane) in lanes.iter_mut().enumerate() {
                if match_one(lane, &mut self.rates, now, matches, wait) {
                    matched = true;
                    self.turn = start + index + 1;
                }
            }
            if !matched {
                break;
            }
        }
    }

    /// Somebody polls now, or did within the window.
    pub(crate) fn polled_within(&mut self, window: Duration) -> bool {
        self.lanes().any(|lane| lane.polled_within(window))
    }

    /// The same of those that may have the task.
    pub(crate) fn polled_for(&mut self, directive: &Directive, window: Duration) -> bool {
        let routing = self.routing.clone();
        let version = lane_of(directive, routing.as_deref());
        self.find_lane(version).is_some_and(|lane| lane.polled_within(window))
    }

    pub(crate) fn is_idle(&mut self, limits: &MatchingLimits, now: Instant) -> bool {
        !self.spilling && self.rerouted.is_empty() && self.lanes().all(|lane| lane.is_idle(limits, now))
    }

    /// Ends the parked polls of those pollers.
    pub(crate) fn end_polls(&mut self, of: impl Fn(&PollerInfo) -> bool) {
        self.lanes().for_each(|lane| lane.end_polls(&of));
    }

    /// Takes the queue out of service: polls end, and what waited is forgotten. Returns the ids of its direct tasks.
    pub(crate) fn retire(&mut self) -> Vec<String> {
        self.retired = true;
        self.end_polls(|_| true);
        self.lanes().for_each(Lane::forget_tasks);
        self.take_direct_ids()
    }

    pub(crate) fn take_direct_ids(&mut self) -> Vec<String> {
        self.lanes().flat_map(Lane::take_direct).map(|task| task.id().to_owned()).collect()
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.alarm.is_some()
    }
}

/// Pairs one task of a lane with one of its pollers, if both are there and the limits allow it; else notes when they will.
fn match_one(
    lane: &mut Lane,
    rates: &mut Rates,
    now: Instant,
    matches: &mut Vec<Match>,
    wait: &mut Option<Instant>,
) -> bool {
    if !lane.has_poller() || lane.backlog.is_empty() {
        return false;
    }
    let popped = rates.take(now).and_then(|()| {
        let popped = lane.backlog.pop(&mut rates.keys, now);
        if !matches!(popped, Ok(Some(_))) {
            rates.refund();
        }
        popped
    });
    match popped {
        Ok(Some(waiting)) => {
            if let Some((seat, parked)) = lane.take_poller() {
                matches.push((seat, parked, waiting));
            }
            true
        }
        Ok(None) | Err(Wait::Paused) => false,
        Err(Wait::Until(at)) => {
            *wait = Some(wait.map_or(at, |known| known.min(at)));
            false
        }
    }
}
