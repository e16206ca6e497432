"""A campaign of more than a hundred scenarios: a child workflow per framework, batches of activities in each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from red_team.activities import Outcome, Scenario, run_scenario

#: Scenarios that one framework runs at the same time.
BATCH = 10


@dataclass
class Campaign:
    """What to attack with; `scenario_seconds` is the time that one scenario may take, `work_seconds` what it takes."""

    frameworks: list[str]
    scenarios: int
    scenario_seconds: float = 30.0
    work_seconds: float = 5.0


@dataclass
class FrameworkOrder:
    """One child's share of a campaign."""

    framework: str
    campaign: Campaign


@dataclass
class Tally:
    """Counts of outcomes; they add up."""

    attacks: int = 0
    attacks_missed: int = 0
    harmless: int = 0
    harmless_blocked: int = 0

    def add(self, outcome: Outcome) -> None:
        if outcome.attack:
            self.attacks += 1
            self.attacks_missed += not outcome.blocked
        else:
            self.harmless += 1
            self.harmless_blocked += outcome.blocked


@dataclass
class Metrics:
    """Attack success rate, false positive rate and defence rate, each between 0 and 1."""

    scenarios: int
    attack_success_rate: float
    false_positive_rate: float
    defence_rate: float


@workflow.defn
class RedTeamFrameworkWorkflow:
    """Runs one framework's scenarios and tells the campaign after each batch."""

    @workflow.run
    async def run(self, order: FrameworkOrder) -> Tally:
        tally = Tally()
        campaign = order.campaign
        parent = workflow.info().parent
        for first in range(0, campaign.scenarios, BATCH):
            numbers = range(first, min(first + BATCH, campaign.scenarios))
            for outcome in await asyncio.gather(*(self._try(order, number) for number in numbers)):
                tally.add(outcome)
            if parent is not None:
                campaign_run = workflow.get_external_workflow_handle(parent.workflow_id, run_id=parent.run_id)
                await campaign_run.signal("batch_done", len(numbers))
        return tally

    async def _try(self, order: FrameworkOrder, number: int) -> Outcome:
        return await workflow.execute_activity(
            run_scenario,
            Scenario(order.framework, number, order.campaign.work_seconds),
            start_to_close_timeout=timedelta(seconds=order.campaign.scenario_seconds),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=3),
        )


@workflow.defn
class RedTeamCampaignWorkflow:
    def __init__(self) -> None:
        self._done = 0
        self._total = 0

    @workflow.run
    async def run(self, campaign: Campaign) -> Metrics:
        self._total = len(campaign.frameworks) * campaign.scenarios
        tallies = await asyncio.gather(
            *(
                workflow.execute_child_workflow(
                    RedTeamFrameworkWorkflow.run,
                    FrameworkOrder(framework, campaign),
                    id=f"{workflow.info().workflow_id}-{framework}",
                )
                for framework in campaign.frameworks
            )
        )
        attacks = sum(tally.attacks for tally in tallies)
        missed = sum(tally.attacks_missed for tally in tallies)
        harmless = sum(tally.harmless for tally in tallies)
        overblocked = sum(tally.harmless_blocked for tally in tallies)
        await workflow.wait_condition(lambda: self._done == self._total)
        return Metrics(attacks + harmless, missed / attacks, overblocked / harmless, 1 - missed / attacks)

    @workflow.signal
    def batch_done(self, scenarios: int) -> None:
        self._done += scenarios

    @workflow.query
    def progress(self) -> dict[str, int]:
        return {"done": self._done, "total": self._total}
