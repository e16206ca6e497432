"""A saga: each step is undone in reverse order when a later one fails, or when somebody cancels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from saga.activities import Order, charge_card, refund_card, release_item, reserve_item, ship

STEPS: list[tuple[Callable[..., Any], Callable[..., Any] | None]] = [
    (reserve_item, release_item),
    (charge_card, refund_card),
    (ship, None),
]


@workflow.defn
class OrderSagaWorkflow:
    @workflow.run
    async def run(self, order: Order) -> str:
        compensations: list[Callable[..., Any]] = []
        try:
            for step, compensation in STEPS:
                if compensation is not None:
                    # Before the step: an attempt whose answer is lost may have done its work.
                    compensations.append(compensation)
                await self._do(step, order)
        except (FailureError, asyncio.CancelledError) as failure:
            # The compensations run to their end even where the workflow was cancelled.
            await asyncio.shield(asyncio.create_task(self._undo(compensations, order)))
            if is_cancelled_exception(failure):
                raise
            raise ApplicationError(f"order {order.id} was undone", type="OrderUndone") from failure
        return f"order {order.id} is on its way"

    async def _undo(self, compensations: list[Callable[..., Any]], order: Order) -> None:
        for compensation in reversed(compensations):
            await self._do(compensation, order)

    async def _do(self, step: Callable[..., Any], order: Order) -> None:
        await workflow.execute_activity(
            step,
            order,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=timedelta(seconds=5) if step is ship else None,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=5),
        )
