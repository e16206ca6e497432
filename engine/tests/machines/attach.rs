//! What requests attach to runs that are no workflows: each cell of the table, and the calls that come of it.

use perdure_engine::{
    CallbackOutcome, Input, NexusStartOutcome, Reject, Reply, Start, Task,
    input::{ActivityTimeouts, StartKind},
    next_deadline, obligations,
    standalone_activity::{ActivityControl, ONLY},
    standalone_nexus::{NewNexusOperation, NexusControl},
};
use perdure_proto::api::{
    common::{Callback, Link, link},
    enums::CallbackState,
};

use crate::{
    activity::complete,
    callback::{attach, callback, retry, urls},
    nexus::{payload, start_done},
    world::{SECOND, World},
};

/// An activity and a Nexus operation, each with one callback and one link.
fn each() -> [(&'static str, World); 2] {
    let with = |kind: StartKind| {
        World::with(|start: &mut Start| {
            start.completion_callbacks = vec![callback("first")];
            start.links = vec![link("first")];
            start.kind = kind;
        })
    };
    let activity = StartKind::Activity(ActivityTimeouts { start_to_close: 20 * SECOND, ..Default::default() });
    let operation = StartKind::NexusOperation(Box::new(NewNexusOperation {
        endpoint: "endpoint".into(),
        service: "service".into(),
        operation: "operation".into(),
        ..Default::default()
    }));
    [("an activity", with(activity)), ("a Nexus operation", with(operation))]
}

fn link(workflow_id: &str) -> Link {
    let event = link::WorkflowEvent { workflow_id: workflow_id.into(), ..Default::default() };
    Link { variant: Some(link::Variant::WorkflowEvent(event)) }
}

/// All callbacks as describe tells of them.
fn told(world: &World) -> Vec<(Callback, CallbackState)> {
    let infos = world.state.activity_callbacks().into_iter().map(|info| info.info.unwrap());
    let of_operation = world.state.nexus_operation_callbacks().into_iter().map(|info| info.info.unwrap());
    let infos: Vec<_> = infos.collect();
    assert_eq!(infos, of_operation.collect::<Vec<_>>());
    infos.into_iter().map(|info| (info.callback.clone().unwrap(), info.state())).collect()
}

fn told_urls(world: &World) -> Vec<String> {
    let told = told(world);
    urls(told.iter().map(|(callback, _)| callback)).into_iter().map(str::to_owned).collect()
}

fn succeed(world: &mut World) -> Vec<Task> {
    if world.state.run.standalone_activity.is_some() {
        let token = world.take(ONLY);
        return complete(world, &token).unwrap().tasks;
    }
    let done = NexusStartOutcome::Completed { result: payload("2"), links: vec![] };
    world.step(start_done(ONLY, 0, done)).unwrap().tasks
}

fn terminate(world: &mut World) -> Vec<Task> {
    let (request_id, identity, reason) = ("t".to_owned(), String::new(), "r".to_owned());
    let input = if world.state.run.standalone_activity.is_some() {
        Input::ControlActivity(Box::new(ActivityControl::Terminate { request_id, identity, reason }))
    } else {
        Input::ControlNexusOperation(NexusControl::Terminate { request_id, identity, reason })
    };
    world.step(input).unwrap().tasks
}

fn invoke(callback_id: &str, attempt: i32) -> Task {
    Task::InvokeCallback { callback_id: callback_id.into(), attempt }
}

#[test]
fn an_open_run_keeps_them() {
    for (what, mut world) in each() {
        assert_eq!((told_urls(&world), world.state.run.links.len()), (vec!["first".to_owned()], 1), "{what}");
        world.advance(SECOND);
        let Input::AttachStart { request_id, attach_request_id, attach_callbacks, callbacks, .. } =
            attach("other", vec![callback("second"), callback("third")])
        else {
            panic!("not what attaches")
        };
        let links = vec![link("second")];
        let (links_too, attach_links) = (links.clone(), true);
        let input =
            Input::AttachStart { request_id, attach_request_id, attach_callbacks, attach_links, callbacks, links };
        assert!(matches!(world.step(input).unwrap().reply, Reply::Done));
        assert_eq!(told_urls(&world), ["first", "second", "third"], "{what}");
        assert_eq!(world.state.run.links[1..], links_too, "{what}");
        assert!(world.state.run.start_request_ids.contains_key("other"), "{what}");
        assert!(told(&world).iter().all(|(_, state)| *state == CallbackState::Standby));
        assert_eq!(terminate(&mut world).len(), 3, "{what}");
    }
}

#[test]
fn what_is_not_to_be_attached_is_not() {
    for (what, mut world) in each() {
        let input = Input::AttachStart {
            request_id: "other".into(),
            attach_request_id: false,
            attach_callbacks: false,
            attach_links: false,
            callbacks: vec![callback("second")],
            links: vec![link("second")],
        };
        world.step(input).unwrap();
        assert_eq!((told_urls(&world).len(), world.state.run.links.len()), (1, 1), "{what}");
        assert!(!world.state.run.start_request_ids.contains_key("other"), "{what}");
    }
}

#[test]
fn too_many_are_refused_and_nothing_is_kept() {
    for (what, mut world) in each() {
        (world.limits.callbacks_standalone, world.limits.links_standalone) = (2, 2);
        let attach = |callbacks: usize, links: usize| Input::AttachStart {
            request_id: "other".into(),
            attach_request_id: true,
            attach_callbacks: true,
            attach_links: true,
            callbacks: vec![callback("x"); callbacks],
            links: vec![link("x"); links],
        };
        for (callbacks, links, name) in [(2, 1, "callbacks"), (1, 2, "links")] {
            let text = format!("cannot attach more than 2 {name} to {what} (1 {name} already attached)");
            assert_eq!(world.step(attach(callbacks, links)).unwrap_err(), Reject::FailedPrecondition(text));
        }
        world.step(attach(1, 1)).unwrap();
        assert_eq!((told_urls(&world).len(), world.state.run.links.len()), (2, 2), "{what}");
    }
}

#[test]
fn a_closed_run_takes_nothing() {
    for (what, mut world) in each() {
        succeed(&mut world);
        let refused = world.step(attach("other", vec![callback("second")])).unwrap_err();
        assert!(matches!(refused, Reject::NotFound(_)), "{what}: {refused:?}");
    }
}

#[test]
fn each_end_calls_them() {
    let ends: [fn(&mut World) -> Vec<Task>; 3] = [succeed, terminate, |world| world.step(Input::Delete).unwrap().tasks];
    for end in ends {
        for (what, mut world) in each() {
            assert_eq!(end(&mut world), [invoke("start:00", 0)], "{what}");
            assert_eq!(obligations(&world.state), [invoke("start:00", 0)], "{what}");
            assert_eq!(told(&world)[0].1, CallbackState::Scheduled);
        }
    }
}

/// Also one that is to be deleted.
#[test]
fn a_closed_run_stays_until_it_has_called() {
    for (what, mut world) in each() {
        world.limits.callback_retry.initial = 7 * SECOND;
        world.step(Input::Delete).unwrap();
        let done = |attempt, outcome| Input::CallbackDone { callback_id: "start:00".into(), attempt, outcome };
        world.step(done(0, retry())).unwrap();
        assert_eq!(
            (told(&world)[0].1, next_deadline(&world.state)),
            (CallbackState::BackingOff, Some(world.now + 7 * SECOND))
        );
        assert_eq!(world.wake_after(7 * SECOND).tasks, [invoke("start:00", 1)], "{what}");
        assert_eq!(world.step(done(0, CallbackOutcome::Succeeded)).unwrap_err(), Reject::NotAwaited, "{what}");
        assert!(!world.state.is_to_be_deleted(), "{what}");
        world.step(done(1, CallbackOutcome::Succeeded)).unwrap();
        assert_eq!(told(&world)[0].1, CallbackState::Succeeded);
        assert!(world.state.is_to_be_deleted(), "{what}");
    }
}
