"""A mixture of everything for some time, with workers that are killed; then nothing may be stuck, lost or doubled.

python stress.py --address HOST:PORT --seconds N

Prints a line every few seconds and at the end what was done. Exit code 1: something is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import time
import uuid
from collections import Counter as Counts
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, Worker

sys.path.append(str(Path(__file__).parents[2] / "examples"))

from runner import replay
from runner.__main__ import _only_errors
from runner.crash.patience import PAUSE_SECONDS, Deadline, connect, patiently

from workflows import ACTIVITIES, WORKFLOWS, Counter, Ledger, Mixture, Stoppable

#: What is under way at the same time, of each kind.
COUNTERS, MIXTURES, STOPPABLES = 3, 12, 3
WORKERS = 2
#: Updates to a counter at the same time; the server takes ten.
UPDATES_AT_ONCE = 6
#: How long a worker lives.
LIFE_SECONDS = (3.0, 9.0)
#: After the time is up, what is under way must end within this.
GRACE_SECONDS = 120.0
REPORT_SECONDS = 5.0
#: Histories that are replayed at the end.
REPLAYS_MAX = 60


class Wrong(Exception):
    """Something was lost, doubled, or answered wrongly."""


def must(condition: bool, text: str) -> None:
    if not condition:
        raise Wrong(text)


class Stress:
    def __init__(self, client: Client, queue: str, seconds: float) -> None:
        self._client, self._queue = client, queue
        self._until = time.monotonic() + seconds
        self._deadline = Deadline(seconds + GRACE_SECONDS)
        self.done: Counts[str] = Counts()

    def _goes_on(self) -> bool:
        return time.monotonic() < self._until

    async def _call(self, call: Callable[[], Awaitable]):
        while True:
            try:
                return await patiently(call, self._deadline)
            except RPCError as error:
                # A run that continues as new too soon waits for its first task; nobody can ask it anything yet.
                if error.status != RPCStatusCode.FAILED_PRECONDITION or self._deadline.passed():
                    raise
            await asyncio.sleep(PAUSE_SECONDS)

    async def _start(self, run: Callable, argument: list, kind: str) -> WorkflowHandle:
        workflow_id = f"{kind}-{uuid.uuid4()}"
        handle = await self._call(
            lambda: self._client.start_workflow(
                run, args=argument, id=workflow_id, task_queue=self._queue, request_eager_start=False
            )
        )
        # Without the run's id: what continues as new is meant too.
        return self._client.get_workflow_handle_for(run, handle.id)

    async def counter(self) -> None:
        """Updates and signals in parallel, each seen by a query afterwards; in the end each is there once."""
        while self._goes_on():
            handle = await self._start(Counter.run, [Ledger()], "counter")
            updates, notes = [], []
            outcomes: dict[str, str] = {}
            while self._goes_on() and len(updates) < 300:
                batch = [f"u{len(updates) + number}" for number in range(UPDATES_AT_ONCE)]
                updates += batch
                answers = await asyncio.gather(*(self._update(handle, entry) for entry in batch))
                outcomes.update(zip(batch, answers))
                notes.append(f"n{len(notes)}")
                await self._call(lambda: handle.signal(Counter.note, notes[-1]))
                self.done["signals"] += 1
                seen = await self._call(lambda: handle.query(Counter.has, random.choice([batch[0], notes[-1]])))
                must(seen, f"a query of {handle.id} does not see what was acknowledged")
                self.done["queries"] += 1
                if random.random() < 0.2:
                    await self._refused(handle)
            await self._call(lambda: handle.signal(Counter.finish))
            ledger = await self._call(handle.result)
            must(sorted(ledger.entries) == sorted(updates), f"{handle.id}: {len(updates)} updates became {ledger}")
            must(sorted(ledger.notes) == sorted(notes), f"{handle.id}: {len(notes)} signals became {ledger}")
            await self._outcome_after_close(handle, outcomes)
            self.done["counters"] += 1
            self.done["continued as new"] += ledger.runs - 1

    async def _update(self, handle: WorkflowHandle, entry: str) -> str:
        answer = await self._call(lambda: handle.execute_update(Counter.add, entry, id=f"{handle.id}-{entry}"))
        must(answer == f"{entry} is there", f"{entry} was answered with {answer}")
        self.done["updates"] += 1
        return answer

    async def _refused(self, handle: WorkflowHandle) -> None:
        try:
            await self._call(lambda: handle.execute_update(Counter.add, "bad"))
        except WorkflowUpdateFailedError:
            self.done["refused updates"] += 1
            return
        raise Wrong("an update that its validator refuses was accepted")

    async def _outcome_after_close(self, handle: WorkflowHandle, outcomes: dict[str, str]) -> None:
        """The last run answers for its own updates after its end."""
        description = await self._call(handle.describe)
        events = (event async for event in handle.fetch_history_events())
        here = [
            event.workflow_execution_update_accepted_event_attributes.protocol_instance_id
            async for event in events
            if event.HasField("workflow_execution_update_accepted_event_attributes")
        ]
        for update_id in here[:5]:
            update = self._client.get_workflow_handle(handle.id, run_id=description.run_id).get_update_handle(update_id)
            answer = await self._call(update.result)
            entry = update_id.rsplit("-", 1)[1]
            must(answer == outcomes[entry], f"after the close {update_id} is {answer}")
            self.done["outcomes after close"] += 1

    async def mixture(self) -> None:
        while self._goes_on():
            number = random.randrange(1000)
            handle = await self._start(Mixture.run, [number], "mixture")
            await asyncio.sleep(random.random())
            await self._call(lambda: handle.query(Mixture.number))
            self.done["queries"] += 1
            await self._call(lambda: handle.signal(Mixture.go))
            if number % 3 == 0:
                await self._again(handle)
            results = await self._call(handle.result)
            must(results == Mixture.expected(number), f"{handle.id} of {number} is {results}")
            self.done["mixtures"] += 1

    async def _again(self, handle: WorkflowHandle) -> None:
        """A run that continues as new waits for its own signal."""
        while True:
            description = await self._call(handle.describe)
            if description.status != WorkflowExecutionStatus.RUNNING:
                return
            with suppress(RPCError):
                await self._call(lambda: handle.signal(Mixture.go))
            await asyncio.sleep(0.3)

    async def stoppable(self) -> None:
        while self._goes_on():
            handle = await self._start(Stoppable.run, [], "stoppable")
            await asyncio.sleep(random.random() * 2)
            await self._call(handle.cancel)
            must(await self._call(handle.result) == "cleaned up", f"{handle.id} did not clean up")
            self.done["cancelled"] += 1

    async def report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            print("stress:", self.summary(), flush=True)

    def summary(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in sorted(self.done.items()))

    async def histories_replay(self) -> None:
        """Some of what ended, so that the test does not last as long again."""
        replayed, faults = await replay.closed_runs(
            self._client, Replayer(workflows=WORKFLOWS), self._queue, REPLAYS_MAX
        )
        must(not faults, "; ".join(faults[:5]))
        self.done["replayed"] += replayed

    async def nothing_is_open(self) -> None:
        """Lists see what is written, so there is nothing to wait for."""
        query = f"TaskQueue = '{self._queue}' AND ExecutionStatus = 'Running'"
        count = await self._call(lambda: self._client.count_workflows(query))
        found = [one.id async for one in self._client.list_workflows(query)]
        must(count.count == 0 and not found, f"stuck: {count.count}, among them {found[:10]}")


async def keep_worker(command: list[str], killed: Counts[str]) -> None:
    """A worker process that is killed and comes back."""
    while True:
        process = await asyncio.create_subprocess_exec(*command)
        try:
            await asyncio.sleep(random.uniform(*LIFE_SECONDS))
            killed["workers killed"] += 1
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def work(address: str, queue: str) -> None:
    """One worker, until the process that started it ends."""
    parent, deadline = os.getppid(), Deadline(60.0)
    while os.getppid() == parent:
        client = await connect(address, "default", deadline)
        with ThreadPoolExecutor(4) as pool:
            worker = Worker(
                client, task_queue=queue, workflows=WORKFLOWS, activities=ACTIVITIES, activity_executor=pool
            )
            # The worker gives up where the server is away for long.
            with suppress(RuntimeError, RPCError):
                await worker.run()


async def drive(address: str, seconds: float) -> int:
    queue = f"stress-{uuid.uuid4()}"
    client = await connect(address, "default", Deadline(60.0))
    stress = Stress(client, queue, seconds)
    command = [sys.executable, __file__, "--address", address, "--worker", queue]
    workers = [asyncio.create_task(keep_worker(command, stress.done)) for _ in range(WORKERS)]
    reporting = asyncio.create_task(stress.report())
    kinds = [stress.counter] * COUNTERS + [stress.mixture] * MIXTURES + [stress.stoppable] * STOPPABLES
    outcomes = await asyncio.gather(
        *(asyncio.wait_for(kind(), seconds + GRACE_SECONDS) for kind in kinds), return_exceptions=True
    )
    failures = [f"{type(outcome).__name__}: {outcome}" for outcome in outcomes if outcome is not None]
    if not failures:
        try:
            await stress.nothing_is_open()
            await stress.histories_replay()
        except Wrong as wrong:
            failures.append(str(wrong))
    for task in [reporting, *workers]:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    print("stress:", stress.summary())
    for failure in failures[:10]:
        print("stress: WRONG:", failure)
    return 1 if failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--worker", metavar="QUEUE", help="be a worker of this queue")
    arguments = parser.parse_args()
    _only_errors()
    if arguments.worker:
        asyncio.run(work(arguments.address, arguments.worker))
        return 0
    return asyncio.run(drive(arguments.address, arguments.seconds))


if __name__ == "__main__":
    sys.exit(main())
