"""The examples in the order of the table."""

from __future__ import annotations

from importlib import import_module

from runner.example import Example

#: Folder of each example; the folder's `scenario` module has its `EXAMPLE`.
FOLDERS = [
    "triumvirate",
    "security_scan",
    "red_team",
    "learning_approval",
    "crisis_response",
    "code_sweep",
    "batch",
    "ai_learning",
    "image_generation",
    "data_analysis",
    "memory_expansion",
    "self_improvement",
    "code_analysis",
    "model_training",
    "long_running_task",
    "sdlc",
    "saga",
    "evolving",
    "ambient_agents",
    "worker_queues",
    "client_manager",
]


def load(only: list[str]) -> list[Example]:
    """All examples, or those named; an unknown name raises ValueError."""
    unknown = sorted(set(only) - set(FOLDERS))
    if unknown:
        raise ValueError(f"no such example: {', '.join(unknown)}; there are: {', '.join(FOLDERS)}")
    return [import_module(f"{folder}.scenario").EXAMPLE for folder in FOLDERS if not only or folder in only]
