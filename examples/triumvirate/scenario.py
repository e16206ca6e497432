"""One action that is approved and one that two guardians refuse; the history is the audit trail."""

from __future__ import annotations

from datetime import timedelta

from runner.example import Example, Report, Stage, check, check_equal, of_kind
from triumvirate import activities
from triumvirate.activities import Action
from triumvirate.workflows import GUARDIANS, TriumvirateWorkflow


async def run(stage: Stage) -> Report:
    stage.say("guardians vote")
    good = await _review(stage, "triumvirate", Action("mira", "publish the quarterly report"))
    bad = await _review(stage, "triumvirate-refused", Action("rogue", "destroy the logs: rm -rf ../logs"))
    verdict = await good.result()
    check(verdict.approved, f"a harmless action is approved, got {verdict}")
    check_equal([vote.guardian for vote in verdict.votes], ["galahad", "cerberus", "codex"], "votes in order")
    check_equal(await good.query(TriumvirateWorkflow.audit_trail), verdict.audit_trail, "audit trail after the end")
    refused = await bad.result()
    check_equal([vote.approves for vote in refused.votes], [False, False, True], "votes on a harmful action")

    events = await stage.events(good)
    scheduled = of_kind(events, "activity_task_scheduled")
    check_equal(len(scheduled), len(GUARDIANS), "activities in the history")
    attempts = {
        scheduled_by_id.activity_type.name: started.attempt
        for started in of_kind(events, "activity_task_started")
        for scheduled_by_id in scheduled
        if scheduled_by_id.activity_id == _activity_id(events, started.scheduled_event_id)
    }
    check_equal(attempts[activities.codex_reviews_knowledge.__name__], 2, "attempts of the guardian that fails once")
    check_equal(attempts[activities.galahad_reviews_ethics.__name__], 1, "attempts of a guardian that does not fail")
    execution_timeout = of_kind(events, "workflow_execution_started")[0].workflow_execution_timeout
    check_equal(execution_timeout.ToTimedelta(), timedelta(hours=1), "execution timeout")
    yes = sum(vote.approves for vote in refused.votes)
    return Report(good, f"approved 3:0, the other refused {yes}:{len(refused.votes) - yes}")


async def _review(stage: Stage, name: str, action: Action):
    return await stage.client.start_workflow(
        TriumvirateWorkflow.run,
        action,
        id=stage.id(name),
        task_queue=stage.task_queue,
        execution_timeout=timedelta(hours=1),
    )


def _activity_id(events, event_id: int) -> str:
    return events[event_id - 1].activity_task_scheduled_event_attributes.activity_id


EXAMPLE = Example(
    name="triumvirate",
    task_queue="project-ai-tasks",
    run=run,
    workflows=[TriumvirateWorkflow],
    activities=GUARDIANS,
)
