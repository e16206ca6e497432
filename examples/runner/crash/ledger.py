"""What the server has acknowledged: a line of JSON per operation, on disk before anything else happens."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass
class Entry:
    """One acknowledged operation: start, signal, update, cancel, terminate or result of a workflow.

    `token` is the unique payload of a signal, the id of an update, the run id of a start, and empty otherwise.
    `value` is the outcome of an update or the result of a workflow.
    """

    operation: str
    workflow_id: str
    token: str = ""
    value: Any = None


class Ledger:
    """The file in which the entries are kept, and the effects file of the activities beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.jsonl"
        self.effects_path = folder / "effects.jsonl"
        self.counts: Counter[str] = Counter()

    def write(self, entry: Entry) -> None:
        """Appends an entry and waits until it is on disk."""
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(entry)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.counts[entry.operation] += 1

    def entries(self) -> list[Entry]:
        """All entries in the order in which they were acknowledged."""
        return [Entry(**json.loads(line)) for line in self.path.read_text().splitlines()]

    def effects(self) -> dict[str, dict[str, Any]]:
        """The lines of the activities by nonce."""
        if not self.effects_path.exists():
            return {}
        lines = [json.loads(line) for line in self.effects_path.read_text().splitlines()]
        return {line["nonce"]: line for line in lines}

    def summary(self) -> str:
        """The number of entries by operation."""
        return ", ".join(f"{count} {operation}s" for operation, count in sorted(self.counts.items()))
