"""`python -m runner`: runs the examples at the same time, each against the checks of its scenario."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
import uuid
from dataclasses import asdict
from functools import partial
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Replayer

from runner import catalogue, replay
from runner.board import Board, Row, table
from runner.example import EXAMPLE_SECONDS_MAX, Example, Report, Stage
from runner.workers import by_queue, hosted

#: Histories of one queue that are replayed.
REPLAYS_MAX = 500


async def main(address: str, namespace: str, only: list[str], as_json: bool) -> int:
    """Runs the examples; returns the exit code: 0 when every check held, 1 otherwise."""
    examples = catalogue.load(only)
    clients = {
        example.name: await Client.connect(address, namespace=namespace, data_converter=example.data_converter)
        for example in examples
    }
    board = Board([example.name for example in examples], quiet=as_json)
    tag = uuid.uuid4().hex[:8]
    with tempfile.TemporaryDirectory(prefix="examples-") as folder:
        async with hosted(examples, clients):
            runs = []
            for example in examples:
                work_dir = Path(folder, example.name)
                work_dir.mkdir()
                say = partial(board.say, example.name)
                stage = Stage(clients[example.name], example.task_queue, tag, work_dir, say)
                runs.append(_run(example, stage, board))
            rows = await asyncio.gather(*runs)
        replayed, faults = await _replay(examples, clients)
    print(json.dumps([asdict(row) for row in rows], indent=2) if as_json else table(rows), flush=True)
    failed = sum(not row.ok for row in rows)
    if not as_json:
        print(f"\n{len(rows) - failed} passed, {failed} failed; {replayed} histories replayed")
    for fault in faults:
        print(f"does not replay: {fault}", file=sys.stderr)
    return 1 if failed or faults else 0


async def _replay(examples: list[Example], clients: dict[str, Client]) -> tuple[int, list[str]]:
    """Replays what the examples left in their queues."""
    count, faults = 0, []
    for task_queue, group in by_queue(examples).items():
        client = clients[group[0].name]
        workflows = [workflow for example in group for workflow in example.workflows]
        replayer = Replayer(workflows=workflows, data_converter=client.data_converter)
        replayed, wrong = await replay.closed_runs(client, replayer, task_queue, REPLAYS_MAX)
        count, faults = count + replayed, faults + wrong
    return count, faults


async def _run(example: Example, stage: Stage, board: Board) -> Row:
    """Runs one example; whatever goes wrong becomes a row that is not ok."""
    started = time.monotonic()
    stage.say("starting")
    try:
        report = await asyncio.wait_for(example.run(stage), EXAMPLE_SECONDS_MAX)
        row = await _row(example, report, time.monotonic() - started)
    except Exception as error:  # Everything that is wrong with one example must be told, and the others go on.
        text = f"{type(error).__name__}: {error}"
        cause = error.__cause__
        if cause is not None:
            text += f" (cause: {type(cause).__name__}: {cause})"
        row = Row(example.name, stage.id(example.name), "-", text, 0, time.monotonic() - started, False)
    board.done(row)
    return row


async def _row(example: Example, report: Report, seconds: float) -> Row:
    described = await report.handle.describe()
    status = described.status.name if described.status is not None else "UNSPECIFIED"
    return Row(example.name, described.id, status, report.summary, described.history_length, seconds, True)
