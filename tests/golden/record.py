"""Plays the scenarios on a server, and records or compares the histories that they leave.

python record.py --address HOST:PORT            compares with recorded/
python record.py --address HOST:PORT --write    writes recorded/; what two plays do not agree on is left out
"""

import argparse
import asyncio
import difflib
import itertools
import json
import logging
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import temporalio.api.workflowservice.v1 as ws
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

sys.path.append(str(Path(__file__).parents[2] / "examples"))

import normal
from scenarios import SCENARIOS, prepare, sdk_replayer, sdk_worker
from runner import replay
from stage import IDENTITY, NAMESPACE, Scenario, Stage

RECORDED = Path(__file__).parent / "recorded"

# In seconds. A scenario is mostly waiting, but too many at once make a small machine miss their time-outs.
SCENARIO_MAX = 45
AT_ONCE = 12

PLAYS_MAX = 4
REPLAYS_MAX = 200


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("names", nargs="*", help="scenarios; all by default")
    options = parser.parse_args()
    names = options.names or sorted(SCENARIOS)
    client = await Client.connect(options.address, namespace=NAMESPACE, identity=IDENTITY, runtime=quiet())
    await prepare(client)
    if options.write:
        return await write(client, names)
    return await compare(client, names)


def quiet() -> Runtime:
    """The workers' reports of failures are left out: the scenarios fail on purpose."""
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    only_errors = LoggingConfig(TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    return Runtime(telemetry=TelemetryConfig(logging=only_errors))


async def write(client: Client, names: list[str]) -> int:
    """Records what two plays agree on. A busy server may deliver a task too late: such a play finds no second."""
    RECORDED.mkdir(exist_ok=True)
    seen: dict[str, set[str]] = {name: set() for name in names}
    missing = set(names)
    for _ in range(PLAYS_MAX):
        for name, result in (await play_all(client, sorted(missing))).items():
            if lines(result) in seen[name] and "error" not in result:
                (RECORDED / f"{name}.json").write_text(lines(result))
                missing.remove(name)
            seen[name].add(lines(result))
    for name in sorted(missing):
        (RECORDED / f"{name}.json").unlink(missing_ok=True)
        print(f"=== {name}: left out\n{min(seen[name])}")
        for first, second in itertools.pairwise(sorted(seen[name])):
            print(difference(first, second, "one play", "another"))
    print(f"recorded: {len(names) - len(missing)}, left out: {len(missing)}")
    return 1 if missing else 0


async def compare(client: Client, names: list[str]) -> int:
    played = await play_all(client, names)
    failures = 0
    for name in names:
        path = RECORDED / f"{name}.json"
        expected = path.read_text() if path.exists() else "there is no recording\n"
        if expected != lines(played[name]):
            failures += 1
            print(f"=== {name}")
            print(difference(expected, lines(played[name]), "recorded on Temporal", "played now"))
    print(f"the same: {len(names) - failures}, different: {failures}")
    return 1 if failures else 0


def lines(result: dict[str, Any]) -> str:
    return json.dumps(result, indent=1) + "\n"


def difference(old: str, new: str, old_name: str, new_name: str) -> str:
    return "\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, n=8, lineterm=""))


async def play_all(client: Client, names: list[str]) -> dict[str, dict[str, Any]]:
    turn = asyncio.Semaphore(AT_ONCE)
    queue = f"golden-{uuid.uuid4()}"

    async def play(name: str) -> dict[str, Any]:
        async with turn:
            return await one(name, Stage(client, name.replace("_", "-"), queue), SCENARIOS[name])

    async with sdk_worker(client, queue):
        results = await asyncio.gather(*(play(name) for name in names))
    _, faults = await replay.closed_runs(client, sdk_replayer(), queue, REPLAYS_MAX)
    if faults:
        raise RuntimeError(f"histories that do not replay: {faults}")
    return dict(zip(names, results))


async def one(name: str, stage: Stage, scenario: Scenario) -> dict[str, Any]:
    """What the scenario leaves, or with the key `error` as far as it came."""
    error = None
    try:
        await asyncio.wait_for(scenario(stage), SCENARIO_MAX)
    # Whatever it is, it is a finding about this scenario, and the others are still of interest.
    except Exception as failure:  # noqa: BLE001
        error = f"{type(failure).__name__}: {failure}"
    histories = await crawl(stage)
    names = [(run, f"<run {index}>") for index, run in enumerate(histories, 1)]
    names += [(stage.id, "<id>"), (stage.sdk_queue, "<sdk queue>")]
    result: dict[str, Any] = {}
    if error is not None:
        result["error"] = normal.text(error, names)
    if stage.answers:
        result["answers"] = [normal.text(answer, names) for answer in stage.answers]
    result["runs"] = [normal.events(name, history, names) for history in histories.values()]
    return result


async def crawl(stage: Stage) -> dict[str, list[HistoryEvent]]:
    """The histories of the runs that the scenario noted, of their children and of the runs that follow, by run id."""
    found: dict[str, list[HistoryEvent]] = {}
    wanted = list(stage.runs)
    while wanted:
        workflow_id, run_id = wanted.pop(0)
        if run_id in found:
            continue
        found[run_id] = await history(stage, workflow_id, run_id)
        for event in found[run_id]:
            attributes = getattr(event, event.WhichOneof("attributes") or "")
            following = getattr(attributes, "new_execution_run_id", "")
            if following:
                wanted.append((workflow_id, following))
            if event.HasField("child_workflow_execution_started_event_attributes"):
                wanted.append((attributes.workflow_execution.workflow_id, attributes.workflow_execution.run_id))
    return found


async def history(stage: Stage, workflow_id: str, run_id: str) -> list[HistoryEvent]:
    events: list[HistoryEvent] = []
    token = b""
    while True:
        request = ws.GetWorkflowExecutionHistoryRequest(
            namespace=NAMESPACE,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            next_page_token=token,
        )
        answer = await stage.rpc.get_workflow_execution_history(request)
        events += answer.history.events
        token = answer.next_page_token
        if not token:
            return events


if __name__ == "__main__":
    code = asyncio.run(main())
    sys.stdout.flush()
    # Without the interpreter's own end: calls that the SDK's threads still wait for would make it crash.
    os._exit(code)
