"""The same on a server with TLS and API keys: python -m client_manager --address HOST:PORT --ca FILE …"""

from __future__ import annotations

import argparse
import asyncio
import sys
import uuid
from pathlib import Path

from temporalio.service import RPCError

from client_manager.manager import Credentials
from client_manager.scenario import greetings
from runner.ending import leave


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m client_manager", description=__doc__)
    parser.add_argument("--address", default="localhost:7233", help="HOST:PORT of the server's gRPC port")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="who signed the server's certificate; without it no TLS")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="the client's, for a server that asks for one")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its key")
    parser.add_argument("--server-name", metavar="NAME", help="the name in the server's certificate")
    parser.add_argument("--api-key", metavar="KEY")
    given = parser.parse_args()
    credentials = Credentials(given.ca, given.certificate, given.key, given.server_name, given.api_key)
    try:
        answers = asyncio.run(greetings(given.address, credentials, uuid.uuid4().hex[:8], print))
    except (RPCError, RuntimeError) as error:
        # A connection that fails is a RuntimeError that tells no more.
        print(f"not let in: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    for namespace, texts in answers.items():
        print(f"{namespace}: {len(texts)} greetings")
    return 0


if __name__ == "__main__":
    leave(main())
