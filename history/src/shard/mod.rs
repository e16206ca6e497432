//! A shard: the single-threaded owner of some slots.
//!
//! It is a mailbox and a loop. Each round takes what has arrived, lets the engine step each input, and gathers the changes for
//! the next batch. State moves ahead of the disk; nothing leaves (reply, task, notice) before its batch is durable.
//!
//! | state | message | what happens |
//! |---|---|---|
//! | suspended | operation, start | answered with `Unavailable` |
//! | suspended | lease | active: empty memory, the wake scanner begins |
//! | active | operation, start | stepped, or parked until its run is loaded |
//! | active | a place in the next transaction | the batch is made of what has gathered |
//! | active | commit done | its replies, tasks and notices leave |
//! | active | some of the commit's data was refused | those workflows are dropped and read again, their callers are told; the others go on |
//! | active | commit failed or unknown, suspend | suspended: all memory dropped, the supervisor is told |
//! | active | lease | suspended, then active: the old epoch can no longer commit |
//! | any | stop | what is in flight is finished, then the loop ends |

mod book;
pub(crate) mod cell;
mod cells;
mod commit;
mod delete;
mod dispatch;
mod evict;
mod import;
mod load;
pub(crate) mod message;
mod notice;
mod ops;
mod query;
mod refuse;
mod reset;
mod scan;
mod show;
mod start;
mod warn;

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use perdure_engine::Nanos;
use perdure_storage::{Lease, RunKey, WorkflowKey};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use self::{cells::Cells, commit::InFlight, load::Loader, message::Message, refuse::Held, scan::Scanner};
use crate::{committer::Place, ids::RandomIds, metrics::Series, shared::Shared};

/// Messages that one round takes at most, so that a flood cannot hold the commit up.
const ROUND: usize = 512;

pub(crate) struct Shard {
    shared: Arc<Shared>,
    mailbox: mpsc::Receiver<Message>,
    /// For the reads that this shard starts, to send their answers to.
    own: mpsc::WeakSender<Message>,
    /// Some while active.
    lease: Option<Lease>,
    /// Counts the lives of this shard's memory.
    generation: u64,
    ids: RandomIds,
    cells: Cells,
    /// Current runs of the workflows that have a cached run.
    current: HashMap<WorkflowKey, Uuid>,
    deadlines: BTreeSet<(Nanos, RunKey)>,
    /// Runs whose entry among the deadlines may be out of date.
    undated: HashSet<RunKey>,
    /// Runs with a change that lists do not show yet, in the order of the times by which they must.
    to_show: VecDeque<(Nanos, RunKey)>,
    loader: Loader,
    scanner: Scanner,
    /// Runs with changes for the next batch, in order.
    dirty: Vec<RunKey>,
    /// Closed runs in the cache, in the order of their closes.
    closed: VecDeque<RunKey>,
    /// Runs that left the cache while matching held a task of theirs.
    owing: HashSet<RunKey>,
    /// Runs whose snapshot goes into the next batch so that they can leave the cache.
    leaving: Vec<RunKey>,
    releases: Vec<Held>,
    in_flight: Option<InFlight>,
    /// A place in the next transaction.
    asked: Option<oneshot::Receiver<Place>>,
    steps: u64,
    series: Series,
    stopping: Option<oneshot::Sender<()>>,
}

impl Shard {
    pub(crate) fn new(shared: Arc<Shared>, mailbox: mpsc::Receiver<Message>, own: mpsc::WeakSender<Message>) -> Self {
        Self {
            shared,
            mailbox,
            own,
            lease: None,
            generation: 0,
            ids: RandomIds,
            cells: Cells::default(),
            current: HashMap::new(),
            deadlines: BTreeSet::new(),
            undated: HashSet::new(),
            to_show: VecDeque::new(),
            loader: Loader::default(),
            scanner: Scanner::default(),
            dirty: Vec::new(),
            closed: VecDeque::new(),
            owing: HashSet::new(),
            leaving: Vec::new(),
            releases: Vec::new(),
            in_flight: None,
            asked: None,
            steps: 0,
            series: Series::default(),
            stopping: None,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut round = Vec::with_capacity(ROUND);
        loop {
            let sleep = self.next_timer();
            let mut place = None;
            tokio::select! {
                biased;
                done = commit::finished(&mut self.in_flight) => self.committed(done),
                given = commit::place(&mut self.asked) => {
                    self.asked = None;
                    place = given;
                }
                taken = self.mailbox.recv_many(&mut round, ROUND) => {
                    if taken == 0 {
                        return;
                    }
                    for message in round.drain(..) {
                        self.receive(message);
                    }
                }
                () = tokio::time::sleep(sleep) => {}
            }
            self.wake_due();
            self.show_due();
            self.scan_ahead();
            if place.is_some() {
                self.gather().await;
            }
            self.book_deadlines();
            self.load_wanted();
            self.evict_closed();
            self.evict();
            self.commit_gathered(place);
            self.series.show_cached_runs(&self.shared.metrics, self.cells.len());
            if self.in_flight.is_none()
                && self.dirty.is_empty()
                && let Some(stopped) = self.stopping.take()
            {
                // The one who waited for the stop may have given up.
                let _ = stopped.send(());
                return;
            }
        }
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Op(op) => self.operate(op),
            Message::Start(start) => self.start(start),
            Message::Import(import) => self.import(import),
            Message::Loaded(loaded) => self.loaded(loaded),
            Message::Due(due) => self.due_found(due),
            Message::Lease(lease) => {
                self.forget();
                tracing::info!(
                    first_slot = lease.first_slot,
                    end_slot = lease.end_slot,
                    epoch = lease.epoch,
                    "shard is active"
                );
                self.lease = Some(lease);
                self.scanner.restart();
            }
            Message::Suspend => self.forget(),
            Message::Stop(stopped) => self.stopping = Some(stopped),
        }
    }

    fn is_active(&self) -> bool {
        self.lease.is_some() && self.stopping.is_none()
    }

    /// Drops all memory. Replies that wait are dropped with it, which tells their callers `Unavailable`.
    fn forget(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.shared.matching.forget(&lease.slots());
        }
        self.generation += 1;
        self.cells.clear();
        self.current.clear();
        self.deadlines.clear();
        self.undated.clear();
        self.to_show.clear();
        self.loader = Loader::default();
        self.scanner = Scanner::default();
        self.dirty.clear();
        self.closed.clear();
        self.owing.clear();
        self.leaving.clear();
        self.releases.clear();
        self.in_flight = None;
        self.asked = None;
    }

    /// How long the loop may sleep when nothing arrives.
    fn next_timer(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(60);
        if self.lease.is_none() {
            return LONGEST;
        }
        let deadline = self.deadlines.first().map(|(time, _)| *time);
        let to_show = self.to_show.front().map(|(time, _)| *time);
        // What is due is read first; that wakes the loop.
        let scan = self.scanner.next_time().filter(|_| self.loader.has_room());
        let next = [deadline, to_show, scan].into_iter().flatten().min();
        next.map_or(LONGEST, |time| {
            let wait = time.saturating_sub(self.shared.clock.now()).max(0);
            Duration::from_nanos(wait as u64).min(LONGEST)
        })
    }
}
