"""`python -m runner verify`: everything in the ledger is in the histories exactly once, and every history replays."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

from runner.crash.chain import Run, faults_of, replay_fault, runs_of
from runner.crash.ledger import Entry, Ledger
from runner.crash.patience import Deadline, connect, patiently
from runner.crash.worker import WorkerProcess
from runner.example import of_kind

VERIFY_SECONDS_MAX = 300.0
#: Workflows that are looked at at the same time.
AT_ONCE = 8


class Proof:
    """The facts to compare, and the faults that were found."""

    def __init__(self, client: Client, ledger: Ledger) -> None:
        self._client = client
        self._effects = ledger.effects()
        self._nonces_used: Counter[str] = Counter()
        self._by_workflow: dict[str, list[Entry]] = defaultdict(list)
        for entry in ledger.entries():
            self._by_workflow[entry.workflow_id].append(entry)
        self._gate = asyncio.Semaphore(AT_ONCE)
        self.runs = 0
        self.faults: list[str] = []

    async def all(self) -> None:
        """Looks at every workflow of the ledger."""
        await asyncio.gather(*(self._one(workflow_id) for workflow_id in self._by_workflow))
        twice = [nonce for nonce, count in self._nonces_used.items() if count > 1]
        self.faults += [f"the result {nonce} is used twice" for nonce in twice]

    async def _one(self, workflow_id: str) -> None:
        async with self._gate:
            entries = self._by_workflow[workflow_id]
            starts = [entry for entry in entries if entry.operation == "start"]
            if len(starts) != 1:
                self.faults.append(f"{workflow_id}: {len(starts)} starts in the ledger")
                return
            try:
                faults = await self._faults(workflow_id, starts[0].token, entries)
            except Exception as error:  # One workflow that cannot be read must not hide the others.
                faults = [f"cannot be checked: {type(error).__name__}: {error}"]
            self.faults += [f"{workflow_id}: {fault}" for fault in faults]

    async def _faults(self, workflow_id: str, first_run_id: str, entries: list[Entry]) -> list[str]:
        result = await self._result(workflow_id)
        runs = await runs_of(self._client, workflow_id, first_run_id)
        faults = self._operations(runs, entries) + self._ending(runs, entries, result)
        family = [(workflow_id, run) for run in runs]
        for run in runs:
            for child in of_kind(run.events, "child_workflow_execution_started"):
                execution = child.workflow_execution
                for child_run in await runs_of(self._client, execution.workflow_id, execution.run_id):
                    family.append((execution.workflow_id, child_run))
        listed = await self._client.count_workflows(f"WorkflowId = '{workflow_id}'")
        if listed.count != len(runs):
            faults.append(f"{listed.count} runs in the list, {len(runs)} in the chain")
        for owner, run in family:
            self.runs += 1
            faults += faults_of(run) + self._results_of_steps(owner, run)
            fault = await replay_fault(owner, run)
            if fault is not None:
                faults.append(fault)
        return faults

    async def _result(self, workflow_id: str) -> Any:
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            return await asyncio.wait_for(handle.result(), VERIFY_SECONDS_MAX)
        except WorkflowFailureError as failure:
            return type(failure.cause).__name__

    def _operations(self, runs: list[Run], entries: list[Entry]) -> list[str]:
        """Acknowledged signals, updates, cancels and terminations: each exactly once."""
        events = [event for run in runs for event in run.events]
        signals = Counter(
            json.loads(signaled.input.payloads[0].data)
            for signaled in of_kind(events, "workflow_execution_signaled")
            if signaled.signal_name == "mail"
        )
        updates = Counter(
            accepted.protocol_instance_id for accepted in of_kind(events, "workflow_execution_update_accepted")
        )
        outcomes = {
            completed.meta.update_id: json.loads(completed.outcome.success.payloads[0].data)
            for completed in of_kind(events, "workflow_execution_update_completed")
        }
        counts = {
            "cancel": len(of_kind(events, "workflow_execution_cancel_requested")),
            "terminate": len(of_kind(events, "workflow_execution_terminated")),
        }
        faults = [f"signal {token} occurs {count} times" for token, count in signals.items() if count > 1]
        faults += [f"update {token} occurs {count} times" for token, count in updates.items() if count > 1]
        for entry in entries:
            if entry.operation == "signal" and signals[entry.token] == 0:
                faults.append(f"signal {entry.token} was acknowledged and is lost")
            if entry.operation == "update" and updates[entry.token] == 0:
                faults.append(f"update {entry.token} was acknowledged and is lost")
            if entry.operation == "update" and outcomes.get(entry.token) != entry.value:
                faults.append(f"update {entry.token}: {entry.value!r} became {outcomes.get(entry.token)!r}")
            if entry.operation in counts and counts[entry.operation] != 1:
                faults.append(f"{entry.operation} occurs {counts[entry.operation]} times")
        return faults

    def _ending(self, runs: list[Run], entries: list[Entry], result: Any) -> list[str]:
        """The result that was acknowledged is the one that the server still tells."""
        faults = [
            f"result {entry.value!r} became {result!r}"
            for entry in entries
            if entry.operation == "result" and entry.value != result
        ]
        closing = runs[-1].events[-1].WhichOneof("attributes") or ""
        wanted = {"cancel": "canceled", "terminate": "terminated"}
        ends = [wanted[entry.operation] for entry in entries if entry.operation in wanted] or ["completed"]
        if closing != f"workflow_execution_{ends[0]}_event_attributes":
            faults.append(f"the last event is {closing}")
        return faults

    def _results_of_steps(self, workflow_id: str, run: Run) -> list[str]:
        """Each completed activity has the result of one real execution, and the workflow has them in order."""
        nonces = [json.loads(done.result.payloads[0].data) for done in of_kind(run.events, "activity_task_completed")]
        self._nonces_used.update(nonces)
        faults = [f"result {nonce} was never made" for nonce in nonces if nonce not in self._effects]
        faults += [
            f"result {nonce} belongs to {self._effects[nonce]['workflow_id']}"
            for nonce in nonces
            if nonce in self._effects and self._effects[nonce]["workflow_id"] != workflow_id
        ]
        completed = of_kind(run.events, "workflow_execution_completed")
        if nonces and completed and json.loads(completed[0].result.payloads[0].data) != nonces:
            faults.append("the workflow's result are not its activities' results in order")
        return faults


async def main(address: str, namespace: str, folder: Path) -> int:
    """Awaits and checks everything; 0 when no fault was found."""
    client = await connect(address, namespace, Deadline(60.0))
    ledger = Ledger(folder)
    worker = WorkerProcess(address, namespace, folder)
    await worker.start()
    proof = Proof(client, ledger)
    try:
        await asyncio.wait_for(proof.all(), VERIFY_SECONDS_MAX * 2)
        proof.faults += await _still_open(client, ledger)
    finally:
        await worker.kill()
    for fault in proof.faults:
        print(f"verify: {fault}", file=sys.stderr)
    entries = ledger.entries()
    operations = Counter(entry.operation for entry in entries)
    told = ", ".join(f"{count} {operation}s" for operation, count in sorted(operations.items()))
    print(f"verify: {told}; {proof.runs} histories; {len(proof.faults)} faults")
    return 1 if proof.faults or not entries else 0


async def _still_open(client: Client, ledger: Ledger) -> list[str]:
    """Workflows of the ledger that the list still calls running."""
    known = {entry.workflow_id for entry in ledger.entries()}

    async def running() -> list[str]:
        query = f"ExecutionStatus = '{WorkflowExecutionStatus.RUNNING.name.title()}'"
        return [found.id async for found in client.list_workflows(query) if found.id in known]

    return [f"{workflow_id}: running in the list" for workflow_id in await patiently(running, Deadline(30.0))]
