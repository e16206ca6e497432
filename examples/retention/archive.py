"""Closed workflows in files: `perdure history export` and `import`, and files that are older than they are."""

from __future__ import annotations

import asyncio
import json
import subprocess
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from runner.example import CheckFailed


@dataclass
class Archive:
    """The command that moves histories between a server and files."""

    binary: str
    address: str

    async def export(self, namespace: str, folder: Path) -> int:
        """Writes all closed workflows of a namespace that are not in the folder yet; returns how many those were."""
        return (await self._run("export", "--to", str(folder), namespace=namespace))["exported"]

    async def bring_in(self, namespace: str, *files: Path) -> int:
        """Takes histories in; returns how many were new."""
        return (await self._run("import", *map(str, files), namespace=namespace))["imported"]

    async def _run(self, *words: str, namespace: str) -> dict[str, Any]:
        common = ["--address", self.address, "--namespace", namespace, "--output", "json"]
        command = [self.binary, "history", *words, *common]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CheckFailed(f"{' '.join(command)}: {done.stdout}{done.stderr}".strip())
        return json.loads(done.stdout)


def older(file: Path, age: timedelta, workflow_id: str, to: Path) -> Path:
    """A copy of a history as if all of it had happened earlier, of a workflow of another id. Nobody waits hours for an example."""
    history = json.loads(file.read_text(encoding="utf-8"))
    for event in history["events"]:
        event["eventTime"] = (datetime.fromisoformat(event["eventTime"]) - age).isoformat()
    started = history["events"][0]["workflowExecutionStartedEventAttributes"]
    started["workflowId"] = workflow_id
    # A server has each run id once.
    started["originalExecutionRunId"] = started["firstExecutionRunId"] = str(uuid.uuid4())
    copy = to / f"{workflow_id}.json"
    copy.write_text(json.dumps(history), encoding="utf-8")
    return copy
