"""The command line of the runner: see README.md beside this folder."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from runner import examples_mode


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m runner", description=__doc__)
    parser.add_argument("--address", default="localhost:7233", help="HOST:PORT of the server's gRPC port")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="run only this example (repeatable)")
    parser.add_argument("--json", action="store_true", help="print the table of results as JSON")
    return parser.parse_args()


def _only_errors() -> None:
    """Activities fail and time out on purpose here: the SDK's warnings about that would bury the results."""
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)
    quiet = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=quiet)))


def main() -> int:
    arguments = _arguments()
    _only_errors()
    return asyncio.run(
        examples_mode.main(arguments.address, arguments.namespace, arguments.only, arguments.json)
    )


if __name__ == "__main__":
    sys.exit(main())
