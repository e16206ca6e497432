"""Sets up and runs a Perdure with a worker:

    python -m set_up quickstart --perdure FILE    all of it at once
    python -m set_up init --perdure FILE          a folder with settings
    python -m set_up start                        the server, in the background, with its database in the folder
    python -m set_up worker                       a worker, until Ctrl-C
    python -m set_up status                       connection, namespace, task queue; exit code 1 where something is missing
    python -m set_up stop                         worker and server
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
import uuid
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from client_manager.activities import greet
from client_manager.workflows import GreetingWorkflow
from health_check.checks import Finding, Target, all_of, table
from runner.ending import leave
from set_up.project import Project, Refused, Settings
from set_up.status import findings

#: How long a server may take to become healthy, and a worker to be seen.
READY_MAX = 60.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m set_up", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["quickstart", "init", "start", "worker", "status", "stop"])
    parser.add_argument("--folder", type=Path, default=Path("perdure-project"), help="where the project keeps its things")
    parser.add_argument("--perdure", default="perdure", metavar="FILE", help="the server's binary (init, quickstart)")
    parser.add_argument("--port", type=int, default=7233, help="of gRPC (init, quickstart)")
    parser.add_argument("--http-port", type=int, default=8233, help="of HTTP (init, quickstart)")
    parser.add_argument("--namespace", default="default", help="made if missing (init, quickstart)")
    parser.add_argument("--task-queue", default="project-ai-tasks", help="(init, quickstart)")
    return parser.parse_args()


def _init(project: Project, given: argparse.Namespace) -> None:
    project.save(Settings(given.perdure, given.port, given.http_port, given.namespace, given.task_queue))
    print(f"set up in {project.folder}")


async def _start(project: Project) -> None:
    settings = project.settings()
    command = [settings.perdure, "server", "start-dev", "--ip", "127.0.0.1", "--port", str(settings.port)]
    command += ["--ui-port", str(settings.http_port), "--namespace", settings.namespace]
    project.start("server", [*command, "--db-filename", str(project.folder / "perdure.db")])
    target = Target(settings.address, settings.http_url, settings.namespace)
    await _until(project, "server", lambda: all_of(target))
    print(f"server: gRPC {settings.address}, {settings.http_url}/health, log {project.log('server')}")


async def _worker(project: Project) -> None:
    """Hosts the project's workflows until it is asked to end; what it has begun ends first."""
    settings = project.settings()
    client = await Client.connect(settings.address, namespace=settings.namespace)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Worker(client, task_queue=settings.task_queue, workflows=[GreetingWorkflow], activities=[greet]):
        print(f"worker: polls {settings.task_queue} on {settings.address}", flush=True)
        await stop.wait()


async def _quickstart(project: Project, given: argparse.Namespace) -> None:
    _init(project, given)
    settings = project.settings()
    await _start(project)
    project.start("worker", [sys.executable, "-m", "set_up", "worker", "--folder", str(project.folder)])
    await _until(project, "worker", lambda: findings(project))
    client = await Client.connect(settings.address, namespace=settings.namespace)
    greeting = await client.execute_workflow(
        GreetingWorkflow.run, "you", id=f"quickstart-{uuid.uuid4().hex[:8]}", task_queue=settings.task_queue
    )
    print(f"a workflow: {greeting}")


async def _until(project: Project, name: str, look) -> None:
    """Waits until there is nothing to find fault with."""
    deadline = time.monotonic() + READY_MAX
    while any(finding.fault for finding in await look()):
        if project.process_id(name) is None or time.monotonic() > deadline:
            raise Refused(f"the {name} does not come up: see {project.log(name)}")
        await asyncio.sleep(0.1)


async def _status(project: Project) -> int:
    found: list[Finding] = await findings(project)
    print(table(found))
    return 1 if any(finding.fault for finding in found) else 0


def _stop(project: Project) -> None:
    for name in ("worker", "server"):
        print(f"{name}: {'stopped' if project.stop(name) else 'was not running'}")


async def _run(given: argparse.Namespace) -> int:
    project = Project(given.folder.resolve())
    match given.command:
        case "init":
            _init(project, given)
        case "start":
            await _start(project)
        case "worker":
            await _worker(project)
        case "status":
            return await _status(project)
        case "stop":
            _stop(project)
        case _:
            await _quickstart(project, given)
            return await _status(project)
    return 0


def main() -> int:
    try:
        return asyncio.run(_run(_arguments()))
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2


if __name__ == "__main__":
    leave(main())
