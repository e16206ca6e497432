"""Checks a server's health: python -m health_check --address HOST:PORT --http URL. Exit code 1 where it is not healthy."""

from __future__ import annotations

import argparse
import asyncio

from health_check.checks import Target, all_of, table
from runner.ending import leave


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m health_check", description=__doc__)
    parser.add_argument("--address", default="localhost:7233", help="HOST:PORT of the server's gRPC port")
    parser.add_argument("--http", default="http://localhost:8233", metavar="URL", help="its HTTP side")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--perdure", metavar="FILE", help="the binary, to run `tctl … cluster health` too")
    given = parser.parse_args()
    findings = asyncio.run(all_of(Target(given.address, given.http, given.namespace, given.perdure)))
    print(table(findings))
    return 1 if any(finding.fault for finding in findings) else 0


if __name__ == "__main__":
    leave(main())
