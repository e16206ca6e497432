"""A prompt is checked, drawn by a long activity that heartbeats, and the image's data are stored."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from image_generation.activities import (
        Image,
        ImageOrder,
        check_content_safety,
        generate_image,
        store_image_metadata,
    )


@workflow.defn
class ImageGenerationWorkflow:
    @workflow.run
    async def run(self, order: ImageOrder) -> Image:
        retry = RetryPolicy(
            initial_interval=timedelta(seconds=5 * order.second),
            backoff_coefficient=2.0,
            maximum_interval=timedelta(seconds=60 * order.second),
            maximum_attempts=3,
        )
        await workflow.execute_activity(
            check_content_safety, order, start_to_close_timeout=timedelta(seconds=10), retry_policy=retry
        )
        image = await workflow.execute_activity(
            generate_image,
            order,
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=retry,
        )
        await workflow.execute_activity(
            store_image_metadata, image, start_to_close_timeout=timedelta(seconds=30), retry_policy=retry
        )
        return image
