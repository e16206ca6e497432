"""Three namespaces with a pool each: thirty greetings through ten clients, and one id that is another workflow in each namespace."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from temporalio.client import Client
from temporalio.worker import Worker

from client_manager.activities import greet
from client_manager.manager import ClientManager, Credentials
from client_manager.workflows import GreetingWorkflow
from runner.example import Example, Report, Stage, check, check_equal

NAMESPACES = ["default", "project-ai", "jarvis-prod"]
POOL = 10
#: More than there are clients.
GREETINGS = 30


async def run(stage: Stage) -> Report:
    address = stage.client.service_client.config.target_host
    answers = await greetings(address, Credentials(), stage.tag, stage.say)
    handle = stage.client.get_workflow_handle(f"greeting-{stage.tag}-0")
    return Report(handle, f"{len(answers)} namespaces, {POOL} clients each, {sum(map(len, answers.values()))} workflows")


async def greetings(address: str, credentials: Credentials, tag: str, say) -> dict[str, list[str]]:
    """What each namespace answered, checked."""
    answers = {}
    for namespace in NAMESPACES:
        say(f"pool of {namespace}")
        async with ClientManager(address, namespace, credentials, POOL) as manager:
            check(await manager.is_healthy(), f"{namespace} is described in time")
            answers[namespace] = await _through(manager, tag)
        try:
            async with manager.client():
                check(False, "a pool that is closed lends out nothing")
        except RuntimeError:
            pass
        wanted = [f"{namespace} greets {number}" for number in range(GREETINGS)]
        check_equal(answers[namespace], wanted, f"greetings of {namespace}")
    return answers


async def _through(manager: ClientManager, tag: str) -> list[str]:
    used: set[int] = set()

    async def one(number: int, task_queue: str) -> str:
        async with manager.client() as client:
            used.add(id(client))
            return await client.execute_workflow(
                GreetingWorkflow.run, str(number), id=f"greeting-{tag}-{number}", task_queue=task_queue
            )

    async with AsyncExitStack() as stack:
        client: Client = await stack.enter_async_context(manager.client())
        task_queue = f"greetings-{tag}"
        worker = Worker(client, task_queue=task_queue, workflows=[GreetingWorkflow], activities=[greet])
        await stack.enter_async_context(worker)
        answers = await asyncio.gather(*(one(number, task_queue) for number in range(GREETINGS)))
    check_equal(len(used), POOL - 1, "clients that were used, beside the worker's")
    return answers


EXAMPLE = Example(name="client_manager", task_queue="", run=run)
