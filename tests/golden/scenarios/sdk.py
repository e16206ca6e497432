"""Scenarios with the SDK's own worker: what its workflows and activities leave."""

import asyncio
from datetime import timedelta

import temporalio.api.operatorservice.v1 as operator
from temporalio import activity, workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from stage import NAMESPACE, Stage

SHORT = timedelta(seconds=10)
KEYWORD = SearchAttributeKey.for_keyword("GoldenKeyword")


async def prepare(client: Client) -> None:
    """The search attributes of the scenarios."""
    kinds = IndexedValueType
    attributes = {
        "GoldenKeyword": kinds.INDEXED_VALUE_TYPE_KEYWORD,
        "GoldenInt": kinds.INDEXED_VALUE_TYPE_INT,
    }
    request = operator.AddSearchAttributesRequest(namespace=NAMESPACE, search_attributes=attributes)
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if "already exist" not in error.message:
            raise


def sdk_replayer() -> Replayer:
    return Replayer(workflows=[Steps, Child, Conversation], workflow_runner=UnsandboxedWorkflowRunner())


def sdk_worker(client: Client, queue: str) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        identity="golden-worker",
        workflows=[Steps, Child, Conversation],
        activities=[work],
        workflow_runner=UnsandboxedWorkflowRunner(),
        # An activity that is started with the task that schedules it leaves the same events, in an order of luck.
        disable_eager_activity_execution=True,
    )


@activity.defn
async def work(how: str) -> str:
    if how == "fail":
        raise ApplicationError("it broke", "detail", type="Broken", non_retryable=True)
    if how == "retry" and activity.info().attempt < 3:
        raise ApplicationError(f"attempt {activity.info().attempt}", type="Broken")
    if how == "wait for cancel":
        while True:
            activity.heartbeat("waiting")
            await asyncio.sleep(0.05)
    return how


@workflow.defn
class Child:
    @workflow.run
    async def run(self, how: str) -> str:
        if how == "fail":
            raise ApplicationError("the child broke")
        if how == "wait":
            await workflow.wait_condition(lambda: False)
        return how


@workflow.defn
class Steps:
    """Does what its argument names."""

    @workflow.run
    async def run(self, step: str) -> str:
        return str(await getattr(self, step)())

    async def hello(self) -> str:
        return "hello"

    async def activity_retried(self) -> str:
        policy = RetryPolicy(initial_interval=timedelta(milliseconds=100))
        return await workflow.execute_activity(work, "retry", start_to_close_timeout=SHORT, retry_policy=policy)

    async def activity_fails(self) -> str:
        return await workflow.execute_activity(work, "fail", start_to_close_timeout=SHORT)

    async def activity_canceled(self) -> str:
        return await workflow.execute_activity(
            work,
            "wait for cancel",
            start_to_close_timeout=SHORT,
            heartbeat_timeout=timedelta(seconds=5),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )

    async def local_activity(self) -> str:
        return await workflow.execute_local_activity(work, "local", start_to_close_timeout=SHORT)

    async def local_activity_fails(self) -> str:
        return await workflow.execute_local_activity(work, "fail", start_to_close_timeout=SHORT)

    async def child_canceled(self) -> str:
        handle = await workflow.start_child_workflow(Child.run, "wait", id=f"{workflow.info().workflow_id}-child")
        handle.cancel()
        return await handle

    async def waits(self) -> str:
        await workflow.wait_condition(lambda: False)
        return "never"

    async def patched(self) -> bool:
        return workflow.patched("patch")

    async def task_failure(self) -> str:
        if workflow.info().attempt == 1 and not workflow.unsafe.is_replaying() and not Failed.once:
            Failed.once = True
            raise ValueError("a bug")
        return "recovered"

    async def application_error(self) -> str:
        raise ApplicationError("the workflow broke", type="Broken", non_retryable=True)

    async def continued(self) -> str:
        workflow.continue_as_new("hello")

    async def child_ok(self) -> str:
        return await workflow.execute_child_workflow(Child.run, "ok", id=f"{workflow.info().workflow_id}-child")

    async def child_fails(self) -> str:
        return await workflow.execute_child_workflow(Child.run, "fail", id=f"{workflow.info().workflow_id}-child")

    async def properties(self) -> str:
        workflow.upsert_search_attributes([KEYWORD.value_set("new")])
        workflow.upsert_memo({"memo": "new"})
        return "done"

    async def timer(self) -> str:
        await workflow.sleep(timedelta(seconds=1))
        return "slept"


class Failed:
    """Whether the bug has shown itself already: it must be no part of the workflow, which would fail again."""

    once = False


@workflow.defn
class Conversation:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.over = False

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: self.over)
        return self.said

    @workflow.signal
    def end(self) -> None:
        self.over = True

    @workflow.query
    def heard(self) -> list[str]:
        return self.said

    @workflow.update
    async def say(self, word: str) -> int:
        await workflow.execute_activity(work, word, start_to_close_timeout=SHORT)
        self.said.append(word)
        return len(self.said)

    @say.validator
    def check(self, word: str) -> None:
        if not word:
            raise ApplicationError("say something")


async def _play(stage: Stage, step: str) -> None:
    handle = await stage.client.start_workflow(Steps.run, step, id=stage.id, task_queue=stage.sdk_queue)
    stage.note(stage.id, handle.first_execution_run_id or "")
    try:
        stage.answers.append(await handle.result())
    except WorkflowFailureError as error:
        stage.answers.append(f"{type(error.cause).__name__}: {error.cause}")


async def sdk_hello(stage: Stage) -> None:
    await _play(stage, "hello")


async def sdk_activity_retried(stage: Stage) -> None:
    await _play(stage, "activity_retried")


async def sdk_activity_fails(stage: Stage) -> None:
    await _play(stage, "activity_fails")


async def sdk_activity_canceled(stage: Stage) -> None:
    handle = await stage.client.start_workflow(Steps.run, "activity_canceled", id=stage.id, task_queue=stage.sdk_queue)
    stage.note(stage.id, handle.first_execution_run_id or "")
    while not (await handle.describe()).raw_description.pending_activities:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    await handle.cancel()
    await stage.closed()


async def sdk_local_activity(stage: Stage) -> None:
    await _play(stage, "local_activity")


async def sdk_local_activity_fails(stage: Stage) -> None:
    await _play(stage, "local_activity_fails")


async def sdk_child_canceled(stage: Stage) -> None:
    await _play(stage, "child_canceled")


async def sdk_workflow_canceled(stage: Stage) -> None:
    handle = await stage.client.start_workflow(Steps.run, "waits", id=stage.id, task_queue=stage.sdk_queue)
    stage.note(stage.id, handle.first_execution_run_id or "")
    await stage.until("workflow_task_completed")
    await handle.cancel()
    await stage.closed()


async def sdk_patched(stage: Stage) -> None:
    await _play(stage, "patched")


async def sdk_task_failure(stage: Stage) -> None:
    Failed.once = False
    await _play(stage, "task_failure")


async def sdk_application_error(stage: Stage) -> None:
    await _play(stage, "application_error")


async def sdk_continued_as_new(stage: Stage) -> None:
    await _play(stage, "continued")


async def sdk_child_ok(stage: Stage) -> None:
    await _play(stage, "child_ok")


async def sdk_child_fails(stage: Stage) -> None:
    await _play(stage, "child_fails")


async def sdk_properties(stage: Stage) -> None:
    await _play(stage, "properties")


async def sdk_timer(stage: Stage) -> None:
    await _play(stage, "timer")


async def sdk_conversation(stage: Stage) -> None:
    """Queries and a refused update leave nothing."""
    handle = await stage.client.start_workflow(Conversation.run, id=stage.id, task_queue=stage.sdk_queue)
    stage.note(stage.id, handle.first_execution_run_id or "")
    await handle.query(Conversation.heard)
    await handle.execute_update(Conversation.say, "hello", id="said")
    try:
        await handle.execute_update(Conversation.say, "", id="unsaid")
    except WorkflowUpdateFailedError as error:
        stage.answers.append(str(error.cause))
    await handle.query(Conversation.heard)
    await handle.signal(Conversation.end)
    stage.answers.append(str(await handle.result()))
