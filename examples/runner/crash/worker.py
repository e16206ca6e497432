"""The worker process of the crash test, and how a load or a test starts and kills it."""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from temporalio.service import RPCError
from temporalio.worker import Worker

from model_training.activities import train_steps
from model_training.workflows import ModelTrainingWorkflow
from runner.crash.activities import Effects
from runner.crash.ledger import Ledger
from runner.crash.patience import PAUSE_SECONDS, Deadline, connect
from runner.crash.workflows import WORKFLOWS

#: A worker that nobody stops ends by itself after this time.
WORKER_SECONDS_MAX = 3600.0


async def main(address: str, namespace: str, folder: Path) -> int:
    """Works until the process that started it ends; a server that is away is waited for."""
    parent = os.getppid()
    working = asyncio.create_task(_work(address, namespace, folder))
    deadline = Deadline(WORKER_SECONDS_MAX)
    while os.getppid() == parent and not deadline.passed():
        await asyncio.sleep(PAUSE_SECONDS)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    return 0


async def _work(address: str, namespace: str, folder: Path) -> None:
    deadline = Deadline(WORKER_SECONDS_MAX)
    effects = Effects(Ledger(folder).effects_path)
    pool = ThreadPoolExecutor(4)
    while True:
        client = await connect(address, namespace, deadline)
        worker = Worker(
            client,
            task_queue=task_queue(folder),
            workflows=[*WORKFLOWS, ModelTrainingWorkflow],
            activities=[effects.take_step, train_steps],
            activity_executor=pool,
        )
        try:
            await worker.run()
        except (RuntimeError, RPCError) as error:  # The worker gave up because the server was away for long.
            print(f"the worker starts again: {error}", file=sys.stderr, flush=True)
            await asyncio.sleep(PAUSE_SECONDS)


def task_queue(folder: Path) -> str:
    """A task queue for each ledger, so that workers of other loads do not take part."""
    return f"crash-{folder.resolve().name}"


class WorkerProcess:
    """A worker in a process of its own."""

    def __init__(self, address: str, namespace: str, folder: Path) -> None:
        self._command = [sys.executable, "-m", "runner", "crash-worker", "--address", address]
        self._command += ["--namespace", namespace, "--ledger", str(folder)]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(*self._command)

    async def kill(self) -> None:
        """Ends it at once, without any chance to say good-bye to the server."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
