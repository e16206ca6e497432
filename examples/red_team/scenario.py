"""Four frameworks with thirty scenarios each: 120 activities in four children, with live progress."""

from __future__ import annotations

from red_team.activities import judge, run_scenario
from red_team.workflows import Campaign, RedTeamCampaignWorkflow, RedTeamFrameworkWorkflow
from runner.example import Example, Report, Stage, check, check_equal, of_kind

FRAMEWORKS = ["jailbreak", "injection", "exfiltration", "roleplay"]
SCENARIOS = 30


async def run(stage: Stage) -> Report:
    campaign = Campaign(FRAMEWORKS, SCENARIOS, work_seconds=0.01)
    handle = await stage.client.start_workflow(
        RedTeamCampaignWorkflow.run, campaign, id=stage.id("red-team"), task_queue=stage.task_queue
    )

    async def progress() -> dict[str, int]:
        answer = await handle.query(RedTeamCampaignWorkflow.progress)
        stage.say(f"{answer['done']}/{answer['total']} scenarios")
        return answer

    total = len(FRAMEWORKS) * SCENARIOS
    await stage.until("first batch", progress, lambda answer: answer["done"] > 0)
    metrics = await handle.result()
    check_equal((await progress())["done"], total, "scenarios done")
    outcomes = [judge(framework, number) for framework in FRAMEWORKS for number in range(SCENARIOS)]
    attacks = [outcome for outcome in outcomes if outcome.attack]
    missed = sum(not outcome.blocked for outcome in attacks)
    check_equal(metrics.scenarios, total, "scenarios counted")
    check(abs(metrics.attack_success_rate - missed / len(attacks)) < 1e-9, f"attack success rate in {metrics}")

    events = await stage.events(handle)
    check_equal(len(of_kind(events, "child_workflow_execution_completed")), len(FRAMEWORKS), "children completed")
    child = stage.client.get_workflow_handle(f"{handle.id}-{FRAMEWORKS[0]}")
    scheduled = of_kind(await stage.events(child), "activity_task_scheduled")
    check_equal(len(scheduled), SCENARIOS, "activities of one child")
    return Report(handle, f"{total} scenarios, defence rate {metrics.defence_rate:.3f}")


EXAMPLE = Example(
    name="red_team",
    task_queue="security-tasks",
    run=run,
    workflows=[RedTeamCampaignWorkflow, RedTeamFrameworkWorkflow],
    activities=[run_scenario],
)
