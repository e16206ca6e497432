"""Workflows of today and of two hours ago; what a namespace that keeps them for an hour does with them."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from retention.archive import Archive, older
from retention.workflows import Invoice, InvoiceWorkflow, write_invoice
from runner.example import Stage, check, check_equal

#: Workflows that close today, and as many that closed before.
COUNT = 3
AGE = timedelta(hours=2)
#: How long the namespaces keep closed workflows: at first, later, and where archived ones are looked at again.
LONG, SHORT, YEARS = timedelta(days=3), timedelta(hours=1), timedelta(days=3650)


async def run(address: str, binary: str, say: Callable[[str], None]) -> None:
    """Raises CheckFailed where the server does something else."""
    tag = uuid.uuid4().hex[:8]
    namespace, archived = f"invoices-{tag}", f"invoices-archive-{tag}"
    archive = Archive(binary, address)
    client = await _namespace(address, namespace, LONG)
    with tempfile.TemporaryDirectory(prefix="retention-") as name:
        folder = Path(name)
        stage = Stage(client, "invoices", tag, folder, say)
        young = await _invoices(stage)
        say(f"{COUNT} workflows have closed in {namespace}, which keeps them for {_hours(LONG)}")

        old = await _from_before(stage, archive, namespace)
        check_equal(await _listed(client), sorted(young + old), "closed workflows")
        say(f"{COUNT} more closed {_hours(AGE)} ago: {', '.join(old)}")

        check_equal(await archive.export(namespace, folder / "archive"), 2 * COUNT, "histories written to files")
        check_equal(await archive.export(namespace, folder / "archive"), 0, "histories that were not there yet")
        say(f"all {2 * COUNT} are archived to files")

        await _keep(client, namespace, SHORT)
        gone = f"{namespace} keeps them for {_hours(SHORT)} now: those of {_hours(AGE)} ago are deleted, the others stay"
        await stage.until(gone, lambda: _listed(client), lambda left: left == sorted(young))
        for workflow_id in old:
            check(not await _is_there(client, workflow_id), f"{workflow_id} is deleted, its history too")
        for workflow_id in young:
            check(await _is_there(client, workflow_id), f"{workflow_id} is kept")

        other = await _namespace(address, archived, YEARS)
        files = [file for file in (folder / "archive").rglob("*.json") if file.parent.name in old]
        check_equal(await archive.bring_in(archived, *files), COUNT, "histories brought back")
        results = [await other.get_workflow_handle(workflow_id).result() for workflow_id in old]
        say(f"brought back into {archived}, they tell their results: {'; '.join(results)}")


async def _namespace(address: str, name: str, keeps: timedelta) -> Client:
    client = await Client.connect(address, namespace=name)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=_duration(keeps))
    )
    return client


async def _keep(client: Client, namespace: str, keeps: timedelta) -> None:
    config = NamespaceConfig(workflow_execution_retention_ttl=_duration(keeps))
    await client.workflow_service.update_namespace(UpdateNamespaceRequest(namespace=namespace, config=config))


async def _invoices(stage: Stage) -> list[str]:
    """Runs workflows to their end; returns their ids."""
    with ThreadPoolExecutor(COUNT) as pool:
        worker = Worker(
            stage.client,
            task_queue=stage.task_queue,
            workflows=[InvoiceWorkflow],
            activities=[write_invoice],
            activity_executor=pool,
        )
        ids = [f"invoice-{number}" for number in range(1, COUNT + 1)]
        async with worker:
            for number, workflow_id in enumerate(ids, 1):
                invoice = Invoice(number, [number * 1_000, 250], str(stage.work_dir))
                await stage.client.execute_workflow(
                    InvoiceWorkflow.run, invoice, id=workflow_id, task_queue=stage.task_queue
                )
    return ids


async def _from_before(stage: Stage, archive: Archive, namespace: str) -> list[str]:
    """Takes in workflows that closed earlier; returns their ids."""
    await archive.export(namespace, stage.work_dir / "today")
    before = stage.work_dir / "before"
    before.mkdir()
    files = sorted((stage.work_dir / "today").rglob("*.json"))
    ids = [f"old-invoice-{number}" for number in range(1, COUNT + 1)]
    copies = [older(file, AGE, workflow_id, before) for file, workflow_id in zip(files, ids, strict=True)]
    check_equal(await archive.bring_in(namespace, *copies), COUNT, "histories taken in")
    return ids


async def _listed(client: Client) -> list[str]:
    return sorted([found.id async for found in client.list_workflows("ExecutionStatus = 'Completed'")])


async def _is_there(client: Client, workflow_id: str) -> bool:
    """Whether the run is described, and its history can be read. Both, or neither."""
    handle = client.get_workflow_handle(workflow_id)
    found = []
    for ask in (handle.describe, handle.fetch_history):
        try:
            await ask()
            found.append(True)
        except RPCError as error:
            check_equal(error.status, RPCStatusCode.NOT_FOUND, workflow_id)
            found.append(False)
    check(len(set(found)) == 1, f"{workflow_id} is half there")
    return found[0]


def _duration(time: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(time)
    return duration


def _hours(time: timedelta) -> str:
    hours = int(time.total_seconds() // 3600)
    return f"{hours} hour{'' if hours == 1 else 's'}"
