"""Three learners: one approved by update (after a refused update), one denied by signal, one nobody looks at."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from learning_approval.activities import Topic, generate_learning_path, store_in_vault
from learning_approval.workflows import Decision, LearningOrder, LearningWorkflow
from runner.example import Example, Report, Stage, check, check_equal, of_kind

PAGES = Path(__file__).resolve().parents[1]


async def run(stage: Stage) -> Report:
    approved = await _start(stage, "learning-approved")
    denied = await _start(stage, "learning-denied")
    expired = await _start(stage, "learning-expired", decide_within_seconds=0.5)
    for handle in (approved, denied):
        ask = partial(handle.query, LearningWorkflow.progress)
        await stage.until("waits for a human", ask, lambda at: at == "waiting for approval")
    try:
        await approved.execute_update(LearningWorkflow.decide, Decision("ada", approved=False))
        check(False, "a denial without a reason must be refused")
    except WorkflowUpdateFailedError as refused:
        check("needs a reason" in str(refused.cause), f"the validator's text, got {refused.cause}")
    answer = await approved.execute_update(LearningWorkflow.decide, Decision("ada", approved=True), id="ada-decides")
    check_equal(answer, "noted, ada", "answer of the update")
    await denied.signal(LearningWorkflow.decide_later, Decision("bo", approved=False, reason="too hard"))

    learned = await approved.result()
    check_equal((learned.outcome, len(learned.steps)), ("approved", 5), "approved path")
    refused_path = await denied.result()
    check_equal(refused_path.outcome, "denied", "denied path")
    check((stage.work_dir / f"{refused_path.vault_entry}.json").exists(), "the vault has the denied path")
    check_equal((await expired.result()).outcome, "expired", "a path that nobody looked at")
    check_equal(await denied.query(LearningWorkflow.progress), "denied", "query after the end")

    events = await stage.events(approved)
    accepted = of_kind(events, "workflow_execution_update_accepted")
    check_equal([update.protocol_instance_id for update in accepted], ["ada-decides"], "updates in the history")
    return Report(approved, f"approved by update, denied by signal, expired by timer; first step: {learned.steps[0]}")


async def _start(stage: Stage, name: str, decide_within_seconds: float = 3600.0) -> WorkflowHandle:
    topic = Topic("workflow", str(PAGES), str(stage.work_dir))
    return await stage.client.start_workflow(
        LearningWorkflow.run,
        LearningOrder(topic, decide_within_seconds),
        id=stage.id(name),
        task_queue=stage.task_queue,
    )


EXAMPLE = Example(
    name="learning_approval",
    task_queue="project-ai-tasks",
    run=run,
    workflows=[LearningWorkflow],
    activities=[generate_learning_path, store_in_vault],
)
