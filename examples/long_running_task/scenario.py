"""10,000 steps with a pause; three more tasks are ended by a signal, by a cancel and by a termination."""

from __future__ import annotations

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import CancelledError, TerminatedError

from long_running_task.activities import chain, do_steps
from long_running_task.workflows import LongRunningTaskWorkflow, LongTask, TaskStatus
from runner.example import Example, Report, Stage, check, check_equal, failure_of, of_kind


async def run(stage: Stage) -> Report:
    handle = await _start(stage, "long-task", LongTask(rest_seconds=0.02))
    await _until_state(stage, handle, "running", steps_min=500)
    await handle.signal(LongRunningTaskWorkflow.pause)
    paused = await _until_state(stage, handle, "paused")
    check(paused.steps_done < 10_000, f"paused on the way, at {paused.steps_done}")
    await handle.signal(LongRunningTaskWorkflow.resume)

    slow = LongTask(rest_seconds=3600.0)
    signalled, cancelled, terminated = [
        await _start(stage, f"long-task-{name}", slow) for name in ("signalled", "cancelled", "terminated")
    ]
    await _signalled(stage)
    await _cancelled(stage, cancelled)
    await _terminated(stage, terminated)
    check_equal((await signalled.describe()).status, WorkflowExecutionStatus.RUNNING, "a resting task")
    await signalled.terminate("no longer needed")

    ended = await handle.result()
    check_equal((ended.state, ended.steps_done), ("done", 10_000), "the task's end")
    check_equal(ended.digest, chain("", 0, 10_000), "digest of all steps")
    return Report(handle, f"10,000 steps, paused at {paused.steps_done}; others signalled, cancelled, terminated")


async def _start(stage: Stage, name: str, task: LongTask) -> WorkflowHandle:
    return await stage.client.start_workflow(
        LongRunningTaskWorkflow.run, task, id=stage.id(name), task_queue=stage.task_queue
    )


async def _until_state(stage: Stage, handle: WorkflowHandle, state: str, steps_min: int = 0) -> TaskStatus:
    return await stage.until(
        f"until {state}",
        lambda: handle.query(LongRunningTaskWorkflow.get_status),
        lambda status: status.state == state and status.steps_done >= steps_min,
    )


async def _signalled(stage: Stage) -> None:
    """The workflow's own `cancel` signal: it ends in good order, with what it has."""
    handle = await _start(stage, "long-task-stopped", LongTask(rest_seconds=0.05))
    await _until_state(stage, handle, "running", steps_min=500)
    await handle.signal(LongRunningTaskWorkflow.cancel)
    ended = await handle.result()
    check_equal(ended.state, "cancelled", "state after the signal")
    check_equal(ended.digest, chain("", 0, ended.steps_done), "digest of the steps that were done")


async def _cancelled(stage: Stage, handle: WorkflowHandle) -> None:
    await _until_state(stage, handle, "running", steps_min=500)
    await handle.cancel(reason="budget is spent")
    failure = await failure_of(handle)
    check(isinstance(failure, CancelledError), f"cancelled, got {failure!r}")
    events = await stage.events(handle)
    check_equal(of_kind(events, "workflow_execution_cancel_requested")[0].cause, "budget is spent", "reason")
    check_equal(len(of_kind(events, "timer_canceled")), 1, "the rest is cancelled too")
    check_equal((await handle.describe()).status, WorkflowExecutionStatus.CANCELED, "status")


async def _terminated(stage: Stage, handle: WorkflowHandle) -> None:
    await _until_state(stage, handle, "running", steps_min=500)
    await handle.terminate("machine", "is needed", reason="operator says stop")
    failure = await failure_of(handle)
    check(isinstance(failure, TerminatedError), f"terminated, got {failure!r}")
    check("operator says stop" in str(failure), f"reason, got {failure}")
    described = await handle.describe()
    check_equal(described.status, WorkflowExecutionStatus.TERMINATED, "status")
    check(described.close_time is not None, "a terminated run has a close time")
    status = await handle.query(LongRunningTaskWorkflow.get_status)
    check_equal(status.steps_done, 500, "query after the termination")


EXAMPLE = Example(
    name="long_running_task",
    task_queue="jarvis-task-queue",
    run=run,
    workflows=[LongRunningTaskWorkflow],
    activities=[do_steps],
)
