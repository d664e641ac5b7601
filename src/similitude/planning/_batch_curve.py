"""Steps to one goal against the batch: the law, how sharply it bends, where the three regions end, local slopes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from similitude._errors import SimilitudeError
from similitude._quantity import format_quantity
from similitude._view import Interval
from similitude.fitting import Fit, Intervals, fit
from similitude.laws import get
from similitude.runs import Runs, read_runs

__all__ = ["BatchCurve", "BatchSlope", "Measured", "batch_curve", "sensitivities"]

PERFECT, WASTED = 0.9, 0.1  # of ideal scaling, -d log steps / d log batch: above is perfect, below is wasted
LEAST = 3  # batches of a curve
LEAST_BENT = 6  # batches from which the bend is fitted, too


@dataclass(frozen=True)
class BatchSlope:
    """Between two neighbouring batches: the measured share of ideal scaling, 1 for halved steps, and the law's."""

    low: float
    high: float
    measured: Interval
    law: float


@dataclass(frozen=True)
class BatchCurve:
    """One workload and goal: the fewest steps and examples, the critical batch, and where the three regions end.

    The law is S = S_min (1 + (B_crit / B)^k)^(1/k). `bend` is k with its interval, without ends where it was held, None
    where it was not told, as with fewer than six batches; `bent` says that it was taken, as its interval excludes 1 or
    it was held; otherwise k = 1. `perfect` is the batch up to which doubling it saves nine tenths of an ideal halving
    of steps, `wasted` that from which it saves less than a tenth; between the batches `perfect_seen` and `wasted_seen`
    local slopes alone, made monotone, cross these. Intervals hold what k = 1 and a free k say, unless the steps
    rule k = 1 out. `batches` and `steps` are the data, `unreached` (batch, steps tried) where the goal was not reached
    and how long it was tried, `lost` counts batches with neither, `odd` are (batch, steps over what the others say) of
    those that do not follow the others.
    """

    name: str
    goal: float | None
    steps_min: Interval
    examples_min: Interval
    critical: Interval
    bend: Interval | None
    bent: bool
    perfect: Interval
    wasted: Interval
    slopes: tuple[BatchSlope, ...]
    perfect_seen: tuple[float | None, float | None]
    wasted_seen: tuple[float | None, float | None]
    batches: tuple[float, ...]
    steps: tuple[float, ...]
    unreached: tuple[tuple[float, float], ...]
    lost: int
    odd: tuple[tuple[float, float], ...]
    fit: Fit | None = field(default=None, repr=False)

    @property
    def k(self) -> float:
        """The bend in force."""
        return self.bend.value if self.bent and self.bend is not None else 1.0

    @property
    def title(self) -> str:
        """Workload and goal as words."""
        return " ".join(filter(None, (self.name, "" if self.goal is None else f"to {self.goal:g}")))

    def steps_at(self, batch: Any) -> Any:
        """Steps to the goal by the law at batches, which broadcast."""
        return self.steps_min.value * self.over_least(batch)

    def over_least(self, batch: Any, critical: float | None = None) -> Any:
        """Steps over the fewest steps, at this critical batch or another."""
        ratio = (self.critical.value if critical is None else critical) / np.asarray(batch, float)
        return (1 + ratio**self.k) ** (1 / self.k)


@dataclass(frozen=True)
class Measured:
    """Batches of one workload and goal, each (batches,): steps, NaN where it was not reached, and the steps tried."""

    name: str
    goal: float | None
    batch: np.ndarray
    steps: np.ndarray
    tried: np.ndarray

    def reached(self) -> np.ndarray:
        return np.isfinite(self.steps) & (self.steps > 0) & np.isfinite(self.batch) & (self.batch > 0)

    def bounded(self) -> np.ndarray:
        """Where all that is known is that the goal takes more than the steps tried."""
        usable = np.isfinite(self.batch) & (self.batch > 0) & np.isfinite(self.tried) & (self.tried > 0)
        return usable & ~self.reached()

    def table(self) -> Runs:
        """As runs of the law, those that did not reach the goal censored."""
        kept, bounded = self.reached() | self.bounded(), self.bounded()
        y = np.where(bounded, self.tried, self.steps)[kept]
        columns = {"B": self.batch[kept], "loss": y, "unreached": bounded[kept]}
        return read_runs(columns, censored="unreached", check=False)


def batch_curve(data: Measured, bend: float | None, level: float, source: str) -> BatchCurve | str:
    """The curve, or a sentence on why there is none. `bend` holds k; None chooses."""
    count = len(np.unique(data.batch[data.reached()]))
    where = ", ".join(filter(None, (source, data.name, "" if data.goal is None else f"to {data.goal:g}")))
    if count < LEAST:
        return (
            f"{where}: {'1 batch reaches' if count == 1 else f'{count} batches reach'} the goal; a curve takes {LEAST}"
        )
    if why := _without_bend(data):
        return f"{where}: {why}"
    runs = data.table()
    options: Any = {"objective": "squares_log", "intervals": Intervals(level=level), "inputs": {"B": "B"}}
    try:
        if bend is not None and bend != 1:
            held = fit(get("batch_bend"), runs, fix={"k": bend}, **options)
            return _described(data, [held], held, Interval(bend), True)
        smooth = fit(get("batch_steps"), runs, **options)
    except SimilitudeError as error:
        return f"{where}: {error}"
    free = None if bend is not None or count < LEAST_BENT else _free(runs, options)
    if free is None:
        return _described(data, [smooth], smooth, None if bend is None else Interval(1.0), False)
    k = Interval(free.values["k"], *free.ends["k"])
    bent = (k.low is not None and k.low > 1) or (k.high is not None and k.high < 1)
    return _described(data, [free] if bent else [smooth, free], free if bent else smooth, k, bent)


def _without_bend(data: Measured) -> str:
    """Why steps show no critical batch: they do not fall as the batch grows, or fall in proportion throughout."""
    reached = data.reached()
    b, s = data.batch[reached], data.steps[reached]
    batches = np.unique(b)
    least = np.array([s[b == v].min() for v in batches])
    if not least.min() < least[0]:
        return f"steps do not fall from the smallest batch, {format_quantity(batches[0])}, on: try smaller batches"
    examples = np.log(least) + np.log(batches)
    if np.all(examples <= examples[0] + 1e-6):
        return (
            f"steps fall in proportion to the batch, or faster, up to {format_quantity(batches[-1])}: the critical "
            "batch lies beyond; try larger batches"
        )
    return ""


def _free(runs: Runs, options: dict[str, Any]) -> Fit | None:
    """None where these batches, all on one side of the bend, do not tell it."""
    try:
        found = fit(get("batch_bend"), runs, **options)
    except SimilitudeError:
        return None
    return found if found.identified else None


def _described(data: Measured, fits: list[Fit], chosen: Fit, k: Interval | None, bent: bool) -> BatchCurve:
    reached, bounded = data.reached(), data.bounded()
    known = _known(fits, chosen)
    slopes = _slopes(data, chosen)
    return BatchCurve(
        name=data.name,
        goal=data.goal,
        **known,
        bend=k,
        bent=bent,
        slopes=slopes,
        perfect_seen=_crossing(slopes, PERFECT),
        wasted_seen=_crossing(slopes, WASTED),
        batches=tuple(data.batch[reached].tolist()),
        steps=tuple(data.steps[reached].tolist()),
        unreached=tuple(zip(data.batch[bounded].tolist(), data.tried[bounded].tolist(), strict=True)),
        lost=int((~reached & ~bounded).sum()),
        odd=_odd(chosen),
        fit=chosen,
    )


def _known(fits: list[Fit], chosen: Fit) -> dict[str, Interval]:
    """What is read off the law, from the chosen fit, its interval around those of all fits.

    Where the share of ideal scaling, (B_crit/B)^k / (1 + (B_crit/B)^k), is q, B = B_crit ((1 - q) / q)^(1/k).
    """
    targets = {
        "steps_min": lambda p: np.log(p["S_min"]),
        "examples_min": lambda p: np.log(p["S_min"]) + np.log(p["B_crit"]),
        "critical": lambda p: np.log(p["B_crit"]),
        "perfect": lambda p: np.log(p["B_crit"]) + np.log((1 - PERFECT) / PERFECT) / p.get("k", 1.0),
        "wasted": lambda p: np.log(p["B_crit"]) + np.log((1 - WASTED) / WASTED) / p.get("k", 1.0),
    }
    rows = np.exp([f.intervals_of(list(targets.values())) for f in [chosen, *(f for f in fits if f is not chosen)]])
    found = {}
    for i, name in enumerate(targets):
        low, high = rows[:, i, 1].min(), rows[:, i, 2].max()  # an unknown end, NaN, stays unknown
        ends = (float(v) if np.isfinite(v) else None for v in (low, high))
        found[name] = Interval(float(rows[0, i, 0]), *ends, unit="steps" if name == "steps_min" else "")
    return found


def _slopes(data: Measured, chosen: Fit) -> tuple[BatchSlope, ...]:
    """-d log steps / d log batch between neighbours, with the error that the scatter about the law gives it."""
    from scipy.stats import t as student

    reached = data.reached()
    batches, which = np.unique(data.batch[reached], return_inverse=True)
    repeats = np.bincount(which)
    y = np.bincount(which, np.log(data.steps[reached])) / repeats
    law = np.log(chosen.law.evaluate({"B": batches}, chosen.values))
    gap = np.diff(np.log(batches))
    freedom = max(int(reached.sum()) - len(chosen.free), 1)
    error = chosen.noise * np.sqrt(1 / repeats[1:] + 1 / repeats[:-1]) / gap
    half = float(student.ppf(0.5 + chosen.level / 2, freedom)) * error
    seen, said = -np.diff(y) / gap, -np.diff(law) / gap
    return tuple(
        BatchSlope(float(batches[i]), float(batches[i + 1]),
                   Interval(float(seen[i]), float(seen[i] - half[i]), float(seen[i] + half[i])), float(said[i]))
        for i in range(len(gap))
    )  # fmt: skip


def _crossing(slopes: tuple[BatchSlope, ...], share: float) -> tuple[float | None, float | None]:
    """The batches between which slopes fall below a share of ideal, after a falling least-squares sequence."""
    from scipy.optimize import isotonic_regression

    centres = [float(np.sqrt(s.low * s.high)) for s in slopes]
    widths = [np.log(s.high / s.low) ** 2 for s in slopes]  # a slope's weight, one over its variance
    level = isotonic_regression([s.measured.value for s in slopes], weights=widths, increasing=False).x
    above = int(np.sum(level >= share))
    return (centres[above - 1] if above else None, centres[above] if above < len(centres) else None)


def sensitivities(fitted: Fit, batch: np.ndarray) -> np.ndarray:
    """d log steps / d log parameter at batches, (batches, free parameters)."""
    columns = []
    for name in fitted.free:
        ends = [np.log(fitted.law.evaluate({"B": batch}, {**fitted.values, name: fitted.values[name] * np.exp(step)}))
                for step in (1e-4, -1e-4)]  # fmt: skip
        columns.append((ends[0] - ends[1]) / 2e-4)
    return np.column_stack(columns)


def _odd(fitted: Fit) -> tuple[tuple[float, float], ...]:
    """Batches whose residual, studentised without them, has a chance of a hundredth among all batches."""
    from scipy.stats import t as student

    told = np.ones(len(fitted.observed), bool) if fitted.observed.censored is None else ~fitted.observed.censored
    batch, r = fitted.observed.inputs["B"][told], -fitted.residuals()[told]
    n, p = len(r), len(fitted.free)
    if n - p < 3:
        return ()
    slopes = sensitivities(fitted, batch)
    free = np.maximum(1 - np.einsum("ij,ji->i", slopes, np.linalg.pinv(slopes)), 1e-9)
    without = np.maximum(np.sum(r**2) - r**2 / free, 0) / (n - p - 1)
    size = np.abs(r) / np.sqrt(np.maximum(without * free, 1e-24))
    far = (size > student.ppf(1 - 0.005 / n, n - p - 1)) & (np.abs(r) > 1e-6)
    return tuple((float(batch[i]), float(np.exp(r[i] / free[i]))) for i in np.flatnonzero(far))
