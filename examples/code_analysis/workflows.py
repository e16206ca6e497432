"""Analyses of a code base at the same time; hours long, so they heartbeat and can be cancelled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from code_analysis.activities import AnalysisJob, Measure, analyse


@dataclass
class CodeAnalysis:
    """What to analyse and how."""

    folder: str
    analysis_types: list[str]
    pause_seconds: float = 1.0
    silence_seconds: float = 60.0


@workflow.defn
class CodeAnalysisWorkflow:
    @workflow.run
    async def run(self, order: CodeAnalysis) -> dict[str, int]:
        # With the failures among the answers: a cancel must wait until every analysis has cleaned up.
        answers = await asyncio.gather(
            *(self._analyse(order, kind) for kind in order.analysis_types), return_exceptions=True
        )
        counts = {}
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            counts[answer.kind] = answer.count
        return counts

    async def _analyse(self, order: CodeAnalysis, kind: str) -> Measure:
        return await workflow.execute_activity(
            analyse,
            AnalysisJob(kind, order.folder, order.pause_seconds),
            start_to_close_timeout=timedelta(hours=4),
            heartbeat_timeout=timedelta(seconds=order.silence_seconds),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
