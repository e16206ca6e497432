"""One batch of a long computation: a hash over a range of steps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from temporalio import activity


@dataclass
class Steps:
    """Steps `first` to `first + count`, on top of the digest of the steps before."""

    first: int
    count: int
    digest: str


def chain(digest: str, first: int, count: int) -> str:
    """Each step hashes the digest before it with its number."""
    for step in range(first, first + count):
        digest = hashlib.sha256(f"{digest}{step}".encode()).hexdigest()
    return digest


@activity.defn
def do_steps(steps: Steps) -> str:
    """The digest after these steps, with a heartbeat now and then."""
    activity.heartbeat(steps.first)
    return chain(steps.digest, steps.first, steps.count)
