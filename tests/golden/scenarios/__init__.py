"""The scenarios: each public coroutine function of the modules here is one, under its own name."""

import inspect
from types import ModuleType

from scenarios import (
    activities,
    chains,
    children,
    ids,
    links,
    nexus,
    nexus_later,
    pauses,
    priorities,
    properties,
    resets,
    runs,
    sdk,
    signals,
    timers,
    updates,
    versions,
    versions_inherited,
    workflow_tasks,
)
from scenarios.sdk import prepare, sdk_replayer, sdk_worker
from stage import Scenario

__all__ = ["SCENARIOS", "prepare", "sdk_replayer", "sdk_worker"]


def _of(module: ModuleType) -> dict[str, Scenario]:
    found = inspect.getmembers(module, inspect.iscoroutinefunction)
    return {
        name: function
        for name, function in found
        if function.__module__ == module.__name__ and not name.startswith("_") and name != "prepare"
    }


SCENARIOS: dict[str, Scenario] = {
    name: function
    for module in (
        activities,
        chains,
        children,
        ids,
        links,
        nexus,
        nexus_later,
        pauses,
        priorities,
        properties,
        resets,
        runs,
        sdk,
        signals,
        timers,
        updates,
        versions,
        versions_inherited,
        workflow_tasks,
    )
    for name, function in _of(module).items()
}
