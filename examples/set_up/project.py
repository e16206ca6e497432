"""What a project's folder says: where its server is, and which processes run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

#: How long a process may take to end by itself.
STOP_MAX = 30.0
POLL = 0.05


class Refused(Exception):
    """What the user must do first; its text says so."""


@dataclass
class Settings:
    """Kept in `settings.json` of the folder."""

    perdure: str
    port: int
    http_port: int
    namespace: str
    task_queue: str

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"


class Project:
    """The folder: settings, the server's database, and for each process its id and its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "settings.json"

    def save(self, settings: Settings) -> None:
        """Writes the settings, once it is certain that there is a server to start."""
        binary = shutil.which(settings.perdure)
        if binary is None:
            raise Refused(f"there is no {settings.perdure}: build it (cargo build --release) and give --perdure FILE")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(asdict(settings) | {"perdure": str(Path(binary).resolve())}, indent=2) + "\n")

    def settings(self) -> Settings:
        if not self._file.exists():
            raise Refused(f"{self.folder} is not set up: run init")
        return Settings(**json.loads(self._file.read_text()))

    def start(self, name: str, command: list[str]) -> None:
        """Starts a process that outlives this one."""
        if self.process_id(name) is not None:
            raise Refused(f"the {name} runs already: stop it first")
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._id_file(name).write_text(f"{process.pid} {_started_at(process.pid)}")

    def stop(self, name: str) -> bool:
        """Asks a process to end and waits until it has; whether there was one."""
        process_id = self.process_id(name)
        if process_id is None:
            return False
        os.kill(process_id, signal.SIGTERM)
        deadline = time.monotonic() + STOP_MAX
        while self.process_id(name) is not None:
            if time.monotonic() > deadline:
                raise Refused(f"the {name} (process {process_id}) does not end: see {self.log(name)}")
            time.sleep(POLL)
        self._id_file(name).unlink()
        return True

    def process_id(self, name: str) -> int | None:
        """The process, if it still runs: another one may have its number by now, but did not start at its time."""
        file = self._id_file(name)
        if not file.exists():
            return None
        process_id, started_at = file.read_text().split()
        return int(process_id) if _started_at(int(process_id)) == started_at else None

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _id_file(self, name: str) -> Path:
        return self.folder / f"{name}.pid"


def _started_at(process_id: int) -> str | None:
    """When a process started, as Linux counts; None where there is none, or only its remains."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state == "Z" else fields[18]
