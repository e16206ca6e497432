"""Small work, so that each client of the pool has something to start."""

from __future__ import annotations

from temporalio import activity


@activity.defn
async def greet(name: str) -> str:
    return f"{activity.info().workflow_namespace} greets {name}"
