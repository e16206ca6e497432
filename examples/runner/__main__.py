"""Runs the examples, the crash test's load and proof, and the restart of a worker: see README.md beside this folder."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from runner import examples_mode
from runner.crash import load, restart, verify, worker
from runner.ending import leave

MODES = ["examples", "crash-load", "verify", "worker-restart", "crash-worker"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m runner", description=__doc__)
    parser.add_argument("mode", nargs="?", default="examples", choices=MODES)
    parser.add_argument("--address", default="localhost:7233", help="HOST:PORT of the server's gRPC port")
    parser.add_argument("--namespace", default="default")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="run only this example (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="print the table of results as JSON")
    parser.add_argument("--ledger", type=Path, metavar="DIR", help="where crash-load keeps and verify finds its ledger")
    parser.add_argument("--count", type=int, default=200, help="workflows that crash-load starts")
    parser.add_argument("--seconds", type=float, default=60.0, help="time over which crash-load spreads its work")
    arguments = parser.parse_args()
    if arguments.mode in ("crash-load", "verify", "crash-worker") and arguments.ledger is None:
        parser.error(f"{arguments.mode} needs --ledger DIR")
    return arguments


def _only_errors() -> None:
    """Activities fail and time out on purpose here: the SDK's warnings about that would bury the results."""
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)
    quiet = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=quiet)))


def _chosen(arguments: argparse.Namespace) -> Coroutine[Any, Any, int]:
    address, namespace, folder = arguments.address, arguments.namespace, arguments.ledger
    match arguments.mode:
        case "crash-load":
            return load.main(address, namespace, folder, arguments.count, arguments.seconds)
        case "verify":
            return verify.main(address, namespace, folder)
        case "worker-restart":
            return restart.main(address, namespace)
        case "crash-worker":
            return worker.main(address, namespace, folder)
        case _:
            return examples_mode.main(address, namespace, arguments.only, arguments.json)


def main() -> int:
    arguments = _arguments()
    _only_errors()
    return asyncio.run(_chosen(arguments))


if __name__ == "__main__":
    leave(main())
