"""The work of each step in a real folder: stories and pull requests are files, the interpreter runs the tests."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError


@dataclass
class Story:
    """A task to develop: a function with a name, and what it must return for what it is given."""

    id: str
    function: str
    examples: dict[str, int]
    folder: str


@dataclass
class Review:
    """One reviewer's opinion on the code."""

    reviewer: str
    findings: list[str] = field(default_factory=list)


def _code(story: Story) -> Path:
    return Path(story.folder, f"{story.function}.py")


@activity.defn
def select_task(backlog: str) -> Story:
    """The first story of the backlog that nobody has closed."""
    for path in sorted(Path(backlog).glob("*.story.json")):
        story = Story(**json.loads(path.read_text()))
        if not Path(story.folder, f"{story.id}.closed").exists():
            return story
    raise ApplicationError("the backlog is empty", type="NothingToDo", non_retryable=True)


@activity.defn
def note_step(story: Story, step: str) -> str:
    """A step whose work is a line in the story's log: analysis, design, branch, deploy notes and the like."""
    with Path(story.folder, f"{story.id}.log").open("a") as log:
        log.write(f"{step}\n")
    return step


@activity.defn
def implement(story: Story, findings: list[str]) -> int:
    """Writes the function: carelessly at first, with care once reviewers have complained. The editor crashes once."""
    if activity.info().attempt == 1 and not findings:
        raise ApplicationError("the editor crashed", type="EditorCrashed")
    if findings:
        text = f'def {story.function}(text):\n    """Counts the words of a text."""\n    return len(text.split())\n'
    else:
        text = f"def {story.function}(text):\n    return eval('len(text.split())')\n"
    _code(story).write_text(text)
    activity.heartbeat(len(text))
    return len(text)


@activity.defn
def review(story: Story, reviewer: str) -> Review:
    """What one reviewer finds: each of the four looks at one thing."""
    text = _code(story).read_text()
    bad = {
        "security": "eval(" in text,
        "documentation": '"""' not in text,
        "style": any(len(line) > 100 for line in text.splitlines()),
        "design": len(text.splitlines()) > 50,
    }[reviewer]
    return Review(reviewer, [f"{reviewer} is not good enough"] if bad else [])


@activity.defn
def run_tests(story: Story) -> int:
    """Runs the story's examples in a process of their own; returns how many passed."""
    checks = "; ".join(f"assert {story.function}({given!r}) == {wanted}" for given, wanted in story.examples.items())
    program = f"from {story.function} import {story.function}; {checks}"
    done = subprocess.run([sys.executable, "-c", program], cwd=story.folder, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise ApplicationError(done.stderr, type="TestsFailed", non_retryable=True)
    return len(story.examples)


@activity.defn
def open_pull_request(story: Story) -> str:
    """Writes the pull request; returns its name."""
    name = f"{story.id}.pull-request"
    Path(story.folder, name).write_text(_code(story).read_text())
    return name


@activity.defn
def close_story(story: Story, outcome: str) -> str:
    """Marks the story as closed, so that nobody selects it again."""
    Path(story.folder, f"{story.id}.closed").write_text(outcome)
    return outcome
