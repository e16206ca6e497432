"""Nexus operations: a workflow asks, a handler answers. The scenario plays both, on the same queue."""

import asyncio
import uuid
from typing import Any

import temporalio.api.nexus.v1 as nexus
import temporalio.api.operatorservice.v1 as operator
import temporalio.api.workflowservice.v1 as ws
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Callback, Link, Payload, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import (
    NexusHandlerErrorRetryBehavior,
    ResetReapplyExcludeType,
    TaskQueueKind,
    WorkflowIdConflictPolicy,
)
from temporalio.api.failure.v1 import (
    ApplicationFailureInfo,
    CanceledFailureInfo,
    Failure,
    NexusHandlerFailureInfo,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import OnConflictOptions

from commands import (
    cancel,
    cancel_nexus_operation,
    complete,
    continue_as_new,
    fail,
    failure,
    nexus_operation,
    payload,
    payloads,
    retries,
    seconds,
    timer,
)
from scenarios.resets import _reset
from stage import IDENTITY, NAMESPACE, Stage

Task = ws.PollNexusTaskQueueResponse
RETRYABLE = NexusHandlerErrorRetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_RETRYABLE


async def _endpoint(stage: Stage) -> str:
    """An endpoint whose handlers poll the queue of the scenario."""
    name = f"e-{stage.id}".replace("_", "-")
    target = nexus.EndpointTarget(worker=nexus.EndpointTarget.Worker(namespace=NAMESPACE, task_queue=stage.queue))
    spec = nexus.EndpointSpec(name=name, target=target)
    await stage.client.operator_service.create_nexus_endpoint(operator.CreateNexusEndpointRequest(spec=spec))
    # Not every part of Temporal's server knows the new endpoint at once.
    await asyncio.sleep(2)
    return name


async def _schedule(stage: Stage, *others: Command, **attributes: Any) -> None:
    """Starts a workflow whose first task schedules an operation: event 5."""
    endpoint = await _endpoint(stage)
    await stage.start()
    await stage.next(nexus_operation(endpoint, **attributes), *others)


async def _handle(stage: Stage) -> Task:
    request = ws.PollNexusTaskQueueRequest(
        namespace=NAMESPACE, task_queue=TaskQueue(name=stage.queue), identity=IDENTITY
    )
    while True:
        task = await stage.rpc.poll_nexus_task_queue(request)
        if task.task_token:
            return task


async def _answer(stage: Stage, task: Task, **response: Any) -> None:
    request = ws.RespondNexusTaskCompletedRequest(
        namespace=NAMESPACE, identity=IDENTITY, task_token=task.task_token, response=nexus.Response(**response)
    )
    await stage.rpc.respond_nexus_task_completed(request)


async def _succeed(stage: Stage, task: Task) -> None:
    sync = nexus.StartOperationResponse.Sync(payload=payload("result"))
    await _answer(stage, task, start_operation=nexus.StartOperationResponse(sync_success=sync))


async def _started(stage: Stage, task: Task, *links: nexus.Link) -> None:
    pending = nexus.StartOperationResponse.Async(operation_token="token", links=links)
    await _answer(stage, task, start_operation=nexus.StartOperationResponse(async_success=pending))


async def _unsuccessful(stage: Stage, task: Task, of: Failure) -> None:
    await _answer(stage, task, start_operation=nexus.StartOperationResponse(failure=of))


async def _unsuccessful_of_old(stage: Stage, task: Task, state: str, of: nexus.Failure) -> None:
    error = nexus.UnsuccessfulOperationError(operation_state=state, failure=of)
    await _answer(stage, task, start_operation=nexus.StartOperationResponse(operation_error=error))


async def _refuse(stage: Stage, task: Task, **fields: Any) -> None:
    request = ws.RespondNexusTaskFailedRequest(
        namespace=NAMESPACE, identity=IDENTITY, task_token=task.task_token, **fields
    )
    await stage.rpc.respond_nexus_task_failed(request)


async def _handler_error(stage: Stage, task: Task, kind: str, retry: int = 0) -> None:
    info = NexusHandlerFailureInfo(type=kind, retry_behavior=retry)
    cause = Failure(message="the cause", application_failure_info=ApplicationFailureInfo(type="Cause"))
    await _refuse(
        stage, task, failure=Failure(message="the handler refuses", nexus_handler_failure_info=info, cause=cause)
    )


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


async def _until_described(stage: Stage, state: str) -> None:
    """Waits until the first pending operation is in this state."""
    while True:
        request = ws.DescribeWorkflowExecutionRequest(
            namespace=NAMESPACE, execution=WorkflowExecution(workflow_id=stage.id)
        )
        answer = await stage.rpc.describe_workflow_execution(request)
        if state in str(answer.pending_nexus_operations):
            return
        await asyncio.sleep(0.05)


# The handler has the answer at once.


async def nexus_ok(stage: Stage) -> None:
    await _schedule(stage, nexus_header={"Some-Key": "value"}, schedule_to_close_timeout=seconds(20))
    await _succeed(stage, await _handle(stage))
    await stage.finish()


async def nexus_fails(stage: Stage) -> None:
    await _schedule(stage)
    await _unsuccessful(stage, await _handle(stage), failure("the operation failed"))
    await stage.finish()


async def nexus_fails_as_of_old(stage: Stage) -> None:
    await _schedule(stage)
    of = nexus.Failure(message="the operation failed", metadata={"k": "v"}, details=b'{"a": 1}')
    await _unsuccessful_of_old(stage, await _handle(stage), "failed", of)
    await stage.finish()


async def nexus_canceled_at_once(stage: Stage) -> None:
    await _schedule(stage)
    of = Failure(message="canceled", canceled_failure_info=CanceledFailureInfo(details=payloads("details")))
    await _unsuccessful(stage, await _handle(stage), of)
    await stage.finish()


async def nexus_canceled_as_of_old(stage: Stage) -> None:
    await _schedule(stage)
    await _unsuccessful_of_old(stage, await _handle(stage), "canceled", nexus.Failure(message="canceled"))
    await stage.finish()


# The handler refuses.


async def nexus_refused(stage: Stage) -> None:
    await _schedule(stage)
    await _handler_error(stage, await _handle(stage), "BAD_REQUEST")
    await stage.finish()


async def nexus_refused_as_of_old(stage: Stage) -> None:
    await _schedule(stage)
    error = nexus.HandlerError(error_type="NOT_FOUND", failure=nexus.Failure(message="no such operation"))
    await _refuse(stage, await _handle(stage), error=error)
    await stage.finish()


async def nexus_refused_then_ok(stage: Stage) -> None:
    await _schedule(stage)
    await _handler_error(stage, await _handle(stage), "INTERNAL")
    await _succeed(stage, await _handle(stage))
    await stage.finish()


async def nexus_refused_but_retryable(stage: Stage) -> None:
    await _schedule(stage)
    await _handler_error(stage, await _handle(stage), "BAD_REQUEST", RETRYABLE)
    await _succeed(stage, await _handle(stage))
    await stage.finish()


# The handler answers later.


async def nexus_async_ok(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task)
    await _started(stage, task)
    await stage.next()
    await handler.next(complete())
    await stage.finish()


async def nexus_async_without_result(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task)
    await _started(stage, task)
    await stage.next()
    await handler.next(Command(command_type=complete().command_type, complete_workflow_execution_command_attributes={}))
    await stage.finish()


async def nexus_async_fails(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task)
    await _started(stage, task)
    await stage.next()
    await handler.next(fail())
    await stage.finish()


async def nexus_async_canceled(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task)
    await _started(stage, task)
    await stage.next()
    await handler.next(cancel())
    await stage.finish()


async def nexus_async_terminated(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task)
    await _started(stage, task)
    await stage.next()
    await stage.terminate(handler.id)
    await stage.finish()


async def nexus_async_times_out(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task, workflow_run_timeout=seconds(1))
    await _started(stage, task)
    await stage.next()
    await stage.finish()


async def nexus_handler_continues_as_new(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task)
    await _started(stage, task)
    await stage.next()
    await handler.next(continue_as_new(handler.queue))
    await handler.next(complete())
    await stage.finish()


async def nexus_handler_is_retried(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task, retry_policy=retries(2))
    await _started(stage, task)
    await stage.next()
    await handler.next(fail())
    await handler.next(complete())
    await stage.finish()


async def nexus_ends_before_it_started(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task)
    await handler.next(complete())
    await stage.until("nexus_operation_completed")
    await stage.answer(_started(stage, task))
    await stage.finish()


async def nexus_fails_before_it_started(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task)
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
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task)
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
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task)
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


# Time-outs, and other ends.


async def nexus_schedule_to_close_timeout(stage: Stage) -> None:
    await _schedule(stage, schedule_to_close_timeout=seconds(2))
    await stage.finish()


async def nexus_schedule_to_start_timeout(stage: Stage) -> None:
    await _schedule(stage, schedule_to_start_timeout=seconds(2), schedule_to_close_timeout=seconds(20))
    await stage.finish()


async def nexus_start_to_close_timeout(stage: Stage) -> None:
    await _schedule(stage, start_to_close_timeout=seconds(1))
    await _started(stage, await _handle(stage))
    await stage.next()
    await stage.finish()


async def nexus_timeouts_within_run_timeout(stage: Stage) -> None:
    endpoint = await _endpoint(stage)
    await stage.start(workflow_run_timeout=seconds(30))
    await stage.next(
        nexus_operation(endpoint),
        nexus_operation(endpoint, schedule_to_close_timeout=seconds(60), start_to_close_timeout=seconds(50)),
        nexus_operation(endpoint, schedule_to_close_timeout=seconds(10), schedule_to_start_timeout=seconds(20)),
    )
    await stage.terminate()


async def nexus_open_at_close(stage: Stage) -> None:
    await _schedule(stage)
    await _started(stage, await _handle(stage))
    await stage.finish()


async def nexus_with_handler_that_cannot_be_reached(stage: Stage) -> None:
    await _schedule(stage, schedule_to_close_timeout=seconds(20))
    await _handler_error(stage, await _handle(stage), "UPSTREAM_TIMEOUT")
    await _until_described(stage, "BACKING_OFF")
    await stage.terminate()


# Commands that are refused.


async def bad_nexus_endpoint(stage: Stage) -> None:
    await stage.start()
    await stage.answer(stage.next(nexus_operation("no-such-endpoint")))
    await stage.finish()


async def bad_nexus_operation(stage: Stage) -> None:
    await _refused(stage, operation="o" * 1001)


async def bad_nexus_header(stage: Stage) -> None:
    await _refused(stage, nexus_header={"Request-Timeout": "1s"})


async def bad_nexus_header_size(stage: Stage) -> None:
    await _refused(stage, nexus_header={"key": "v" * 8190})


async def bad_nexus_timeout(stage: Stage) -> None:
    await _refused(stage, schedule_to_close_timeout=seconds(-1))


async def _refused(stage: Stage, **attributes: Any) -> None:
    endpoint = await _endpoint(stage)
    await stage.start()
    await stage.answer(stage.next(nexus_operation(endpoint, **attributes)))
    await stage.finish()


async def bad_nexus_command(stage: Stage) -> None:
    await stage.start()
    await stage.answer(stage.next(Command(command_type=nexus_operation("e").command_type)))
    await stage.answer(stage.next(Command(command_type=cancel_nexus_operation(1).command_type)))
    await stage.terminate()


# Reset.


async def reset_with_started_nexus_operation(stage: Stage) -> None:
    await _schedule(stage)
    handler = Handler(stage)
    task = await _handle(stage)
    await handler.start(task)
    await stage.signal()
    await stage.next()
    await _started(stage, task)
    await stage.next()
    await _reset(stage, 9)
    await stage.next()
    await handler.next(complete())
    await stage.finish()


async def reset_with_completed_nexus_operation(stage: Stage) -> None:
    await _schedule(stage)
    task = await _handle(stage)
    await stage.signal()
    await stage.next()
    await _succeed(stage, task)
    await stage.finish()
    await _reset(stage, 9)
    await stage.finish()


async def reset_without_nexus(stage: Stage) -> None:
    await _schedule(stage)
    task = await _handle(stage)
    await stage.signal()
    await stage.next()
    await _succeed(stage, task)
    await stage.finish()
    excluded = [ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_NEXUS]
    await _reset(stage, 9, reset_reapply_exclude_types=excluded)
    await _succeed(stage, await _handle(stage))
    await stage.until("nexus_operation_completed")
    await stage.finish()
