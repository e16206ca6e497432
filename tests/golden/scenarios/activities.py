"""Activities: every way in which one can end, and when."""

import asyncio
from typing import Any

import temporalio.api.workflowservice.v1 as ws
from temporalio.api.common.v1 import Header, Priority
from temporalio.api.sdk.v1 import UserMetadata

from commands import activity, cancel_activity, canceled, complete, failure, payload, payloads, retries, seconds, timer
from stage import IDENTITY, NAMESPACE, Stage


async def activity_ok(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    await stage.complete_activity(await stage.activity_task())
    await stage.finish()


async def activity_fails(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    await stage.fail_activity(await stage.activity_task(), failure("it broke"))
    await stage.finish()


async def activity_retried(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, retry_policy=retries(0)))
    await stage.fail_activity(await stage.activity_task(), failure("first"))
    await stage.fail_activity(await stage.activity_task(), failure("second", retry_delay=0.3))
    await stage.complete_activity(await stage.activity_task())
    await stage.finish()


async def activity_retries_spent(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, retry_policy=retries(2)))
    await stage.fail_activity(await stage.activity_task(), failure("first"))
    await stage.fail_activity(await stage.activity_task(), failure("second"))
    await stage.finish()


async def activity_failure_is_final(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, retry_policy=retries(0)))
    await stage.fail_activity(await stage.activity_task(), failure("never again", final=True))
    await stage.finish()


async def activity_failure_type_is_final(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, retry_policy=retries(0, non_retryable_error_types=["Fatal"])))
    await stage.fail_activity(await stage.activity_task(), failure("never again", "Fatal"))
    await stage.finish()


async def activity_default_retry_policy(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, retry_policy=None, schedule_to_close_timeout=seconds(20)))
    await stage.complete_activity(await stage.activity_task())
    await stage.finish()


async def activity_schedule_to_start_timeout(stage: Stage) -> None:
    await stage.start()
    timeouts: dict[str, Any] = {"schedule_to_start_timeout": seconds(1), "start_to_close_timeout": seconds(5)}
    await stage.next(activity(stage.queue, retry_policy=retries(0), **timeouts))
    await stage.finish()


async def activity_schedule_to_close_timeout(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, retry_policy=retries(0), schedule_to_close_timeout=seconds(1)))
    await stage.activity_task()
    await stage.finish()


async def activity_start_to_close_timeout(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, start_to_close_timeout=seconds(1)))
    task = await stage.activity_task()
    await stage.finish()
    await stage.answer(stage.complete_activity(task))


async def activity_start_to_close_timeout_retried(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, start_to_close_timeout=seconds(1), retry_policy=retries(2)))
    await stage.activity_task()
    await stage.complete_activity(await stage.activity_task())
    await stage.finish()


async def activity_heartbeat_timeout(stage: Stage) -> None:
    await stage.start()
    timeouts: dict[str, Any] = {"start_to_close_timeout": seconds(20), "heartbeat_timeout": seconds(1)}
    await stage.next(activity(stage.queue, **timeouts))
    await stage.heartbeat(await stage.activity_task())
    await stage.finish()


async def activity_no_time_for_retry(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, schedule_to_close_timeout=seconds(3), retry_policy=retries(0, 10)))
    await stage.fail_activity(await stage.activity_task(), failure("no time"))
    await stage.finish()


async def activity_timeout_in_backoff(stage: Stage) -> None:
    await stage.start()
    timeouts: dict[str, Any] = {"schedule_to_close_timeout": seconds(3), "start_to_close_timeout": seconds(1)}
    await stage.next(activity(stage.queue, retry_policy=retries(0, 1), **timeouts))
    await stage.fail_activity(await stage.activity_task(), failure("first"))
    await stage.finish()


async def activity_canceled(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, heartbeat_timeout=seconds(10), start_to_close_timeout=seconds(20)))
    task = await stage.activity_task()
    await stage.signal()
    await stage.next(cancel_activity(5))
    await stage.cancel_activity(task)
    await stage.finish()


async def activity_completes_despite_cancel(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    task = await stage.activity_task()
    await stage.signal()
    await stage.next(cancel_activity(5))
    await stage.complete_activity(task)
    await stage.finish()


async def activity_fails_after_cancel(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, retry_policy=retries(0)))
    task = await stage.activity_task()
    await stage.signal()
    await stage.next(cancel_activity(5))
    await stage.answer(stage.fail_activity(task, canceled()))
    await stage.fail_activity(task, failure("first"))
    await stage.finish()


async def activity_canceled_before_start(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    await stage.signal()
    await stage.next(cancel_activity(5))
    await stage.finish()


async def activity_canceled_in_its_task(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue), cancel_activity(5))
    await stage.finish()


async def activity_canceled_in_backoff(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, retry_policy=retries(0, 10), start_to_close_timeout=seconds(5)))
    await stage.fail_activity(await stage.activity_task(), failure("first"))
    await stage.signal()
    await stage.next(cancel_activity(5))
    await stage.finish()


async def activity_canceled_unasked(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    await stage.answer(stage.cancel_activity(await stage.activity_task()))


async def activity_completed_by_id(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    await stage.activity_task()
    request = ws.RespondActivityTaskCompletedByIdRequest(
        namespace=NAMESPACE,
        workflow_id=stage.id,
        activity_id="activity",
        result=payloads("by id"),
        identity=IDENTITY,
    )
    await stage.rpc.respond_activity_task_completed_by_id(request)
    await stage.answer(stage.rpc.respond_activity_task_completed_by_id(request))
    await stage.finish()


async def activity_completed_by_id_before_start(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    request = ws.RespondActivityTaskCompletedByIdRequest(
        namespace=NAMESPACE,
        workflow_id=stage.id,
        activity_id="activity",
        result=payloads("by id"),
        identity=IDENTITY,
    )
    await stage.answer(stage.rpc.respond_activity_task_completed_by_id(request))


async def activity_failed_by_id(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    await stage.activity_task()
    request = ws.RespondActivityTaskFailedByIdRequest(
        namespace=NAMESPACE,
        workflow_id=stage.id,
        activity_id="activity",
        failure=failure("by id"),
        identity=IDENTITY,
    )
    await stage.rpc.respond_activity_task_failed_by_id(request)
    await stage.finish()


async def activity_ends_during_workflow_task(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    work = await stage.activity_task()
    await stage.signal()
    task = await stage.task()
    await stage.complete_activity(work)
    await stage.done(task)
    await stage.finish()


async def activity_open_at_close(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    work = await stage.activity_task()
    await stage.signal()
    await stage.finish()
    await stage.answer(stage.complete_activity(work))


async def activities_side_by_side(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, "one"), activity(stage.queue, "two"))
    tasks = [await stage.activity_task(), await stage.activity_task()]
    tasks.sort(key=lambda task: task.activity_id)
    workflow_task = asyncio.create_task(stage.task())
    await stage.complete_activity(tasks[1])
    task = await workflow_task
    await stage.fail_activity(tasks[0], failure("it broke"))
    await stage.done(task)
    await stage.next(complete())


async def activity_heartbeats_and_retries(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, retry_policy=retries(2)))
    task = await stage.activity_task()
    await stage.heartbeat(task)
    await stage.fail_activity(task, failure("first"))
    task = await stage.activity_task()
    stage.answers.append(str(task.heartbeat_details.payloads[0].data))
    await stage.fail_activity(task, failure("second"))
    await stage.finish()


async def activity_timeouts_spent(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, start_to_close_timeout=seconds(1), retry_policy=retries(2)))
    await stage.activity_task()
    await stage.activity_task()
    await stage.finish()


async def activity_schedule_to_close_timeout_after_failure(stage: Stage) -> None:
    await stage.start()
    timeouts: dict[str, Any] = {"schedule_to_close_timeout": seconds(2)}
    await stage.next(activity(stage.queue, retry_policy=retries(0), **timeouts))
    await stage.fail_activity(await stage.activity_task(), failure("first"))
    await stage.heartbeat(await stage.activity_task())
    await stage.finish()


async def activity_timeouts_within_run_timeout(stage: Stage) -> None:
    await stage.start(workflow_run_timeout=seconds(60))
    timeouts: dict[str, Any] = {"schedule_to_close_timeout": seconds(100), "heartbeat_timeout": seconds(200)}
    await stage.next(activity(stage.queue, **timeouts))
    await stage.terminate()


async def activity_failed_with_cause(stage: Stage) -> None:
    outer = failure("outer", "Outer")
    outer.cause.CopyFrom(failure("inner", "Inner", final=True))
    await stage.start()
    await stage.next(activity(stage.queue))
    await stage.fail_activity(await stage.activity_task(), outer)
    await stage.finish()


async def activity_id_again(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    await stage.complete_activity(await stage.activity_task())
    await stage.next(activity(stage.queue))
    await stage.complete_activity(await stage.activity_task())
    await stage.finish()


async def activity_with_everything(stage: Stage) -> None:
    await stage.start(priority=Priority(priority_key=2))
    scheduled = activity(
        stage.queue,
        header=Header(fields={"header": payload("header")}),
        priority=Priority(priority_key=4, fairness_key="key"),
        schedule_to_close_timeout=seconds(50),
        schedule_to_start_timeout=seconds(60),
        start_to_close_timeout=seconds(70),
        heartbeat_timeout=seconds(5),
        retry_policy=retries(3, 1, non_retryable_error_types=["Fatal"], maximum_interval=seconds(7)),
    )
    scheduled.user_metadata.CopyFrom(UserMetadata(summary=payload("summary")))
    await stage.next(scheduled)
    await stage.complete_activity(await stage.activity_task())
    await stage.finish()


async def activity_canceled_twice(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    task = await stage.activity_task()
    await stage.signal()
    await stage.next(cancel_activity(5))
    await stage.signal()
    await stage.answer(stage.next(cancel_activity(5)))
    await stage.complete_activity(task)
    await stage.finish()


async def activity_cancel_seen_in_heartbeat(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, heartbeat_timeout=seconds(10), start_to_close_timeout=seconds(20)))
    task = await stage.activity_task()
    await stage.signal()
    await stage.next(cancel_activity(5), timer("timer", 1))
    await stage.heartbeat(task)
    await stage.cancel_activity(task)
    await stage.next()
    await stage.finish()
