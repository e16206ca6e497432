"""Finds small improvements in Python files and applies those that were approved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from temporalio import activity


@dataclass
class Change:
    """A proposal; `id` is the file and the line, `confidence` is between 0 and 1."""

    id: str
    kind: str
    confidence: float


@activity.defn
def propose_changes(repo_path: str) -> list[Change]:
    """White space at the end of a line is surely wrong, a tab probably, a long line perhaps."""
    changes = []
    for path in sorted(Path(repo_path).rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            place = f"{path.name}:{number}"
            if line != line.rstrip():
                changes.append(Change(place, "trailing white space", 0.95))
            elif "\t" in line:
                changes.append(Change(place, "tab", 0.8))
            elif len(line) > 100:
                changes.append(Change(place, "long line", 0.3))
    return changes


@activity.defn
def apply_change(repo_path: str, change: Change) -> str:
    """Rewrites one line; doing it twice changes nothing more."""
    name, number = change.id.split(":")
    path = Path(repo_path, name)
    lines = path.read_text().split("\n")
    lines[int(number) - 1] = lines[int(number) - 1].rstrip().replace("\t", "    ")
    path.write_text("\n".join(lines))
    return change.id
