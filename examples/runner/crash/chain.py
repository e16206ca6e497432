"""The histories of a workflow id, run after run, and what one history says by itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.worker import Replayer

from model_training.workflows import ModelTrainingWorkflow
from runner.crash.workflows import WORKFLOWS
from runner.example import of_kind
from runner.replay import fault

#: The kinds of events that may occur once at most for the event that they refer to, and the field that refers to it.
ONCE = {
    "activity_task_started": "scheduled_event_id",
    "activity_task_completed": "scheduled_event_id",
    "activity_task_failed": "scheduled_event_id",
    "activity_task_timed_out": "scheduled_event_id",
    "workflow_task_started": "scheduled_event_id",
    "workflow_task_completed": "scheduled_event_id",
    "timer_fired": "started_event_id",
    "child_workflow_execution_started": "initiated_event_id",
    "child_workflow_execution_completed": "initiated_event_id",
    "workflow_execution_update_completed": "accepted_event_id",
}


@dataclass
class Run:
    """One run's id and history."""

    run_id: str
    events: list[HistoryEvent]


async def runs_of(client: Client, workflow_id: str, first_run_id: str) -> list[Run]:
    """The runs of a chain that begins with `first_run_id`."""
    runs: list[Run] = []
    run_id = first_run_id
    while run_id:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id)
        events = [event async for event in handle.fetch_history_events()]
        runs.append(Run(run_id, events))
        continued = of_kind(events, "workflow_execution_continued_as_new")
        run_id = continued[0].new_execution_run_id if continued else ""
    return runs


def faults_of(run: Run) -> list[str]:
    """What is wrong with a history by itself: its numbers, what happened twice, timers that fired early."""
    faults = []
    numbers = [event.event_id for event in run.events]
    if numbers != list(range(1, len(numbers) + 1)):
        faults.append(f"event ids are {numbers}")
    for kind, reference in ONCE.items():
        counts = Counter(getattr(attributes, reference) for attributes in of_kind(run.events, kind))
        faults += [f"{count} {kind} for event {number}" for number, count in counts.items() if count > 1]
    by_number = {event.event_id: event for event in run.events}
    for event in run.events:
        if event.HasField("timer_fired_event_attributes"):
            started = by_number[event.timer_fired_event_attributes.started_event_id]
            wanted = started.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
            waited = event.event_time.ToDatetime() - started.event_time.ToDatetime()
            if waited < wanted:
                faults.append(f"timer of event {started.event_id} fired after {waited} instead of {wanted}")
    return faults


async def replay_fault(workflow_id: str, run: Run) -> str | None:
    """Why the SDK's replayer does not accept a history, if it does not."""
    replayer = Replayer(workflows=[*WORKFLOWS, ModelTrainingWorkflow])
    return await fault(replayer, workflow_id, run.run_id, run.events)
