//! Deletion of runs: each cell of its table. Those of activities are in `standalone_activity`.

use perdure_engine::{Input, Task, obligations};
use perdure_proto::api::enums::{EventType as T, ParentClosePolicy};

use crate::{close::start_child, world::World};

#[test]
fn an_open_run_ends_first() {
    let mut world = World::new();
    let step = world.step(Input::Delete).unwrap();
    assert_eq!(step.types(), &[T::WorkflowExecutionTerminated]);
    assert!(world.state.is_to_be_deleted());
}

#[test]
fn a_closed_run_that_owes_nothing_goes() {
    let mut world = World::new();
    let terminate = Input::Terminate { reason: "r".into(), details: None, identity: "i".into(), links: vec![] };
    world.step(terminate).unwrap();
    assert!(!world.state.is_to_be_deleted());
    assert!(world.step(Input::Delete).unwrap().events.is_empty());
    assert!(world.state.is_to_be_deleted());
}

#[test]
fn a_run_that_owes_something_stays_until_it_is_done() {
    let mut world = World::new();
    world.complete(vec![start_child("child", ParentClosePolicy::Terminate)]);
    let id = world.event_id(T::StartChildWorkflowExecutionInitiated);
    world.step(Input::ChildStarted { initiated_event_id: id, run_id: "run".into(), header: None }).unwrap();
    world.step(Input::Delete).unwrap();
    assert_eq!(obligations(&world.state), [Task::ApplyParentClosePolicy { initiated_event_id: id }]);
    assert!(!world.state.is_to_be_deleted());
    world.step(Input::ChildReleased { initiated_event_id: id }).unwrap();
    assert!(world.state.is_to_be_deleted());
}
