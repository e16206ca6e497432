"""What an example is, and what the runner gives to it while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.converter import DataConverter

#: No single example may take longer than this, in seconds.
EXAMPLE_SECONDS_MAX = 120.0


class CheckFailed(Exception):
    """The server did something else than the example expects."""


def check(condition: bool, what: str) -> None:
    """Raises CheckFailed with `what` unless `condition` holds (an `assert` that -O cannot remove)."""
    if not condition:
        raise CheckFailed(what)


def check_equal(actual: Any, wanted: Any, what: str) -> None:
    """Raises CheckFailed with both values unless they are equal."""
    check(actual == wanted, f"{what}: expected {wanted!r}, got {actual!r}")


@dataclass
class Stage:
    """What an example may use while it runs."""

    client: Client
    task_queue: str
    tag: str
    work_dir: Path
    say: Callable[[str], None]

    def id(self, name: str) -> str:
        """A workflow id that no other run of the runner uses."""
        return f"{name}-{self.tag}"

    async def until(self, what: str, ask: Callable[[], Awaitable[Any]], good: Callable[[Any], bool]) -> Any:
        """Asks again and again until the answer is good; returns that answer."""
        self.say(what)
        deadline = time.monotonic() + EXAMPLE_SECONDS_MAX / 2
        while True:
            answer = await ask()
            if good(answer):
                return answer
            check(time.monotonic() < deadline, f"{what}: still {answer!r}")
            await asyncio.sleep(0.05)

    async def events(self, handle: WorkflowHandle[Any, Any]) -> list[HistoryEvent]:
        """The history of the run that `handle` means."""
        return [event async for event in handle.fetch_history_events()]


def of_kind(events: Sequence[HistoryEvent], kind: str) -> list[Any]:
    """The attributes of all events of one kind, for instance `activity_task_started`."""
    name = f"{kind}_event_attributes"
    return [getattr(event, name) for event in events if event.WhichOneof("attributes") == name]


async def failure_of(handle: WorkflowHandle[Any, Any]) -> BaseException:
    """Awaits a workflow that must not complete; returns why it did not."""
    try:
        result = await handle.result()
    except WorkflowFailureError as failure:
        return failure.cause or failure
    raise CheckFailed(f"{handle.id} must not complete, got {result!r}")


@dataclass
class Report:
    """What an example tells: the run that the table shows, and a few words on the result."""

    handle: WorkflowHandle[Any, Any]
    summary: str


@dataclass
class Example:
    """One described workflow: what a worker must host, and the script that drives and checks it."""

    name: str
    task_queue: str
    run: Callable[[Stage], Awaitable[Report]]
    workflows: Sequence[type] = field(default_factory=list)
    activities: Sequence[Callable[..., Any]] = field(default_factory=list)
    data_converter: DataConverter = field(default_factory=lambda: DataConverter.default)
