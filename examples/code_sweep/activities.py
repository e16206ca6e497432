"""Measures the Python files of a folder, a page at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity


@dataclass
class Page:
    """Files `first` to `first + size` of a folder, in the order of their names."""

    folder: str
    first: int
    size: int


@dataclass
class PageFigures:
    """What one page adds to the sweep; `more` is whether there are files after it."""

    files: int
    lines: int
    digest: str
    more: bool


@activity.defn
def measure_page(page: Page) -> PageFigures:
    """Counts files and lines and hashes the contents."""
    paths = sorted(Path(page.folder).rglob("*.py"))
    mine = paths[page.first : page.first + page.size]
    hasher = hashlib.sha256()
    lines = 0
    for path in mine:
        content = path.read_bytes()
        hasher.update(content)
        lines += content.count(b"\n")
    return PageFigures(len(mine), lines, hasher.hexdigest(), page.first + page.size < len(paths))
