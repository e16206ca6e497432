//! Whatever happens to an activity of its own, in whatever order: its state stays sound (each step checks that, and that what
//! is stored leads to it), its deadlines are exact, and its end is an end.

use perdure_engine::{ActivityRef, Input, OptionField, next_deadline, obligations, standalone_activity::ONLY};
use proptest::prelude::*;

use super::{Answer, cancel, operate, pause, reset, terminate, unpause, update, with};
use crate::{
    activity::{complete, confirm_cancel, fail, heartbeat},
    world::{SECOND, World, start_activity},
};

/// The attempt that a worker had last, right or stale.
fn token(world: &World, stale: bool) -> ActivityRef {
    let activity = world.state.run.activities.get(&ONLY);
    let attempt = activity.map_or(1, |activity| activity.attempt) - i32::from(stale);
    let started_time = activity.map_or(0, |activity| activity.last_started_time);
    ActivityRef::Token { scheduled_event_id: ONLY, attempt, started_time }
}

fn act(world: &mut World, what: u8, detail: u8) -> Answer {
    let request_id = format!("r{}", detail % 4);
    let token =
        if detail.is_multiple_of(5) { ActivityRef::Id("a".into()) } else { token(world, detail.is_multiple_of(7)) };
    match what {
        0..=3 => {
            let attempt = world.state.run.activities.get(&ONLY).map_or(1, |activity| activity.attempt);
            world.step(start_activity(ONLY, attempt, &request_id))
        }
        4 => complete(world, &token),
        5 | 6 => fail(world, &token),
        7 => confirm_cancel(world, &token),
        8 => heartbeat(world, &token, "1"),
        9 => cancel(world, &request_id),
        10 if detail < 32 => terminate(world, &request_id),
        10 | 11 => operate(world, &request_id, pause()),
        12 => operate(world, &request_id, unpause()),
        13 => operate(world, &request_id, reset()),
        14 => {
            let fields = [OptionField::StartDelay, OptionField::StartToCloseTimeout, OptionField::HeartbeatTimeout];
            operate(world, &request_id, update(fields[usize::from(detail) % fields.len()]))
        }
        15 if detail == 0 => world.step(Input::Delete),
        _ => {
            world.advance(i64::from(detail % 16) * SECOND);
            world.step(Input::Wake)
        }
    }
}

proptest! {
    #[test]
    fn any_order(delay in 0_i64..3, script in prop::collection::vec((0_u8..24, any::<u8>()), 1..60)) {
        let mut world = with(delay * 10 * SECOND);
        for (what, detail) in script {
            let closed = world.state.run.close.clone();
            // A refusal has changed nothing: the world looks.
            let _ = act(&mut world, what, detail);
            if closed.is_some() {
                prop_assert_eq!(&world.state.run.close, &closed, "a closed one closed again");
            }
            if world.state.run.close.is_some() {
                prop_assert_eq!((obligations(&world.state), next_deadline(&world.state)), (vec![], None));
            } else if let Some(deadline) = next_deadline(&world.state).filter(|deadline| *deadline > world.now) {
                let before = world.state.clone();
                world.advance(deadline - world.now - 1);
                world.step(Input::Wake).expect("a wake is never refused");
                prop_assert_eq!(&world.state, &before, "woken before its time");
            }
            prop_assert!(world.history.is_empty());
        }
    }
}
