"""Work whose start is written down, and work that ends when its worker is asked to."""

from __future__ import annotations

import time
from dataclasses import dataclass

from temporalio import activity


@dataclass
class Start:
    """When an activity started, in seconds of this machine's clock, and how urgent it was."""

    at: float
    priority: int


@activity.defn
async def note_start(priority: int) -> Start:
    return Start(time.monotonic(), priority)


@activity.defn
async def hand_over() -> int:
    """Works until its worker shuts down, and ends well then; returns which attempt did."""
    await activity.wait_for_worker_shutdown()
    return activity.info().attempt
