"""The end of a run that is under way: its final loss, with an interval that narrows as the run goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._schedule import Schedule
from similitude._view import Figure, Interval, Section, Table
from similitude.planning._carry_on import (
    KNOWN,
    LEARNT,
    UNKNOWN,
    CarriedOn,
    Habits,
    allowed_for,
    carry_on,
    decay_shapes,
    learnt_shapes,
)
from similitude.planning._curves import CurveFit, _level
from similitude.planning._run_events import Cleaned, RunEvent, cleaned, smoothed
from similitude.planning._training_curve import TrainingCurve

__all__ = ["RunForecast", "forecast_run"]

FEWEST = 5
GROUPS = 70  # groups of neighbours, even in log progress, that a curve is read as
OLDEST = 0.02  # share of the progress so far before which readings say little of the end
LEAST_SPREAD = 2e-4  # relative error that no group of readings is trusted beyond
CONE = 40  # places ahead at which the forecast is told
NOISE_WINDOW = 11
FAR = 12.0  # times the progress so far beyond which a forecast is marked


@dataclass(frozen=True, eq=False, repr=False)
class RunForecast:
    """The end of a run under way, made by `forecast_run`.

    `final` is the loss the curve comes to at step `end`, `reading` what one reading there would show (their scatter
    included). `cone` has steps ahead (places,) with `loss`, `low`, `high`. `scatter` is the relative scatter of a
    reading, `events` what happened along the way, `basis` what the forecast rests on.
    """

    curve: TrainingCurve
    end: float
    now: float
    current: float
    final: Interval
    reading: Interval
    cone: dict[str, np.ndarray]
    seen: Cleaned
    scatter: float
    events: tuple[RunEvent, ...]
    basis: str
    warnings: tuple[str, ...]
    level: float
    mixture: CarriedOn

    def __repr__(self) -> str:
        return (
            f"RunForecast({self.curve.name}: {self.final.text()} at step {self.end:g}, now {self.now / self.end:.0%})"
        )

    def __str__(self) -> str:
        return "\n\n".join(str(v) for v in self.view().items if not isinstance(v, Figure))

    @property
    def done(self) -> float:
        """The share of the run that is done."""
        return self.now / self.end

    @property
    def diverging(self) -> bool:
        """Whether the run is diverging now."""
        return any(e.kind == "diverging" for e in self.events)

    def final_at(self, level: float) -> Interval:
        """The final loss with its interval at another level.

        >>> import numpy as np, similitude as sim
        >>> steps = np.arange(10.0, 1000, 10)
        >>> found = sim.forecast_run(sim.TrainingCurve(steps, 2 + 9 * steps**-0.4), 2000)
        >>> found.final_at(0.5).high < found.final.high
        True
        """
        level = _level(level)
        low, high = np.exp(self.mixture.quantiles(((1 - level) / 2, (1 + level) / 2))[-1])
        return Interval(self.final.value, float(low), float(high))

    def table(self) -> Table:
        """The forecast in rows."""
        from similitude.planning._curve_views import run_table

        return run_table(self)

    def figure(self) -> Figure:
        """What was measured, and the cone of what is to come."""
        from similitude.planning._curve_views import run_figure

        return run_figure(self)

    def view(self) -> Section:
        """Table, events, what to beware of, and figure, for a report."""
        from similitude.planning._curve_views import run_section

        return run_section(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values fit for JSON."""
        return {
            "schema_version": 1,
            "curve": self.curve.name,
            "end": self.end,
            "now": self.now,
            "done": self.done,
            "current": self.current,
            "final": _ends(self.final),
            "reading": _ends(self.reading),
            "level": self.level,
            "scatter": self.scatter,
            "diverging": self.diverging,
            "basis": self.basis,
            "events": [e.to_dict() for e in self.events],
            "warnings": list(self.warnings),
            "cone": {k: v.tolist() for k, v in self.cone.items()},
        }


def forecast_run(
    curve: TrainingCurve,
    end: float | None = None,
    *,
    law: CurveFit | None = None,
    references: Iterable[TrainingCurve] = (),
    level: float = 0.9,
) -> RunForecast:
    """Where a run that is under way will end, with the interval of its final loss, and what happened on the way.

    `curve` holds the readings so far; when its schedule covers the run to `end` (by default the schedule's length),
    the decay still to come is counted. `law`, fitted by `fit_curves` to earlier curves of the kind, and `references`,
    earlier runs that ended, say what such runs do from here on; references count by their share of the run done, so
    they should have followed the same kind of schedule. Without either, the forecast averages over shapes with a
    prior learnt from published curves. Neither is trusted blindly: the fall to come may be stretched, and the slope
    may wander.

    Raises QuestionError for fewer than five readings after the warm-up or an end that is passed, DataError for losses
    that are not positive, ArgumentError for a schedule that ends before the run.

    >>> import numpy as np, similitude as sim
    >>> plan = sim.schedule("cosine", 10_000, peak=3e-4, end=3e-5, warm_up=200)
    >>> truth = sim.laws.annealing.estimate(L0=2.6, A=0.43, alpha=0.5, C=0.4)
    >>> steps = np.arange(250, 6001, 50)
    >>> found = sim.forecast_run(sim.TrainingCurve(steps, truth.value(**plan.areas(steps)), plan))
    >>> found.final.low < float(truth.value(**plan.areas([10_000]))[0]) < found.final.high
    True
    """
    return forecast_with(None, curve, end, law=law, references=references, level=level)


def forecast_with(
    habits: Habits | None,
    curve: TrainingCurve,
    end: float | None = None,
    *,
    law: CurveFit | None = None,
    references: Iterable[TrainingCurve] = (),
    level: float = 0.9,
    places: int = CONE,
) -> RunForecast:
    """`forecast_run` with other constants of the prior than its own, for those who choose them, at fewer places."""
    level = _level(level)
    plan, end = _plan(curve, end)
    references = tuple(references)
    seen = _seen(curve, plan)
    x, y, variance, scatter = _grouped(seen)
    now = float(seen.steps[-1])
    if now >= end:
        raise QuestionError(f"{curve.name}: the run has come to step {now:g} of {end:g}; there is nothing to forecast")
    ahead = np.unique(np.append(np.geomspace(now, end, places)[1:], end))
    if plan is not None:
        ahead = np.unique(np.minimum(np.ceil(ahead), len(plan)))
    found, basis = _carried(x, y, variance, ahead, now, end, plan, law, references, scatter, habits)
    chances = ((1 - level) / 2, (1 + level) / 2)
    curve_ends, reading_ends = np.exp(found.quantiles(chances)), np.exp(found.quantiles(chances, reading=True))
    middle = np.exp(found.mean())
    cone = {"steps": ahead, "loss": middle, "low": curve_ends[:, 0], "high": curve_ends[:, 1],
            "reading_low": reading_ends[:, 0], "reading_high": reading_ends[:, 1]}  # fmt: skip
    final, reading = (Interval(float(middle[-1]), float(e[-1, 0]), float(e[-1, 1])) for e in (curve_ends, reading_ends))
    events = seen.events
    return RunForecast(
        curve, float(end), now, float(np.exp(y[-1])), final, reading, cone, seen, scatter, events, basis,
        _warnings(plan, law, seen, end), level, found,
    )  # fmt: skip


def _ends(interval: Interval) -> dict[str, float | None]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _plan(curve: TrainingCurve, end: float | None) -> tuple[Schedule | None, float]:
    """The schedule when it covers the whole run, and the last step."""
    plan = curve.schedule
    if end is None:
        if plan is None:
            raise ArgumentError("forecast_run needs the last step of the run: give `end`, or a schedule that has one")
        end = float(len(plan))
    if not np.isfinite(end) or end <= 0:
        raise ArgumentError(f"end = {end:g}: expected the last step of the run")
    if plan is not None and len(plan) < end:
        raise ArgumentError(
            f"the schedule ends at step {len(plan)}, before the run at {end:g}; give the whole plan, or no schedule"
        )
    return plan, float(end)


def _seen(curve: TrainingCurve, plan: Schedule | None) -> Cleaned:
    """The readings after the warm-up, in order, with what happened."""
    steps, loss = np.asarray(curve.steps, float), np.asarray(curve.loss, float)
    positive = steps > 0  # a reading before the first step has made no progress
    steps, loss = steps[positive], loss[positive]
    finite = loss[np.isfinite(loss)]
    if len(finite) and (finite <= 0).any():
        raise DataError(f"{curve.name}: a loss of {finite.min():g}; forecasts are of positive losses")
    if plan is not None and np.isfinite(steps).any() and np.nanmax(steps) > len(plan):
        raise DataError(
            f"{curve.name}: readings to step {np.nanmax(steps):g}, but its schedule has {len(plan)} steps; with a "
            "schedule, progress is counted in steps"
        )
    warm_up = 0 if plan is None else plan.warm_up
    last = float(np.nanmax(steps)) if len(steps) else 0.0
    found = cleaned(steps, loss, settled=max(warm_up, OLDEST * last))
    kept = (found.steps > warm_up) & (found.steps >= OLDEST * last)
    seen = Cleaned(found.steps[kept], found.log_loss[kept], found.sound[kept], found.events)
    if int(seen.sound.sum()) < FEWEST:
        raise QuestionError(
            f"{curve.name}: {int(seen.sound.sum())} usable readings after the warm-up; a forecast needs {FEWEST}"
        )
    return seen


def _grouped(seen: Cleaned) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Steps, mean log losses and their variances of groups of neighbours, and the scatter of a reading."""
    x, y = seen.steps[seen.sound], seen.log_loss[seen.sound]
    quick, scatter = _scatter(y)
    edges = np.linspace(np.log(x[0]), np.log(x[-1]), GROUPS + 1)[1:-1]
    _, group = np.unique(np.searchsorted(edges, np.log(x), side="right"), return_inverse=True)
    count = np.bincount(group)
    # neighbours that depart together are worth fewer than they are
    alike = np.clip((scatter / max(quick, 1e-12)) ** 2, 1, count)
    variance = scatter**2 * alike / count + LEAST_SPREAD**2
    return np.bincount(group, x) / count, np.bincount(group, y) / count, variance, scatter


def _scatter(y: np.ndarray) -> tuple[float, float]:
    """Scatter of log losses from second differences, and about a running median; the second is no smaller."""
    if len(y) < FEWEST:
        return 0.01, 0.01
    quick = 1.4826 * float(np.median(np.abs(y[2:] - 2 * y[1:-1] + y[:-2]))) / np.sqrt(6)
    slow = 1.1 * 1.4826 * float(np.median(np.abs(y - smoothed(y, NOISE_WINDOW))))
    return quick, max(quick, slow)


def _carried(
    x: np.ndarray,
    y: np.ndarray,
    variance: np.ndarray,
    ahead: np.ndarray,
    now: float,
    end: float,
    plan: Schedule | None,
    law: CurveFit | None,
    references: Sequence[TrainingCurve],
    scatter: float,
    habits: Habits | None,
) -> tuple[CarriedOn, str]:
    """The mixture at steps `ahead`, and what it rests on."""
    place_x, place_ahead = np.log(x / now), np.log(ahead / now)
    fallen = None
    if plan is not None:
        fallen = _fallen(plan, x), _fallen(plan, ahead)
    learnt = [] if not references else [_learnt(c, x / end, ahead / end) for c in references]
    if law is not None:
        learnt.append(_by_law(law, plan, x, ahead))
    if learnt:
        habits = habits or LEARNT
        before, after = (np.stack([pair[i] for pair in learnt], axis=1) for i in (0, 1))
        shapes = learnt_shapes(before, after, habits)
        basis = _learnt_basis(law, references)
    elif fallen is not None and plan is not None:
        habits = habits or KNOWN
        area = np.cumsum(plan.rates)
        here = np.log(_at(area, now))
        shapes = decay_shapes(np.log(_at(area, x)) - here, np.log(_at(area, ahead)) - here, fallen, habits)
        basis = "the planned learning rates, with a prior learnt from published curves"
    else:
        habits = habits or UNKNOWN
        shapes = decay_shapes(place_x, place_ahead, None, habits)
        basis = (
            "published curves of unknown schedules: a decay to come is not counted, only allowed for in the interval"
        )
    if fallen is not None:
        place_x, place_ahead = place_x + habits.turn * fallen[0], place_ahead + habits.turn * fallen[1]
    order = np.maximum.accumulate(place_x + 1e-9 * np.arange(len(place_x)))
    later = np.maximum(place_ahead, order[-1])
    found = carry_on(order, y, variance, later, shapes, habits, scatter2=scatter**2)
    return allowed_for(found, habits.unseen**2 * (ahead - now) / end), basis


def _at(values: np.ndarray, steps: np.ndarray | float) -> np.ndarray:
    """Values of each step read at steps that need not be whole."""
    return np.asarray(np.interp(steps, np.arange(1, len(values) + 1), values))


def _fallen(plan: Schedule, steps: np.ndarray) -> np.ndarray:
    """The share of the peak rate that is gone; a rise, as at a restart, makes it less again."""
    return np.clip(1 - _at(plan.rates, steps) / plan.rates.max(), 0.0, 1.0)


def _learnt(reference: TrainingCurve, seen: np.ndarray, ahead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log loss of an earlier run at shares of it, smoothed where it was read often, zero at its end."""
    found = cleaned(np.asarray(reference.steps, float), np.asarray(reference.loss, float))
    x, y = found.steps[found.sound], found.log_loss[found.sound]
    if len(x) < FEWEST:
        raise QuestionError(f"{reference.name}: {len(x)} usable readings; an earlier run to learn from needs {FEWEST}")
    whole = float(len(reference.schedule)) if reference.schedule is not None else float(x[-1])
    if x[-1] < 0.95 * whole:
        raise QuestionError(
            f"{reference.name} is read to {x[-1] / whole:.0%} of its schedule: learn from runs that ended"
        )
    if len(x) > 3 * GROUPS:
        y = smoothed(y, NOISE_WINDOW)
    share = x / x[-1]
    return np.interp(seen, share, y) - y[-1], np.interp(ahead, share, y) - y[-1]


def _by_law(law: CurveFit, plan: Schedule | None, seen: np.ndarray, ahead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if plan is None:
        raise QuestionError("a law of training curves needs the planned learning rates: give the run's schedule")
    whole = [np.clip(np.round(s), 1, len(plan)).astype(int) for s in (seen, ahead)]
    return law.log_loss(plan, whole[0])[0], law.log_loss(plan, whole[1])[0]


def _learnt_basis(law: CurveFit | None, references: Sequence[TrainingCurve]) -> str:
    earlier = "an earlier run" if len(references) == 1 else f"{len(references)} earlier runs"
    parts = [f"what {earlier} did from the same share on"] if references else []
    parts += [f"the {law.law.replace('_', '-')} law of {len(law.curves)} earlier curves"] if law is not None else []
    return " and ".join(parts)


def _warnings(plan: Schedule | None, law: CurveFit | None, seen: Cleaned, end: float) -> tuple[str, ...]:
    said = []
    if plan is None:
        said.append(
            "the learning rates to come are not known: give the planned schedule; a decay to zero takes about 5 % off "
            "the loss of a constant rate"
        )
    if any(e.kind == "diverging" for e in seen.events):
        said.append("the run is diverging: the forecast is what it would come to if it recovered to where it was")
    if any(e.kind == "jump" for e in seen.events):
        said.append("the level jumped: only readings since the jump are used")
    now = float(seen.steps[-1])
    if end > FAR * now:
        said.append(f"the run is at {now / end:.1%}: little of the end can be seen from here")
    if law is not None and plan is not None and plan.rates.max() > law.peak * 1.01:
        said.append(f"the peak rate {plan.rates.max():g} is above the {law.peak:g} that the law was fitted on")
    return tuple(said)
