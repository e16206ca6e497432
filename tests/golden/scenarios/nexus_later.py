"""Nexus operations that take their time: a workflow of the handler does the work. And cancel requests, and resets."""

import asyncio
import uuid
from typing import Any

import temporalio.api.nexus.v1 as nexus
import temporalio.api.workflowservice.v1 as ws
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Callback, Link, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import ResetReapplyExcludeType, WorkflowIdConflictPolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import OnConflictOptions

from commands import (
    cancel,
    cancel_nexus_operation,
    complete,
    continue_as_new,
    fail,
    payloads,
    retries,
    seconds,
    timer,
)
from scenarios.nexus import Task, _answer, _handle, _handler_error, _schedule, _started, _succeed
from scenarios.resets import _reset
from stage import IDENTITY, NAMESPACE, Stage


class Handler:
    """The workflow that does the work of an asynchronous operation."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.id = f"{stage.id}-handler"
        self.queue = f"{stage.id}-handler-queue"

    async def start(self, task: Task, **fields: Any) -> ws.StartWorkflowExecutionResponse:
        """Starts it with the operation's callback, or attaches that to the workflow that runs already."""
        asked = task.request.start_operation
        spec = Callback.Nexus(url=asked.callback, header=asked.callback_header)
        fields.setdefault("request_id", asked.request_id)
        request = ws.StartWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_id=self.id,
            workflow_type=WorkflowType(name="handler"),
            task_queue=TaskQueue(name=self.queue),
            input=payloads("input"),
            identity=IDENTITY,
            completion_callbacks=[Callback(nexus=spec, links=[_workflow_link(link) for link in asked.links])],
            links=[_workflow_link(link) for link in asked.links],
            **fields,
        )
        answer = await self.stage.rpc.start_workflow_execution(request)
        self.stage.note(self.id, answer.run_id)
        return answer

    async def next(self, *commands: Command) -> None:
        await self.stage.done(await self.stage.task(self.queue), *commands)


def _workflow_link(link: nexus.Link) -> Link:
    """`temporal:///namespaces/N/workflows/W/R/history?eventID=5&eventType=NexusOperationScheduled&referenceType=...`."""
    path, _, query = link.url.partition("?")
    parts = path.split("/")
    fields = dict(item.split("=") for item in query.split("&"))
    event = Link.WorkflowEvent(namespace=parts[4], workflow_id=parts[6], run_id=parts[7])
    event.event_ref.event_id = int(fields["eventID"])
    event.event_ref.event_type = 48
    return Link(workflow_event=event)


async def _begun(stage: Stage, **fields: Any) -> tuple[Handler, Task]:
    """The handler's workflow runs; the operation's caller has not heard of it."""
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task, **fields)
    return handler, task


async def _working(stage: Stage, **fields: Any) -> Handler:
    """The handler's workflow runs, and the caller knows."""
    handler, task = await _begun(stage, **fields)
    await _started(stage, task)
    await stage.next()
    return handler


async def nexus_async_ok(stage: Stage) -> None:
    handler = await _working(stage)
    await handler.next(complete())
    await stage.finish()


async def nexus_async_without_result(stage: Stage) -> None:
    handler = await _working(stage)
    await handler.next(Command(command_type=complete().command_type, complete_workflow_execution_command_attributes={}))
    await stage.finish()


async def nexus_async_fails(stage: Stage) -> None:
    handler = await _working(stage)
    await handler.next(fail())
    await stage.finish()


async def nexus_async_canceled(stage: Stage) -> None:
    handler = await _working(stage)
    await handler.next(cancel())
    await stage.finish()


async def nexus_async_terminated(stage: Stage) -> None:
    handler = await _working(stage)
    await stage.terminate(handler.id)
    await stage.finish()


async def nexus_async_times_out(stage: Stage) -> None:
    await _working(stage, workflow_run_timeout=seconds(1))
    await stage.finish()


async def nexus_handler_continues_as_new(stage: Stage) -> None:
    handler = await _working(stage)
    await handler.next(continue_as_new(handler.queue))
    await handler.next(complete())
    await stage.finish()


async def nexus_handler_is_retried(stage: Stage) -> None:
    handler = await _working(stage, retry_policy=retries(2))
    await handler.next(fail())
    await handler.next(complete())
    await stage.finish()


async def nexus_ends_before_it_started(stage: Stage) -> None:
    handler, task = await _begun(stage)
    await handler.next(complete())
    await stage.until("nexus_operation_completed")
    await stage.answer(_started(stage, task))
    await stage.finish()


async def nexus_fails_before_it_started(stage: Stage) -> None:
    handler, task = await _begun(stage)
    await handler.next(fail())
    await stage.until("nexus_operation_failed")
    await stage.finish()


async def nexus_handler_workflow_runs_already(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task, request_id=str(uuid.uuid4()))
    options = OnConflictOptions(attach_request_id=True, attach_completion_callbacks=True, attach_links=True)
    await handler.start(
        task,
        on_conflict_options=options,
        workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
    )
    await _started(stage, task)
    await stage.next()
    await handler.next(complete())
    await stage.finish()


async def nexus_ends_during_workflow_task(stage: Stage) -> None:
    handler, task = await _begun(stage)
    await stage.signal()
    running = await stage.task()
    await _started(stage, task)
    await handler.next(complete())
    await _until_callback(stage, handler)
    await stage.signal()
    await stage.done(running)
    await stage.finish()


async def _until_callback(stage: Stage, handler: Handler) -> None:
    """Waits until the callback has been called."""
    while True:
        request = ws.DescribeWorkflowExecutionRequest(
            namespace=NAMESPACE, execution=WorkflowExecution(workflow_id=handler.id)
        )
        answer = await stage.rpc.describe_workflow_execution(request)
        if any(callback.state == 5 for callback in answer.callbacks):
            return
        await asyncio.sleep(0.05)


# Cancellation.


async def nexus_cancel_ok(stage: Stage) -> None:
    handler, task = await _begun(stage)
    await _started(stage, task)
    await stage.next(cancel_nexus_operation(5))
    asked = await _handle(stage)
    await _answer(stage, asked, cancel_operation=nexus.CancelOperationResponse())
    await stage.next()
    await handler.next(cancel())
    await stage.finish()


async def nexus_cancel_refused(stage: Stage) -> None:
    await _schedule(stage)
    await _started(stage, await _handle(stage))
    await stage.next(cancel_nexus_operation(5))
    await _handler_error(stage, await _handle(stage), "NOT_FOUND")
    await stage.finish()


async def nexus_cancel_delivered_again(stage: Stage) -> None:
    await _schedule(stage)
    await _started(stage, await _handle(stage))
    await stage.next(cancel_nexus_operation(5))
    await _handler_error(stage, await _handle(stage), "UNAVAILABLE")
    await _answer(stage, await _handle(stage), cancel_operation=nexus.CancelOperationResponse())
    await stage.finish()


async def nexus_cancel_before_start(stage: Stage) -> None:
    await _schedule(stage, timer("timer", 0.2))
    await stage.next(cancel_nexus_operation(5))
    await _started(stage, await _handle(stage))
    await _answer(stage, await _handle(stage), cancel_operation=nexus.CancelOperationResponse())
    await stage.until("nexus_operation_cancel_request_completed")
    await stage.finish()


async def nexus_cancel_in_the_task_that_schedules(stage: Stage) -> None:
    await _schedule(stage, cancel_nexus_operation(5))
    await _started(stage, await _handle(stage))
    await _answer(stage, await _handle(stage), cancel_operation=nexus.CancelOperationResponse())
    await stage.until("nexus_operation_cancel_request_completed")
    await stage.finish()


async def nexus_cancel_twice(stage: Stage) -> None:
    await _schedule(stage)
    await _started(stage, await _handle(stage))
    await stage.next(cancel_nexus_operation(5))
    await stage.signal()
    await stage.answer(stage.next(cancel_nexus_operation(5)))
    await stage.finish()


async def nexus_cancel_of_nothing(stage: Stage) -> None:
    await stage.start()
    await stage.answer(stage.next(cancel_nexus_operation(5)))
    await stage.finish()


async def nexus_cancel_meets_the_end(stage: Stage) -> None:
    await _schedule(stage)
    await stage.signal()
    running = await stage.task()
    await _succeed(stage, await _handle(stage))
    await asyncio.sleep(0.5)
    await stage.done(running, cancel_nexus_operation(5))
    await stage.finish()


# Reset.


async def _finished(stage: Stage) -> None:
    """The operation was done after a workflow task, which a reset can go back to."""
    await _schedule(stage)
    task = await _handle(stage)
    await stage.signal()
    await stage.next()
    await _succeed(stage, task)
    await stage.finish()


async def reset_with_started_nexus_operation(stage: Stage) -> None:
    handler, task = await _begun(stage)
    await stage.signal()
    await stage.next()
    await _started(stage, task)
    await stage.next()
    await _reset(stage, 9)
    await stage.next()
    await handler.next(complete())
    await stage.finish()


async def reset_with_completed_nexus_operation(stage: Stage) -> None:
    await _finished(stage)
    await _reset(stage, 9)
    await stage.finish()


async def reset_without_nexus(stage: Stage) -> None:
    await _finished(stage)
    excluded = [ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_NEXUS]
    await _reset(stage, 9, reset_reapply_exclude_types=excluded)
    await _succeed(stage, await _handle(stage))
    await stage.until("nexus_operation_completed")
    await stage.finish()
