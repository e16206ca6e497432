"""Extract, store, index: three activities with three attempts each."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from memory_expansion.activities import (
        Conversation,
        extract_memory_information,
        store_memories,
        update_memory_indexes,
    )


@workflow.defn
class MemoryExpansionWorkflow:
    @workflow.run
    async def run(self, conversation: Conversation, retry_seconds: float) -> dict[str, list[int]]:
        retry = RetryPolicy(
            initial_interval=timedelta(seconds=retry_seconds), backoff_coefficient=2.0, maximum_attempts=3
        )
        memories = await workflow.execute_activity(
            extract_memory_information,
            conversation,
            start_to_close_timeout=timedelta(minutes=2),
            retry_policy=retry,
        )
        await workflow.execute_activity(
            store_memories, memories, start_to_close_timeout=timedelta(minutes=1), retry_policy=retry
        )
        return await workflow.execute_activity(
            update_memory_indexes,
            conversation.folder,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=retry,
        )
