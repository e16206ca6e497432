"""A run begins under version 1 and ends under version 2; histories, old and new, are replayed with each version."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer, Worker

from evolving.activities import greet_plainly, greet_warmly
from evolving.workflows import NAME, PATCH, EvolvingWorkflowBroken, EvolvingWorkflowV1, EvolvingWorkflowV2
from runner.example import Example, Report, Stage, check, check_equal, of_kind

#: A history of the first version, recorded long ago.
RECORDED = Path(__file__).parent / "histories" / "v1.json"
REPLAY_SECONDS_MAX = 20.0


async def run(stage: Stage) -> Report:
    async with _worker(stage, EvolvingWorkflowV1):
        old = await _start(stage, "evolving-old")
        await stage.until("a run of version 1 waits", lambda: _tasks_completed(stage, old), lambda count: count == 1)
    async with _worker(stage, EvolvingWorkflowV2):
        new = await _start(stage, "evolving-new")
        for handle in (old, new):
            await handle.signal("go_on")
        check_equal(await old.result(), "Hello, ann", "a run of version 1 under version 2")
        check_equal(await new.result(), "Welcome back, ann!", "a run of version 2")
    markers = of_kind(await stage.events(new), "marker_recorded")
    check_equal(len(markers), 1, "patch markers of the new run")
    check(PATCH.encode() in markers[0].SerializeToString(), "the marker names the patch")

    stage.say("replays")
    histories = {
        "recorded": WorkflowHistory.from_json("evolving-recorded", RECORDED.read_text()),
        "old": await old.fetch_history(),
        "new": await new.fetch_history(),
    }
    outcomes = {
        version.__name__.removeprefix("EvolvingWorkflow"): [
            name for name, history in histories.items() if await _replays(version, history)
        ]
        for version in (EvolvingWorkflowV1, EvolvingWorkflowV2, EvolvingWorkflowBroken)
    }
    wanted = {"V1": ["recorded", "old"], "V2": ["recorded", "old", "new"], "Broken": []}
    check_equal(outcomes, wanted, "histories that each version can replay")
    return Report(new, "v1 run ended under v2, 3 histories replayed, broken version found out")


def _worker(stage: Stage, version: type) -> Worker:
    return Worker(
        stage.client,
        task_queue=stage.id(stage.task_queue),
        workflows=[version],
        activities=[greet_plainly, greet_warmly],
        activity_executor=ThreadPoolExecutor(2),
        # Without a cache the second worker need not wait until the first one's sticky queue is given up.
        max_cached_workflows=0,
    )


async def _start(stage: Stage, name: str) -> WorkflowHandle:
    return await stage.client.start_workflow(
        NAME, "ann", id=stage.id(name), task_queue=stage.id(stage.task_queue), result_type=str
    )


async def _tasks_completed(stage: Stage, handle: WorkflowHandle) -> int:
    return len(of_kind(await stage.events(handle), "workflow_task_completed"))


async def _replays(version: type, history: WorkflowHistory) -> bool:
    """Whether the version's code makes the commands that the history has."""
    replayer = Replayer(workflows=[version])
    result = await asyncio.wait_for(
        replayer.replay_workflow(history, raise_on_replay_failure=False), REPLAY_SECONDS_MAX
    )
    return result.replay_failure is None


EXAMPLE = Example(name="evolving", task_queue="evolving", run=run)
