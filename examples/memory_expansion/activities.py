"""Takes memories out of a conversation and keeps them in a folder with an index of words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError


@dataclass
class Conversation:
    """What was said, and where memories are kept."""

    lines: list[str]
    folder: str


@dataclass
class Memories:
    """Sentences worth keeping."""

    folder: str
    sentences: list[str]


@activity.defn
def extract_memory_information(conversation: Conversation) -> Memories:
    """Sentences in which somebody asks to remember something."""
    found = [line.split("remember", 1)[1].strip(" :.") for line in conversation.lines if "remember" in line]
    return Memories(conversation.folder, found)


@activity.defn
def store_memories(memories: Memories) -> int:
    """Writes the sentences; the disk is full at the first two attempts."""
    attempt = activity.info().attempt
    if attempt < 3:
        raise ApplicationError(f"no space left on device (attempt {attempt})", type="DiskFull")
    Path(memories.folder, "memories.json").write_text(json.dumps(memories.sentences))
    return len(memories.sentences)


@activity.defn
def update_memory_indexes(folder: str) -> dict[str, list[int]]:
    """For each word the numbers of the sentences that have it."""
    index: dict[str, list[int]] = {}
    for number, sentence in enumerate(json.loads(Path(folder, "memories.json").read_text())):
        for word in sorted(set(re.findall(r"[a-z]+", sentence.lower()))):
            index.setdefault(word, []).append(number)
    return index
