"""The progress display and the table of results, in plain text."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Row:
    """One line of the table of results."""

    example: str
    workflow_id: str
    status: str
    summary: str
    events: int
    seconds: float
    ok: bool

    def cells(self) -> list[str]:
        mark = "ok" if self.ok else "FAILED"
        return [
            self.example,
            self.workflow_id,
            self.status,
            str(self.events),
            f"{self.seconds:.1f}",
            mark,
            self.summary,
        ]


class Board:
    """Shows what each running example does: one line that is redrawn on a terminal, lines otherwise."""

    def __init__(self, names: Sequence[str], quiet: bool) -> None:
        self._doing: dict[str, str] = {}
        self._total = len(names)
        self._done = 0
        self._quiet = quiet
        self._redraw = sys.stderr.isatty() and not quiet

    def say(self, name: str, text: str) -> None:
        """Says what an example is doing at the moment."""
        self._doing[name] = text
        self._draw()

    def done(self, row: Row) -> None:
        """Takes an example off the display and leaves a line about it."""
        self._doing.pop(row.example, None)
        self._done += 1
        if self._quiet:
            return
        word = "passed" if row.ok else "FAILED"
        line = f"[{self._done:2}/{self._total}] {word} {row.example} ({row.seconds:.1f} s): {row.summary}"
        print(self._clear() + line, file=sys.stderr, flush=True)
        self._draw()

    def _clear(self) -> str:
        return "\r\x1b[2K" if self._redraw else ""

    def _draw(self) -> None:
        if not self._redraw or not self._doing:
            return
        width = shutil.get_terminal_size().columns - 1
        text = "  ".join(f"{name}: {doing}" for name, doing in self._doing.items())
        print(self._clear() + f"{self._done}/{self._total}  {text}"[:width], end="", file=sys.stderr, flush=True)


def table(rows: Sequence[Row]) -> str:
    """The results as an aligned table; the last column is not padded."""
    lines = [["example", "workflow id", "status", "events", "seconds", "check", "result"]]
    lines += [row.cells() for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]) - 1)]
    lines.insert(1, ["-" * width for width in widths] + ["------"])
    return "\n".join(
        "  ".join([cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=True)] + [line[-1]])
        for line in lines
    )
