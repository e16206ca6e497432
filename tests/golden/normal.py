"""Histories in a form in which those of two servers can be compared."""

import base64
import re
from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from temporalio.api.history.v1 import HistoryEvent

from differences import IGNORED, IGNORED_AT, IGNORED_IN, IGNORED_WITH, SAME

UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT")
# In the marker of a local activity.
TIME_IN_DATA = re.compile(r'\{"seconds":\d+,"nanos":\d+\}')
# A duration that some clock took part in: those of the scenarios are not as fine.
MEASURED = re.compile(r"^\d+\.\d{4,}s$")

# What differs between any two plays of a scenario. A value that is there stays visible as `<key>`.
UNSTABLE = {"history_size_bytes", "temporal-callback-token"}
DROPPED = {"event_time", "stack_trace", "sdk_metadata", "metering_metadata"}
# What is left of the second between two runs of a chain: none if the first run took longer.
BACKOFFS = {"first_workflow_task_backoff", "backoff_start_interval"}

Names = Sequence[tuple[str, str]]


def events(scenario: str, history: Sequence[HistoryEvent], names: Names) -> list[dict[str, Any]]:
    """`names`: what stands for each id that the scenario or the server made up."""
    return [_event(scenario, event, names) for event in history]


def text(value: str, names: Names) -> str:
    for name, placeholder in names:
        value = value.replace(name, placeholder)
    for pattern, replacement in SAME:
        value = pattern.sub(replacement, value)
    return UUID.sub("<uuid>", value)


def _event(scenario: str, event: HistoryEvent, names: Names) -> dict[str, Any]:
    fields = MessageToDict(event, preserving_proto_field_name=True)
    attributes = fields.pop(event.WhichOneof("attributes") or "", {})
    event_type = fields["event_type"].removeprefix("EVENT_TYPE_")
    flat = {**fields, **attributes, "event_type": event_type}
    ignored = IGNORED_IN.get(event_type, set()) | IGNORED_AT.get((scenario, event.event_id), set())
    # How long a cron run waits depends on the fraction of the second in which the one before ended.
    if "cron_schedule" in flat:
        ignored = ignored | BACKOFFS
    return {
        key: _value(key, value, names) for key, value in flat.items() if key not in ignored and _compared(key, value)
    }


def _compared(key: str, value: Any) -> bool:
    if key in BACKOFFS:
        return not MEASURED.match(value) and value != "0s"
    return key not in DROPPED | IGNORED


def _value(key: str, value: Any, names: Names) -> Any:
    if key in UNSTABLE:
        return f"<{key}>"
    if isinstance(value, list):
        return [_value(key, item, names) for item in value]
    if isinstance(value, dict):
        if "metadata" in value and "encoding" in value["metadata"]:
            return _payload(value, names)
        ignored = {other for known, others in IGNORED_WITH.items() if known in value for other in others}
        # Sorted: the order of a map's keys means nothing.
        compared = (name for name in sorted(value) if name not in ignored and _compared(name, value[name]))
        return {name: _value(name, value[name], names) for name in compared}
    if isinstance(value, str):
        if TIME.match(value):
            return "<time>"
        return "<measured>" if MEASURED.match(value) else text(TIME_IN_DATA.sub("<time>", value), names)
    return value


def _payload(value: dict[str, Any], names: Names) -> dict[str, str]:
    """Metadata and data as text: a payload is shown as what it says."""
    fields = {**value["metadata"], "data": value.get("data", "")}
    decoded = {key: base64.b64decode(item).decode(errors="replace") for key, item in fields.items()}
    return {key: _value(key, decoded[key], names) for key in sorted(decoded)}
