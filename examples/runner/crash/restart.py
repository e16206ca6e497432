"""`python -m runner worker-restart`: the worker is killed in the middle of its work, twice; the workflows go on."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import uuid
from functools import partial
from operator import le
from pathlib import Path

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowHandle

from model_training.workflows import ModelTrainingWorkflow, Training
from runner.crash.ledger import Ledger
from runner.crash.patience import Deadline, connect
from runner.crash.worker import WorkerProcess, task_queue
from runner.crash.workflows import Walk, WalkWorkflow
from runner.example import Stage, check, check_equal, of_kind

WALKS = 5
STEPS = 4
#: Long enough to be killed in the middle of each step.
WORK_SECONDS = 1.0


async def main(address: str, namespace: str) -> int:
    """0 when every workflow has its right result although the worker died under it."""
    client = await connect(address, namespace, Deadline(60.0))
    with tempfile.TemporaryDirectory(prefix=f"restart-{uuid.uuid4().hex[:8]}-") as name:
        folder = Path(name)
        worker = WorkerProcess(address, namespace, folder)
        await worker.start()
        try:
            retried = await _scenario(client, worker, folder)
        finally:
            await worker.kill()
    print(f"worker-restart: {WALKS} walks and a training went on after 2 kills; {retried} activities were tried again")
    print("1 passed, 0 failed")
    return 0


async def _scenario(client: Client, worker: WorkerProcess, folder: Path) -> int:
    def say(text: str) -> None:
        print(f"worker-restart: {text}", file=sys.stderr, flush=True)

    stage = Stage(client, task_queue(folder), uuid.uuid4().hex[:8], folder, say)
    training = Training(num_steps=400, chunk=20, chunks_per_run=5, rest_seconds=0.2)
    trained = await client.start_workflow(
        ModelTrainingWorkflow.run, training, id=stage.id("restart-training"), task_queue=stage.task_queue
    )
    latest = client.get_workflow_handle_for(ModelTrainingWorkflow.run, trained.id)
    walks = [
        await client.start_workflow(
            WalkWorkflow.run,
            Walk(STEPS, 0.1, WORK_SECONDS),
            id=stage.id(f"restart-walk-{number}"),
            task_queue=stage.task_queue,
        )
        for number in range(WALKS)
    ]
    for taken in (1, 2):
        await stage.until(f"until step {taken}", partial(walks[0].query, WalkWorkflow.taken), partial(le, taken))
        await stage.until("until the next step is under way", lambda: _under_way(walks[0]), bool)
        say("kills the worker")
        await worker.kill()
        await asyncio.sleep(1.0)
        await worker.start()
    progress = await latest.result()
    check_equal((progress.step, progress.runs), (400, 4), "steps and runs of the training")
    return await _retried(stage, walks)


async def _under_way(walk: WorkflowHandle) -> bool:
    """Whether a worker is executing an activity of this workflow."""
    pending = (await walk.describe()).raw_description.pending_activities
    return any(activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED for activity in pending)


async def _retried(stage: Stage, walks: list[WorkflowHandle]) -> int:
    """The number of activities that a kill made the server try again."""
    retried = 0
    results = [await walk.result() for walk in walks]
    effects = Ledger(stage.work_dir).effects()
    for walk, nonces in zip(walks, results, strict=True):
        steps = [effects[nonce]["step"] for nonce in nonces]
        check_equal(steps, list(range(STEPS)), f"steps of {walk.id}")
        for started in of_kind(await stage.events(walk), "activity_task_started"):
            retried += started.last_failure.HasField("timeout_failure_info")
    check(retried > 0, "a kill in the middle of a step makes the server try it again")
    return retried
