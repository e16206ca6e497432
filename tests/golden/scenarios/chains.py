"""Runs that follow each other: continue-as-new, retries and cron."""

from temporalio.api.common.v1 import Header, Memo, SearchAttributes

from commands import activity, complete, continue_as_new, fail, failure, payload, retries, seconds, timer
from stage import Stage


async def continued_as_new(stage: Stage) -> None:
    await stage.start(workflow_run_timeout=seconds(100))
    await stage.next(continue_as_new(stage.queue))
    await stage.finish()


async def continued_as_new_with_properties(stage: Stage) -> None:
    await stage.start(memo=Memo(fields={"old": payload("memo")}), workflow_execution_timeout=seconds(100))
    await stage.next(
        continue_as_new(
            stage.queue,
            memo=Memo(fields={"new": payload("memo")}),
            search_attributes=SearchAttributes(indexed_fields={"GoldenKeyword": payload("value")}),
            backoff_start_interval=seconds(2),
            workflow_run_timeout=seconds(50),
            workflow_task_timeout=seconds(5),
        )
    )
    await stage.finish()


async def continued_as_new_without_properties(stage: Stage) -> None:
    attributes = SearchAttributes(indexed_fields={"GoldenKeyword": payload("value")})
    await stage.start(memo=Memo(fields={"old": payload("memo")}), search_attributes=attributes)
    await stage.next(continue_as_new(stage.queue))
    await stage.finish()


async def continued_as_new_with_empty_maps(stage: Stage) -> None:
    await stage.start(memo=Memo(fields={"old": payload("memo")}), header=Header())
    empty = {"header": Header(), "memo": Memo(), "search_attributes": SearchAttributes()}
    await stage.next(continue_as_new(stage.queue, **empty))
    await stage.finish()


async def continued_as_new_twice(stage: Stage) -> None:
    await stage.start()
    await stage.next(continue_as_new(stage.queue))
    await stage.next(continue_as_new(stage.queue))
    await stage.finish()


async def continued_as_new_loses_to_signal(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await stage.signal()
    await stage.answer(stage.done(task, continue_as_new(stage.queue)))
    await stage.next(continue_as_new(stage.queue))
    await stage.finish()


async def workflow_retried(stage: Stage) -> None:
    await stage.start(retry_policy=retries(3, 1), memo=Memo(fields={"memo": payload("memo")}))
    await stage.next(fail(failure("first")))
    await stage.next(fail(failure("second")))
    await stage.finish()


async def workflow_retries_spent(stage: Stage) -> None:
    await stage.start(retry_policy=retries(2, 1))
    await stage.next(fail(failure("first")))
    await stage.next(fail(failure("second")))


async def workflow_failure_is_final(stage: Stage) -> None:
    await stage.start(retry_policy=retries(3, 1))
    await stage.next(fail(failure("never again", final=True)))


async def workflow_failure_type_is_final(stage: Stage) -> None:
    await stage.start(retry_policy=retries(3, 1, non_retryable_error_types=["Fatal"]))
    await stage.next(fail(failure("never again", "Fatal")))


async def run_timeout_retried(stage: Stage) -> None:
    run = await stage.start(workflow_run_timeout=seconds(1), retry_policy=retries(2, 1))
    await stage.next()
    await stage.closed(run_id=run)
    await stage.finish()


async def retried_run_continued_as_new(stage: Stage) -> None:
    await stage.start(retry_policy=retries(3, 1))
    await stage.next(fail(failure("first")))
    await stage.next(continue_as_new(stage.queue, retry_policy=retries(3, 1)))
    await stage.finish()


async def cron(stage: Stage) -> None:
    await stage.start(cron_schedule="@every 2s")
    await stage.next(complete("first"))
    await stage.next(fail(failure("second")))
    await stage.task()
    await stage.terminate()


async def cron_canceled(stage: Stage) -> None:
    await stage.start(cron_schedule="@every 2s")
    await stage.finish()
    await stage.request_cancel()
    await stage.terminate()


async def signal_in_retry_backoff(stage: Stage) -> None:
    run = await stage.start(retry_policy=retries(2, 2))
    await stage.next(fail(failure("first")))
    await stage.closed(run_id=run)
    await stage.signal()
    await stage.finish()


async def cancel_in_retry_backoff(stage: Stage) -> None:
    run = await stage.start(retry_policy=retries(2, 2))
    await stage.next(fail(failure("first")))
    await stage.closed(run_id=run)
    await stage.request_cancel()
    await stage.finish()


async def no_retry_beyond_execution_timeout(stage: Stage) -> None:
    await stage.start(retry_policy=retries(0, 10), workflow_execution_timeout=seconds(5))
    await stage.next(fail(failure("first")))


async def execution_timeout_in_second_run(stage: Stage) -> None:
    await stage.start(workflow_execution_timeout=seconds(3))
    await stage.next(continue_as_new(stage.queue))
    await stage.next()
    await stage.closed()


async def signal_after_continue_as_new(stage: Stage) -> None:
    await stage.start()
    await stage.next(continue_as_new(stage.queue))
    await stage.signal()
    await stage.finish()


async def continued_as_new_with_open_work(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("timer", 100), activity(stage.queue), continue_as_new(stage.queue))
    await stage.finish()
