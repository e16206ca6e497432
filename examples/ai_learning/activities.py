"""Learning requests are checked, processed and stored; knowledge is a folder of files named by hash."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

WORDS_MIN = 3


@dataclass
class LearningRequest:
    """Text to learn from; `vault` lists the hashes of content that must not be learned."""

    text: str
    vault: list[str]
    store: str


@dataclass
class Knowledge:
    """What was learned: how often each word occurs."""

    store: str
    words: dict[str, int]


def digest(text: str) -> str:
    """The name under which the vault knows a text."""
    return hashlib.sha256(text.encode()).hexdigest()


@activity.defn
def validate_learning_content(request: LearningRequest) -> int:
    """The number of words; too few can never become valid by another attempt."""
    words = len(request.text.split())
    if words < WORDS_MIN:
        raise ApplicationError(f"{words} words are too few", type="ValidationError")
    return words


@activity.defn
def check_black_vault(request: LearningRequest) -> bool:
    """Whether the vault has this text. The vault does not answer at the first attempt."""
    if activity.info().attempt == 1:
        raise ApplicationError("the vault does not answer", type="VaultUnavailable")
    return digest(request.text) in request.vault


@activity.defn
def process_learning_request(request: LearningRequest) -> Knowledge:
    """Counts the words."""
    return Knowledge(request.store, dict(Counter(request.text.lower().split())))


@activity.defn
def store_knowledge(knowledge: Knowledge) -> str:
    """Writes the counts under their hash; a second attempt writes the same file."""
    content = json.dumps(knowledge.words, sort_keys=True)
    path = Path(knowledge.store, f"{digest(content)[:16]}.json")
    path.write_text(content)
    return path.name
