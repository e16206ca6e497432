//! Every cell of the table.

use perdure_engine::{Input, Reject};
use perdure_proto::api::{
    enums::{EventType as T, WorkflowTaskFailedCause as Cause},
    workflowservice::RespondWorkflowTaskCompletedRequest,
};

use super::{Phase, fail, phase, respond, signal, take, world_in};
use crate::world::{SECOND, Step, World};

#[derive(Clone, Copy, Debug)]
enum Happens {
    /// A signal: scheduling is wanted.
    Signal,
    Take,
    Complete,
    Fail,
    /// Time passes until the start-to-close time-out.
    StartToClose,
    Terminate,
}

fn happen(world: &mut World, happens: Happens) -> Result<Step, Reject> {
    let token = world.token();
    match happens {
        Happens::Signal => world.step(signal("s")),
        Happens::Take => take(world),
        Happens::Complete => respond(world, RespondWorkflowTaskCompletedRequest::default()),
        Happens::Fail => fail(world, token, Cause::WorkflowWorkerUnhandledFailure),
        Happens::StartToClose => {
            world.advance(10 * SECOND);
            world.step(Input::Wake)
        }
        Happens::Terminate => {
            world.step(Input::Terminate { reason: "r".into(), details: None, identity: "i".into(), links: vec![] })
        }
    }
}

/// Ok: the new events and the phase that follows. Err: the kind of reject; nothing has changed.
type Expected = Result<(&'static [T], Phase), Reject>;

fn expected(phase: Phase, happens: Happens) -> Expected {
    use Happens as H;
    use Phase as P;
    let not_found = Err(Reject::WorkflowTaskNotFound);
    match (phase, happens) {
        (P::None, H::Signal) => Ok((&[T::WorkflowExecutionSignaled, T::WorkflowTaskScheduled], P::Scheduled)),
        (P::Scheduled, H::Signal) => Ok((&[T::WorkflowExecutionSignaled], P::Scheduled)),
        (P::Started, H::Signal) => Ok((&[], P::Started)),
        (P::TransientScheduled, H::Signal) => Ok((&[T::WorkflowExecutionSignaled], P::TransientScheduled)),
        (P::TransientStarted, H::Signal) => Ok((&[], P::TransientStarted)),
        (P::SpeculativeScheduled, H::Signal) => {
            Ok((&[T::WorkflowTaskScheduled, T::WorkflowExecutionSignaled], P::Scheduled))
        }
        (P::SpeculativeStarted, H::Signal) => Ok((&[T::WorkflowTaskScheduled, T::WorkflowTaskStarted], P::Started)),
        (P::Closed, H::Signal | H::Terminate | H::Fail) => Err(Reject::WorkflowClosed),

        (P::Scheduled, H::Take) => Ok((&[T::WorkflowTaskStarted], P::Started)),
        (P::TransientScheduled, H::Take) => Ok((&[], P::TransientStarted)),
        (P::SpeculativeScheduled, H::Take) => Ok((&[], P::SpeculativeStarted)),
        (P::None | P::Closed, H::Take) => Err(Reject::StaleTask),
        // `start_task` took it with another request id; the speculative one was taken with this one.
        (P::Started | P::TransientStarted, H::Take) => Err(Reject::StaleTask),
        (P::SpeculativeStarted, H::Take) => Ok((&[], P::SpeculativeStarted)),

        (P::Started, H::Complete) => Ok((&[T::WorkflowTaskCompleted], P::None)),
        (P::TransientStarted, H::Complete) => {
            Ok((&[T::WorkflowTaskScheduled, T::WorkflowTaskStarted, T::WorkflowTaskCompleted], P::None))
        }
        // The worker says nothing about the update: it is rejected, and the task leaves no trace.
        (P::SpeculativeStarted, H::Complete) => Ok((&[], P::None)),
        (_, H::Complete) => not_found,

        (P::Started, H::Fail) => Ok((&[T::WorkflowTaskFailed], P::TransientScheduled)),
        (P::TransientStarted, H::Fail) => Ok((&[], P::TransientScheduled)),
        (P::SpeculativeStarted, H::Fail) => {
            Ok((&[T::WorkflowTaskScheduled, T::WorkflowTaskStarted, T::WorkflowTaskFailed], P::TransientScheduled))
        }
        (_, H::Fail) => not_found,

        (P::Started, H::StartToClose) => Ok((&[T::WorkflowTaskTimedOut], P::TransientScheduled)),
        (P::TransientStarted, H::StartToClose) => Ok((&[], P::TransientScheduled)),
        // Ten seconds are longer than a speculative task may wait for a worker.
        (P::SpeculativeScheduled, H::StartToClose) => {
            Ok((&[T::WorkflowTaskScheduled, T::WorkflowTaskTimedOut, T::WorkflowTaskScheduled], P::Scheduled))
        }
        (P::SpeculativeStarted, H::StartToClose) => {
            Ok((&[T::WorkflowTaskScheduled, T::WorkflowTaskStarted, T::WorkflowTaskTimedOut], P::TransientScheduled))
        }
        (unchanged, H::StartToClose) => Ok((&[], unchanged)),

        (P::Started, H::Terminate) => Ok((&[T::WorkflowTaskFailed, T::WorkflowExecutionTerminated], P::Closed)),
        (P::SpeculativeStarted, H::Terminate) => Ok((
            &[T::WorkflowTaskScheduled, T::WorkflowTaskStarted, T::WorkflowTaskFailed, T::WorkflowExecutionTerminated],
            P::Closed,
        )),
        (_, H::Terminate) => Ok((&[T::WorkflowExecutionTerminated], P::Closed)),
    }
}

#[test]
fn every_cell() {
    use Happens as H;
    use Phase as P;
    let phases = [
        P::None,
        P::Scheduled,
        P::Started,
        P::TransientScheduled,
        P::TransientStarted,
        P::SpeculativeScheduled,
        P::SpeculativeStarted,
        P::Closed,
    ];
    for from in phases {
        for happens in [H::Signal, H::Take, H::Complete, H::Fail, H::StartToClose, H::Terminate] {
            let mut world = world_in(from);
            let result = happen(&mut world, happens);
            let seen = result.map(|step| (step.types(), phase(&world)));
            let expected = expected(from, happens).map(|(types, to)| (types.to_vec(), to));
            assert_eq!(seen, expected, "{from:?} {happens:?}");
        }
    }
}
