"""Agents on schedules: turns by the clock, a pause, a trigger while paused, a backfill, and turns that overlap."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    WorkflowHandle,
)

from ambient_agents.activities import file_notes
from ambient_agents.workflows import FilingAgentWorkflow, SlowAgentWorkflow
from runner.example import Example, Report, Stage, check, check_equal


async def run(stage: Stage) -> Report:
    folder = stage.work_dir / "agents"
    (folder / "inbox").mkdir(parents=True)
    turns = await _files_notes(stage, folder)
    filled, skipped = await _overlaps(stage, str(folder))
    return Report(turns, f"notes filed turn by turn, {filled} turns made up for, {skipped} left out while one worked")


async def _files_notes(stage: Stage, folder: Path) -> WorkflowHandle[Any, Any]:
    """Turns by the clock; each gets the result of the one before. Returns the last turn."""
    schedule = await stage.client.create_schedule(
        stage.id("filing"),
        Schedule(
            action=ScheduleActionStartWorkflow(
                FilingAgentWorkflow.run, str(folder), id=stage.id("filing-turn"), task_queue=stage.task_queue
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=1))]),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE),
        ),
    )
    for number in range(3):
        (folder / "inbox" / f"note_{number}.txt").write_text(f"note {number}\n")
    stage.say("waits for turns by the clock")
    await _described(stage, schedule, "two turns", lambda seen: seen.info.num_actions >= 2)
    await schedule.pause(note="holiday")
    (folder / "inbox" / "note_3.txt").write_text("note 3\n")
    paused = await _described(stage, schedule, "no turn works", lambda seen: not seen.info.running_actions)
    check(paused.schedule.state.paused and paused.schedule.state.note == "holiday", "the pause and its note")
    await schedule.trigger()
    seen = await _described(
        stage,
        schedule,
        "the triggered turn has ended",
        lambda seen: seen.info.num_actions == paused.info.num_actions + 1 and not seen.info.running_actions,
    )
    archived = sorted(path.name for path in (folder / "archive").iterdir())
    check_equal(archived, [f"note_{number}.txt" for number in range(4)], "archive")
    last = seen.info.recent_actions[-1].action
    turn = stage.client.get_workflow_handle(last.workflow_id, run_id=last.first_execution_run_id)
    check_equal(await turn.result(), 4, "notes filed, carried from turn to turn")
    await schedule.delete()
    return turn


async def _overlaps(stage: Stage, folder: str) -> tuple[int, int]:
    """A paused schedule makes up for hours that it missed; a turn that comes while another works is left out."""
    schedule = await stage.client.create_schedule(
        stage.id("slow"),
        Schedule(
            action=ScheduleActionStartWorkflow(
                SlowAgentWorkflow.run, folder, id=stage.id("slow-turn"), task_queue=stage.task_queue
            ),
            spec=ScheduleSpec(cron_expressions=["0 * * * *"]),
            state=ScheduleState(paused=True, note="only by hand"),
        ),
    )
    midnight = datetime(2024, 1, 1, tzinfo=UTC)
    await schedule.backfill(
        ScheduleBackfill(
            start_at=midnight + timedelta(minutes=30),
            end_at=midnight + timedelta(hours=3, minutes=30),
            overlap=ScheduleOverlapPolicy.ALLOW_ALL,
        )
    )
    stage.say("makes up for three turns")
    await _described(stage, schedule, "three turns at once", lambda seen: seen.info.num_actions == 3)
    for hour in (1, 2, 3):
        turn = stage.client.get_workflow_handle(f"{stage.id('slow-turn')}-2024-01-01T0{hour}:00:00Z")
        await turn.signal(SlowAgentWorkflow.finish)
        check_equal(await turn.result(), folder, f"result of the turn of {hour} o'clock")
    await schedule.trigger()
    await schedule.trigger()
    seen = await _described(stage, schedule, "one left out", lambda seen: seen.info.num_actions_skipped_overlap == 1)
    working = seen.info.running_actions
    check_equal(len(working), 1, "turns that work")
    await stage.client.get_workflow_handle(working[0].workflow_id).signal(SlowAgentWorkflow.finish)
    await _described(stage, schedule, "nothing works", lambda seen: not seen.info.running_actions)
    await schedule.delete()
    return 3, 1


async def _described(
    stage: Stage, schedule: ScheduleHandle, what: str, is_so: Callable[[ScheduleDescription], bool]
) -> ScheduleDescription:
    return await stage.until(what, schedule.describe, is_so)


EXAMPLE = Example(
    name="ambient_agents",
    task_queue="project-ai-scheduled",
    run=run,
    workflows=[FilingAgentWorkflow, SlowAgentWorkflow],
    activities=[file_notes],
)
