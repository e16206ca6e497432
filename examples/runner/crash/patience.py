"""Calls that go on through an outage of the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.client import Client, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

Answer = TypeVar("Answer")

#: Codes that mean "the server is away or busy", after the SDK's own retries have given up.
AWAY = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.UNKNOWN,
    RPCStatusCode.ABORTED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
}
PAUSE_SECONDS = 0.2


class Deadline:
    """Until when everything must have been acknowledged."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def passed(self) -> bool:
        return time.monotonic() > self._end


async def patiently(call: Callable[[], Awaitable[Answer]], deadline: Deadline) -> Answer:
    """Calls until an answer comes that is not about an outage; raises the last error once the deadline has passed."""
    while True:
        try:
            return await call()
        except RPCError as error:
            if error.status not in AWAY or deadline.passed():
                raise
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            if deadline.passed():
                raise
        await asyncio.sleep(PAUSE_SECONDS)


async def connect(address: str, namespace: str, deadline: Deadline) -> Client:
    """A client, as soon as there is a server."""
    while True:
        try:
            return await Client.connect(address, namespace=namespace)
        except RuntimeError:  # What the SDK raises when it cannot connect.
            if deadline.passed():
                raise
        await asyncio.sleep(PAUSE_SECONDS)
