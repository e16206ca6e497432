"""An image whose first attempt dies in the middle, and a prompt that is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

from temporalio.exceptions import ActivityError, ApplicationError

from image_generation import activities
from image_generation.activities import ImageOrder, pixels, png
from image_generation.workflows import ImageGenerationWorkflow
from runner.example import Example, Report, Stage, check, check_equal, failure_of, of_kind

SIZE = 96


async def run(stage: Stage) -> Report:
    stage.say("draws")
    order = ImageOrder("a calm sea", SIZE, str(stage.work_dir), second=0.1)
    handle = await stage.client.start_workflow(
        ImageGenerationWorkflow.run, order, id=stage.id("image"), task_queue=stage.task_queue
    )
    image = await handle.result()
    wanted = png(SIZE, b"".join(pixels(order, row) for row in range(SIZE)))
    check_equal(image.sha256, hashlib.sha256(wanted).hexdigest(), "the image, drawn in two attempts")
    check(Path(image.path).with_suffix(".json").exists(), "the image's data are stored")
    check_equal(image.resumed_at_row, SIZE // 2, "row at which the second attempt went on")

    started = of_kind(await stage.events(handle), "activity_task_started")
    check_equal([one.attempt for one in started], [1, 2, 1], "attempts")
    check_equal(started[1].last_failure.message, "out of memory", "the failure of the attempt before")
    await _refused(stage)
    return Report(handle, f"{SIZE}x{SIZE} PNG, second attempt went on at row {image.resumed_at_row}")


async def _refused(stage: Stage) -> None:
    order = ImageOrder("a weapon", SIZE, str(stage.work_dir))
    handle = await stage.client.start_workflow(
        ImageGenerationWorkflow.run, order, id=stage.id("image-refused"), task_queue=stage.task_queue
    )
    failure = await failure_of(handle)
    check(isinstance(failure, ActivityError), f"an activity failed, got {failure!r}")
    cause = failure.__cause__
    check(isinstance(cause, ApplicationError) and cause.non_retryable, f"not retryable, got {cause!r}")


EXAMPLE = Example(
    name="image_generation",
    task_queue="project-ai-tasks",
    run=run,
    workflows=[ImageGenerationWorkflow],
    activities=[activities.check_content_safety, activities.generate_image, activities.store_image_metadata],
)
