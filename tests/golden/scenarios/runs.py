"""How a run begins and ends."""

from temporalio.api.common.v1 import Header, Link, Memo, Priority, SearchAttributes
from temporalio.api.sdk.v1 import UserMetadata

from commands import cancel, complete, fail, failure, payload, retries, seconds
from stage import Stage


async def hello(stage: Stage) -> None:
    await stage.start()
    await stage.finish()


async def start_with_everything(stage: Stage) -> None:
    await stage.start(
        memo=Memo(fields={"memo": payload("memo")}),
        header=Header(fields={"header": payload("header")}),
        search_attributes=SearchAttributes(indexed_fields={"GoldenKeyword": payload("value")}),
        user_metadata=UserMetadata(summary=payload("summary"), details=payload("details")),
        priority=Priority(priority_key=2, fairness_key="key", fairness_weight=1.5),
        workflow_execution_timeout=seconds(100),
        workflow_run_timeout=seconds(200),
        workflow_task_timeout=seconds(300),
        retry_policy=retries(3, 1),
    )
    await stage.finish()


async def start_with_nothing(stage: Stage) -> None:
    """What is given and empty."""
    await stage.start(memo=Memo(), header=Header(), search_attributes=SearchAttributes(), priority=Priority())
    await stage.finish()


async def workflow_fails(stage: Stage) -> None:
    await stage.start()
    await stage.next(fail())


async def cancel_accepted(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.request_cancel()
    await stage.next(cancel())


async def cancel_ignored(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.request_cancel()
    await stage.finish()


async def cancel_twice(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.request_cancel()
    await stage.answer(stage.request_cancel())
    await stage.finish()
    await stage.answer(stage.request_cancel())


async def cancel_before_first_task(stage: Stage) -> None:
    await stage.start()
    await stage.request_cancel()
    await stage.next(cancel())


async def terminated(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.terminate()
    await stage.answer(stage.terminate())


async def terminated_during_task(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await stage.terminate()
    await stage.answer(stage.done(task, complete()))


async def run_timeout(stage: Stage) -> None:
    await stage.start(workflow_run_timeout=seconds(1))
    await stage.next()
    await stage.closed()


async def run_timeout_during_task(stage: Stage) -> None:
    await stage.start(workflow_run_timeout=seconds(1))
    task = await stage.task()
    await stage.closed()
    await stage.answer(stage.done(task, complete()))


async def execution_timeout(stage: Stage) -> None:
    await stage.start(workflow_execution_timeout=seconds(1), retry_policy=retries(5, 1))
    await stage.next()
    await stage.closed()


async def start_delay(stage: Stage) -> None:
    await stage.start(workflow_start_delay=seconds(1))
    await stage.finish()


async def signal_in_start_delay(stage: Stage) -> None:
    await stage.start(workflow_start_delay=seconds(2))
    await stage.signal()
    await stage.finish()


async def cancel_in_start_delay(stage: Stage) -> None:
    await stage.start(workflow_start_delay=seconds(2))
    await stage.request_cancel()
    await stage.next(cancel())


async def terminated_in_start_delay(stage: Stage) -> None:
    await stage.start(workflow_start_delay=seconds(20))
    await stage.terminate()


async def failure_with_cause(stage: Stage) -> None:
    outer = failure("outer", "Outer")
    outer.cause.CopyFrom(failure("inner", "Inner", final=True))
    await stage.start()
    await stage.next(fail(outer))


async def started_eagerly(stage: Stage) -> None:
    await stage.start(request_eager_execution=True)
    await stage.done(stage.eager_task, complete())


async def cancel_during_task(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await stage.request_cancel()
    await stage.answer(stage.done(task, complete()))
    await stage.next(cancel())


async def terminated_with_waiting_signal(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await stage.signal()
    await stage.terminate()
    await stage.answer(stage.done(task))


async def run_timeout_with_waiting_signal(stage: Stage) -> None:
    await stage.start(workflow_run_timeout=seconds(1))
    await stage.task()
    await stage.signal()
    await stage.closed()


async def terminated_before_first_task(stage: Stage) -> None:
    await stage.start()
    await stage.terminate()


async def start_with_links(stage: Stage) -> None:
    event = Link.WorkflowEvent(namespace="default", workflow_id="other", run_id="run")
    await stage.start(links=[Link(workflow_event=event)])
    await stage.signal(links=[Link(workflow_event=event)])
    await stage.finish()
