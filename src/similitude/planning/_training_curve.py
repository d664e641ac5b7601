"""A measured training curve: steps, losses, and the learning rates they were reached with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._schedule import Schedule

__all__ = ["TrainingCurve", "logged_schedule"]

FEWEST = 8


@dataclass(frozen=True, eq=False)
class TrainingCurve:
    """Losses (readings,) of one run at its steps (readings,), with the schedule it follows where that is known.

    Steps are whole numbers from 1 when there is a schedule; without one any measure of progress will do, such as
    tokens. The schedule may reach beyond the last reading: that is the plan. Raises ArgumentError for lists of
    different lengths or a schedule that is none.

    >>> import similitude as sim
    >>> plan = sim.schedule("cosine", 1000, peak=3e-4, warm_up=50)
    >>> sim.TrainingCurve([100, 200, 300], [4.1, 3.8, 3.6], plan, name="run 7")
    TrainingCurve(run 7: 3 readings to step 300, cosine)
    """

    steps: Any
    loss: Any
    schedule: Schedule | None = None
    name: str = "curve"

    def __post_init__(self) -> None:
        steps, loss = (np.atleast_1d(np.asarray(a, float)) for a in (self.steps, self.loss))
        if steps.ndim != 1 or steps.shape != loss.shape:
            raise ArgumentError(f"{self.name}: steps and losses are two lists of one length")
        if self.schedule is not None and not isinstance(self.schedule, Schedule):
            raise ArgumentError(f"{self.name}: a schedule is made with `schedule` or `Schedule(rates)`")
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "loss", loss)

    def __len__(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        way = "no schedule" if self.schedule is None else self.schedule.name
        last = f"{np.nanmax(self.steps):g}" if len(self) else "none"
        return f"TrainingCurve({self.name}: {len(self)} readings to step {last}, {way})"

    def fit_part(self) -> tuple[np.ndarray, np.ndarray, Schedule]:
        """Steps, losses and schedule after the warm-up, as laws of curves take them; QuestionError for too few."""
        whole = self.schedule
        if whole is None:
            raise QuestionError(
                f"{self.name}: a law of training curves needs the learning rates: name their column with lr=, or give "
                "its schedule"
            )
        kept = np.isfinite(self.loss) & np.isfinite(self.steps) & (self.steps > whole.warm_up)
        steps, loss = self.steps[kept], self.loss[kept]
        if (loss <= 0).any():
            raise DataError(f"{self.name}: a loss of {loss.min():g}; these laws are of positive losses")
        if len(steps) and steps.max() > len(whole):
            raise DataError(
                f"{self.name}: readings to step {steps.max():g}, but its schedule ends at {len(whole)}; give the "
                "schedule of the whole run"
            )
        if len(steps) < FEWEST:
            raise QuestionError(f"{self.name}: {len(steps)} readings after the warm-up; a curve needs {FEWEST}")
        order = np.argsort(steps, kind="stable")
        return np.round(steps[order]).astype(int), loss[order], whole


def logged_schedule(steps: Any, rates: Any, *, end: int | None = None, warm_up: int | None = None) -> Schedule:
    """The schedule behind a logged column of rates (readings,) at steps (readings,), straight lines between them.

    `warm_up`: steps of the linear rise from zero. When not given it is the step of the highest rate if the rates begin
    with a rise, else the first reading's: the rise is taken to lie before it. `end` cuts the schedule off or holds its
    last rate. Raises DataError for fewer than two readings or steps that do not ascend.

    >>> import similitude as sim
    >>> sim.logged_schedule([200, 400, 600], [3e-4, 3e-4, 1e-4])
    Schedule(logged rates: 600 steps, peak 0.0003, end 0.0001)
    """
    steps, rates = np.asarray(steps, float), np.asarray(rates, float)
    kept = np.isfinite(steps) & np.isfinite(rates)
    steps, rates = steps[kept], rates[kept]
    if len(steps) < 2 or (np.diff(steps) <= 0).any():
        raise DataError("a logged schedule needs at least two readings, their steps ascending")
    if warm_up is None:
        top = int(np.argmax(rates >= rates.max() * (1 - 1e-6)))
        warm_up = int(steps[top])
    length = int(steps[-1] if end is None else end)
    grid = np.arange(1, length + 1)
    told = np.interp(grid, steps, rates)
    rise = grid < min(steps[0], max(warm_up, 1))
    told[rise] = rates[0] * grid[rise] / min(steps[0], max(warm_up, 1))
    return Schedule(told, min(warm_up, length), "logged rates")
