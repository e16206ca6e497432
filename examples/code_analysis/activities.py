"""Three kinds of analysis of Python code with the standard library's parser."""

from __future__ import annotations

import ast
import asyncio
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

BRANCHES = (ast.If, ast.For, ast.While, ast.Try, ast.BoolOp, ast.IfExp)


@dataclass
class AnalysisJob:
    """One kind of analysis of one folder; `pause_seconds` is how long the analyser rests after each file."""

    kind: str
    folder: str
    pause_seconds: float


@dataclass
class Measure:
    """How many files were read, and what the analysis counts."""

    kind: str
    files: int
    count: int


def count(kind: str, tree: ast.AST) -> int:
    """What one kind of analysis counts: functions, calls of eval or exec, or branches."""
    nodes = list(ast.walk(tree))
    if kind == "static":
        return sum(isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) for node in nodes)
    if kind == "security":
        calls = [node.func for node in nodes if isinstance(node, ast.Call)]
        return sum(isinstance(called, ast.Name) and called.id in ("eval", "exec") for called in calls)
    if kind == "complexity":
        return sum(isinstance(node, BRANCHES) for node in nodes)
    raise ApplicationError(f"no analysis is called {kind}", type="ValidationError", non_retryable=True)


@activity.defn
async def analyse(job: AnalysisJob) -> Measure:
    """Reads file by file with a heartbeat after each; a cancel arrives by heartbeat and leaves a note behind."""
    measure = Measure(job.kind, 0, 0)
    try:
        for path in sorted(Path(job.folder).rglob("*.py")):
            measure.count += count(job.kind, ast.parse(path.read_text()))
            measure.files += 1
            activity.heartbeat(measure.files)
            await asyncio.sleep(job.pause_seconds)
    except asyncio.CancelledError:
        name = f"{activity.info().workflow_id}-{job.kind}.cancelled"
        Path(job.folder, name).write_text(str(measure.files))
        raise
    return measure
