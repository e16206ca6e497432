//! Time-outs of Nexus operations.

use perdure_engine::Task;
use perdure_proto::api::{
    command::ScheduleNexusOperationCommandAttributes,
    enums::{EventType as T, TimeoutType},
    failure::failure::FailureInfo,
    history::history_event::Attributes as A,
};

use super::{State, reach, refused, schedule, schedule_attributes, start_done, started, state, told_failure};
use crate::world::{SECOND, World, seconds};

#[test]
fn each_time_out() {
    use TimeoutType as K;
    let cases = [
        (State::Scheduled, 30, K::ScheduleToStart),
        (State::Backoff, 30, K::ScheduleToStart),
        (State::Started, 20, K::StartToClose),
    ];
    for (from, after, kind) in cases {
        let (mut world, id) = reach(from);
        world.wake_after((after - 1) * SECOND);
        assert_ne!(state(&world, id), State::None, "{from:?}");
        let step = world.wake_after(SECOND);
        let (failure, cause) = told_failure(step.event(T::NexusOperationTimedOut));
        assert_eq!(failure.message, "nexus operation completed unsuccessfully");
        assert_eq!(cause.message, "operation timed out");
        let Some(FailureInfo::TimeoutFailureInfo(info)) = cause.failure_info else { panic!() };
        assert_eq!(info.timeout_type(), kind, "{from:?}");
        assert_eq!(state(&world, id), State::None);
    }
    for from in [State::Scheduled, State::Backoff, State::Started] {
        let mut world = World::new();
        let attributes = ScheduleNexusOperationCommandAttributes {
            schedule_to_start_timeout: None,
            start_to_close_timeout: None,
            ..schedule_attributes()
        };
        world.complete(vec![schedule(attributes)]);
        let id = world.event_id(T::NexusOperationScheduled);
        match from {
            State::Backoff => drop(world.step(start_done(id, 0, refused(true))).unwrap()),
            State::Started => drop(world.step(start_done(id, 0, started("t"))).unwrap()),
            _ => {}
        }
        // The attempt that would begin now is not made any more.
        let step = world.wake_after(100 * SECOND);
        step.event(T::NexusOperationTimedOut);
        assert!(!step.tasks.iter().any(|task| matches!(task, Task::StartNexusOperation { .. })), "{from:?}");
    }
}

#[test]
fn none_is_longer_than_the_limit() {
    for (asked, run, limit, holds) in
        [(0, 0, 0, 0), (0, 0, 50, 50), (40, 0, 50, 40), (60, 0, 50, 50), (0, 30, 50, 30), (0, 70, 50, 50)]
    {
        let mut world = World::with(|start| start.run_timeout = Some(run * SECOND));
        world.limits.nexus_schedule_to_close_max = limit * SECOND;
        let attributes = ScheduleNexusOperationCommandAttributes {
            schedule_to_close_timeout: seconds(asked),
            schedule_to_start_timeout: None,
            start_to_close_timeout: None,
            ..schedule_attributes()
        };
        let step = world.complete(vec![schedule(attributes)]);
        let A::NexusOperationScheduledEventAttributes(scheduled) = step.attributes(T::NexusOperationScheduled) else {
            panic!()
        };
        assert_eq!(scheduled.schedule_to_close_timeout, seconds(holds), "{asked} {run} {limit}");
    }
}
