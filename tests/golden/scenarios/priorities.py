"""Priorities: who takes over whose. And first tasks that come with the answer to the start."""

import uuid
from typing import Any

from temporalio.api.common.v1 import Priority
from temporalio.api.enums.v1 import ParentClosePolicy
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy as Conflict

from commands import activity, child, complete, continue_as_new, fail, retries, seconds
from stage import Stage

FIRST = Priority(priority_key=2, fairness_key="tenant", fairness_weight=2.5)


def _say(stage: Stage, what: str, priority: Priority) -> None:
    stage.answers.append(f"{what}: {priority.priority_key} {priority.fairness_key!r} {priority.fairness_weight}")


async def priority_of_activities(stage: Stage) -> None:
    await stage.start(priority=FIRST)
    await stage.next(
        activity(stage.queue, "without"),
        activity(stage.queue, "key", priority=Priority(priority_key=1)),
        activity(stage.queue, "fairness", priority=Priority(fairness_key="other", fairness_weight=0.5)),
    )
    tasks = sorted([await stage.activity_task() for _ in range(3)], key=lambda task: task.activity_id)
    for task in tasks:
        _say(stage, task.activity_id, task.priority)


async def priority_of_children(stage: Stage) -> None:
    await stage.start(priority=FIRST)
    # They outlive the parent, so that it does not matter how fast its end reaches them.
    abandon = {"parent_close_policy": ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON}
    await stage.next(child(f"{stage.id}-1", f"{stage.queue}-child", **abandon))
    await stage.until("child_workflow_execution_started")
    own = Priority(priority_key=5)
    await stage.next(child(f"{stage.id}-2", f"{stage.queue}-child", priority=own, **abandon))
    # The task that follows tells that the second one has started, too.
    await stage.finish()


async def priority_of_following_runs(stage: Stage) -> None:
    await stage.start(priority=FIRST, retry_policy=retries(2))
    await stage.next(continue_as_new(stage.queue, retry_policy=retries(2)))
    await stage.next(fail())
    await stage.next(complete())


async def priority_refused(stage: Stage) -> None:
    for priority in (
        Priority(priority_key=-1),
        Priority(priority_key=6),
        Priority(fairness_key="x" * 65),
        Priority(fairness_weight=-1),
    ):
        await stage.answer(stage.start(priority=priority))


async def _eager(stage: Stage, **fields: Any) -> None:
    await stage.start(request_eager_execution=True, **fields)
    task = stage.eager_task
    stage.answers.append(f"task: {bool(task.task_token)}, started: {task.started_event_id}, {len(task.history.events)}")


async def eager_start_with_delay(stage: Stage) -> None:
    await _eager(stage, workflow_start_delay=seconds(1))
    await stage.finish()


async def eager_start_of_cron(stage: Stage) -> None:
    await _eager(stage, cron_schedule="@every 1h")


async def eager_start_again(stage: Stage) -> None:
    request_id = str(uuid.uuid4())
    await _eager(stage, request_id=request_id)
    await _eager(stage, request_id=request_id)
    await stage.done(stage.eager_task, complete())


async def eager_start_of_running(stage: Stage) -> None:
    await stage.start()
    await _eager(stage, workflow_id_conflict_policy=Conflict.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING)
    await stage.finish()


async def eager_start_that_terminates(stage: Stage) -> None:
    await stage.start()
    await _eager(stage, workflow_id_conflict_policy=Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING)
    await stage.done(stage.eager_task, complete())
