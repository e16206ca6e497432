"""A folder with three planted weaknesses; one scanner times out once, one fails twice, one does not exist."""

from __future__ import annotations

import json

from runner.example import Example, Report, Stage, check_equal, of_kind
from security_scan.activities import open_issue, scan_folder
from security_scan.workflows import ScanOrder, SecurityScanWorkflow


async def run(stage: Stage) -> Report:
    code = stage.work_dir / "code"
    code.mkdir()
    (code / "a.py").write_text("import pickle\nvalue = pickle.loads(data)\nprint(value)\n")
    (code / "b.py").write_text("password = 'hunter2'\nrun(command, shell=True)\n")
    order = ScanOrder(
        folder=str(code),
        tracker=str(stage.work_dir),
        scanners=["bandit", "codeql", "secrets", "imaginary"],
        attempt_seconds=3.0,
        retry_seconds=0.2,
    )
    handle = await stage.client.start_workflow(
        SecurityScanWorkflow.run, order, id=stage.id("security-scan"), task_queue=stage.task_queue
    )
    stage.say("four scanners in parallel")
    report = await handle.result()
    check_equal(report.counts, {"bandit": 1, "codeql": 1, "secrets": 1}, "findings per scanner")
    check_equal(list(report.failed), ["imaginary"], "scanners that failed")
    issue = json.loads((stage.work_dir / str(report.issue)).read_text())
    check_equal(len(issue["findings"]), 3, "findings in the issue")

    events = await stage.events(handle)
    attempts = sorted(started.attempt for started in of_kind(events, "activity_task_started"))
    check_equal(attempts, [1, 1, 1, 2, 3], "attempts: bandit, imaginary, issue once; secrets 2; codeql 3")
    check_equal(len(of_kind(events, "activity_task_failed")), 1, "failed activities")
    return Report(handle, f"3 findings by 3 scanners, 1 scanner failed, {report.issue}")


EXAMPLE = Example(
    name="security_scan",
    task_queue="security-tasks",
    run=run,
    workflows=[SecurityScanWorkflow],
    activities=[scan_folder, open_issue],
)
