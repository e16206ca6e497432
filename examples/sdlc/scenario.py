"""A story whose first code the quality gate refuses; one human merges, another says nothing until time is up."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta

from temporalio.client import WorkflowHandle

from runner.example import Example, Report, Stage, check, check_equal, of_kind
from sdlc import activities
from sdlc.activities import Story
from sdlc.workflows import REVIEWERS, Approval, SDLCWorkflow

#: Activities: before the rounds; two rounds of implement, format and reviews; up to the pull request; after it.
ACTIVITIES = 4 + 2 * (2 + len(REVIEWERS)) + 3 + 2


async def run(stage: Stage) -> Report:
    handle = await _start(stage, "sdlc", approval_days=7)
    silent = await _start(stage, "sdlc-abandoned", approval_days=1.0 / 86400)
    steps = await stage.until(
        "until the pull request", lambda: handle.query(SDLCWorkflow.steps), lambda steps: "open pull request" in steps
    )
    check("human approval" not in steps, "it blocks on the approval")
    await handle.signal(SDLCWorkflow.human_approval, Approval("grace", True))
    delivery = await handle.result()
    check_equal((delivery.outcome, delivery.rounds), ("merged", 2), "outcome and rounds")
    wanted = ["select task", "analyse", "design", "branch", "implement", "format", "quality gate", "run tests"]
    wanted += ["measure coverage", "open pull request", "human approval", "merge", "close story"]
    wanted += [f"{reviewer} review" for reviewer in REVIEWERS]
    check_equal(sorted(set(delivery.steps)), sorted(wanted), "the seventeen steps")
    check_equal((await silent.result()).outcome, "abandoned", "a story without approval")
    check((stage.work_dir / "sdlc" / "S-1.pull-request").exists(), "the pull request is there")

    events = await stage.events(handle)
    check_equal(len(of_kind(events, "activity_task_completed")), ACTIVITIES, "activities")
    attempts = [started.attempt for started in of_kind(events, "activity_task_started")]
    check_equal(sorted(attempts)[-2:], [1, 2], "the editor crashes once")
    [timer] = of_kind(events, "timer_started")
    check_equal(timer.start_to_fire_timeout.ToTimedelta(), timedelta(days=7), "timer of the approval")
    return Report(handle, "17 steps, 2 rounds of review, merged; another story abandoned")


async def _start(stage: Stage, name: str, approval_days: float) -> WorkflowHandle:
    folder = stage.work_dir / name
    folder.mkdir()
    story = Story("S-1", "count_words", {"": 0, "one": 1, "one two": 2}, str(folder))
    (folder / "1.story.json").write_text(json.dumps(asdict(story)))
    return await stage.client.start_workflow(
        SDLCWorkflow.run,
        args=[str(folder), approval_days],
        id=stage.id(name),
        task_queue=stage.task_queue,
        execution_timeout=timedelta(days=30),
    )


EXAMPLE = Example(
    name="sdlc",
    task_queue="vishkar-sdlc",
    run=run,
    workflows=[SDLCWorkflow],
    activities=[
        activities.select_task,
        activities.note_step,
        activities.implement,
        activities.review,
        activities.run_tests,
        activities.open_pull_request,
        activities.close_story,
    ],
)
