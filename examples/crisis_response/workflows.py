"""Liara: a crisis has missions in order of priority; an agent that does not answer in time is passed over.

The crisis and its agents are workflows that talk by signals: `assign` goes to an agent, `report` comes back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from crisis_response.activities import Mission, carry_out


@dataclass
class Assignment:
    """A mission with the workflow id of the crisis that wants a report."""

    crisis_id: str
    mission: Mission


@dataclass
class MissionReport:
    """An agent's answer."""

    agent: str
    mission: str
    text: str


@dataclass
class Crisis:
    """Missions, and the agents in the order in which they are asked; `silent` agents never answer."""

    missions: list[Mission]
    agents: list[str]
    silent: list[str] = field(default_factory=list)
    escalate_after_seconds: float = 300.0


@dataclass
class AgentOrder:
    """Who the agent is."""

    name: str
    silent: bool


@workflow.defn
class LiaraAgentWorkflow:
    """Carries out what it is assigned until it is dismissed."""

    def __init__(self) -> None:
        self._assigned: list[Assignment] = []
        self._dismissed = False

    @workflow.run
    async def run(self, order: AgentOrder) -> int:
        carried_out = 0
        while True:
            await workflow.wait_condition(lambda: bool(self._assigned) or self._dismissed)
            if not self._assigned:
                return carried_out
            assignment = self._assigned.pop(0)
            if order.silent:
                continue
            text = await workflow.execute_activity(
                carry_out,
                assignment.mission,
                start_to_close_timeout=timedelta(minutes=1),
                retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=5),
                priority=Priority(priority_key=assignment.mission.priority),
            )
            crisis = workflow.get_external_workflow_handle(assignment.crisis_id)
            await crisis.signal("report", MissionReport(order.name, assignment.mission.name, text))
            carried_out += 1

    @workflow.signal
    def assign(self, assignment: Assignment) -> None:
        self._assigned.append(assignment)

    @workflow.signal
    def dismiss(self) -> None:
        self._dismissed = True


@workflow.defn
class LiaraCrisisWorkflow:
    def __init__(self) -> None:
        self._reports: dict[str, MissionReport] = {}
        self._audit_trail: list[str] = []

    @workflow.run
    async def run(self, crisis: Crisis) -> list[str]:
        own_id = workflow.info().workflow_id
        agents = {
            name: await workflow.start_child_workflow(
                LiaraAgentWorkflow.run,
                AgentOrder(name, name in crisis.silent),
                id=f"{own_id}-{name}",
                parent_close_policy=ParentClosePolicy.TERMINATE,
            )
            for name in crisis.agents
        }
        for mission in sorted(crisis.missions, key=lambda mission: mission.priority):
            await self._see_through(crisis, mission, agents)
        for name in crisis.agents:
            await agents[name].signal(LiaraAgentWorkflow.dismiss)
        await asyncio.gather(*agents.values())
        self._audit_trail.append("all clear")
        return self._audit_trail

    async def _see_through(self, crisis: Crisis, mission: Mission, agents: dict) -> None:
        """Asks one agent after the other until one reports."""
        for name in crisis.agents:
            self._audit_trail.append(f"{mission.name} to {name}")
            await agents[name].signal(LiaraAgentWorkflow.assign, Assignment(workflow.info().workflow_id, mission))
            try:
                await workflow.wait_condition(
                    lambda: mission.name in self._reports, timeout=timedelta(seconds=crisis.escalate_after_seconds)
                )
            except asyncio.TimeoutError:
                self._audit_trail.append(f"{mission.name} escalated: {name} is silent")
                continue
            report = self._reports[mission.name]
            self._audit_trail.append(f"{report.agent} reports {report.text}")
            return
        raise ApplicationError(f"nobody answers for {mission.name}", non_retryable=True)

    @workflow.signal
    def report(self, report: MissionReport) -> None:
        self._reports.setdefault(report.mission, report)

    @workflow.query
    def audit_trail(self) -> list[str]:
        return self._audit_trail
