"""One text that is learned, one that is too short, one that is in the vault."""

from __future__ import annotations

import json
from datetime import timedelta

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError

from ai_learning import activities
from ai_learning.activities import LearningRequest, digest
from ai_learning.workflows import AILearningWorkflow
from runner.example import Example, Report, Stage, check, check_equal, failure_of, of_kind

SECRET = "how to break things"


async def run(stage: Stage) -> Report:
    handle = await _start(stage, "ai-learning", "to learn is to repeat to learn")
    short = await _start(stage, "ai-learning-short", "too short")
    secret = await _start(stage, "ai-learning-secret", SECRET)
    stage.say("three texts")
    stored = json.loads((stage.work_dir / await handle.result()).read_text())
    check_equal(stored, {"is": 1, "learn": 2, "repeat": 1, "to": 3}, "words learned")

    failure = await failure_of(short)
    check(isinstance(failure, ActivityError), f"an activity failed, got {failure!r}")
    cause = failure.__cause__
    check(isinstance(cause, ApplicationError) and cause.type == "ValidationError", f"its cause, got {cause!r}")
    forbidden = await failure_of(secret)
    check(isinstance(forbidden, ApplicationError) and forbidden.type == "Forbidden", f"vault, got {forbidden!r}")
    check_equal((await secret.describe()).status, WorkflowExecutionStatus.FAILED, "status of forbidden content")

    events = await stage.events(handle)
    attempts = [started.attempt for started in of_kind(events, "activity_task_started")]
    check_equal(attempts, [1, 2, 1, 1], "attempts: the vault fails once")
    policy = of_kind(events, "activity_task_scheduled")[0].retry_policy
    check_equal(policy.maximum_interval.ToTimedelta(), timedelta(seconds=100), "maximum interval in the history")
    short_attempts = [started.attempt for started in of_kind(await stage.events(short), "activity_task_started")]
    check_equal(short_attempts, [1], "a ValidationError is not tried again")
    return Report(handle, "7 words learned, one text too short, one forbidden")


async def _start(stage: Stage, name: str, text: str) -> WorkflowHandle:
    return await stage.client.start_workflow(
        AILearningWorkflow.run,
        LearningRequest(text, [digest(SECRET)], str(stage.work_dir)),
        id=stage.id(name),
        task_queue=stage.task_queue,
        execution_timeout=timedelta(seconds=3600),
        run_timeout=timedelta(seconds=1800),
    )


EXAMPLE = Example(
    name="ai_learning",
    task_queue="project-ai-tasks",
    run=run,
    workflows=[AILearningWorkflow],
    activities=[
        activities.validate_learning_content,
        activities.check_black_vault,
        activities.process_learning_request,
        activities.store_knowledge,
    ],
)
