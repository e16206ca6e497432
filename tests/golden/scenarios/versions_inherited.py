"""Worker versioning: what children, next runs, retries and resets inherit."""

import temporalio.api.workflowservice.v1 as ws
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ContinueAsNewVersioningBehavior, VersioningBehavior

from commands import child, complete, continue_as_new, fail, failure, retries
from deployment import AUTO_UPGRADE, PINNED, Deployment, routed, started
from stage import NAMESPACE, Stage


async def child_of_pinned_is_pinned(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    task = await workers.task("1")
    await workers.current("2")
    await workers.done(task, "1", PINNED, child(f"{stage.id}-child", stage.queue))
    await _both(workers, "1", PINNED)
    await workers.next("1", PINNED, complete())


async def child_of_auto_upgrade_is_upgraded(stage: Stage) -> None:
    workers = await started(stage, "1")
    await workers.next("1", AUTO_UPGRADE, child(f"{stage.id}-child", stage.queue))
    await _both(workers, "1", AUTO_UPGRADE)
    await workers.next("1", AUTO_UPGRADE, complete())


async def _both(workers: Deployment, build_id: str, behavior: VersioningBehavior.ValueType) -> None:
    """The parent's task about the start of its child, and the child's, which ends it."""
    tasks = [await workers.task(build_id), await workers.task(build_id)]
    parent, started = sorted(tasks, key=lambda task: task.workflow_execution.workflow_id != workers.stage.id)
    await workers.done(parent, build_id, behavior)
    await workers.done(started, build_id, behavior, complete())


async def next_run_of_pinned_is_pinned(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    task = await workers.task("1")
    await workers.current("2")
    await workers.done(task, "1", PINNED, continue_as_new(stage.queue))
    await workers.next("1", PINNED, complete())
    await workers.described()


async def next_run_of_pinned_is_upgraded(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    task = await workers.task("1")
    await workers.current("2")
    upgrade = ContinueAsNewVersioningBehavior.CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_AUTO_UPGRADE
    await workers.done(task, "1", PINNED, continue_as_new(stage.queue, initial_versioning_behavior=upgrade))
    await workers.next("2", PINNED, complete())
    await workers.described()


async def next_run_keeps_the_override(stage: Stage) -> None:
    workers = await routed(stage, "1", "2")
    await stage.start(versioning_override=workers.pinned("2"))
    await workers.next("2", AUTO_UPGRADE, continue_as_new(stage.queue))
    await workers.next("2", AUTO_UPGRADE, complete())
    await workers.described()


async def retry_of_auto_upgrade(stage: Stage) -> None:
    workers = await started(stage, "1", retry_policy=retries(2, 1))
    await workers.next("1", AUTO_UPGRADE, fail(failure("first")))
    await workers.next("1", AUTO_UPGRADE, complete())


async def reset_of_pinned(stage: Stage) -> None:
    workers = await routed(stage, "1", "2")
    run_id = await stage.start()
    await workers.next("1", PINNED)
    await stage.signal()
    await workers.next("1", PINNED)
    await workers.override(workers.pinned("2"))
    await workers.described()
    await _reset(stage, run_id, 8)
    await workers.described()
    await workers.next("2", PINNED, complete())
    await workers.described()


async def reset_before_it_was_pinned(stage: Stage) -> None:
    workers = await routed(stage, "1", "2")
    run_id = await stage.start()
    await workers.next("1", PINNED)
    await workers.current("2")
    await _reset(stage, run_id, 4)
    await workers.described()
    await workers.next("2", PINNED, complete())
    await workers.described()


async def _reset(stage: Stage, run_id: str, event_id: int) -> None:
    request = ws.ResetWorkflowExecutionRequest(
        namespace=NAMESPACE,
        workflow_execution=WorkflowExecution(workflow_id=stage.id, run_id=run_id),
        reason="again",
        workflow_task_finish_event_id=event_id,
        request_id=f"{stage.id}-reset",
    )
    answer = await stage.rpc.reset_workflow_execution(request)
    stage.note(stage.id, answer.run_id)
