"""Three sweeps by cron, with a file added between the second and the third; then the cron is terminated. A schedule does two more."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    WorkflowExecutionStatus,
)

from code_sweep.activities import measure_page
from code_sweep.workflows import CodeSweepWorkflow, SweepPagesWorkflow, SweepReport
from runner.example import Example, Report, Stage, check, check_equal


async def run(stage: Stage) -> Report:
    code = stage.work_dir / "code"
    code.mkdir()
    for number in range(5):
        (code / f"module_{number}.py").write_text(f"VALUE = {number}\n" * (number + 1))
    handle = await stage.client.start_workflow(
        CodeSweepWorkflow.run,
        args=[str(code), 2],
        id=stage.id("code-sweep"),
        task_queue=stage.task_queue,
        cron_schedule="@every 2s",
    )
    run_id = str(handle.first_execution_run_id)
    reports: list[SweepReport] = []
    while len(reports) < 3:
        stage.say(f"{len(reports)} sweeps done")
        report, run_id = await _swept(stage, handle.id, run_id)
        reports.append(report)
        if len(reports) == 2:
            (code / "module_9.py").write_text("VALUE = 9\n")
    await handle.terminate("enough sweeps")
    check_equal([report.changed for report in reports[:2]], [True, False], "changed in the first sweeps")
    check_equal([report.number for report in reports], [1, 2, 3], "numbers carried by the last result")
    first = reports[0]
    check_equal((first.files, first.lines, first.pages), (5, 15, 3), "files, lines and pages of the first sweep")
    check(reports[2].files in (5, 6), f"files of the third sweep, which may have begun early: {reports[2].files}")

    pages = stage.client.get_workflow_handle(f"{handle.id}-pages-{handle.first_execution_run_id}")
    started = (await stage.events(pages))[0].workflow_execution_started_event_attributes
    check(bool(started.continued_execution_run_id), "the child's last run was continued as new")
    scheduled = await _on_a_schedule(stage, str(code))
    ended = stage.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    return Report(ended, f"{len(reports)} sweeps by cron, {scheduled} by schedule, {first.files} files, {first.pages} pages")


async def _on_a_schedule(stage: Stage, folder: str) -> int:
    """Two sweeps, a second apart, and no more: the schedule counts them. A sweep knows the one before here too."""
    schedule = await stage.client.create_schedule(
        stage.id("sweep-schedule"),
        Schedule(
            action=ScheduleActionStartWorkflow(
                CodeSweepWorkflow.run, args=[folder, 2], id=stage.id("scheduled-sweep"), task_queue=stage.task_queue
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=1))]),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE),
            state=ScheduleState(limited_actions=True, remaining_actions=2),
        ),
    )
    seen = await stage.until(
        "two sweeps by schedule",
        schedule.describe,
        lambda seen: seen.info.num_actions == 2 and not seen.info.running_actions,
    )
    check_equal(seen.schedule.state.remaining_actions, 0, "sweeps that the schedule has left")
    reports = []
    for ran in seen.info.recent_actions:
        sweep = stage.client.get_workflow_handle_for(CodeSweepWorkflow.run, ran.action.workflow_id)
        reports.append(await sweep.result())
    check_equal([(report.number, report.changed) for report in reports], [(1, True), (2, False)], "scheduled sweeps")
    await schedule.delete()
    return len(reports)


async def _swept(stage: Stage, workflow_id: str, run_id: str) -> tuple[SweepReport, str]:
    """Waits for the end of one run of the cron; returns its result and the id of the run after it."""
    handle = stage.client.get_workflow_handle(workflow_id, run_id=run_id)

    async def status() -> WorkflowExecutionStatus | None:
        return (await handle.describe()).status

    ended = await stage.until("a sweep runs", status, lambda status: status != WorkflowExecutionStatus.RUNNING)
    check_equal(ended, WorkflowExecutionStatus.COMPLETED, "status of a cron run")
    closing = (await stage.events(handle))[-1].workflow_execution_completed_event_attributes
    check(bool(closing.new_execution_run_id), "a cron run names the next run")
    [report] = await stage.client.data_converter.decode(closing.result.payloads, [SweepReport])
    return report, closing.new_execution_run_id


EXAMPLE = Example(
    name="code_sweep",
    task_queue="security-tasks",
    run=run,
    workflows=[CodeSweepWorkflow, SweepPagesWorkflow],
    activities=[measure_page],
)
