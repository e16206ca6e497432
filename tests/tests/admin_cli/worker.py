"""The worker of the test: a cart that waits for messages, a sum with an activity, two that go wrong, and
one whose activity waits for an answer from elsewhere."""

import asyncio
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@activity.defn(name="sum")
async def add(numbers: list[int]) -> int:
    return sum(numbers)


@activity.defn
async def broken() -> None:
    raise RuntimeError("out of paper")


@activity.defn
async def later() -> str:
    activity.raise_complete_async()


@workflow.defn
class Cart:
    def __init__(self) -> None:
        self._items: list[int] = []
        self._closed = False

    @workflow.run
    async def run(self) -> list[int]:
        await workflow.wait_condition(lambda: self._closed)
        return self._items

    @workflow.signal
    def add(self, item: int) -> None:
        self._items.append(item)

    @workflow.signal
    def close(self) -> None:
        self._closed = True

    @workflow.query
    def items(self) -> list[int]:
        return self._items

    @workflow.update
    def put(self, item: int) -> int:
        self._items.append(item)
        return len(self._items)

    @put.validator
    def is_positive(self, item: int) -> None:
        if item < 0:
            raise ValueError("no negative items")


@workflow.defn
class Sum:
    @workflow.run
    async def run(self, numbers: list[int]) -> int:
        return await workflow.execute_activity(add, numbers, start_to_close_timeout=timedelta(seconds=30))


@workflow.defn
class Fails:
    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("no luck", type="Luck")


@workflow.defn
class Stuck:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(broken, start_to_close_timeout=timedelta(seconds=30))


@workflow.defn
class Later:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(later, start_to_close_timeout=timedelta(minutes=30))


async def main() -> None:
    client = await Client.connect(sys.argv[1])
    worker = Worker(
        client,
        task_queue="q",
        workflows=[Cart, Sum, Fails, Stuck, Later],
        activities=[add, broken, later],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    await worker.run()


asyncio.run(main())
