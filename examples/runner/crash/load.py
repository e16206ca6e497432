"""`python -m runner crash-load`: mixed workflows, and a ledger of what the server has acknowledged."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from runner.crash.ledger import Entry, Ledger
from runner.crash.patience import Deadline, connect, patiently
from runner.crash.worker import WorkerProcess, task_queue
from runner.crash.workflows import FamilyWorkflow, Generation, MailboxWorkflow, WaitingWorkflow, Walk, WalkWorkflow

#: Time that the workflows get after the load's own seconds.
GRACE_SECONDS = 300.0
#: Letters to each mailbox: signals and updates in turn.
LETTERS = 12


class Load:
    """The clients' side: one coroutine per workflow, all of them write into one ledger."""

    def __init__(self, client: Client, folder: Path, seconds: float) -> None:
        self._client = client
        self._folder = folder
        self._seconds = seconds
        self._deadline = Deadline(seconds + GRACE_SECONDS)
        self.ledger = Ledger(folder)

    async def one(self, number: int) -> None:
        """Starts one workflow at its moment in the first half of the load, and sees it through."""
        await asyncio.sleep(random.random() * self._seconds / 2)
        kinds: list[Callable[[str], Awaitable[None]]] = [
            self._walk,
            self._mailbox,
            self._family,
            self._cancelled,
            self._terminated,
        ]
        # Walks, mailboxes and families are nine of ten.
        kind = kinds[number % 3] if number % 10 != 9 else kinds[3 + number // 10 % 2]
        await kind(f"{task_queue(self._folder)}-{kind.__name__.strip('_')}-{number}")

    async def _walk(self, workflow_id: str) -> None:
        walk = Walk(steps=6, rest_seconds=self._seconds / 20)
        await self._result(await self._start(WalkWorkflow.run, walk, workflow_id))

    async def _family(self, workflow_id: str) -> None:
        generation = Generation(0, 2, Walk(steps=2, rest_seconds=self._seconds / 20))
        await self._result(await self._start(FamilyWorkflow.run, generation, workflow_id))

    async def _cancelled(self, workflow_id: str) -> None:
        handle = await self._start(WaitingWorkflow.run, None, workflow_id)
        await asyncio.sleep(random.random() * self._seconds / 3)
        await patiently(handle.cancel, self._deadline)
        self.ledger.write(Entry("cancel", handle.id))
        await self._result(handle)

    async def _terminated(self, workflow_id: str) -> None:
        handle = await self._start(WaitingWorkflow.run, None, workflow_id)
        await asyncio.sleep(random.random() * self._seconds / 3)
        try:
            await patiently(lambda: handle.terminate("crash test"), self._deadline)
        except RPCError as error:
            # An attempt whose answer was lost has done it.
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
        self.ledger.write(Entry("terminate", handle.id))
        await self._result(handle)

    async def _mailbox(self, workflow_id: str) -> None:
        handle = await self._start(MailboxWorkflow.run, None, workflow_id)
        acknowledged = []
        for number in range(LETTERS):
            await asyncio.sleep(random.random() * self._seconds / LETTERS / 2)
            letter = f"{workflow_id}/letter-{number}"
            post = self._signal if number % 2 == 0 else self._update
            acknowledged.append(await post(handle, letter))
        await patiently(lambda: handle.signal(MailboxWorkflow.close, acknowledged), self._deadline)
        await self._result(handle)

    async def _signal(self, handle: WorkflowHandle, letter: str) -> str:
        """Sends a signal; each try of ours has a payload of its own, so one that was lost is no duplicate."""
        tries = 0

        async def send() -> str:
            nonlocal tries
            tries += 1
            token = f"{letter}/try-{tries}"
            await handle.signal(MailboxWorkflow.mail, token)
            return token

        token = await patiently(send, self._deadline)
        self.ledger.write(Entry("signal", handle.id, token))
        return token

    async def _update(self, handle: WorkflowHandle, letter: str) -> str:
        """Sends an update; all tries have the same id, so all of them mean the same update."""
        outcome = await patiently(
            lambda: handle.execute_update(MailboxWorkflow.post, letter, id=letter), self._deadline
        )
        self.ledger.write(Entry("update", handle.id, letter, outcome))
        return letter

    async def _start(self, run: Callable[..., Any], argument: Any, workflow_id: str) -> WorkflowHandle:
        arguments = [] if argument is None else [argument]

        async def start() -> str:
            try:
                handle = await self._client.start_workflow(
                    run, args=arguments, id=workflow_id, task_queue=task_queue(self._folder)
                )
            except WorkflowAlreadyStartedError as error:  # A try whose answer was lost has done it.
                return str(error.run_id)
            return str(handle.first_execution_run_id)

        run_id = await patiently(start, self._deadline)
        self.ledger.write(Entry("start", workflow_id, run_id))
        return self._client.get_workflow_handle(workflow_id)

    async def _result(self, handle: WorkflowHandle) -> None:
        """Awaits the end; a workflow that was ended from outside has its status as result."""

        async def result() -> Any:
            try:
                return await handle.result()
            except WorkflowFailureError as failure:
                return type(failure.cause).__name__

        value = await patiently(result, self._deadline)
        self.ledger.write(Entry("result", handle.id, "", value))

    async def report(self, count: int) -> None:
        """Says every second how far the load is."""
        while True:
            done = self.ledger.counts["result"]
            print(f"crash-load: {done}/{count} ended; {self.ledger.summary()}", file=sys.stderr, flush=True)
            await asyncio.sleep(1.0)


async def main(address: str, namespace: str, folder: Path, count: int, seconds: float) -> int:
    """Runs the load; 0 when every operation was acknowledged and every workflow ended."""
    folder.mkdir(parents=True, exist_ok=True)
    if Ledger(folder).path.exists():
        print(f"{folder} has a ledger already", file=sys.stderr)
        return 2
    client = await connect(address, namespace, Deadline(60.0))
    load = Load(client, folder, seconds)
    worker = WorkerProcess(address, namespace, folder)
    await worker.start()
    reporting = asyncio.create_task(load.report(count))
    try:
        outcomes = await asyncio.gather(*(load.one(number) for number in range(count)), return_exceptions=True)
    finally:
        reporting.cancel()
        await worker.kill()
    failures = [outcome for outcome in outcomes if outcome is not None]
    for failure in failures[:10]:
        print(f"crash-load: {type(failure).__name__}: {failure}", file=sys.stderr)
    print(f"crash-load: {load.ledger.summary()}; {len(failures)} workflows went wrong")
    return 1 if failures else 0
