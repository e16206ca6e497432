"""Signals: when they come, twice, and with a start."""

from temporalio.api.common.v1 import Header
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy as Conflict
from temporalio.api.enums.v1 import WorkflowIdReusePolicy as Reuse

from commands import complete, payload, seconds, timer
from stage import Stage


async def signal_before_first_task(stage: Stage) -> None:
    await stage.start()
    await stage.signal(header=Header(fields={"header": payload("header")}))
    await stage.finish()


async def signal_during_task(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await stage.signal("one")
    await stage.signal("two")
    await stage.done(task, timer("timer", 100))
    await stage.finish()


async def signal_between_tasks(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.signal("one")
    await stage.signal("two")
    await stage.finish()


async def signal_after_close(stage: Stage) -> None:
    await stage.start()
    await stage.finish()
    await stage.answer(stage.signal())


async def signal_sent_twice(stage: Stage) -> None:
    await stage.start()
    await stage.signal(request_id="request")
    await stage.answer(stage.signal(request_id="request"))
    await stage.next()
    await stage.answer(stage.signal(request_id="request"))
    await stage.signal("other")
    await stage.finish()


async def signal_sent_twice_during_task(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await stage.signal(request_id="request")
    await stage.answer(stage.signal(request_id="request"))
    await stage.done(task)
    await stage.finish()


async def signal_with_start_new(stage: Stage) -> None:
    await stage.signal_with_start()
    await stage.finish()


async def signal_with_start_running(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.signal_with_start()
    await stage.finish()


async def signal_with_start_closed(stage: Stage) -> None:
    await stage.start()
    await stage.finish()
    await stage.signal_with_start()
    await stage.finish()


async def signal_with_start_refused(stage: Stage) -> None:
    await stage.start()
    await stage.finish()
    refuse = Reuse.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
    await stage.answer(stage.signal_with_start(workflow_id_reuse_policy=refuse))


async def signal_and_close(stage: Stage) -> None:
    await stage.start()
    await stage.signal()
    task = await stage.task()
    await stage.signal("late")
    await stage.answer(stage.done(task, timer("timer", 100), complete()))
    await stage.finish()


async def signal_with_start_delayed(stage: Stage) -> None:
    await stage.signal_with_start(workflow_start_delay=seconds(2))
    await stage.finish()


async def signal_with_start_terminates(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    conflict = Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    await stage.signal_with_start(workflow_id_conflict_policy=conflict)
    await stage.finish()


async def signal_with_start_twice_in_one_task(stage: Stage) -> None:
    await stage.signal_with_start()
    await stage.signal_with_start()
    await stage.finish()


async def signals_and_cancel_during_task(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await stage.signal("one")
    await stage.request_cancel()
    await stage.signal("two")
    await stage.done(task)
    await stage.finish()
