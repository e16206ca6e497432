//! The workflow task's machine.

mod table;
mod ways;

use perdure_engine::{Input, Reject, Signal, TakenBy, WorkflowTaskRef};
use perdure_proto::api::{
    command::{Command, CompleteWorkflowExecutionCommandAttributes, command::Attributes as CommandAttributes},
    common::Payloads,
    enums::{CommandType, WorkflowTaskFailedCause as Cause},
    workflowservice::{RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest},
};

use crate::world::{Step, World, command, update_request};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    None,
    Scheduled,
    Started,
    TransientScheduled,
    TransientStarted,
    SpeculativeScheduled,
    SpeculativeStarted,
    Closed,
}

fn phase(world: &World) -> Phase {
    let state = &world.state;
    if state.run.close.is_some() {
        return Phase::Closed;
    }
    match (&state.run.workflow_task, &state.volatile.speculative_task) {
        (None, None) => Phase::None,
        (None, Some(task)) if task.started.is_some() => Phase::SpeculativeStarted,
        (None, Some(_)) => Phase::SpeculativeScheduled,
        (Some(task), _) => match (task.attempt > 1, task.started.is_some()) {
            (false, false) => Phase::Scheduled,
            (false, true) => Phase::Started,
            (true, false) => Phase::TransientScheduled,
            (true, true) => Phase::TransientStarted,
        },
    }
}

fn world_in(phase: Phase) -> World {
    let mut world = World::new();
    match phase {
        Phase::Scheduled => {}
        Phase::Started => {
            world.start_task();
        }
        Phase::TransientScheduled | Phase::TransientStarted => {
            let token = world.start_task();
            fail(&mut world, token, Cause::WorkflowWorkerUnhandledFailure).unwrap();
            if phase == Phase::TransientStarted {
                world.start_task();
            }
        }
        Phase::None | Phase::SpeculativeScheduled | Phase::SpeculativeStarted => {
            world.complete(vec![]);
            if phase != Phase::None {
                world.step(update_request("u")).unwrap();
            }
            if phase == Phase::SpeculativeStarted {
                take(&mut world).unwrap();
            }
        }
        Phase::Closed => {
            world.complete(vec![complete_workflow(None)]);
        }
    }
    assert_eq!(self::phase(&world), phase);
    world
}

fn signal(name: &str) -> Input {
    Input::Signal(Box::new(Signal { name: name.into(), request_id: name.into(), ..Default::default() }))
}

fn complete_workflow(result: Option<Payloads>) -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes { result };
    command(
        CommandType::CompleteWorkflowExecution,
        CommandAttributes::CompleteWorkflowExecutionCommandAttributes(attributes),
    )
}

fn take(world: &mut World) -> Result<Step, Reject> {
    let WorkflowTaskRef { scheduled_event_id, attempt, .. } = world.token();
    let (identity, request_id) = ("worker".into(), "take".into());
    world.step(Input::WorkflowTaskStart {
        scheduled_event_id,
        attempt,
        identity,
        request_id,
        worker_version: None,
        taken_by: TakenBy::default(),
    })
}

fn fail(world: &mut World, token: WorkflowTaskRef, cause: Cause) -> Result<Step, Reject> {
    let request =
        RespondWorkflowTaskFailedRequest { cause: cause as i32, identity: "worker".into(), ..Default::default() };
    world.step(Input::WorkflowTaskFailed { token, request: Box::new(request) })
}

fn respond(world: &mut World, request: RespondWorkflowTaskCompletedRequest) -> Result<Step, Reject> {
    let token = world.token();
    world.step(Input::WorkflowTaskCompleted { token, request: Box::new(request), nexus_endpoints: Default::default() })
}
