"""Nexus operations: a workflow asks, a handler answers at once or refuses. The scenario plays both, on the same queue."""

import asyncio
from typing import Any

import temporalio.api.nexus.v1 as nexus
import temporalio.api.operatorservice.v1 as operator
import temporalio.api.workflowservice.v1 as ws
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import NexusHandlerErrorRetryBehavior
from temporalio.api.failure.v1 import (
    ApplicationFailureInfo,
    CanceledFailureInfo,
    Failure,
    NexusHandlerFailureInfo,
)
from temporalio.api.taskqueue.v1 import TaskQueue

from commands import cancel_nexus_operation, failure, nexus_operation, payload, payloads, seconds
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
