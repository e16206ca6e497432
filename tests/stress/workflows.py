"""What runs under stress. Each result says all that happened, so that the driver can tell what was lost or doubled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

SECONDS_10 = timedelta(seconds=10)
RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_interval=timedelta(seconds=1))


@activity.defn
async def double(number: int) -> int:
    """Fails at its first attempt for one number in five."""
    if number % 5 == 0 and activity.info().attempt == 1:
        raise ApplicationError("not yet")
    await asyncio.sleep(0.01)
    return 2 * number


@activity.defn
async def wait_for_cancel() -> str:
    """Heartbeats until it is cancelled."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.2)


async def doubled(number: int) -> int:
    return await workflow.execute_activity(
        double, number, start_to_close_timeout=SECONDS_10, retry_policy=RETRY
    )


@dataclass
class Ledger:
    """What a counter has seen, over all of its runs."""

    entries: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    runs: int = 1


@workflow.defn
class Counter:
    """Takes hundreds of updates; every so many it continues as new, with all that it has."""

    PER_RUN = 40

    @workflow.init
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._here = 0
        self._finished = False

    @workflow.run
    async def run(self, ledger: Ledger) -> Ledger:
        await workflow.wait_condition(lambda: self._finished or self._here >= self.PER_RUN)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if not self._finished:
            self._ledger.runs += 1
            workflow.continue_as_new(self._ledger)
        return self._ledger

    @workflow.update
    async def add(self, entry: str) -> str:
        self._here += 1
        if len(entry) % 2:
            await doubled(len(entry))
        else:
            await asyncio.sleep(0.01)
        self._ledger.entries.append(entry)
        return f"{entry} is there"

    @add.validator
    def check(self, entry: str) -> None:
        if entry.endswith("bad"):
            raise ValueError("not this one")

    @workflow.signal
    def note(self, text: str) -> None:
        self._here += 1
        self._ledger.notes.append(text)

    @workflow.signal
    def finish(self) -> None:
        self._finished = True

    @workflow.query
    def has(self, entry: str) -> bool:
        return entry in self._ledger.entries or entry in self._ledger.notes


@workflow.defn
class Part:
    """A child: one activity."""

    @workflow.run
    async def run(self, number: int) -> int:
        if number % 7 == 0:
            raise ApplicationError("every seventh part fails", non_retryable=True)
        return await doubled(number)


@workflow.defn
class Mixture:
    """Activities, timers that race, children, and a signal; its result follows from its number."""

    def __init__(self) -> None:
        self._go = False

    @workflow.run
    async def run(self, number: int) -> list[int]:
        first, second = await asyncio.gather(doubled(number), doubled(number + 1))
        results = [first, second]
        try:
            results.append(
                await workflow.execute_child_workflow(Part.run, number, id=f"{workflow.info().workflow_id}-part")
            )
        except ChildWorkflowError:
            results.append(-1)
        short, long = asyncio.create_task(asyncio.sleep(0.05)), asyncio.create_task(asyncio.sleep(60))
        await workflow.wait([short, long], return_when=asyncio.FIRST_COMPLETED)
        long.cancel()
        await workflow.wait_condition(lambda: self._go)
        if workflow.info().continued_run_id is None and number % 3 == 0:
            workflow.continue_as_new(number)
        return results

    @workflow.signal
    def go(self) -> None:
        self._go = True

    @workflow.query
    def number(self) -> bool:
        return self._go

    @staticmethod
    def expected(number: int) -> list[int]:
        return [2 * number, 2 * number + 2, -1 if number % 7 == 0 else 2 * number]


@workflow.defn
class Stoppable:
    """Works until it is cancelled, and then cleans up."""

    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.execute_activity(
                wait_for_cancel,
                start_to_close_timeout=timedelta(minutes=10),
                heartbeat_timeout=timedelta(seconds=5),
                retry_policy=RETRY,
                cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
            )
        except (asyncio.CancelledError, ActivityError):
            pass
        await doubled(1)
        return "cleaned up"


WORKFLOWS = [Counter, Part, Mixture, Stoppable]
ACTIVITIES = [double, wait_for_cancel]
