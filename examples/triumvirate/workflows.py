"""An ethical review: three guardians vote at the same time, all of them must approve."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from triumvirate.activities import (
        Action,
        Vote,
        cerberus_reviews_security,
        codex_reviews_knowledge,
        galahad_reviews_ethics,
    )

GUARDIANS = [galahad_reviews_ethics, cerberus_reviews_security, codex_reviews_knowledge]


@dataclass
class Verdict:
    """The decision, each vote, and what happened in which order."""

    approved: bool
    votes: list[Vote]
    audit_trail: list[str]


@workflow.defn
class TriumvirateWorkflow:
    def __init__(self) -> None:
        self._audit_trail: list[str] = []

    @workflow.run
    async def run(self, action: Action) -> Verdict:
        self._audit_trail.append(f"{action.actor} asks")
        votes = await asyncio.gather(*(self._vote(guardian, action) for guardian in GUARDIANS))
        approved = all(vote.approves for vote in votes)
        self._audit_trail.append("approved" if approved else "denied")
        return Verdict(approved, list(votes), self._audit_trail)

    async def _vote(self, guardian, action: Action) -> Vote:
        vote: Vote = await workflow.execute_activity(
            guardian,
            action,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=1),
                backoff_coefficient=2.0,
                maximum_interval=timedelta(seconds=100),
                maximum_attempts=3,
            ),
        )
        self._audit_trail.append(f"{vote.guardian} votes {'yes' if vote.approves else 'no'}")
        return vote

    @workflow.query
    def audit_trail(self) -> list[str]:
        return self._audit_trail
