"""The crash test's workflows: steps with timers, a mailbox, a family of runs and children, and one that only waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from runner.crash.activities import Effects, Step


@dataclass
class Walk:
    """So many steps with rests between them."""

    steps: int
    rest_seconds: float
    work_seconds: float = 0.0


@workflow.defn
class WalkWorkflow:
    """Takes steps; the result are the nonces of the steps in order."""

    def __init__(self) -> None:
        self._nonces: list[str] = []

    @workflow.run
    async def run(self, walk: Walk) -> list[str]:
        for number in range(walk.steps):
            nonce = await workflow.execute_activity_method(
                Effects.take_step,
                Step(number, walk.work_seconds),
                start_to_close_timeout=timedelta(seconds=10 + walk.work_seconds),
                heartbeat_timeout=timedelta(seconds=2),
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(milliseconds=100),
                    maximum_interval=timedelta(seconds=1),
                ),
            )
            self._nonces.append(nonce)
            if walk.rest_seconds:
                await workflow.sleep(walk.rest_seconds)
        return self._nonces

    @workflow.query
    def taken(self) -> int:
        return len(self._nonces)


@workflow.defn
class MailboxWorkflow:
    """Gathers signals and updates until it is closed with the list of all that was acknowledged."""

    def __init__(self) -> None:
        self._mail: list[str] = []
        self._posts: list[str] = []
        self._wanted: list[str] | None = None

    @workflow.run
    async def run(self) -> dict[str, list[str]]:
        await workflow.wait_condition(
            lambda: self._wanted is not None and set(self._wanted) <= set(self._mail) | set(self._posts)
        )
        await workflow.wait_condition(workflow.all_handlers_finished)
        return {"mail": self._mail, "posts": self._posts}

    @workflow.signal
    def mail(self, text: str) -> None:
        self._mail.append(text)

    @workflow.update
    async def post(self, text: str) -> str:
        self._posts.append(text)
        place = len(self._posts)
        await workflow.sleep(0.1)
        return f"{text} is number {place}"

    @workflow.signal
    def close(self, wanted: list[str]) -> None:
        self._wanted = wanted


@dataclass
class Generation:
    """One run of a family, and the nonces of the runs before."""

    number: int
    last: int
    walk: Walk
    nonces: list[str] = field(default_factory=list)


@workflow.defn
class FamilyWorkflow:
    """Each run has a child that walks; then it continues as new, until the last generation."""

    @workflow.run
    async def run(self, generation: Generation) -> list[str]:
        generation.nonces += await workflow.execute_child_workflow(
            WalkWorkflow.run, generation.walk, id=f"{workflow.info().workflow_id}-child-{generation.number}"
        )
        if generation.number == generation.last:
            return generation.nonces
        generation.number += 1
        workflow.continue_as_new(generation)


@workflow.defn
class WaitingWorkflow:
    """Waits until somebody cancels or terminates it."""

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(days=30))


WORKFLOWS = [WalkWorkflow, MailboxWorkflow, FamilyWorkflow, WaitingWorkflow]
