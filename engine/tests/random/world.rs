//! A host of one run: it applies what is stored, as a host does after a crash, and compares.

use perdure_engine::{
    Change, Ctx, Ids, Input, Limits, Nanos, Outcome, Reject, Reset, RunState, Start, WorkflowState, check, journal,
    reset, search_attributes, start, step,
};
use perdure_proto::api::{common::Payload, history::HistoryEvent};

use crate::{checks::same, dice::SECOND, digest::Digest};

pub(crate) struct World {
    pub(crate) state: WorkflowState,
    /// What the changes lead to.
    mirror: WorkflowState,
    /// What a host that only has the database would have.
    stored: WorkflowState,
    pub(crate) now: Nanos,
    pub(crate) limits: Limits,
    pub(crate) history: Vec<HistoryEvent>,
    /// Numbers of events at which a commit ended.
    pub(crate) boundaries: Vec<i64>,
    /// Of the run's first start, as the host knows it.
    pub(crate) request_id: String,
    /// All that came out so far, encoded.
    pub(crate) digest: Digest,
    ids: Counter,
}

#[derive(Clone, Default)]
struct Counter(u64);

impl Ids for Counter {
    fn run_id(&mut self) -> String {
        self.message_id()
    }

    fn message_id(&mut self) -> String {
        self.0 += 1;
        format!("00000000-0000-7000-8000-{:012}", self.0)
    }
}

impl World {
    pub(crate) fn start(request: Start, limits: Limits) -> Self {
        let now = 1_700_000_000 * SECOND;
        Self::host(request, limits, now, Counter::default(), Digest::default())
    }

    fn host(request: Start, limits: Limits, now: Nanos, mut ids: Counter, digest: Digest) -> Self {
        let request_id = request.request_id.clone();
        let (state, outcome) = start(request, &mut Ctx { now, ids: &mut ids, limits: &limits }).expect("a valid start");
        Self::of(state, &outcome, Parts { now, limits, ids, digest, request_id })
    }

    fn of(state: WorkflowState, outcome: &Outcome, parts: Parts) -> Self {
        let Parts { now, limits, ids, digest, request_id } = parts;
        let (mirror, stored) = (WorkflowState::default(), WorkflowState::default());
        let (history, boundaries) = (Vec::new(), Vec::new());
        let mut world = Self { state, mirror, stored, now, limits, history, boundaries, request_id, digest, ids };
        world.record(outcome);
        world
    }

    /// The next run of the chain takes this one's place.
    pub(crate) fn go_on(&mut self, next: Start) {
        let (limits, ids, digest) = (self.limits.clone(), self.ids.clone(), std::mem::take(&mut self.digest));
        *self = Self::host(next, limits, self.now, ids, digest);
    }

    /// The run that a reset makes takes this one's place; a reject leaves everything as it is.
    pub(crate) fn reset(&mut self, request: Reset) -> Result<(), Reject> {
        let request_id = request.start_request_id.clone();
        let mut ctx = Ctx { now: self.now, ids: &mut self.ids, limits: &self.limits };
        let (state, outcome) = reset(request, &mut ctx)?;
        let (limits, ids, digest) = (self.limits.clone(), self.ids.clone(), std::mem::take(&mut self.digest));
        *self = Self::of(state, &outcome, Parts { now: self.now, limits, ids, digest, request_id });
        Ok(())
    }

    /// Lets one input happen. What is stored of it must lead to the same state, and a reject must change nothing.
    pub(crate) fn step(&mut self, input: Input) -> Result<Outcome, Reject> {
        let mut ctx = Ctx { now: self.now, ids: &mut self.ids, limits: &self.limits };
        match step(&mut self.state, input, &mut ctx) {
            Ok(outcome) => {
                self.record(&outcome);
                Ok(outcome)
            }
            Err(Reject::Corrupt(corrupt)) => panic!("the state contradicts itself: {corrupt}"),
            Err(reject) => {
                same(&self.mirror, &self.state, "before the reject");
                self.digest.text(&reject);
                Err(reject)
            }
        }
    }

    fn record(&mut self, outcome: &Outcome) {
        let listed = troubles(&self.mirror.run);
        let row = journal::encode(&outcome.changes);
        journal::apply(&mut self.stored, &row.events, &row.changes).expect("a stored row applies");
        for change in &outcome.changes {
            self.mirror.apply(change).expect("a change applies");
            if let Change::Event { event, .. } = change {
                self.history.push((**event).clone());
            }
        }
        self.boundaries.push(self.history.len() as i64);
        same(&self.mirror, &self.state, "the changes lead to");
        same(&self.stored.run, &self.state.run, "the stored row leads to");
        assert!(outcome.visibility_changed || listed == troubles(&self.state.run), "no list hears of {listed:?}");
        let wrong = check(&self.state);
        assert!(wrong.is_empty(), "{wrong:?} after {:?}", outcome.changes);
        self.digest.bytes(&row.events);
        self.digest.bytes(&row.changes);
        self.digest.text(&(&outcome.tasks, &outcome.notices, &outcome.reply, &outcome.next_run));
    }

    /// Matching and the database survive, memory does not: what is left is what a host reads back.
    pub(crate) fn crash(&mut self) {
        let snapshot = journal::encode_snapshot(&self.stored);
        let state = journal::decode_snapshot(&snapshot).expect("a snapshot decodes");
        same(&state.run, &self.state.run, "the snapshot says");
        self.mirror = state.clone();
        self.stored = state.clone();
        self.state = state;
    }
}

/// What lists say of pauses and of workflow tasks that fail.
fn troubles(run: &RunState) -> [Option<Payload>; 2] {
    let attributes = search_attributes(run).unwrap_or_default();
    ["TemporalPauseInfo", "TemporalReportedProblems"].map(|name| attributes.indexed_fields.get(name).cloned())
}

struct Parts {
    now: Nanos,
    limits: Limits,
    ids: Counter,
    digest: Digest,
    request_id: String,
}
