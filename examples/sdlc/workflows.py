"""Software development from the backlog to the closed story, in seventeen steps.

1 select task, 2 analyse, 3 design, 4 branch, 5 implement, 6 format, 7-10 four reviews at the same time,
11 quality gate (back to 5 when it does not hold), 12 run tests, 13 measure coverage, 14 open a pull request,
15 human approval, 16 merge, 17 close the story.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from sdlc.activities import (
        Review,
        Story,
        close_story,
        implement,
        note_step,
        open_pull_request,
        review,
        run_tests,
        select_task,
    )

REVIEWERS = ["security", "documentation", "style", "design"]
#: How often the quality gate may send the code back.
ROUNDS_MAX = 3
THREE_ATTEMPTS = RetryPolicy(maximum_attempts=3)


@dataclass
class Approval:
    """A human's word on the pull request."""

    by: str
    approved: bool


@dataclass
class Delivery:
    """How the story ended: `merged`, `rejected` or `abandoned`."""

    outcome: str
    rounds: int
    steps: list[str] = field(default_factory=list)


@workflow.defn
class SDLCWorkflow:
    def __init__(self) -> None:
        self._steps: list[str] = []
        self._approval: Approval | None = None

    @workflow.run
    async def run(self, backlog: str, approval_days: float) -> Delivery:
        story = await workflow.execute_activity(
            select_task, backlog, start_to_close_timeout=timedelta(minutes=5), retry_policy=THREE_ATTEMPTS
        )
        self._steps.append("select task")
        for step in ("analyse", "design", "branch"):
            await self._note(story, step)
        rounds = await self._until_quality_holds(story)
        await workflow.execute_activity(run_tests, story, start_to_close_timeout=timedelta(minutes=30))
        self._steps.append("run tests")
        await self._note(story, "measure coverage")
        await workflow.execute_activity(open_pull_request, story, start_to_close_timeout=timedelta(minutes=5))
        self._steps.append("open pull request")
        outcome = await self._human_approval(timedelta(days=approval_days))
        if outcome == "merged":
            await self._note(story, "merge")
        await workflow.execute_activity(close_story, args=[story, outcome], start_to_close_timeout=timedelta(minutes=5))
        self._steps.append("close story")
        return Delivery(outcome, rounds, self._steps)

    async def _until_quality_holds(self, story: Story) -> int:
        """Implements and reviews until no reviewer finds anything; returns the number of rounds."""
        findings: list[str] = []
        for rounds in range(1, ROUNDS_MAX + 1):
            await workflow.execute_activity(
                implement,
                args=[story, findings],
                start_to_close_timeout=timedelta(hours=2),
                heartbeat_timeout=timedelta(minutes=5),
                retry_policy=THREE_ATTEMPTS,
            )
            self._steps.append("implement")
            await self._note(story, "format")
            reviews = await asyncio.gather(*(self._review(story, reviewer) for reviewer in REVIEWERS))
            findings = [finding for one in reviews for finding in one.findings]
            self._steps.append("quality gate")
            if not findings:
                return rounds
        raise ApplicationError(f"not good enough after {ROUNDS_MAX} rounds: {findings}", type="QualityGate")

    async def _review(self, story: Story, reviewer: str) -> Review:
        opinion: Review = await workflow.execute_activity(
            review, args=[story, reviewer], start_to_close_timeout=timedelta(minutes=30), retry_policy=THREE_ATTEMPTS
        )
        self._steps.append(f"{reviewer} review")
        return opinion

    async def _human_approval(self, wait: timedelta) -> str:
        """Blocks until somebody speaks or the time is up."""
        try:
            await workflow.wait_condition(lambda: self._approval is not None, timeout=wait)
        except asyncio.TimeoutError:
            return "abandoned"
        self._steps.append("human approval")
        return "merged" if self._approval is not None and self._approval.approved else "rejected"

    async def _note(self, story: Story, step: str) -> None:
        await workflow.execute_activity(note_step, args=[story, step], start_to_close_timeout=timedelta(minutes=5))
        self._steps.append(step)

    @workflow.signal
    def human_approval(self, approval: Approval) -> None:
        self._approval = approval

    @workflow.query
    def steps(self) -> list[str]:
        return self._steps
