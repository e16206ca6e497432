"""Several scanners at the same time; one that fails for good does not spoil the others' findings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from security_scan.activities import Finding, Issue, Scan, open_issue, scan_folder


@dataclass
class ScanOrder:
    """What to scan; `attempt_seconds` bounds one attempt of one scanner."""

    folder: str
    tracker: str
    scanners: list[str]
    attempt_seconds: float = 300.0
    retry_seconds: float = 1.0


@dataclass
class ScanReport:
    """Findings per scanner, the scanners that failed and why, and the issue that was opened."""

    counts: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    issue: str | None = None


@workflow.defn
class SecurityScanWorkflow:
    @workflow.run
    async def run(self, order: ScanOrder) -> ScanReport:
        answers = await asyncio.gather(
            *(self._scan(order, scanner) for scanner in order.scanners), return_exceptions=True
        )
        report = ScanReport()
        findings: list[Finding] = []
        for scanner, answer in zip(order.scanners, answers, strict=True):
            if isinstance(answer, ActivityError):
                report.failed[scanner] = str(answer.cause)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                report.counts[scanner] = len(answer)
                findings += answer
        if findings:
            report.issue = await workflow.execute_activity(
                open_issue,
                Issue(order.tracker, f"{len(findings)} findings", findings),
                start_to_close_timeout=timedelta(seconds=30),
            )
        return report

    async def _scan(self, order: ScanOrder, scanner: str) -> list[Finding]:
        return await workflow.execute_activity(
            scan_folder,
            Scan(scanner, order.folder),
            start_to_close_timeout=timedelta(seconds=order.attempt_seconds),
            schedule_to_close_timeout=timedelta(minutes=10),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=order.retry_seconds),
                backoff_coefficient=2.0,
                maximum_interval=timedelta(minutes=5),
                maximum_attempts=5,
                non_retryable_error_types=["ValidationError"],
            ),
        )
