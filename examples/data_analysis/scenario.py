"""Four columns of measurements; the first attempt of the analysis falls silent and times out by heartbeat."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from temporalio.api.enums.v1 import TimeoutType

from data_analysis import activities
from data_analysis.workflows import AnalysisOrder, DataAnalysisWorkflow
from runner.example import Example, Report, Stage, check_equal, of_kind

COLUMNS = ["width", "height", "depth", "weight"]


async def run(stage: Stage) -> Report:
    path = stage.work_dir / "measurements.csv"
    lines = [",".join(COLUMNS)] + [f"{n},{2 * n},{3 * n},{4 * n}" for n in range(1, 100)]
    path.write_text("\n".join(lines) + "\n")
    stage.say("the analysis falls silent")
    handle = await stage.client.start_workflow(
        DataAnalysisWorkflow.run,
        AnalysisOrder(str(path), silence_seconds=3.0),
        id=stage.id("data-analysis"),
        task_queue=stage.task_queue,
    )
    report = await handle.result()
    check_equal(report.columns, COLUMNS, "columns")
    check_equal([figure.mean for figure in report.analysis.figures], [50.0, 100.0, 150.0, 200.0], "means")
    check_equal(report.analysis.resumed_at, 2, "columns that the second attempt had from the heartbeat")
    check_equal(len(ElementTree.parse(report.drawing).getroot()), len(COLUMNS), "bars of the drawing")

    started = of_kind(await stage.events(handle), "activity_task_started")
    check_equal([one.attempt for one in started], [1, 1, 2, 1], "attempts")
    timeout = started[2].last_failure.timeout_failure_info.timeout_type
    check_equal(timeout, TimeoutType.TIMEOUT_TYPE_HEARTBEAT, "the attempt before timed out by heartbeat")
    return Report(handle, "4 columns, second attempt went on at column 2")


EXAMPLE = Example(
    name="data_analysis",
    task_queue="project-ai-tasks",
    run=run,
    workflows=[DataAnalysisWorkflow],
    activities=[
        activities.validate_data_file,
        activities.load_data,
        activities.perform_analysis,
        activities.generate_visualizations,
    ],
)
