"""A task of very many steps that can be paused, resumed and cancelled by signals, and asked how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from long_running_task.activities import Steps, do_steps


@dataclass
class LongTask:
    """How many steps, how many of them one activity makes, and how long to rest after each batch."""

    steps: int = 10_000
    batch: int = 500
    rest_seconds: float = 0.0


@dataclass
class TaskStatus:
    """The answer of `get_status`: state is running, paused, cancelled or done."""

    state: str
    steps_done: int
    digest: str


@workflow.defn
class LongRunningTaskWorkflow:
    def __init__(self) -> None:
        self._state = "running"
        self._steps_done = 0
        self._digest = ""

    @workflow.run
    async def run(self, task: LongTask) -> TaskStatus:
        while self._steps_done < task.steps:
            await workflow.wait_condition(lambda: self._state != "paused")
            if self._state == "cancelled":
                return self.get_status()
            count = min(task.batch, task.steps - self._steps_done)
            self._digest = await workflow.execute_activity(
                do_steps,
                Steps(self._steps_done, count, self._digest),
                start_to_close_timeout=timedelta(minutes=10),
                heartbeat_timeout=timedelta(minutes=1),
            )
            self._steps_done += count
            if task.rest_seconds:
                await workflow.sleep(task.rest_seconds)
        self._state = "done"
        return self.get_status()

    @workflow.signal
    def pause(self) -> None:
        if self._state == "running":
            self._state = "paused"

    @workflow.signal
    def resume(self) -> None:
        if self._state == "paused":
            self._state = "running"

    @workflow.signal
    def cancel(self) -> None:
        self._state = "cancelled"

    @workflow.query
    def get_status(self) -> TaskStatus:
        return TaskStatus(self._state, self._steps_done, self._digest)
