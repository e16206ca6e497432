"""Validate, load, analyse, draw: long activities that heartbeat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from data_analysis.activities import (
        Analysis,
        generate_visualizations,
        load_data,
        perform_analysis,
        validate_data_file,
    )


@dataclass
class AnalysisOrder:
    """The file, and for how long an analysis may fall silent."""

    path: str
    silence_seconds: float = 60.0


@dataclass
class AnalysisReport:
    """The figures and the drawing."""

    columns: list[str]
    analysis: Analysis
    drawing: str


@workflow.defn
class DataAnalysisWorkflow:
    @workflow.run
    async def run(self, order: AnalysisOrder) -> AnalysisReport:
        twice = RetryPolicy(maximum_attempts=2, non_retryable_error_types=["ValidationError"])
        thrice = RetryPolicy(maximum_attempts=3)
        silence = timedelta(seconds=order.silence_seconds)
        await workflow.execute_activity(
            validate_data_file, order.path, start_to_close_timeout=timedelta(seconds=30), retry_policy=twice
        )
        columns = await workflow.execute_activity(
            load_data,
            order.path,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=silence,
            retry_policy=thrice,
        )
        analysis = await workflow.execute_activity(
            perform_analysis,
            order.path,
            start_to_close_timeout=timedelta(minutes=30),
            heartbeat_timeout=silence,
            retry_policy=twice,
        )
        drawing = await workflow.execute_activity(
            generate_visualizations,
            args=[order.path, analysis],
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=twice,
        )
        return AnalysisReport(columns, analysis, drawing)
