"""A pool of clients for one namespace, from the first connection to the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode, TLSConfig

#: A namespace that is not described within this time counts as not reachable.
DESCRIBE_MAX = timedelta(seconds=5)
RETENTION = timedelta(days=3)


@dataclass(frozen=True)
class Credentials:
    """Who the server must be, and who we are. All files are PEM; without any, the connection is in the clear."""

    server_ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    #: The name in the server's certificate, where it is not that of the address.
    server_name: str | None = None
    api_key: str | None = None

    def tls(self) -> TLSConfig | bool:
        if self.server_ca is None:
            return False
        return TLSConfig(
            server_root_ca_cert=self.server_ca.read_bytes(),
            client_cert=self.certificate.read_bytes() if self.certificate else None,
            client_private_key=self.key.read_bytes() if self.key else None,
            domain=self.server_name,
        )


class ClientManager:
    """Lends out clients of one namespace, each with a connection of its own.

    async with ClientManager(address, "project-ai", credentials) as manager:
        async with manager.client() as client:
            …
    """

    def __init__(self, address: str, namespace: str, credentials: Credentials | None = None, size: int = 10) -> None:
        self.namespace = namespace
        self._address = address
        self._credentials = credentials or Credentials()
        self._size = size
        self._idle: asyncio.Queue[Client] = asyncio.Queue()
        self._is_open = False

    async def __aenter__(self) -> ClientManager:
        clients = await asyncio.gather(*(self._connect() for _ in range(self._size)))
        await self._ensure_namespace(clients[0])
        for client in clients:
            self._idle.put_nowait(client)
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Waits for the clients that are lent out; their connections end with them."""
        self._is_open = False
        for _ in range(self._size):
            await self._idle.get()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A client that nobody else uses meanwhile. Waits for one where all are lent out."""
        if not self._is_open:
            raise RuntimeError(f"the pool of {self.namespace} is not open")
        client = await self._idle.get()
        try:
            yield client
        finally:
            self._idle.put_nowait(client)

    async def is_healthy(self) -> bool:
        """Whether the namespace is described in time."""
        async with self.client() as client:
            try:
                await self._describe(client)
            except RPCError:
                return False
        return True

    async def _connect(self) -> Client:
        return await Client.connect(
            self._address,
            namespace=self.namespace,
            tls=self._credentials.tls(),
            api_key=self._credentials.api_key,
        )

    async def _describe(self, client: Client) -> None:
        request = DescribeNamespaceRequest(namespace=self.namespace)
        await client.workflow_service.describe_namespace(request, timeout=DESCRIBE_MAX)

    async def _ensure_namespace(self, client: Client) -> None:
        try:
            await self._describe(client)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            request = RegisterNamespaceRequest(namespace=self.namespace)
            request.workflow_execution_retention_period.FromTimedelta(RETENTION)
            try:
                await client.workflow_service.register_namespace(request)
            except RPCError as refused:
                # Another was faster.
                if refused.status != RPCStatusCode.ALREADY_EXISTS:
                    raise
