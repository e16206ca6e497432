"""Workflow tasks that fail, run out of time, are refused, or go through the sticky queue."""

import asyncio

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.enums.v1 import WorkflowTaskFailedCause

from commands import (
    activity,
    cancel_timer,
    child,
    command,
    complete,
    continue_as_new,
    failure,
    payload,
    retries,
    seconds,
    timer,
)
from stage import Stage


async def task_failure_and_recovery(stage: Stage) -> None:
    await stage.start()
    await stage.fail_task(await stage.task(), failure("a bug", "RuntimeError"))
    await stage.finish()


async def task_fails_twice(stage: Stage) -> None:
    await stage.start()
    for attempt in range(2):
        await stage.fail_task(await stage.task(), failure(f"a bug {attempt}"))
    await stage.finish()


async def signal_between_failed_tasks(stage: Stage) -> None:
    await stage.start()
    await stage.fail_task(await stage.task(), failure("a bug"))
    await stage.fail_task(await stage.task(), failure("a bug"))
    task = await stage.task()
    await stage.signal()
    await stage.fail_task(task, failure("a bug"))
    await stage.finish()


async def task_timeout(stage: Stage) -> None:
    await stage.start(workflow_task_timeout=seconds(1))
    await stage.task()
    await stage.finish()


async def task_timeout_and_signal(stage: Stage) -> None:
    await stage.start(workflow_task_timeout=seconds(1))
    await stage.task()
    await stage.signal()
    await stage.finish()


async def task_answered_too_late(stage: Stage) -> None:
    await stage.start(workflow_task_timeout=seconds(1))
    late = await stage.task()
    task = await stage.task()
    await stage.answer(stage.done(late, complete()))
    await stage.done(task, complete())


async def unhandled_command(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await stage.signal()
    await stage.answer(stage.done(task, complete()))
    await stage.finish()


async def new_task_forced(stage: Stage) -> None:
    await stage.start()
    await stage.next(force_create_new_workflow_task=True)
    await stage.finish()


async def new_task_in_answer(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await stage.signal()
    answer = await stage.done(task, return_new_workflow_task=True)
    await stage.done(answer.workflow_task, complete())


async def query_leaves_nothing(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    query = asyncio.create_task(stage.query())
    await stage.answer_query(await stage.task())
    await query
    await stage.signal()
    await stage.finish()


async def sticky_task(stage: Stage) -> None:
    await stage.start()
    await stage.next(sticky=10)
    poll = asyncio.create_task(stage.task(stage.sticky))
    await asyncio.sleep(0.5)
    await stage.signal()
    await stage.done(await poll, complete())


async def sticky_worker_never_seen(stage: Stage) -> None:
    await stage.start()
    await stage.next(sticky=10)
    await stage.signal()
    await stage.finish()


async def sticky_worker_gone(stage: Stage) -> None:
    await stage.start()
    await stage.next(sticky=2)
    poll = asyncio.create_task(stage.task(stage.sticky))
    await asyncio.sleep(0.5)
    await stage.signal()
    await stage.done(await poll, sticky=2)
    await stage.signal()
    await stage.finish()


async def commands_after_close(stage: Stage) -> None:
    await stage.start()
    await stage.answer(stage.next(complete(), timer("timer", 1)))
    await stage.finish()


# Commands that no state of the workflow could make good.


async def _refused(stage: Stage, *commands: Command) -> None:
    await stage.start()
    await stage.answer(stage.next(*commands))
    await stage.finish()


async def bad_timer_without_id(stage: Stage) -> None:
    await _refused(stage, timer("", 1))


async def bad_timer_without_time(stage: Stage) -> None:
    await _refused(stage, timer("timer", 0))


async def bad_timer_twice(stage: Stage) -> None:
    await _refused(stage, timer("timer", 10), timer("timer", 10))


async def bad_timer_cancel(stage: Stage) -> None:
    await _refused(stage, cancel_timer("no such timer"))


async def bad_activity_without_timeout(stage: Stage) -> None:
    await _refused(stage, activity(stage.queue, start_to_close_timeout=seconds(0)))


async def bad_activity_without_id(stage: Stage) -> None:
    await _refused(stage, activity(stage.queue, ""))


async def bad_activity_twice(stage: Stage) -> None:
    await _refused(stage, activity(stage.queue), activity(stage.queue))


async def bad_activity_cancel(stage: Stage) -> None:
    await _refused(stage, command("request_cancel_activity_task", scheduled_event_id=77))


async def bad_marker(stage: Stage) -> None:
    await _refused(stage, command("record_marker"))


async def bad_signal_external(stage: Stage) -> None:
    await _refused(stage, command("signal_external_workflow_execution", signal_name="signal"))


async def bad_cancel_external(stage: Stage) -> None:
    await _refused(stage, command("request_cancel_external_workflow_execution"))


async def bad_child_without_id(stage: Stage) -> None:
    await _refused(stage, child("", stage.queue))


async def bad_search_attribute(stage: Stage) -> None:
    attributes = SearchAttributes(indexed_fields={"NoSuchAttribute": payload("value")})
    await _refused(stage, command("upsert_workflow_search_attributes", search_attributes=attributes))


async def bad_search_attribute_value(stage: Stage) -> None:
    number = Payload(metadata={"encoding": b"json/plain", "type": b"Int"}, data=b'"no number"')
    attributes = SearchAttributes(indexed_fields={"GoldenInt": number})
    await _refused(stage, command("upsert_workflow_search_attributes", search_attributes=attributes))


async def bad_continue_as_new(stage: Stage) -> None:
    await _refused(stage, continue_as_new(stage.queue, workflow_run_timeout=seconds(-1)))


async def bad_fail_without_failure(stage: Stage) -> None:
    await _refused(stage, command("fail_workflow_execution"))


async def bad_memo(stage: Stage) -> None:
    await _refused(stage, command("modify_workflow_properties"))


async def bad_upsert_of_nothing(stage: Stage) -> None:
    await _refused(stage, command("upsert_workflow_search_attributes"))


async def bad_activity_heartbeat(stage: Stage) -> None:
    await _refused(stage, activity(stage.queue, start_to_close_timeout=seconds(5), heartbeat_timeout=seconds(-1)))


async def bad_retry_policy(stage: Stage) -> None:
    await _refused(stage, activity(stage.queue, retry_policy=retries(2, -1)))


async def bad_child_cron(stage: Stage) -> None:
    await _refused(stage, child("child", stage.queue, cron_schedule="never"))


async def message_too_large(stage: Stage) -> None:
    """The worker says that its answer or the history does not go through: no attempt will do better."""
    await stage.start()
    cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_GRPC_MESSAGE_TOO_LARGE
    await stage.fail_task(await stage.task(), failure("too large"), cause)


async def history_does_not_match(stage: Stage) -> None:
    await stage.start()
    cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    await stage.fail_task(await stage.task(), failure("nondeterminism"), cause)
    await stage.finish()


async def task_fails_with_waiting_signal(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await stage.signal()
    await stage.fail_task(task, failure("a bug"))
    await stage.finish()


async def task_fails_before_signal(stage: Stage) -> None:
    await stage.start()
    await stage.fail_task(await stage.task(), failure("a bug"))
    await stage.signal()
    await stage.finish()


async def sticky_task_fails(stage: Stage) -> None:
    await stage.start()
    await stage.next(sticky=10)
    poll = asyncio.create_task(stage.task(stage.sticky))
    await asyncio.sleep(0.5)
    await stage.signal()
    await stage.fail_task(await poll, failure("a bug"))
    await stage.finish()
