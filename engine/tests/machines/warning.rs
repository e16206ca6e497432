//! Sizes that are noticed: one test for each row of the table.

use perdure_engine::{
    Input, Notice, Signal,
    warning::{Size, Warning},
};
use perdure_proto::api::{
    command::{Command, ModifyWorkflowPropertiesCommandAttributes, command::Attributes as C},
    common::{Memo, Payload},
    enums::CommandType,
};

use crate::{
    activity::{fail, heartbeat, with_activity},
    world::{SECOND, Step, World, command, payloads},
};

/// What a step noticed.
fn noticed(step: &Step) -> Vec<Size> {
    let warnings = step.notices.iter().filter_map(|notice| match notice {
        Notice::Warning(Warning { of, size, limit }) => {
            assert!(size > limit, "{of:?}: {size} {limit}");
            Some(of.clone())
        }
        _ => None,
    });
    warnings.collect()
}

fn signal(bytes: usize) -> Input {
    let input = payloads(&"x".repeat(bytes));
    Input::Signal(Box::new(Signal { name: "s".into(), input, ..Signal::default() }))
}

fn memo(bytes: usize) -> Command {
    let payload = Payload { data: vec![0; bytes].into(), ..Default::default() };
    let upserted_memo = Some(Memo { fields: [("m".to_owned(), payload)].into() });
    let attributes = ModifyWorkflowPropertiesCommandAttributes { upserted_memo };
    command(CommandType::ModifyWorkflowProperties, C::ModifyWorkflowPropertiesCommandAttributes(attributes))
}

#[test]
fn each_large_event() {
    let mut world = World::new();
    world.limits.blob_size_warn = 1_000;
    for (bytes, expected) in [(100, vec![]), (1_000, vec![Size::Blob("WORKFLOW_EXECUTION_SIGNALED")]), (100, vec![])] {
        assert_eq!(noticed(&world.step(signal(bytes)).unwrap()), expected, "{bytes}");
    }
}

#[test]
fn what_is_no_event_but_kept() {
    let (mut world, id) = with_activity();
    world.limits.blob_size_warn = 1_000;
    let token = world.take(id);
    for (bytes, expected) in [(100, vec![]), (1_000, vec![Size::Blob("heartbeat")])] {
        assert_eq!(noticed(&heartbeat(&mut world, &token, &"x".repeat(bytes)).unwrap()), expected, "{bytes}");
    }
}

#[test]
fn each_large_memo() {
    let mut world = World::new();
    world.limits.memo_size_warn = 1_000;
    assert_eq!(noticed(&world.complete(vec![memo(100)])), []);
    world.step(signal(1)).unwrap();
    assert_eq!(noticed(&world.complete(vec![memo(1_000)])), [Size::Memo]);
}

#[test]
fn a_large_failure_between_two_attempts() {
    for (limit, expected) in [(10_000, vec![]), (10, vec![Size::ActivityFailure])] {
        let (mut world, id) = with_activity();
        world.limits.failure_size_warn = limit;
        let token = world.take(id);
        world.advance(SECOND);
        assert_eq!(noticed(&fail(&mut world, &token).unwrap()), expected);
    }
}

#[test]
fn a_history_that_becomes_long_once() {
    let mut world = World::new();
    world.limits.history_count_warn = world.state.run.next_event_id;
    let found: Vec<_> = (0..3).map(|_| noticed(&world.step(signal(1)).unwrap())).collect();
    assert_eq!(found, [vec![], vec![Size::HistoryCount], vec![]]);

    let mut world = World::new();
    world.limits.history_size_warn = world.state.run.history_size_bytes + 5_000;
    let found: Vec<_> = (0..3).map(|_| noticed(&world.step(signal(3_000)).unwrap())).collect();
    assert_eq!(found, [vec![], vec![Size::HistorySize], vec![]]);
}

/// A step that writes much measures it.
#[test]
fn a_state_that_is_large() {
    let mut world = World::new();
    world.limits.state_size_warn = 1_000;
    let large = memo(100_000);
    assert_eq!(noticed(&world.complete(vec![large])), [Size::State, Size::Memo]);
}
