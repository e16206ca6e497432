"""Four named queues. Three have rates, which the server keeps however many workers poll; urgent work overtakes; a worker leaves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    ScheduleState,
    WorkflowHandle,
)
from temporalio.worker import Worker

from runner.example import Example, Report, Stage, check, check_equal
from worker_queues.activities import Start, hand_over, note_start
from worker_queues.workflows import DispatchWorkflow, HandOverWorkflow, Load

#: As in the described systems.
ACTIVITIES_MAX = 50


@dataclass
class Queue:
    """A queue with its rate in tasks per second, for all of its workers together."""

    name: str
    rate: float
    load: Load


HIGH = Queue("project-ai-high-priority", 100, Load("project-ai-high-priority", usual=300))
STANDARD = Queue("project-ai-standard", 50, Load("project-ai-standard", usual=150))
BACKGROUND = Queue("project-ai-background", 10, Load("project-ai-background", usual=30, urgent=5))
QUEUES = [HIGH, STANDARD, BACKGROUND]
#: Its work is started by a schedule; the runner hosts its worker.
SCHEDULED = "project-ai-scheduled"


async def run(stage: Stage) -> Report:
    async with _workers(stage):
        began = time.monotonic()
        handle = await _by_schedule(stage)
        stage.say("work on three queues with rates")
        started = await handle.result()
    figures = [_rate(queue, started[queue.name], began) for queue in QUEUES]
    overtaken = _overtaken(started[BACKGROUND.name])
    await _leaves(stage)
    return Report(handle, f"{', '.join(figures)}; urgent work overtook {overtaken}")


@asynccontextmanager
async def _workers(stage: Stage) -> AsyncIterator[None]:
    """Two workers for each queue but the slow one, whose order shall be seen: one activity at a time."""
    async with AsyncExitStack() as stack:
        for client in (stage.client, await _another_client(stage)):
            for queue in QUEUES if client is stage.client else [HIGH, STANDARD]:
                await stack.enter_async_context(
                    Worker(
                        client,
                        task_queue=queue.name,
                        activities=[note_start],
                        max_concurrent_activities=1 if queue is BACKGROUND else ACTIVITIES_MAX,
                        max_task_queue_activities_per_second=queue.rate,
                    )
                )
        yield


async def _another_client(stage: Stage) -> Client:
    """As of another process: two workers of one client may not poll one queue."""
    return await Client.connect(stage.client.service_client.config.target_host, namespace=stage.client.namespace)


async def _by_schedule(stage: Stage) -> WorkflowHandle[DispatchWorkflow, dict[str, list[Start]]]:
    """Has a schedule start the work, once and at once."""
    schedule = await stage.client.create_schedule(
        stage.id("dispatch-schedule"),
        Schedule(
            action=ScheduleActionStartWorkflow(
                DispatchWorkflow.run,
                [queue.load for queue in QUEUES],
                id=stage.id("dispatch"),
                task_queue=SCHEDULED,
                execution_timeout=timedelta(minutes=5),
            ),
            spec=ScheduleSpec(),
            state=ScheduleState(paused=True, note="by hand"),
        ),
    )
    await schedule.trigger()
    seen = await stage.until("the schedule starts it", schedule.describe, lambda seen: seen.info.num_actions == 1)
    await schedule.delete()
    return stage.client.get_workflow_handle_for(DispatchWorkflow.run, seen.info.recent_actions[0].action.workflow_id)


def _rate(queue: Queue, starts: list[Start], began: float) -> str:
    """Holds the starts against the queue's rate. A queue that was idle does a second's work at once, and then keeps its rate."""
    first, last = min(start.at for start in starts), max(start.at for start in starts)
    # From before the first could be handed out: only so it is certain that the server has had no less time.
    check(len(starts) - queue.rate <= queue.rate * (last - began), f"{queue.name}: {len(starts)} in {last - began:.2f} s")
    reached = (len(starts) - queue.rate) / (last - first)
    return f"{queue.name.removeprefix('project-ai-')} {reached:.0f}/s of {queue.rate:.0f}"


def _overtaken(starts: list[Start]) -> int:
    """Urgent work is handed out last and done before at least half of the rest; how much it overtook."""
    urgent = max(start.at for start in starts if start.priority == 1)
    overtaken = sum(start.at > urgent for start in starts)
    check(overtaken >= BACKGROUND.load.usual // 2, f"urgent work came before {overtaken} of {BACKGROUND.load.usual}")
    return overtaken


async def _leaves(stage: Stage) -> None:
    """A worker shuts down while it works: what it has begun ends, and what comes later goes to the other worker."""
    first, second = (
        Worker(
            client,
            task_queue=stage.id(STANDARD.name),
            activities=[hand_over, note_start],
            graceful_shutdown_timeout=timedelta(seconds=30),
        )
        for client in (stage.client, await _another_client(stage))
    )
    async with second:
        async with first:
            handles = [
                await stage.client.start_workflow(
                    HandOverWorkflow.run,
                    stage.id(STANDARD.name),
                    id=stage.id(f"hand-over-{number}"),
                    task_queue=SCHEDULED,
                )
                for number in range(4)
            ]
            for handle in handles:
                await stage.until(f"{handle.id} works", handle.describe, lambda seen: _has_begun(seen.raw_description))
        dispatch = await stage.client.start_workflow(
            DispatchWorkflow.run,
            [Load(stage.id(STANDARD.name), usual=3)],
            id=stage.id("later"),
            task_queue=SCHEDULED,
        )
        check_equal(len((await dispatch.result())[stage.id(STANDARD.name)]), 3, "work for the worker that stays")
    check_equal([await handle.result() for handle in handles], [1] * 4, "attempts of work that was handed over")


def _has_begun(description) -> bool:
    return any(pending.last_worker_identity for pending in description.pending_activities)


EXAMPLE = Example(
    name="worker_queues",
    task_queue=SCHEDULED,
    run=run,
    workflows=[DispatchWorkflow, HandOverWorkflow],
    activities=[],
)
