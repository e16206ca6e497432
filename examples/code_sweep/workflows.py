"""A sweep that recurs by cron. Its child goes through the files page by page and continues as new after each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from code_sweep.activities import Page, measure_page


@dataclass
class Sweep:
    """Where a sweep stands; the figures are those of the pages before `first`."""

    folder: str
    page_size: int
    first: int = 0
    files: int = 0
    lines: int = 0
    digest: str = ""
    runs: int = 1


@dataclass
class SweepReport:
    """One sweep's figures, and how it compares with the one before."""

    number: int
    files: int
    lines: int
    digest: str
    pages: int
    changed: bool


@workflow.defn
class SweepPagesWorkflow:
    @workflow.run
    async def run(self, sweep: Sweep) -> Sweep:
        page = await workflow.execute_activity(
            measure_page,
            Page(sweep.folder, sweep.first, sweep.page_size),
            start_to_close_timeout=timedelta(minutes=5),
        )
        sweep.files += page.files
        sweep.lines += page.lines
        sweep.digest = hashlib.sha256((sweep.digest + page.digest).encode()).hexdigest()
        if page.more:
            sweep.first += sweep.page_size
            sweep.runs += 1
            workflow.continue_as_new(sweep)
        return sweep


@workflow.defn
class CodeSweepWorkflow:
    """One run of the cron; the run before is known by its result."""

    @workflow.run
    async def run(self, folder: str, page_size: int) -> SweepReport:
        swept = await workflow.execute_child_workflow(
            SweepPagesWorkflow.run,
            Sweep(folder, page_size),
            id=f"{workflow.info().workflow_id}-pages-{workflow.info().run_id}",
        )
        before: SweepReport | None = None
        if workflow.has_last_completion_result():
            before = workflow.get_last_completion_result(SweepReport)
        return SweepReport(
            number=before.number + 1 if before else 1,
            files=swept.files,
            lines=swept.lines,
            digest=swept.digest,
            pages=swept.runs,
            changed=before is None or before.digest != swept.digest,
        )
