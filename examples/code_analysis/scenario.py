"""One analysis that finishes, and one that is cancelled while its three activities run."""

from __future__ import annotations

from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import CancelledError

from code_analysis.activities import analyse
from code_analysis.workflows import CodeAnalysis, CodeAnalysisWorkflow
from runner.example import Example, Report, Stage, check, check_equal, failure_of, of_kind

TYPES = ["static", "security", "complexity"]


async def run(stage: Stage) -> Report:
    for number in range(10):
        code = f"def f{number}(x):\n    if x:\n        return eval(x)\n    return [y for y in x if y]\n"
        (stage.work_dir / f"m{number}.py").write_text(code)
    stage.say("analyses")
    handle = await _start(stage, "code-analysis", pause_seconds=0.02)
    check_equal(await handle.result(), {"static": 10, "security": 10, "complexity": 10}, "counts")

    cancelled = await _start(stage, "code-analysis-cancelled", pause_seconds=1.0)
    await stage.until("three analyses heartbeat", lambda: _heartbeats(cancelled), lambda count: count == len(TYPES))
    await cancelled.cancel(reason="the code base moved")
    failure = await failure_of(cancelled)
    check(isinstance(failure, CancelledError), f"cancelled, got {failure!r}")
    check_equal((await cancelled.describe()).status, WorkflowExecutionStatus.CANCELED, "status after the cancel")
    events = await stage.events(cancelled)
    [request] = of_kind(events, "workflow_execution_cancel_requested")
    check_equal(request.cause, "the code base moved", "reason of the cancel")
    check_equal(len(of_kind(events, "activity_task_canceled")), len(TYPES), "activities that ended as cancelled")
    notes = sorted(path.name.rsplit("-", 1)[1] for path in stage.work_dir.glob("*.cancelled"))
    check_equal(notes, sorted(f"{kind}.cancelled" for kind in TYPES), "notes that the activities left")
    return Report(handle, "3 analyses of 10 files; another run cancelled after its first heartbeats")


async def _start(stage: Stage, name: str, pause_seconds: float):
    return await stage.client.start_workflow(
        CodeAnalysisWorkflow.run,
        CodeAnalysis(str(stage.work_dir), TYPES, pause_seconds, silence_seconds=5.0),
        id=stage.id(name),
        task_queue=stage.task_queue,
    )


async def _heartbeats(handle) -> int:
    """How many pending activities have heartbeated."""
    pending = (await handle.describe()).raw_description.pending_activities
    return sum(bool(activity.heartbeat_details.payloads) for activity in pending)


EXAMPLE = Example(
    name="code_analysis",
    task_queue="jarvis-task-queue",
    run=run,
    workflows=[CodeAnalysisWorkflow],
    activities=[analyse],
)
