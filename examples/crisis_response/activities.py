"""What agents do in a crisis: they work out a plan by sorting what is at stake."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import activity
from temporalio.exceptions import ApplicationError


@dataclass
class Mission:
    """One job; 1 is the most urgent priority, 5 the least."""

    name: str
    priority: int
    people: list[int]


@activity.defn
def carry_out(mission: Mission) -> str:
    """Brings people out in the order of their need; the first attempt of an urgent mission finds the road blocked."""
    if mission.priority == 1 and activity.info().attempt == 1:
        raise ApplicationError("the road is blocked", type="RoadBlocked")
    order = sorted(mission.people, reverse=True)
    priority = activity.info().priority.priority_key
    return f"{mission.name} p{priority}: {len(order)} people, most urgent {order[0]}"
