"""Every history must lead its workflow's code to the same decisions: the SDK's replayer is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer

#: The SDK's replayer never ends on some histories that are not complete, so each replay is bounded.
REPLAY_SECONDS_MAX = 30.0


async def fault(replayer: Replayer, workflow_id: str, run_id: str, events: Sequence[HistoryEvent]) -> str | None:
    """Why the replayer does not accept a history, if it does not; one without a completed task is not asked."""
    if not any(event.HasField("workflow_task_completed_event_attributes") for event in events):
        return None
    replaying = replayer.replay_workflow(WorkflowHistory(workflow_id, events), raise_on_replay_failure=False)
    try:
        result = await asyncio.wait_for(replaying, REPLAY_SECONDS_MAX)
    except asyncio.TimeoutError:
        return f"replay of run {run_id} does not end"
    if result.replay_failure is None:
        return None
    return f"replay of run {run_id}: {result.replay_failure}"


async def closed_runs(client: Client, replayer: Replayer, task_queue: str, at_most: int) -> tuple[int, list[str]]:
    """Replays runs of a queue that have ended: how many, and what is wrong."""
    count, faults = 0, []
    query = f"TaskQueue = '{task_queue}' AND ExecutionStatus != 'Running'"
    async for execution in client.list_workflows(query, limit=at_most):
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        events = [event async for event in handle.fetch_history_events()]
        wrong = await fault(replayer, execution.id, execution.run_id, events)
        faults += [f"{execution.workflow_type} {execution.id}: {wrong}"] if wrong else []
        count += 1
    return count, faults
