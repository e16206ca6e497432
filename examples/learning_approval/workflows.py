"""A learning path is made, then a human decides: by update or by signal. Denied content goes to the vault."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from learning_approval.activities import Denied, Topic, generate_learning_path, store_in_vault


@dataclass
class LearningOrder:
    """What to learn, and how long a human may think about it."""

    topic: Topic
    decide_within_seconds: float = 7 * 24 * 3600.0


@dataclass
class Decision:
    """A human's answer."""

    reviewer: str
    approved: bool
    reason: str = ""


@dataclass
class Learned:
    """How it ended: `approved`, `denied` or `expired`."""

    outcome: str
    steps: list[str]
    vault_entry: str | None = None


@workflow.defn
class LearningWorkflow:
    def __init__(self) -> None:
        self._stage = "generating"
        self._decision: Decision | None = None

    @workflow.run
    async def run(self, order: LearningOrder) -> Learned:
        steps = await workflow.execute_activity(
            generate_learning_path, order.topic, start_to_close_timeout=timedelta(minutes=5)
        )
        self._stage = "waiting for approval"
        wait = timedelta(seconds=order.decide_within_seconds)
        try:
            await workflow.wait_condition(lambda: self._decision is not None, timeout=wait)
        except asyncio.TimeoutError:
            self._stage = "expired"
            return Learned("expired", steps)
        assert self._decision is not None
        if self._decision.approved:
            self._stage = "approved"
            return Learned("approved", steps)
        self._stage = "storing in the vault"
        entry = await workflow.execute_activity(
            store_in_vault,
            Denied(order.topic.vault, steps, self._decision.reason),
            start_to_close_timeout=timedelta(seconds=30),
        )
        self._stage = "denied"
        return Learned("denied", steps, entry)

    @workflow.update
    def decide(self, decision: Decision) -> str:
        self._decision = decision
        return f"noted, {decision.reviewer}"

    @decide.validator
    def _refuse_bad_decisions(self, decision: Decision) -> None:
        if self._stage != "waiting for approval" or self._decision is not None:
            raise ValueError(f"nothing to decide while {self._stage}")
        if not decision.approved and not decision.reason:
            raise ValueError("a denial needs a reason")

    @workflow.signal
    def decide_later(self, decision: Decision) -> None:
        """The same decision as a signal, from somebody who does not wait for the answer."""
        if self._decision is None:
            self._decision = decision

    @workflow.query
    def progress(self) -> str:
        return self._stage
