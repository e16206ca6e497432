"""Learning material made from this repository's own pages, and the vault for what was denied."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity


@dataclass
class Topic:
    """What to learn, from the Markdown pages of a folder."""

    name: str
    folder: str
    vault: str


@dataclass
class Denied:
    """Content that somebody denied, and why."""

    vault: str
    steps: list[str]
    reason: str


@activity.defn
def generate_learning_path(topic: Topic) -> list[str]:
    """The five pages that use the topic's word most, most first."""
    counts: Counter[str] = Counter()
    for page in Path(topic.folder).glob("*/README.md"):
        counts[page.parent.name] = len(re.findall(topic.name, page.read_text(), re.IGNORECASE))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [f"read {name}" for name, _ in ranked[:5]]


@activity.defn
def store_in_vault(denied: Denied) -> str:
    """Locks denied content away under its hash, and answers with the hash."""
    content = json.dumps([denied.steps, denied.reason])
    digest = hashlib.sha256(content.encode()).hexdigest()
    Path(denied.vault, f"{digest}.json").write_text(content)
    return digest
