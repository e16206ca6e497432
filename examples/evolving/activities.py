"""Two ways to greet: the old one and the new one."""

from __future__ import annotations

from temporalio import activity


@activity.defn
def greet_plainly(name: str) -> str:
    return f"Hello, {name}"


@activity.defn
def greet_warmly(name: str) -> str:
    return f"Welcome back, {name}!"
