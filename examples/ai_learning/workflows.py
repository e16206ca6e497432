"""Four activities in a row, each with its own time limit and the same retry policy."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from ai_learning.activities import (
        LearningRequest,
        check_black_vault,
        process_learning_request,
        store_knowledge,
        validate_learning_content,
    )

RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=100),
    maximum_attempts=3,
    non_retryable_error_types=["ValidationError"],
)


@workflow.defn
class AILearningWorkflow:
    @workflow.run
    async def run(self, request: LearningRequest) -> str:
        await workflow.execute_activity(
            validate_learning_content, request, start_to_close_timeout=timedelta(seconds=30), retry_policy=RETRY
        )
        forbidden = await workflow.execute_activity(
            check_black_vault, request, start_to_close_timeout=timedelta(seconds=10), retry_policy=RETRY
        )
        if forbidden:
            raise ApplicationError("this content is in the vault", type="Forbidden", non_retryable=True)
        knowledge = await workflow.execute_activity(
            process_learning_request, request, start_to_close_timeout=timedelta(minutes=5), retry_policy=RETRY
        )
        return await workflow.execute_activity(
            store_knowledge, knowledge, start_to_close_timeout=timedelta(seconds=30), retry_policy=RETRY
        )
