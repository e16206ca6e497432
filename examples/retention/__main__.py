"""Shows what becomes of closed workflows: python -m retention --address HOST:PORT --perdure FILE. Exit code 1 if a check fails."""

from __future__ import annotations

import argparse
import asyncio
import sys

from retention.scenario import run
from runner.ending import leave
from runner.example import CheckFailed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m retention", description=__doc__)
    parser.add_argument("--address", default="localhost:7233", help="HOST:PORT of the server's gRPC port")
    parser.add_argument("--perdure", default="perdure", metavar="FILE", help="the binary, for `history export|import`")
    given = parser.parse_args()
    try:
        asyncio.run(run(given.address, given.perdure, lambda text: print(f"- {text}", flush=True)))
    except CheckFailed as failed:
        print(f"not as it should be: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    leave(main())
