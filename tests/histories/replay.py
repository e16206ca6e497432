"""Workflows whose histories are exported, replayed and imported: see tests/tests/administration/histories.rs."""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, Worker

QUEUE = "replay"


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@workflow.defn
class Child:
    @workflow.run
    async def run(self, name: str) -> str:
        return name


@workflow.defn
class Chain:
    def __init__(self) -> None:
        self.signals = 0

    @workflow.signal
    def nudge(self) -> None:
        self.signals += 1

    @workflow.query
    def seen(self) -> int:
        return self.signals

    @workflow.run
    async def run(self, left: int) -> str:
        greeting = await workflow.execute_activity(greet, "x", start_to_close_timeout=timedelta(seconds=30))
        await workflow.sleep(timedelta(milliseconds=10))
        await workflow.execute_child_workflow(Child.run, "c", id=f"{workflow.info().workflow_id}-child-{left}")
        if left == 2:
            await workflow.wait_condition(lambda: self.signals > 0)
        if left > 0:
            workflow.continue_as_new(left - 1)
        return greeting


async def run(address: str) -> None:
    client = await Client.connect(address)
    async with Worker(client, task_queue=QUEUE, workflows=[Chain, Child], activities=[greet]):
        chain = await client.start_workflow(Chain.run, 2, id="chain", task_queue=QUEUE)
        await chain.signal(Chain.nudge)
        assert await chain.result() == "hello x"


async def replay(folder: str) -> None:
    replayer = Replayer(workflows=[Chain, Child])
    files = sorted(Path(folder).rglob("*.json"))
    assert len(files) == 6, files
    for file in files:
        await replayer.replay_workflow(WorkflowHistory.from_json(file.parent.name, file.read_text()))


async def imported(address: str) -> None:
    client = await Client.connect(address)
    chain = client.get_workflow_handle("chain")
    assert await chain.result() == "hello x"
    first = [run async for run in client.list_workflows("WorkflowId = 'chain' AND ExecutionStatus = 'ContinuedAsNew'")]
    assert len(first) == 2, first
    # A worker answers queries from an imported history.
    async with Worker(client, task_queue=QUEUE, workflows=[Chain, Child], activities=[greet]):
        earliest = min(first, key=lambda run: run.start_time)
        handle = client.get_workflow_handle("chain", run_id=earliest.run_id)
        assert await handle.query(Chain.seen) == 1


if __name__ == "__main__":
    asyncio.run({"run": run, "replay": replay, "imported": imported}[sys.argv[1]](sys.argv[2]))
    # The SDK's threads let go of Python objects a moment after the last call: a crash, where the interpreter is going down.
    sys.stdout.flush()
    os._exit(0)
