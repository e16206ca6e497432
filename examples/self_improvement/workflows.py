"""Proposes changes to a repository; applies the certain ones by itself if it may, the others once approved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from self_improvement.activities import apply_change, propose_changes


@dataclass
class Progress:
    """Where the workflow stands."""

    phase: str = "analysing"
    proposed: list[str] = field(default_factory=list)
    applied: list[str] = field(default_factory=list)


@workflow.defn
class SelfImprovementWorkflow:
    def __init__(self) -> None:
        self._progress = Progress()
        self._approved: list[str] | None = None

    @workflow.run
    async def run(self, repo_path: str, auto_apply: bool, confidence_threshold: float) -> list[str]:
        changes = await workflow.execute_activity(
            propose_changes, repo_path, start_to_close_timeout=timedelta(minutes=10)
        )
        certain = [change for change in changes if auto_apply and change.confidence >= confidence_threshold]
        others = [change for change in changes if change not in certain]
        self._progress.proposed = [change.id for change in others]
        if others:
            self._progress.phase = "waiting for approval"
            await workflow.wait_condition(lambda: self._approved is not None)
        approved = self._approved or []
        self._progress.phase = "applying"
        for change in certain + [change for change in others if change.id in approved]:
            done = await workflow.execute_activity(
                apply_change, args=[repo_path, change], start_to_close_timeout=timedelta(minutes=1)
            )
            self._progress.applied.append(done)
        self._progress.phase = "done"
        return self._progress.applied

    @workflow.signal
    def approve_changes(self, change_ids: list[str]) -> None:
        self._approved = change_ids

    @workflow.query
    def get_progress(self) -> Progress:
        return self._progress
