"""One worker per task queue and data converter, for the examples that were chosen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

from temporalio.client import Client
from temporalio.worker import Worker

from runner.example import Example

#: Activities that one worker runs at the same time, as in the described systems.
ACTIVITIES_MAX = 50
#: Workflow tasks that one worker runs at the same time, as in the described systems.
WORKFLOW_TASKS_MAX = 100


def by_queue(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """The examples that have workflows; those of one queue share a worker, and so the converter of the first."""
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        if example.workflows:
            groups[example.task_queue].append(example)
    return groups


@asynccontextmanager
async def hosted(examples: Sequence[Example], clients: dict[str, Client]) -> AsyncIterator[None]:
    """Hosts the workflows and activities of the examples; `clients` has a client for each example's name."""
    async with AsyncExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(ACTIVITIES_MAX))
        for task_queue, group in by_queue(examples).items():
            worker = Worker(
                clients[group[0].name],
                task_queue=task_queue,
                workflows=[workflow for example in group for workflow in example.workflows],
                activities=[activity for example in group for activity in example.activities],
                activity_executor=pool,
                max_concurrent_activities=ACTIVITIES_MAX,
                max_concurrent_workflow_tasks=WORKFLOW_TASKS_MAX,
            )
            await stack.enter_async_context(worker)
        yield
