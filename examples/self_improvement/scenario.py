"""A small repository with three blemishes: one is fixed without asking, one approved, one not."""

from __future__ import annotations

from runner.example import Example, Report, Stage, check_equal, of_kind
from self_improvement.activities import apply_change, propose_changes
from self_improvement.workflows import SelfImprovementWorkflow


async def run(stage: Stage) -> Report:
    source = stage.work_dir / "module.py"
    source.write_text("first = 1   \n\tsecond = 2\nthird = '" + "x" * 120 + "'\n")
    handle = await stage.client.start_workflow(
        SelfImprovementWorkflow.run,
        args=[str(stage.work_dir), True, 0.9],
        id=stage.id("self-improvement"),
        task_queue=stage.task_queue,
    )
    progress = await stage.until(
        "waits for approval",
        lambda: handle.query(SelfImprovementWorkflow.get_progress),
        lambda progress: progress.phase == "waiting for approval",
    )
    check_equal(progress.proposed, ["module.py:2", "module.py:3"], "changes that need approval")
    await handle.signal(SelfImprovementWorkflow.approve_changes, ["module.py:2"])
    check_equal(await handle.result(), ["module.py:1", "module.py:2"], "changes applied")
    check_equal(source.read_text().split("\n")[:2], ["first = 1", "    second = 2"], "the file afterwards")
    progress = await handle.query(SelfImprovementWorkflow.get_progress)
    check_equal((progress.phase, len(progress.applied)), ("done", 2), "progress after the end")
    [signal] = of_kind(await stage.events(handle), "workflow_execution_signaled")
    check_equal(signal.input.payloads[0].data, b'["module.py:2"]', "argument of the signal")
    return Report(handle, "3 proposals: 1 automatic, 1 approved, 1 left")


EXAMPLE = Example(
    name="self_improvement",
    task_queue="jarvis-task-queue",
    run=run,
    workflows=[SelfImprovementWorkflow],
    activities=[propose_changes, apply_change],
)
