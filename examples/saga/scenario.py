"""An order that succeeds, one whose last step can never work, and one that is cancelled while it is shipped."""

from __future__ import annotations

from temporalio.client import WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from runner.example import Example, Report, Stage, check, check_equal, failure_of, of_kind
from saga import activities
from saga.activities import Order, entries
from saga.workflows import OrderSagaWorkflow

UNDONE = ["reserved", "charged", "refunded", "released"]


async def run(stage: Stage) -> Report:
    book, good = await _start(stage, "book")
    anvil, failing = await _start(stage, "anvil")
    snail, cancelled = await _start(stage, "snail")
    check_equal(await good.result(), f"order {book.id} is on its way", "result")
    check_equal(entries(book), ["reserved", "charged", "shipped"], "ledger of the order that succeeds")

    stage.say("undoes an order")
    failure = await failure_of(failing)
    check(isinstance(failure, ApplicationError) and failure.type == "OrderUndone", f"got {failure!r}")
    because = failure.__cause__
    root = because.__cause__ if isinstance(because, ActivityError) else None
    check(isinstance(root, ApplicationError) and root.type == "TooHeavy", f"the cause is kept, got {root!r}")
    check_equal(entries(anvil), UNDONE, "ledger of the order that was undone")

    async def shipping() -> bool:
        pending = (await cancelled.describe()).raw_description.pending_activities
        return any(one.activity_type.name == "ship" for one in pending)

    await stage.until("ships slowly", shipping, bool)
    await cancelled.cancel()
    failure = await failure_of(cancelled)
    check(isinstance(failure, CancelledError), f"cancelled, got {failure!r}")
    check_equal(entries(snail), UNDONE, "ledger of the order that was cancelled")
    undone = of_kind(await stage.events(cancelled), "activity_task_completed")
    check_equal(len(undone), 4, "activities that completed, compensations after the cancel among them")
    return Report(failing, "1 shipped, 1 undone after a failure, 1 undone after a cancel")


async def _start(stage: Stage, item: str) -> tuple[Order, WorkflowHandle]:
    order = Order(f"{item}-1", item, 20, str(stage.work_dir))
    handle = await stage.client.start_workflow(
        OrderSagaWorkflow.run, order, id=stage.id(f"saga-{item}"), task_queue=stage.task_queue
    )
    return order, handle


EXAMPLE = Example(
    name="saga",
    task_queue="project-ai-tasks",
    run=run,
    workflows=[OrderSagaWorkflow],
    activities=[
        activities.reserve_item,
        activities.charge_card,
        activities.ship,
        activities.release_item,
        activities.refund_card,
    ],
)
