"""A training loop that may last for weeks: it rests between chunks, can be paused, and continues as new."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from model_training.activities import Model, train_steps


@dataclass
class Training:
    """A training and where it stands. `rest_seconds` lie between chunks: a day, so that others can use the machine."""

    num_steps: int
    chunk: int = 1000
    chunks_per_run: int = 50
    rest_seconds: float = 24 * 3600.0
    step: int = 0
    model: Model = field(default_factory=Model)
    paused: bool = False
    runs: int = 1


@dataclass
class TrainingProgress:
    """The answer of `get_training_progress`."""

    step: int
    num_steps: int
    loss: float
    paused: bool
    runs: int


@workflow.defn
class ModelTrainingWorkflow:
    @workflow.init
    def __init__(self, training: Training) -> None:
        self._training = training

    @workflow.run
    async def run(self, training: Training) -> TrainingProgress:
        for _ in range(training.chunks_per_run):
            await workflow.wait_condition(lambda: not training.paused)
            steps = min(training.chunk, training.num_steps - training.step)
            training.model = await workflow.execute_activity(
                train_steps,
                args=[training.model, steps],
                start_to_close_timeout=timedelta(hours=12),
                heartbeat_timeout=timedelta(seconds=10),
            )
            training.step += steps
            if training.step >= training.num_steps:
                return self.get_training_progress()
            await workflow.sleep(training.rest_seconds)
        training.runs += 1
        workflow.continue_as_new(training)

    @workflow.signal
    def pause_training(self) -> None:
        self._training.paused = True

    @workflow.signal
    def resume_training(self) -> None:
        self._training.paused = False

    @workflow.query
    def get_training_progress(self) -> TrainingProgress:
        training = self._training
        return TrainingProgress(training.step, training.num_steps, training.model.loss, training.paused, training.runs)
