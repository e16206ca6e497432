"""Work for the named queues, all of it handed out at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority

with workflow.unsafe.imports_passed_through():
    from worker_queues.activities import Start, hand_over, note_start


@dataclass
class Load:
    """So many activities for a queue, and after them some that are more urgent."""

    task_queue: str
    usual: int
    urgent: int = 0


@workflow.defn
class DispatchWorkflow:
    @workflow.run
    async def run(self, loads: list[Load]) -> dict[str, list[Start]]:
        """The starts of each queue, in the order in which they were handed out."""
        started = await asyncio.gather(*(self._hand_out(load) for load in loads))
        return {load.task_queue: starts for load, starts in zip(loads, started, strict=True)}

    async def _hand_out(self, load: Load) -> list[Start]:
        priorities = [4] * load.usual + [1] * load.urgent
        return await asyncio.gather(
            *(
                workflow.execute_activity(
                    note_start,
                    priority,
                    task_queue=load.task_queue,
                    start_to_close_timeout=timedelta(seconds=30),
                    priority=Priority(priority_key=priority),
                )
                for priority in priorities
            )
        )


@workflow.defn
class HandOverWorkflow:
    @workflow.run
    async def run(self, task_queue: str) -> int:
        return await workflow.execute_activity(
            hand_over, task_queue=task_queue, start_to_close_timeout=timedelta(seconds=60)
        )
