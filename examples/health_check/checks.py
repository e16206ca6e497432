"""The checks; each returns nothing, or raises what is wrong."""

from __future__ import annotations

import asyncio
import subprocess
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import NamespaceState
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

#: A server that needs longer for any of them is not healthy.
CHECK_MAX = timedelta(seconds=5)


@dataclass
class Target:
    """The server, by all of its doors. Without a binary the command of container health checks is left out."""

    address: str
    http_url: str
    namespace: str = "default"
    binary: str | None = None


@dataclass
class Finding:
    """What one check found; `fault` is empty where all is well."""

    name: str
    fault: str
    seconds: float


class Unhealthy(Exception):
    """A server that answers, but not as a healthy one does."""


async def over_http(target: Target) -> None:
    """As load balancers and `curl --fail` do it."""

    def get() -> int:
        with urllib.request.urlopen(f"{target.http_url}/health", timeout=CHECK_MAX.total_seconds()) as answer:
            return answer.status

    await asyncio.to_thread(get)


async def over_grpc(target: Target) -> None:
    """By the standard health service."""
    client = await Client.connect(target.address, namespace=target.namespace)
    if not await client.service_client.check_health(timeout=CHECK_MAX):
        raise Unhealthy("the gRPC health service says that it does not serve")


async def of_namespace(target: Target) -> None:
    """The namespace is described in time, and takes work."""
    client = await Client.connect(target.address, namespace=target.namespace)
    request = DescribeNamespaceRequest(namespace=target.namespace)
    answer = await client.workflow_service.describe_namespace(request, timeout=CHECK_MAX)
    state = answer.namespace_info.state
    if state != NamespaceState.NAMESPACE_STATE_REGISTERED:
        raise Unhealthy(f"{target.namespace} is {NamespaceState.Name(state)}")


async def by_command(target: Target) -> None:
    """As containers and kubelets do it. The binary acts as `tctl` where it is called so."""
    command = ["tctl", "--address", target.address, "cluster", "health"]

    def run() -> subprocess.CompletedProcess[str]:
        seconds = CHECK_MAX.total_seconds()
        return subprocess.run(command, executable=target.binary, capture_output=True, text=True, timeout=seconds)

    done = await asyncio.to_thread(run)
    if done.returncode != 0:
        raise Unhealthy(f"{' '.join(command)}: {done.stdout}{done.stderr}".strip())


async def all_of(target: Target) -> list[Finding]:
    """All checks, at the same time."""
    checks: dict[str, Callable[[Target], Awaitable[None]]] = {
        "HTTP /health": over_http,
        "gRPC health service": over_grpc,
        f"namespace {target.namespace}": of_namespace,
    }
    if target.binary:
        checks["tctl cluster health"] = by_command
    return list(await asyncio.gather(*(_find(name, check, target) for name, check in checks.items())))


async def _find(name: str, check: Callable[[Target], Awaitable[None]], target: Target) -> Finding:
    began = time.monotonic()
    try:
        await asyncio.wait_for(check(target), CHECK_MAX.total_seconds())
        fault = ""
    except Exception as error:  # Whatever goes wrong with a check, the server is not healthy.
        fault = str(error).splitlines()[0] if str(error) else type(error).__name__
    return Finding(name, fault, time.monotonic() - began)


def table(findings: list[Finding]) -> str:
    """A line for each check."""
    width = max(len(finding.name) for finding in findings)
    lines = [
        f"{finding.name:{width}}  {'FAILED' if finding.fault else 'ok':6}  {finding.seconds * 1000:5.0f} ms  {finding.fault}"
        for finding in findings
    ]
    return "\n".join(line.rstrip() for line in lines)
