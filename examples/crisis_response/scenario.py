"""Two missions and three agents, the first of them silent: each mission escalates once and is then carried out."""

from __future__ import annotations

from crisis_response.activities import Mission, carry_out
from crisis_response.workflows import Crisis, LiaraAgentWorkflow, LiaraCrisisWorkflow
from runner.example import Example, Report, Stage, check_equal, of_kind


async def run(stage: Stage) -> Report:
    crisis = Crisis(
        missions=[Mission("shelter", 4, [2, 1, 3]), Mission("evacuation", 1, [7, 9, 8])],
        agents=["scout", "medic", "engineer"],
        silent=["scout"],
        escalate_after_seconds=4.0,
    )
    handle = await stage.client.start_workflow(
        LiaraCrisisWorkflow.run, crisis, id=stage.id("crisis"), task_queue=stage.task_queue
    )
    await stage.until(
        "waits for the silent agent",
        lambda: handle.query(LiaraCrisisWorkflow.audit_trail),
        lambda trail: any("escalated" in line for line in trail),
    )
    wanted = [
        "evacuation to scout",
        "evacuation escalated: scout is silent",
        "evacuation to medic",
        "medic reports evacuation p1: 3 people, most urgent 9",
        "shelter to scout",
        "shelter escalated: scout is silent",
        "shelter to medic",
        "medic reports shelter p4: 3 people, most urgent 3",
        "all clear",
    ]
    check_equal(await handle.result(), wanted, "audit trail")
    events = await stage.events(handle)
    check_equal(len(of_kind(events, "timer_fired")), 2, "escalation timers that fired")
    check_equal(len(of_kind(events, "workflow_execution_signaled")), 2, "reports of agents")
    check_equal(len(of_kind(events, "external_workflow_execution_signaled")), 7, "signals to agents")
    medic = await stage.events(stage.client.get_workflow_handle(f"{handle.id}-medic"))
    priorities = [scheduled.priority.priority_key for scheduled in of_kind(medic, "activity_task_scheduled")]
    check_equal(priorities, [1, 4], "priorities of the medic's activities")
    return Report(handle, "2 missions, 2 escalations, medic carried out both")


EXAMPLE = Example(
    name="crisis_response",
    task_queue="liara-tasks",
    run=run,
    workflows=[LiaraCrisisWorkflow, LiaraAgentWorkflow],
    activities=[carry_out],
)
