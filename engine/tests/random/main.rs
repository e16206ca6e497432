//! A million random inputs: whatever happens to a run in whatever order, its state stays sound, its history is whole and says
//! the same, its deadlines are exact, what it owes can be found again, and the same script leads to the same bytes.
//!
//! `PERDURE_ENGINE_SEED` makes the same scripts again, `PERDURE_ENGINE_INPUTS` says how many inputs (a million if not set),
//! `PERDURE_ENGINE_TRACE=1` prints each.

mod checks;
mod commands;
mod dice;
mod digest;
mod inputs;
mod operators;
mod world;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
};

use perdure_engine::{Input, Limits, Outcome, Reset, Start, next_deadline, reset::Exclude};
use perdure_proto::api::enums::EventType;

use dice::{Dice, SECOND};
use digest::Digest;
use inputs::{input, kind, signal};
use operators::callbacks;
use world::World;

/// Inputs of one script, about.
const SCRIPT: usize = 250;
/// A script that shall go on after a close begins again so often.
const RUNS: usize = 8;

#[test]
fn a_million_inputs() {
    let seed = setting("PERDURE_ENGINE_SEED").unwrap_or_else(fresh_seed);
    let wanted = setting("PERDURE_ENGINE_INPUTS").unwrap_or(1_000_000) as usize;
    println!("PERDURE_ENGINE_SEED={seed}");
    let (next, done) = (AtomicU64::new(0), AtomicUsize::new(0));
    let threads = thread::available_parallelism().map_or(2, Into::into).min(wanted.div_ceil(SCRIPT));
    let kinds: BTreeSet<usize> = thread::scope(|scope| {
        let work = || {
            let mut kinds = BTreeSet::new();
            while done.load(Ordering::Relaxed) < wanted {
                let script = seed.wrapping_add(next.fetch_add(1, Ordering::Relaxed));
                let _told = OnPanic(script);
                let result = run(script);
                if script % 4 == 0 {
                    assert!(run(script).digest == result.digest, "the same script led to other bytes");
                }
                done.fetch_add(result.inputs, Ordering::Relaxed);
                kinds.extend(result.kinds);
            }
            kinds
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a script failed")).collect()
    });
    println!("{} inputs in {} scripts", done.into_inner(), next.into_inner());
    if wanted >= 100_000 {
        assert_eq!(kinds.len(), inputs::KINDS, "kinds of inputs that never came: {kinds:?} came");
    }
}

/// The standard library draws a key for each hasher.
fn fresh_seed() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// Says which script it was.
struct OnPanic(u64);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("again: PERDURE_ENGINE_SEED={} PERDURE_ENGINE_INPUTS=1", self.0);
        }
    }
}

struct Done {
    inputs: usize,
    kinds: BTreeSet<usize>,
    digest: Digest,
}

/// One script. The seed says all.
fn run(seed: u64) -> Done {
    let mut dice = Dice::new(seed);
    let mut world = World::start(start(&mut dice), limits(&mut dice));
    let mut done = Done { inputs: 0, kinds: BTreeSet::new(), digest: Digest::default() };
    let length = SCRIPT / 2 + dice.below(SCRIPT);
    let mut after_close = 0;
    let mut runs = 1;
    let trace = std::env::var_os("PERDURE_ENGINE_TRACE").is_some();
    for _ in 0..length {
        if world.state.run.close.is_some() {
            after_close += 1;
            if after_close > 10 && runs < RUNS {
                checks::history(&world);
                checks::replayed(&world);
                (after_close, runs) = (0, runs + 1);
                let next = start(&mut dice);
                world.go_on(next);
            }
        }
        let next = input(&world.state, &mut dice);
        done.kinds.insert(kind(&next));
        done.inputs += 1;
        if trace {
            println!("{} at event {}: {next:?}", done.inputs, world.history.len());
        }
        let outcome = act(&mut world, next, &mut dice);
        if let Some(next) = outcome.and_then(|outcome| outcome.next_run).filter(|_| !dice.one_in(3)) {
            checks::history(&world);
            checks::replayed(&world);
            world.go_on(*next);
            after_close = 0;
        }
        seldom(&mut world, &mut dice);
    }
    checks::history(&world);
    checks::replayed(&world);
    done.digest = world.digest.clone();
    done
}

/// Lets one thing happen, a moment after the last.
fn act(world: &mut World, input: Input, dice: &mut Dice) -> Option<Outcome> {
    if matches!(input, Input::Wake) && dice.one_in(2) {
        return wake_exactly(world);
    }
    world.now += dice.below(4) as i64 * SECOND / 4;
    let outcome = world.step(input).ok()?;
    checks::owed(world, &outcome);
    Some(outcome)
}

/// Just before the deadline nothing happens; at the deadline something does.
fn wake_exactly(world: &mut World) -> Option<Outcome> {
    // Deadlines that have passed are worked on first.
    let outcome = world.step(Input::Wake).expect("a wake is never refused");
    let Some(deadline) = next_deadline(&world.state).filter(|_| outcome.next_run.is_none()) else {
        return Some(outcome);
    };
    assert!(deadline > world.now, "{deadline} is not after {}", world.now);
    if deadline > world.now + 3_600 * SECOND {
        return Some(outcome);
    }
    world.now = deadline - 1;
    let before = world.state.clone();
    world.step(Input::Wake).expect("a wake is never refused");
    assert_eq!(before, world.state, "something happened before the deadline");
    world.now = deadline;
    let outcome = world.step(Input::Wake).expect("a wake is never refused");
    assert_ne!(before, world.state, "nothing happened at the deadline");
    let next = next_deadline(&world.state);
    assert!(next.is_none_or(|next| next > world.now), "{next:?} has not moved at {}: {:?}", world.now, outcome.changes);
    checks::owed(world, &outcome);
    Some(outcome)
}

/// Crashes, resets and looks at the whole history.
fn seldom(world: &mut World, dice: &mut Dice) {
    match dice.below(100) {
        0 => world.crash(),
        1 => checks::replayed(world),
        2 => checks::history(world),
        3 if world.state.run.buffered.is_empty() => reset(world, dice),
        _ => {}
    }
}

/// A reset to the end of a workflow task, mostly; what is refused changes nothing.
fn reset(world: &mut World, dice: &mut Dice) {
    let ends = world.history.iter().filter(|event| {
        use EventType as E;
        matches!(
            event.event_type(),
            E::WorkflowTaskCompleted | E::WorkflowTaskFailed | E::WorkflowTaskTimedOut | E::WorkflowTaskStarted
        )
    });
    let Some(finish) = dice.pick(ends.map(|event| event.event_id)) else { return };
    let (prefix, later) = world.history.split_at((finish - 1) as usize);
    let run = &world.state.run;
    let request = Reset {
        namespace_id: run.namespace_id.clone(),
        namespace: run.namespace.clone(),
        workflow_id: run.workflow_id.clone(),
        run_id: format!("00000000-0000-7000-9000-{:012}", dice.below(1_000_000)),
        base_run_id: run.run_id.clone(),
        start_request_id: world.state.start_request_id(),
        request_id: "reset".into(),
        reason: "why".into(),
        prefix: prefix.to_vec(),
        at_boundary: world.boundaries.contains(&(finish - 1)),
        later: later.to_vec(),
        exclude: Exclude {
            everything: dice.one_in(6),
            signals: dice.one_in(3),
            updates: dice.one_in(3),
            nexus: dice.one_in(3),
        },
        ..Default::default()
    };
    if world.reset(request).is_ok() {
        checks::history(world);
        checks::replayed(world);
    }
}

fn limits(dice: &mut Dice) -> Limits {
    let limits = Limits::default();
    if dice.one_in(4) {
        // Small enough to be met.
        return Limits {
            pending_activities: 3,
            pending_children: 2,
            pending_signals: 2,
            pending_cancels: 2,
            signals: 20,
            buffered_events: 4,
            in_flight_updates: 2,
            total_updates: 6,
            history_count: 150,
            history_size: 40_000,
            ..limits
        };
    }
    limits
}

fn start(dice: &mut Dice) -> Start {
    let mut start = Start {
        namespace_id: "ns-id".into(),
        namespace: "ns".into(),
        workflow_id: "wf".into(),
        run_id: format!("00000000-0000-7000-8000-a{:011}", dice.below(1_000_000)),
        request_id: "start".into(),
        workflow_type: "type".into(),
        task_queue: "queue".into(),
        identity: "client".into(),
        input: dice.payloads(),
        completion_callbacks: callbacks(dice),
        ..Default::default()
    };
    if dice.one_in(3) {
        start.run_timeout = Some((dice.below(300) as i64 + 1) * SECOND);
    }
    if dice.one_in(4) {
        start.execution_timeout = Some((dice.below(500) as i64 + 1) * SECOND);
    }
    if dice.one_in(4) {
        start.retry_policy =
            dice.retry_policy().filter(|policy| policy.maximum_attempts >= 0 && policy.backoff_coefficient >= 1.0);
    }
    if dice.one_in(6) {
        start.cron_schedule = "* * * * *".into();
    } else if dice.one_in(5) {
        start.start_delay = 3 * SECOND;
    }
    if dice.one_in(5) {
        start.signal = Some(signal(dice));
    }
    if dice.one_in(5) {
        start.parent = Some(perdure_engine::state::Parent {
            namespace_id: "ns-id".into(),
            namespace: "ns".into(),
            workflow_id: "parent".into(),
            run_id: "parent-run".into(),
            initiated_event_id: 5,
        });
    }
    start
}
