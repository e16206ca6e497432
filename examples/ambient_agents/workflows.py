"""Two agents: one that files notes, and one that takes its time, so that its next turn comes while it still works."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from ambient_agents.activities import file_notes


@workflow.defn
class FilingAgentWorkflow:
    """One turn. The schedule hands the result of the turn before to the next: the notes filed so far."""

    @workflow.run
    async def run(self, folder: str) -> int:
        filed = await workflow.execute_activity(
            file_notes, folder, start_to_close_timeout=timedelta(seconds=10)
        )
        before = workflow.get_last_completion_result(int) or 0
        return before + filed


@workflow.defn
class SlowAgentWorkflow:
    """Works until it is told that it is done."""

    def __init__(self) -> None:
        self._done = False

    @workflow.run
    async def run(self, folder: str) -> str:
        await workflow.wait_condition(lambda: self._done)
        return folder

    @workflow.signal
    def finish(self) -> None:
        self._done = True
