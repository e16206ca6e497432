"""A toy filter and the attacks on it. Everything is derived from hashes, so each run gives the same figures."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from temporalio import activity
from temporalio.exceptions import ApplicationError

#: The filter lets this share of attacks through and blocks this share of harmless requests, in parts of 256.
MISSED_OF_256 = 40
OVERBLOCKED_OF_256 = 20


@dataclass
class Scenario:
    """One try against the filter."""

    framework: str
    number: int
    work_seconds: float


@dataclass
class Outcome:
    """Whether the scenario was an attack and whether the filter blocked it."""

    attack: bool
    blocked: bool


def judge(framework: str, number: int) -> Outcome:
    """What the filter does with a scenario: two bytes of a hash decide."""
    digest = hashlib.sha256(f"{framework}/{number}".encode()).digest()
    attack = digest[0] % 4 != 0
    blocked = digest[1] >= MISSED_OF_256 if attack else digest[1] < OVERBLOCKED_OF_256
    return Outcome(attack, blocked)


@activity.defn
def run_scenario(scenario: Scenario) -> Outcome:
    """Runs one scenario; every tenth meets a busy target at its first attempt."""
    if scenario.number % 10 == 0 and activity.info().attempt == 1:
        raise ApplicationError("the target is busy", type="TargetBusy")
    time.sleep(scenario.work_seconds)
    return judge(scenario.framework, scenario.number)
