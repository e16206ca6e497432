"""The three guardians. Each reads the action's text and votes; none of them calls anything outside."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from temporalio import activity
from temporalio.exceptions import ApplicationError

HARM = {"delete", "destroy", "harm", "deceive", "weapon", "surveil"}
ATTACK = [re.compile(pattern) for pattern in (r"\.\./", r"rm\s+-rf", r"(?i)drop\s+table", r"<script")]


@dataclass
class Action:
    """What somebody wants to do."""

    actor: str
    text: str


@dataclass
class Vote:
    """One guardian's answer."""

    guardian: str
    approves: bool
    reasons: list[str] = field(default_factory=list)


@activity.defn
def galahad_reviews_ethics(action: Action) -> Vote:
    """Refuses words that mean harm to somebody."""
    harmful = sorted(HARM & set(re.findall(r"[a-z]+", action.text.lower())))
    return Vote("galahad", not harmful, [f"harmful word: {word}" for word in harmful])


@activity.defn
def cerberus_reviews_security(action: Action) -> Vote:
    """Refuses text that looks like an attack."""
    found = [pattern.pattern for pattern in ATTACK if pattern.search(action.text)]
    return Vote("cerberus", not found, [f"attack pattern: {pattern}" for pattern in found])


@activity.defn
def codex_reviews_knowledge(action: Action) -> Vote:
    """Says by its hash which text was reviewed. Its archive is never open at the first attempt."""
    if activity.info().attempt == 1:
        raise ApplicationError("the archive is not open yet", type="ArchiveClosed")
    digest = hashlib.sha256(action.text.encode()).hexdigest()
    return Vote("codex", len(action.text.split()) >= 3, [f"text {digest[:12]}"])
