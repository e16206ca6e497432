"""Updates: what their acceptance and outcome leave, and that a refused one leaves nothing."""

import asyncio

from temporalio.api.enums.v1 import WorkflowIdConflictPolicy as Conflict

from commands import (
    accept,
    activity,
    command,
    complete,
    continue_as_new,
    fail,
    failure,
    place,
    reject,
    respond,
    seconds,
    timer,
)
from stage import Stage


async def _running(stage: Stage) -> None:
    await stage.start()
    await stage.next()


async def update_completed_at_once(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), messages=messages)
    stage.answers.append(await update)
    await stage.signal()
    await stage.finish()


async def update_fails(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0], failure("no such thing"))]
    await stage.done(task, *map(place, messages), messages=messages)
    stage.answers.append(await update)
    await stage.signal()
    await stage.finish()


async def update_rejected(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    await stage.done(task, messages=[reject(task.messages[0])])
    stage.answers.append(await update)
    await stage.signal()
    await stage.finish()


async def update_completed_later(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update", "ACCEPTED"))
    task = await stage.task()
    accepted = accept(task.messages[0])
    await stage.done(task, place(accepted), timer("timer", 1), messages=[accepted])
    stage.answers.append(await update)
    completed = respond(task.messages[0])
    await stage.next(place(completed), messages=[completed])
    stage.answers.append(await stage.update("update"))
    await stage.signal()
    await stage.finish()


async def update_completes_workflow(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), complete(), messages=messages)
    stage.answers.append(await update)


async def _with_accepted_update(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update", "ACCEPTED"))
    task = await stage.task()
    accepted = accept(task.messages[0])
    await stage.done(task, place(accepted), messages=[accepted])
    await update


async def update_open_at_close(stage: Stage) -> None:
    await _with_accepted_update(stage)
    await stage.signal()
    await stage.finish()
    await stage.answer(stage.update("update"))
    await stage.answer(stage.update("another"))


async def update_asked_for_after_close(stage: Stage) -> None:
    await _with_accepted_update(stage)
    await stage.terminate()
    stage.answers.append(await stage.update_outcome("update"))
    await stage.answer(stage.update_outcome("another"))


async def update_with_first_task(stage: Stage) -> None:
    await stage.start()
    update = asyncio.create_task(stage.update("update"))
    await asyncio.sleep(0.5)
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), complete(), messages=messages)
    stage.answers.append(await update)


async def update_in_start_delay(stage: Stage) -> None:
    await stage.start(workflow_start_delay=seconds(2))
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), complete(), messages=messages)
    stage.answers.append(await update)


async def two_updates_in_one_task(stage: Stage) -> None:
    await stage.start()
    first = asyncio.create_task(stage.update("first"))
    await asyncio.sleep(0.5)
    second = asyncio.create_task(stage.update("second"))
    await asyncio.sleep(0.5)
    task = await stage.task()
    messages = [answer for request in task.messages for answer in (accept(request), respond(request))]
    await stage.done(task, *map(place, messages), messages=messages)
    stage.answers += [await first, await second]
    await stage.signal()
    await stage.finish()


async def accepted_and_rejected_in_one_task(stage: Stage) -> None:
    await stage.start()
    first = asyncio.create_task(stage.update("first"))
    await asyncio.sleep(0.5)
    second = asyncio.create_task(stage.update("second"))
    await asyncio.sleep(0.5)
    task = await stage.task()
    accepted = accept(task.messages[0])
    completed = respond(task.messages[0])
    messages = [accepted, completed, reject(task.messages[1])]
    await stage.done(task, place(accepted), place(completed), messages=messages)
    stage.answers += [await first, await second]
    await stage.signal()
    await stage.finish()


async def signal_during_update_task(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    await stage.signal()
    await stage.done(task, messages=[reject(task.messages[0])])
    stage.answers.append(await update)
    await stage.finish()


async def update_runs_activity(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    accepted = accept(task.messages[0])
    await stage.done(task, place(accepted), activity(stage.queue), messages=[accepted])
    await stage.complete_activity(await stage.activity_task())
    completed = respond(task.messages[0])
    await stage.next(place(completed), fail(), messages=[completed])
    stage.answers.append(await update)


async def update_task_fails(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update"))
    await stage.fail_task(await stage.task(), failure("a bug"))
    # The server sends the update again.
    await asyncio.sleep(0.5)
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), messages=messages)
    stage.answers.append(await update)
    await stage.signal()
    await stage.finish()


async def update_sent_twice(stage: Stage) -> None:
    await stage.start()
    updates = [asyncio.create_task(stage.update("update")) for _ in range(2)]
    await asyncio.sleep(0.5)
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), messages=messages)
    stage.answers += [await update for update in updates]
    stage.answers.append(await stage.update("update"))
    await stage.signal()
    await stage.finish()


async def update_ignored_by_worker(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update"))
    await stage.next(timer("timer", 100))
    stage.answers.append(await update)
    await stage.signal()
    await stage.finish()


async def update_task_times_out(stage: Stage) -> None:
    await stage.start(workflow_task_timeout=seconds(1))
    await stage.next()
    update = asyncio.create_task(stage.update("update"))
    await stage.task()
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), messages=messages)
    stage.answers.append(await update)
    await stage.signal()
    await stage.finish()


async def rejected_update_after_many_events(stage: Stage) -> None:
    """A task that is dropped makes the worker's cache unlike the history: after some events it is kept."""
    await stage.start()
    await stage.next(*(timer(f"timer {index}", 100) for index in range(12)))
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    await stage.done(task, messages=[reject(task.messages[0])])
    stage.answers.append(await update)
    await stage.signal()
    await stage.finish()


async def update_and_close_without_answer(stage: Stage) -> None:
    await _running(stage)
    await stage.signal()
    task = await stage.task()
    update = asyncio.create_task(stage.update("update"))
    await asyncio.sleep(0.5)
    await stage.answer(stage.done(task, complete()))
    await stage.answer(update)


async def update_of_terminated(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    await stage.terminate()
    await stage.answer(update)
    await stage.answer(stage.done(task, complete()))


async def update_continues_as_new(stage: Stage) -> None:
    await _running(stage)
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), continue_as_new(stage.queue), messages=messages)
    stage.answers.append(await update)
    await stage.finish()


async def bad_message_reference(stage: Stage) -> None:
    await stage.start()
    await stage.answer(stage.next(command("protocol_message", message_id="no such message")))
    await stage.finish()


async def update_with_start_new(stage: Stage) -> None:
    fail_on_conflict = Conflict.WORKFLOW_ID_CONFLICT_POLICY_FAIL
    update = asyncio.create_task(stage.update_with_start("update", fail_on_conflict))
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), messages=messages)
    stage.answers.append(await update)
    await stage.answer(stage.update_with_start("another", fail_on_conflict))
    await stage.signal()
    await stage.finish()


async def update_with_start_running(stage: Stage) -> None:
    await _running(stage)
    use_existing = Conflict.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
    update = asyncio.create_task(stage.update_with_start("update", use_existing))
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), messages=messages)
    stage.answers.append(await update)
    await stage.signal()
    await stage.finish()


async def update_on_sticky_queue(stage: Stage) -> None:
    await stage.start()
    await stage.next(sticky=10)
    poll = asyncio.create_task(stage.task(stage.sticky))
    await asyncio.sleep(0.5)
    update = asyncio.create_task(stage.update("update"))
    task = await poll
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), complete(), messages=messages)
    stage.answers.append(await update)


async def activity_ends_during_update_task(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    work = await stage.activity_task()
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    await stage.complete_activity(work)
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), messages=messages)
    stage.answers.append(await update)
    await stage.finish()
