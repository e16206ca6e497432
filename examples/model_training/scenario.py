"""A thousand steps in twenty chunks and four runs, with a pause on the way."""

from __future__ import annotations

import asyncio

from temporalio.client import WorkflowHandle

from model_training.activities import train_steps
from model_training.workflows import ModelTrainingWorkflow, Training
from runner.example import Example, Report, Stage, check, check_equal, of_kind


async def run(stage: Stage) -> Report:
    training = Training(num_steps=1000, chunk=50, chunks_per_run=5, rest_seconds=0.05)
    first = await stage.client.start_workflow(
        ModelTrainingWorkflow.run, training, id=stage.id("training"), task_queue=stage.task_queue
    )
    handle = stage.client.get_workflow_handle_for(ModelTrainingWorkflow.run, first.id)

    async def progress():
        answer = await handle.query(ModelTrainingWorkflow.get_training_progress)
        stage.say(f"step {answer.step}/{answer.num_steps}")
        return answer

    await stage.until("first steps", progress, lambda answer: answer.step > 0)
    await handle.signal(ModelTrainingWorkflow.pause_training)
    await stage.until("pauses", progress, lambda answer: answer.paused)
    # A chunk that was under way when the pause came may end.
    await stage.until("no activity is left", lambda: _pending(handle), lambda count: count == 0)
    paused_at = (await progress()).step
    await asyncio.sleep(0.5)
    check_equal((await progress()).step, paused_at, "steps do not go on while paused")
    await handle.signal(ModelTrainingWorkflow.resume_training)

    ended = await handle.result()
    check_equal((ended.step, ended.runs), (1000, 4), "steps and runs")
    check(ended.loss < 1e-6, f"the line is learned, loss {ended.loss}")
    check_equal((await progress()).step, 1000, "query after the end")
    first_run = stage.client.get_workflow_handle(first.id, run_id=first.first_execution_run_id)
    events = await stage.events(first_run)
    check_equal(len(of_kind(events, "workflow_execution_continued_as_new")), 1, "the first run continued as new")
    check_equal(len(of_kind(events, "timer_fired")), 5, "rests of the first run")
    return Report(handle, f"1000 steps in 4 runs, paused at {paused_at}, loss {ended.loss:.1e}")


async def _pending(handle: WorkflowHandle) -> int:
    return len((await handle.describe()).raw_description.pending_activities)


EXAMPLE = Example(
    name="model_training",
    task_queue="jarvis-task-queue",
    run=run,
    workflows=[ModelTrainingWorkflow],
    activities=[train_steps],
)
