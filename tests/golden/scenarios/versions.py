"""Worker versioning: runs that are pinned or upgraded, and overrides."""

import asyncio

from temporalio.api.common.v1 import Priority
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import WorkerVersioningMode
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionOptions

from commands import accept, activity, complete, continue_as_new, failure, place, respond
from deployment import AUTO_UPGRADE, PINNED, Deployment, routed, started
from stage import Stage


async def pinned_stays_on_its_version(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    await workers.next("1", PINNED, activity(stage.queue, "a"))
    await workers.current("2")
    await stage.complete_activity(await workers.activity_task("1"))
    await workers.described()
    await workers.next("1", PINNED, complete())
    await workers.described()


async def auto_upgrade_moves_on(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    await workers.next("1", AUTO_UPGRADE)
    await workers.described()
    await workers.current("2")
    await stage.signal()
    task = await workers.task("2")
    await workers.described()
    await workers.done(task, "2", AUTO_UPGRADE, complete())
    await workers.described()


async def auto_upgrade_moves_by_its_activity(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    await workers.next("1", AUTO_UPGRADE)
    await workers.current("2")
    await stage.signal()
    await workers.next("2", AUTO_UPGRADE, activity(stage.queue, "a"))
    await stage.complete_activity(await workers.activity_task("2"))
    await workers.next("2", AUTO_UPGRADE, complete())


async def activity_waits_for_the_transition(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    task = await workers.task("1")
    await workers.current("2")
    await workers.done(task, "1", AUTO_UPGRADE, activity(stage.queue, "a"))
    # Its worker is of the version that the workflow is to go to: the workflow goes first.
    waiting = asyncio.ensure_future(workers.activity_task("2"))
    await workers.next("2", AUTO_UPGRADE)
    await stage.complete_activity(await waiting)
    await workers.next("2", AUTO_UPGRADE, complete())


async def unversioned_becomes_versioned(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1")
    await stage.start()
    await stage.next()
    await workers.described()
    await workers.current("1")
    await stage.signal()
    await workers.next("1", PINNED)
    await workers.described()
    await stage.signal()
    await workers.next("1", PINNED, complete())


async def versioned_becomes_unversioned(stage: Stage) -> None:
    workers = await started(stage, "1")
    await workers.next("1", AUTO_UPGRADE)
    await workers.current("")
    await stage.signal()
    await stage.next()
    await workers.described()
    await stage.signal()
    await stage.finish()


async def all_ramp_to_the_next_version(stage: Stage) -> None:
    workers = await routed(stage, "1", "2")
    await workers.ramping("2", 100)
    await stage.start()
    await workers.next("2", AUTO_UPGRADE, complete())


async def pinned_at_the_start(stage: Stage) -> None:
    workers = await routed(stage, "1", "2")
    await stage.start(versioning_override=workers.pinned("2"))
    await workers.described()
    await workers.next("2", AUTO_UPGRADE)
    await workers.described()
    await stage.signal()
    await workers.next("2", AUTO_UPGRADE, complete())


async def auto_upgrade_at_the_start(stage: Stage) -> None:
    workers = await routed(stage, "1")
    await stage.signal_with_start(versioning_override=VersioningOverride(auto_upgrade=True))
    await workers.described()
    await workers.next("1", PINNED)
    await workers.described()
    await stage.signal()
    await workers.next("1", PINNED, complete())


async def pinned_to_an_unknown_version(stage: Stage) -> None:
    workers = Deployment(stage)
    await stage.answer(stage.start(versioning_override=workers.pinned("9")))
    await stage.start()
    await workers.override(workers.pinned("9"))
    await stage.terminate()
    await workers.override(workers.pinned("9"))


async def pinned_by_an_operator(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    await workers.next("1", AUTO_UPGRADE)
    await stage.signal()
    await workers.override(workers.pinned("2"))
    await workers.described()
    await workers.next("2", AUTO_UPGRADE)
    await workers.described()
    await workers.override(None)
    await workers.described()
    await stage.signal()
    await workers.next("1", AUTO_UPGRADE, complete())


async def pinned_while_a_worker_has_the_task(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    await workers.next("1", PINNED)
    await stage.signal()
    task = await workers.task("1")
    await workers.override(workers.pinned("2"))
    await workers.done(task, "1", PINNED)
    await stage.signal("again")
    await workers.next("2", PINNED, complete())
    await workers.described()


async def upgraded_by_an_operator(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    await workers.next("1", PINNED, activity(stage.queue, "a"))
    await workers.current("2")
    await workers.override(VersioningOverride(auto_upgrade=True))
    await workers.described()
    await stage.signal()
    await workers.next("2", PINNED)
    await stage.complete_activity(await workers.activity_task("2"))
    await workers.next("2", PINNED, complete())
    await workers.described()


async def options_updated(stage: Stage) -> None:
    workers = Deployment(stage)
    await stage.start()
    await workers.override(None)
    await workers.override(VersioningOverride(auto_upgrade=True))
    await workers.override(VersioningOverride(auto_upgrade=True))
    await workers.override(VersioningOverride(auto_upgrade=True), "versioning_override.behavior")
    await workers.options_updated(WorkflowExecutionOptions(priority=Priority(priority_key=2)), "priority")
    options = WorkflowExecutionOptions(priority=Priority(fairness_key="key"))
    await workers.options_updated(options, "priority.fairness_key")
    await workers.options_updated(WorkflowExecutionOptions(), "nothing")
    await workers.override(None)
    await stage.finish()


async def update_on_another_version(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    await workers.next("1", AUTO_UPGRADE)
    await workers.current("2")
    update = asyncio.ensure_future(stage.update("move"))
    task = await workers.task("2")
    await workers.described()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await workers.done(task, "2", AUTO_UPGRADE, *map(place, messages), messages=messages)
    stage.answers.append(await update)
    await workers.described()
    await stage.signal()
    await workers.next("2", AUTO_UPGRADE, complete())


async def independent_activity_of_pinned(stage: Stage) -> None:
    workers = await started(stage, "1")
    other = f"{stage.id}-other"
    await workers.next("1", PINNED, activity(other, "a"))
    await stage.complete_activity(await stage.activity_task(other))
    await workers.next("1", PINNED, complete())


async def task_fails_on_the_next_version(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    await workers.next("1", AUTO_UPGRADE)
    await workers.current("2")
    await stage.signal()
    await stage.fail_task(await workers.task("2"), failure("not ready"))
    await workers.described()
    await workers.current("1")
    await workers.next("1", AUTO_UPGRADE)
    await workers.described()
    await stage.signal()
    await workers.next("1", AUTO_UPGRADE, complete())


async def pinned_hears_of_the_next_version(stage: Stage) -> None:
    workers = await started(stage, "1", "2")
    await workers.next("1", PINNED)
    await workers.current("2")
    await stage.signal()
    await workers.next("1", PINNED, continue_as_new(stage.queue))
    await workers.next("1", PINNED)
    await stage.signal()
    await workers.next("1", PINNED, complete())


async def behavior_without_a_version(stage: Stage) -> None:
    workers = Deployment(stage)
    await stage.start()
    task = await stage.task()
    await stage.answer(stage.done(task, versioning_behavior=PINNED))
    unversioned = WorkerDeploymentOptions(
        deployment_name=stage.id,
        build_id="1",
        worker_versioning_mode=WorkerVersioningMode.WORKER_VERSIONING_MODE_UNVERSIONED,
    )
    await stage.answer(stage.done(task, versioning_behavior=PINNED, deployment_options=unversioned))
    await stage.done(task, deployment_options=unversioned)
    await workers.described()
    await stage.terminate()
