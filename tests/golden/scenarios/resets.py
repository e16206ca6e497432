"""Runs that are reset: a new run with a part of the history, and what came after it applied again."""

import asyncio
import uuid
from typing import Any

import temporalio.api.workflowservice.v1 as ws
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import Priority, WorkflowExecution
from temporalio.api.enums.v1 import ResetReapplyExcludeType as Exclude
from temporalio.api.workflow.v1 import WorkflowExecutionOptions

from commands import accept, activity, child, complete, continue_as_new, failure, place, respond, timer
from stage import NAMESPACE, Stage


async def _reset(stage: Stage, finish_event_id: int, run_id: str = "", **fields: Any) -> None:
    request = ws.ResetWorkflowExecutionRequest(
        namespace=NAMESPACE,
        workflow_execution=WorkflowExecution(workflow_id=stage.id, run_id=run_id),
        reason="once more",
        workflow_task_finish_event_id=finish_event_id,
        request_id=str(uuid.uuid4()),
        **fields,
    )
    answer = await stage.rpc.reset_workflow_execution(request)
    stage.note(stage.id, answer.run_id)


async def reset_open_run(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.signal()
    await stage.next(timer("timer", 100))
    await _reset(stage, 4)
    await stage.finish()


async def reset_closed_run(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.signal()
    await stage.finish()
    await _reset(stage, 4)
    await stage.finish()


async def reset_without_signals(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.signal()
    await stage.finish()
    await _reset(stage, 4, reset_reapply_exclude_types=[Exclude.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL])
    await stage.finish()


async def reset_to_second_task(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("timer", 100), activity(stage.queue))
    await stage.signal("one")
    await stage.next()
    await stage.signal("two")
    await stage.finish()
    await _reset(stage, 10)
    await stage.finish()


async def reset_with_finished_activity(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    await stage.complete_activity(await stage.activity_task())
    await stage.finish()
    await _reset(stage, 10)
    await stage.finish()


async def reset_with_started_activity(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    task = await stage.activity_task()
    await stage.signal()
    await stage.next()
    await _reset(stage, 9)
    await stage.answer(stage.complete_activity(task))


async def reset_during_task(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.signal()
    task = await stage.task()
    await _reset(stage, 4)
    await stage.answer(stage.done(task, complete()))
    await stage.finish()


async def reset_after_failed_task(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.signal()
    await stage.fail_task(await stage.task(), failure("a bug"))
    await _reset(stage, 8)
    await stage.finish()


async def reset_twice(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.signal()
    await stage.finish()
    await _reset(stage, 4)
    await stage.next()
    await stage.signal("after the first reset")
    await stage.finish()
    await _reset(stage, 4)
    await stage.finish()


async def reset_after_cancel_request(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.request_cancel()
    await stage.finish()
    await _reset(stage, 4)
    await stage.finish()


async def reset_follows_chain(stage: Stage) -> None:
    first = await stage.start()
    await stage.next()
    await stage.signal("first run")
    await stage.next(continue_as_new(stage.queue))
    await stage.next()
    await stage.signal("second run")
    await stage.finish()
    await _reset(stage, 4, first)
    await stage.finish()


async def reset_with_child(stage: Stage) -> None:
    await stage.start()
    await stage.next(child(f"{stage.id}-child", f"{stage.id}-child-queue"))
    await stage.next()
    await stage.signal()
    await stage.next()
    await _reset(stage, 9)
    await stage.done(await stage.task(f"{stage.id}-child-queue"), complete())
    await stage.until("child_workflow_execution_completed")
    await stage.next()
    await stage.terminate()


async def bad_reset(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    for event_id in (0, 1, 2, 5, 99):
        await stage.answer(_reset(stage, event_id))
    await stage.terminate()


async def reset_reapplies_update(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), messages=messages)
    await update
    await stage.signal()
    await stage.finish()
    await _reset(stage, 4)
    # The worker reads the update in the history: no message carries it.
    await stage.finish()


async def reset_without_updates(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    update = asyncio.create_task(stage.update("update"))
    task = await stage.task()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await stage.done(task, *map(place, messages), messages=messages)
    await update
    await stage.signal()
    await stage.finish()
    await _reset(stage, 4, reset_reapply_exclude_types=[Exclude.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE])
    await stage.finish()


async def reset_without_anything(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.signal()
    options = ws.UpdateWorkflowExecutionOptionsRequest(
        namespace=NAMESPACE,
        workflow_execution=WorkflowExecution(workflow_id=stage.id),
        workflow_execution_options=WorkflowExecutionOptions(priority=Priority(priority_key=2)),
        update_mask=FieldMask(paths=["priority"]),
    )
    await stage.rpc.update_workflow_execution_options(options)
    await stage.finish()
    # With one left out the options are taken over, with all of them not even those.
    every = [number for number in Exclude.values() if number]
    await _reset(stage, 4, reset_reapply_exclude_types=every[:-1])
    await stage.finish()
    await _reset(stage, 4, reset_reapply_exclude_types=every)
    await stage.finish()
