"""Runs a workflow over TLS with a client certificate and an API key, and is refused without either.

python worker.py ADDRESS FOLDER, where the folder has authority.pem, client.pem and client.key.
"""

import asyncio
import os
import sys
from pathlib import Path

from temporalio import workflow
from temporalio.client import Client, TLSConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return f"hello {name}"


async def main(address: str, folder: Path) -> None:
    def file(name: str) -> bytes:
        return (folder / name).read_bytes()

    authority = file("authority.pem")
    mutual = TLSConfig(
        server_root_ca_cert=authority, client_cert=file("client.pem"), client_private_key=file("client.key")
    )

    client = await Client.connect(address, tls=mutual, api_key="secret")
    worker = Worker(client, task_queue="greetings", workflows=[Greeting], workflow_runner=UnsandboxedWorkflowRunner())
    async with worker:
        result = await client.execute_workflow(Greeting.run, "you", id="greeting", task_queue="greetings")
    assert result == "hello you", result

    for key in (None, "wrong"):
        stranger = await Client.connect(address, tls=mutual, api_key=key)
        try:
            await stranger.get_workflow_handle("greeting").describe()
        except RPCError as error:
            assert error.status == RPCStatusCode.PERMISSION_DENIED, error
        else:
            raise AssertionError(f"let in with the key {key}")

    for tls in (TLSConfig(server_root_ca_cert=authority), False):
        try:
            await Client.connect(address, tls=tls, api_key="secret")
        except RuntimeError as error:
            print(f"refused, as it should be: {error}")
        else:
            raise AssertionError(f"let in with {tls}")


asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
# Threads of the SDK that still deal with the broken connections may crash an interpreter that takes itself down.
sys.stdout.flush()
os._exit(0)
