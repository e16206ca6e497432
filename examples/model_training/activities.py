"""Gradient descent for a line through points: small, but it learns."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import activity

#: The points lie on y = 3x + 2.
POINTS = [(x / 10, 3 * x / 10 + 2) for x in range(-10, 11)]
LEARNING_RATE = 0.1


@dataclass
class Model:
    """The line y = slope * x + offset, and its mean squared error on the points."""

    slope: float = 0.0
    offset: float = 0.0
    loss: float = 1e9


@activity.defn
def train_steps(model: Model, steps: int) -> Model:
    """Goes `steps` steps down the gradient, and says at times that it still does: its worker may be gone."""
    slope, offset, loss = model.slope, model.offset, model.loss
    for step in range(steps):
        if step % 100 == 0:
            activity.heartbeat(step)
        errors = [(slope * x + offset - y, x) for x, y in POINTS]
        slope -= LEARNING_RATE * sum(2 * error * x for error, x in errors) / len(POINTS)
        offset -= LEARNING_RATE * sum(2 * error for error, _ in errors) / len(POINTS)
        loss = sum(error * error for error, _ in errors) / len(POINTS)
    return Model(slope, offset, loss)
