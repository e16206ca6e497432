"""Where a scenario plays: one server, ids of its own, and a worker that does what the scenario says."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import temporalio.api.workflowservice.v1 as ws
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import (
    HistoryEventFilterType,
    QueryResultType,
    TaskQueueKind,
    UpdateWorkflowExecutionLifecycleStage,
    WorkflowIdConflictPolicy,
    WorkflowTaskFailedCause,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.protocol.v1 import Message as ProtocolMessage
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.update.v1 import Input, Meta, Request, UpdateRef, WaitPolicy
from temporalio.client import Client
from temporalio.service import RPCError

from commands import complete, payloads, seconds

NAMESPACE = "default"
IDENTITY = "golden"


class Stage:
    """`queue` is served by the scenario alone; `sdk_queue` by the worker that all scenarios share."""

    def __init__(self, client: Client, name: str, sdk_queue: str) -> None:
        self.client = client
        self.rpc = client.workflow_service
        self.id = f"{name}-{uuid.uuid4()}"
        self.queue = f"{self.id}-queue"
        self.sdk_queue = sdk_queue
        self.runs: list[tuple[str, str]] = []
        self.answers: list[str] = []
        self.eager_task = ws.PollWorkflowTaskQueueResponse()

    # What is recorded.

    def note(self, workflow_id: str, run_id: str) -> None:
        """Records this run's history, and those of its children and of the runs that follow it."""
        if (workflow_id, run_id) not in self.runs:
            self.runs.append((workflow_id, run_id))

    async def answer(self, call: Awaitable[Any]) -> None:
        """Records whether the call fails, and how."""
        try:
            await call
            self.answers.append("OK")
        except RPCError as error:
            self.answers.append(f"{error.status.name}: {error.message}")

    # Clients.

    async def start(self, **fields: Any) -> str:
        fields.setdefault("workflow_id", self.id)
        fields.setdefault("request_id", str(uuid.uuid4()))
        request = ws.StartWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_type=WorkflowType(name="golden"),
            task_queue=TaskQueue(name=self.queue),
            input=payloads("input"),
            identity=IDENTITY,
            **fields,
        )
        answer = await self.rpc.start_workflow_execution(request)
        self.note(fields["workflow_id"], answer.run_id)
        self.eager_task = answer.eager_workflow_task
        return answer.run_id

    async def signal(self, name: str = "signal", **fields: Any) -> None:
        fields.setdefault("request_id", str(uuid.uuid4()))
        request = ws.SignalWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_execution=WorkflowExecution(workflow_id=self.id),
            signal_name=name,
            input=payloads(name),
            identity=IDENTITY,
            **fields,
        )
        await self.rpc.signal_workflow_execution(request)

    async def signal_with_start(self, **fields: Any) -> str:
        request = ws.SignalWithStartWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_id=self.id,
            workflow_type=WorkflowType(name="golden"),
            task_queue=TaskQueue(name=self.queue),
            input=payloads("input"),
            signal_name="with start",
            signal_input=payloads("signal"),
            identity=IDENTITY,
            request_id=str(uuid.uuid4()),
            **fields,
        )
        answer = await self.rpc.signal_with_start_workflow_execution(request)
        self.note(self.id, answer.run_id)
        return answer.run_id

    async def request_cancel(self, workflow_id: str | None = None, **fields: Any) -> None:
        request = ws.RequestCancelWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id or self.id),
            reason="asked to",
            identity=IDENTITY,
            request_id=str(uuid.uuid4()),
            **fields,
        )
        await self.rpc.request_cancel_workflow_execution(request)

    async def terminate(self, workflow_id: str | None = None) -> None:
        request = ws.TerminateWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id or self.id),
            reason="enough",
            details=payloads("details"),
            identity=IDENTITY,
        )
        await self.rpc.terminate_workflow_execution(request)

    async def query(self) -> None:
        request = ws.QueryWorkflowRequest(
            namespace=NAMESPACE,
            execution=WorkflowExecution(workflow_id=self.id),
            query=WorkflowQuery(query_type="state"),
        )
        await self.rpc.query_workflow(request)

    async def update(self, name: str, stage: str = "COMPLETED") -> str:
        """Returns the outcome as text, once the update has got as far as `stage`."""
        answer = await self.rpc.update_workflow_execution(self._update(name, stage))
        return answer.outcome.WhichOneof("value") or "no outcome yet"

    async def update_outcome(self, name: str) -> str:
        """The same, of an update that was sent before."""
        completed = UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
        request = ws.PollWorkflowExecutionUpdateRequest(
            namespace=NAMESPACE,
            update_ref=UpdateRef(workflow_execution=WorkflowExecution(workflow_id=self.id), update_id=f"{name}-id"),
            wait_policy=WaitPolicy(lifecycle_stage=completed),
        )
        outcome = (await self.rpc.poll_workflow_execution_update(request)).outcome
        return outcome.failure.message or outcome.WhichOneof("value") or "no outcome yet"

    async def update_with_start(self, name: str, conflict: WorkflowIdConflictPolicy.ValueType) -> str:
        """The same, of a workflow that is started with it."""
        start = ws.StartWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_id=self.id,
            workflow_type=WorkflowType(name="golden"),
            task_queue=TaskQueue(name=self.queue),
            input=payloads("input"),
            identity=IDENTITY,
            request_id=str(uuid.uuid4()),
            workflow_id_conflict_policy=conflict,
        )
        operation = ws.ExecuteMultiOperationRequest.Operation
        request = ws.ExecuteMultiOperationRequest(
            namespace=NAMESPACE,
            operations=[
                operation(start_workflow=start),
                operation(update_workflow=self._update(name, "COMPLETED")),
            ],
        )
        answer = await self.rpc.execute_multi_operation(request)
        self.note(self.id, answer.responses[0].start_workflow.run_id)
        return answer.responses[1].update_workflow.outcome.WhichOneof("value") or "no outcome yet"

    def _update(self, name: str, stage: str) -> ws.UpdateWorkflowExecutionRequest:
        stages = UpdateWorkflowExecutionLifecycleStage
        return ws.UpdateWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_execution=WorkflowExecution(workflow_id=self.id),
            wait_policy=WaitPolicy(lifecycle_stage=stages.Value(f"UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_{stage}")),
            request=Request(
                meta=Meta(update_id=f"{name}-id", identity=IDENTITY), input=Input(name=name, args=payloads(name))
            ),
        )

    async def closed(self, workflow_id: str | None = None, run_id: str = "") -> None:
        """Waits until the run has its last event."""
        token = b""
        while True:
            request = ws.GetWorkflowExecutionHistoryRequest(
                namespace=NAMESPACE,
                execution=WorkflowExecution(workflow_id=workflow_id or self.id, run_id=run_id),
                wait_new_event=True,
                history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
                next_page_token=token,
            )
            answer = await self.rpc.get_workflow_execution_history(request)
            if answer.history.events:
                return
            token = answer.next_page_token

    async def until(self, event_type: str, workflow_id: str | None = None) -> None:
        """Waits until the history of the current run has an event of this type."""
        while True:
            request = ws.GetWorkflowExecutionHistoryRequest(
                namespace=NAMESPACE, execution=WorkflowExecution(workflow_id=workflow_id or self.id)
            )
            answer = await self.rpc.get_workflow_execution_history(request)
            names = [event.WhichOneof("attributes") for event in answer.history.events]
            if f"{event_type}_event_attributes" in names:
                return
            await asyncio.sleep(0.05)

    # The worker of workflows.

    async def task(self, queue: str | None = None) -> ws.PollWorkflowTaskQueueResponse:
        """The next task. There will be one: without it the scenario's time runs out."""
        request = ws.PollWorkflowTaskQueueRequest(
            namespace=NAMESPACE, task_queue=TaskQueue(name=queue or self.queue), identity=IDENTITY
        )
        if queue and queue.endswith("sticky"):
            request.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_STICKY
            request.task_queue.normal_name = self.queue
        while True:
            task = await self.rpc.poll_workflow_task_queue(request)
            if task.task_token:
                return task

    async def done(
        self,
        task: ws.PollWorkflowTaskQueueResponse,
        *commands: Command,
        messages: list[ProtocolMessage] | None = None,
        sticky: float = 0,
        **fields: Any,
    ) -> ws.RespondWorkflowTaskCompletedResponse:
        """Completes the task. `sticky`: for how many seconds the next one is kept for the sticky queue."""
        request = ws.RespondWorkflowTaskCompletedRequest(
            namespace=NAMESPACE,
            task_token=task.task_token,
            commands=commands,
            messages=messages,
            identity=IDENTITY,
            **fields,
        )
        if sticky:
            queue = TaskQueue(name=self.sticky, kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY, normal_name=self.queue)
            request.sticky_attributes.CopyFrom(
                StickyExecutionAttributes(worker_task_queue=queue, schedule_to_start_timeout=seconds(sticky))
            )
        return await self.rpc.respond_workflow_task_completed(request)

    @property
    def sticky(self) -> str:
        return f"{self.id}-sticky"

    async def next(self, *commands: Command, **fields: Any) -> None:
        """Takes the next task and completes it."""
        await self.done(await self.task(), *commands, **fields)

    async def finish(self) -> None:
        """Takes the next task and completes the workflow."""
        await self.next(complete())

    async def fail_task(
        self,
        task: ws.PollWorkflowTaskQueueResponse,
        of: Failure,
        cause: WorkflowTaskFailedCause.ValueType = (
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
        ),
    ) -> None:
        request = ws.RespondWorkflowTaskFailedRequest(
            namespace=NAMESPACE,
            task_token=task.task_token,
            cause=cause,
            failure=of,
            identity=IDENTITY,
        )
        await self.rpc.respond_workflow_task_failed(request)

    async def answer_query(self, task: ws.PollWorkflowTaskQueueResponse) -> None:
        request = ws.RespondQueryTaskCompletedRequest(
            namespace=NAMESPACE,
            task_token=task.task_token,
            completed_type=QueryResultType.QUERY_RESULT_TYPE_ANSWERED,
            query_result=payloads("state"),
        )
        await self.rpc.respond_query_task_completed(request)

    # The worker of activities.

    async def activity_task(self, queue: str | None = None) -> ws.PollActivityTaskQueueResponse:
        request = ws.PollActivityTaskQueueRequest(
            namespace=NAMESPACE, task_queue=TaskQueue(name=queue or self.queue), identity=IDENTITY
        )
        while True:
            task = await self.rpc.poll_activity_task_queue(request)
            if task.task_token:
                return task

    async def complete_activity(self, task: ws.PollActivityTaskQueueResponse) -> None:
        request = ws.RespondActivityTaskCompletedRequest(
            namespace=NAMESPACE, task_token=task.task_token, result=payloads("result"), identity=IDENTITY
        )
        await self.rpc.respond_activity_task_completed(request)

    async def fail_activity(self, task: ws.PollActivityTaskQueueResponse, of: Failure) -> None:
        request = ws.RespondActivityTaskFailedRequest(
            namespace=NAMESPACE, task_token=task.task_token, failure=of, identity=IDENTITY
        )
        await self.rpc.respond_activity_task_failed(request)

    async def cancel_activity(self, task: ws.PollActivityTaskQueueResponse) -> None:
        request = ws.RespondActivityTaskCanceledRequest(
            namespace=NAMESPACE, task_token=task.task_token, details=payloads("cleaned up"), identity=IDENTITY
        )
        await self.rpc.respond_activity_task_canceled(request)

    async def heartbeat(self, task: ws.PollActivityTaskQueueResponse) -> None:
        request = ws.RecordActivityTaskHeartbeatRequest(
            namespace=NAMESPACE, task_token=task.task_token, details=payloads("half"), identity=IDENTITY
        )
        await self.rpc.record_activity_task_heartbeat(request)


Scenario = Callable[[Stage], Awaitable[None]]
