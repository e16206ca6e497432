"""Activities whose every execution leaves a line in a file, so that it can be counted later."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError


@dataclass
class Step:
    """One step of a workflow; `work_seconds` is how long it takes, with heartbeats on the way."""

    number: int
    work_seconds: float


class Effects:
    """The activities, bound to the file that they write."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @activity.defn
    async def take_step(self, step: Step) -> str:
        """Writes a line with a new nonce and returns the nonce; every third step fails at its first attempt."""
        info = activity.info()
        if step.number % 3 == 2 and info.attempt == 1:
            raise ApplicationError("the first attempt fails", type="Planned")
        for _ in range(round(step.work_seconds / 0.1)):
            activity.heartbeat(step.number)
            await asyncio.sleep(0.1)
        nonce = uuid.uuid4().hex
        line = {"nonce": nonce, "workflow_id": info.workflow_id, "step": step.number, "attempt": info.attempt}
        # One write in append mode: lines of concurrent activities do not mix.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, (json.dumps(line) + "\n").encode())
        finally:
            os.close(descriptor)
        return nonce
