"""Which learning-rate schedule to run for a horizon, by a law of training curves; what cooldowns of one run save."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from similitude._errors import ArgumentError
from similitude._schedule import Schedule, schedule
from similitude._view import Figure, Interval, Section, Table
from similitude.planning._curve_laws import FORMS
from similitude.planning._curves import CurveFit, _level, _log_loss, _t
from similitude.planning._monotone import best_monotone

__all__ = ["Candidate", "CooldownLadder", "ScheduleChoice", "choose_schedule", "cooldown_ladder", "restarts"]

COOLDOWNS = (0.1, 0.2, 0.4)
LOW_END = 0.1  # of the peak, where no curve ends lower
LONG = 1.5  # times the longest curve beyond which a horizon is marked


@dataclass(frozen=True, eq=False)
class Candidate:
    """A schedule, its predicted final loss, and how far above the best that is; `notes` say where the law strains."""

    name: str
    schedule: Schedule
    final: Interval
    excess: Interval
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Candidate({self.name}: {self.final.text()})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values fit for JSON."""
        ends = {k: {"value": v.value, "low": v.low, "high": v.high} for k, v in
                (("final", self.final), ("excess", self.excess))}  # fmt: skip
        rates = self.schedule.rates
        return {"schedule": self.name, "peak": float(rates.max()), "end": float(rates[-1]), **ends,
                "notes": list(self.notes)}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class ScheduleChoice:
    """Schedules for one horizon, best first, made by `choose_schedule`."""

    fit: CurveFit
    steps: int
    candidates: tuple[Candidate, ...]
    level: float
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        return f"ScheduleChoice({self.best.name} for {self.steps} steps: {self.best.final.text()})"

    def __str__(self) -> str:
        return "\n\n".join(str(v) for v in self.view().items if not isinstance(v, Figure))

    @property
    def best(self) -> Candidate:
        """The schedule with the least predicted final loss."""
        return self.candidates[0]

    def table(self) -> Table:
        """The candidates, ranked."""
        from similitude.planning._curve_views import choice_table

        return choice_table(self)

    def figure(self) -> Figure:
        """The predicted curves of the best and a few others."""
        from similitude.planning._curve_views import choice_figure

        return choice_figure(self)

    def rates_figure(self) -> Figure:
        """Their learning rates."""
        from similitude.planning._curve_views import rates_figure

        return rates_figure(self)

    def view(self) -> Section:
        """Table, what to beware of and figures, for a report."""
        from similitude.planning._curve_views import choice_section

        return choice_section(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values fit for JSON."""
        return {
            "schema_version": 1,
            "steps": self.steps,
            "level": self.level,
            "best": self.best.name,
            "candidates": [c.to_dict() for c in self.candidates],
            "warnings": list(self.warnings),
            "fit": self.fit.to_dict(),
        }


def choose_schedule(
    fit: CurveFit,
    steps: int,
    *,
    peaks: float | Iterable[float] | None = None,
    end: float | None = None,
    warm_up: int | None = None,
    cooldowns: Sequence[float] = COOLDOWNS,
    others: Iterable[Schedule] = (),
    level: float | None = None,
) -> ScheduleChoice:
    """Rank schedules of `steps` steps by the final loss that a law of training curves predicts.

    Compared are constant, cosine, linear, cooldowns of the shares `cooldowns` (straight, by 1 - sqrt, and by equal
    factors), two cosine cycles, `others` given, and under the multi-power law the schedule it calls best among those
    whose rate never rises (Luo et al. 2025). `peaks` and `warm_up` are by default those of the first curve, `end` the
    lowest rate that the curves came to. The interval of a difference to the best holds the coefficients' uncertainty,
    and of the misfit and of the laws' disagreement what the two schedules do not share.

    Raises ArgumentError for a warm-up or rates that no schedule can have, and for `others` of another length.

    >>> import numpy as np, similitude as sim
    >>> plan = sim.schedule("cosine", 4000, peak=3e-4, end=3e-5, warm_up=200)
    >>> steps = np.arange(250, 4001, 50)
    >>> truth = sim.laws.annealing.estimate(L0=2.6, A=0.43, alpha=0.5, C=0.4)
    >>> fit = sim.fit_curves(sim.TrainingCurve(steps, truth.value(**plan.areas(steps)), plan))
    >>> found = sim.choose_schedule(fit, 6000)
    >>> found.best.excess.value, bool(found.best.final.value < truth.value(**plan.areas([4000]))[0])
    (0.0, True)
    """
    level = fit.level if level is None else _level(level)
    first = fit.curves[0].schedule
    assert first is not None  # a fit has no curve without one
    warm_up = first.warm_up if warm_up is None else warm_up
    given = [fit.peak] if peaks is None else [float(p) for p in np.atleast_1d(np.asarray(peaks, float))]
    found = [s for p in given for s in _shapes(fit, steps, p, end, warm_up, cooldowns, many=len(given) > 1)]
    others = tuple(others)
    for other in others:
        if len(other) != steps:
            raise ArgumentError(f"the schedule '{other.name}' has {len(other)} steps; the horizon is {steps}")
    found += [(s.name, s) for s in others]
    return ScheduleChoice(fit, steps, _ranked(fit, found, level), level, _warnings(fit, steps, given, found))


def restarts(steps: int, *, peak: float, end: float, warm_up: int = 0, cycles: int = 2) -> Schedule:
    """Cosine cycles of equal length after a linear warm-up, each from the peak to the end rate."""
    if cycles < 1 or steps - warm_up < 2 * cycles:
        raise ArgumentError(f"{cycles} cycles do not fit into {steps - warm_up} steps after the warm-up")
    edges = np.linspace(warm_up, steps, cycles + 1).astype(int)
    parts = [schedule("cosine", int(b - a), peak=peak, end=end).rates for a, b in pairwise(edges)]
    rise = np.arange(1, warm_up + 1) * peak / max(warm_up, 1)
    return Schedule(np.concatenate([rise, *parts]), warm_up, f"cosine, {cycles} cycles")


def _shapes(
    fit: CurveFit, steps: int, peak: float, end: float | None, warm_up: int, cooldowns: Sequence[float], *, many: bool
) -> list[tuple[str, Schedule]]:
    """Names and schedules for one peak rate."""
    low = _lowest(fit, peak) if end is None else end
    at = {"peak": peak, "end": low, "warm_up": warm_up}
    found = [(name, schedule(name, steps, **at)) for name in ("constant", "cosine", "linear")]
    for share in cooldowns:
        cooled = {**at, "cooldown": share}
        found.append((f"cooldown {share:.0%}", schedule("wsd", steps, **cooled)))
        found.append((f"cooldown {share:.0%}, 1 - sqrt", schedule("wsd_sqrt", steps, **cooled)))
        if low > 0:
            found.append((f"cooldown {share:.0%}, equal factors", schedule("wsd_exponential", steps, **cooled)))
    found.append(("cosine, 2 cycles", restarts(steps, **at)))
    if fit.law == "multi_power":
        found.append(("optimised", best_monotone(fit.values, steps, **at)))
    return [(f"{name}, peak {peak:g}" if many else name, s) for name, s in found]


def _lowest(fit: CurveFit, peak: float) -> float:
    """The lowest rate after the warm-up that any curve came to, as a share of its peak."""
    shares = [float(s.rates[s.warm_up :].min() / s.rates.max()) for c in fit.curves if (s := c.schedule) is not None]
    return peak * (min(shares) if min(shares) < 1 else LOW_END)


def _ranked(fit: CurveFit, found: list[tuple[str, Schedule]], level: float) -> tuple[Candidate, ...]:
    """Candidates by predicted final loss."""
    last = [fit.log_loss(s, [len(s)]) for _, s in found]
    logs, slopes = np.array([l[0] for l, _ in last]), np.stack([j[0] for _, j in last])
    rival, values = fit.rival
    apart = logs - np.array([_log_loss(FORMS[rival], values, s, [len(s)])[0][0] for _, s in found])
    reach, best = _t(fit.freedom, level), int(np.argmin(logs))
    out = []
    for i in np.argsort(logs, kind="stable"):
        name, whole = found[i]
        told = fit.predict(whole, [len(whole)], level=level)
        d = slopes[i] - slopes[best]
        unshared = min(1.0, 2 * float(np.mean(np.abs(whole.rates - found[best][1].rates))) / fit.peak)
        spread2 = d @ fit.covariance @ d + 2 * fit.misfit**2 * unshared + 0.5 * (apart[i] - apart[best]) ** 2
        by, base = float(np.exp(logs[i]) - np.exp(logs[best])), float(np.exp(logs[best]))
        half = reach * float(np.sqrt(spread2)) * base
        excess = Interval(by, by - half, by + half) if i != best else Interval(0.0, 0.0, 0.0)
        final = Interval(float(told.loss[0]), float(told.low[0]), float(told.high[0]))
        out.append(Candidate(name, whole, final, excess, _notes(fit, whole)))
    return tuple(out)


def _notes(fit: CurveFit, whole: Schedule) -> tuple[str, ...]:
    """Where the law is asked for what its curves did not show."""
    shown = [s for c in fit.curves if (s := c.schedule) is not None]
    said = []
    lowest = min(float(s.rates[s.warm_up :].min()) for s in shown)
    if whole.rates[whole.warm_up :].min() < 0.99 * lowest:
        said.append(f"ends below the {lowest:g} of the curves")
    if whole.rates.max() > 1.01 * fit.peak:
        said.append("peak above the curves'")
    area = _annealed(whole)
    if fit.law == "annealing" and area > 1.2 * max(_annealed(s) for s in shown):
        said.append("more annealing than the curves: the annealing law overstates it")
    if (np.diff(whole.rates[whole.warm_up :]) > 0).any() and not any(
        (np.diff(s.rates[s.warm_up :]) > 0).any() for s in shown
    ):
        said.append("its rate rises again, which no curve shows")
    return tuple(said)


def _annealed(whole: Schedule) -> float:
    return float(whole.areas([len(whole)])["S2"][0])


def _warnings(fit: CurveFit, steps: int, peaks: Sequence[float], found: list[tuple[str, Schedule]]) -> tuple[str, ...]:
    said = []
    if steps > LONG * fit.longest:
        said.append(f"{steps} steps are {steps / fit.longest:.2g} times the longest curve")
    if len(peaks) > 1 or abs(peaks[0] / fit.peak - 1) > 0.01:
        said.append(
            f"the curves have a peak rate of {fit.peak:g}: by these laws a higher one is always better, so they do not "
            "choose between peaks"
        )
    if not any((np.diff(c.schedule.rates[c.schedule.warm_up :]) < 0).any() for c in fit.curves if c.schedule):
        said.append("no curve has a decay: what one brings is the prior's alone")
    if any(name.startswith("optimised") for name, _ in found):
        said.append("the optimised schedule is where the law is most in its own favour: run it beside a cooldown first")
    return tuple(said)


@dataclass(frozen=True)
class CooldownLadder:
    """What a set of budgets costs as cooldowns from one long run and as separate runs, in the budgets' unit."""

    budgets: tuple[float, ...]
    cooldown: float
    together: float
    separate: float

    @property
    def ratio(self) -> float:
        """The cost together over that of separate runs."""
        return self.together / self.separate

    def to_dict(self) -> dict[str, Any]:
        """Plain values fit for JSON."""
        return {
            "budgets": list(self.budgets),
            "cooldown": self.cooldown,
            "together": self.together,
            "separate": self.separate,
            "ratio": self.ratio,
        }


def cooldown_ladder(budgets: Iterable[float], *, cooldown: float = 0.2) -> CooldownLadder:
    """The cost of training one model for several budgets by cooling one long constant run down at each.

    The longest budget is paid in full, of the others only their cooldowns, the share `cooldown` of each; a cosine has
    to be run anew for every one (Haegele et al. 2024). Raises ArgumentError for budgets that are not positive.

    >>> cooldown_ladder([10, 20, 30]).ratio
    0.6
    """
    paid = tuple(float(b) for b in budgets)
    if not paid or not all(np.isfinite(b) and b > 0 for b in paid):
        raise ArgumentError("budgets are positive numbers, such as 10, 20 and 30 billion tokens")
    if not 0 < cooldown <= 1:
        raise ArgumentError(f"cooldown = {cooldown:g}: expected a share of the run, above 0 and up to 1")
    longest = max(paid)
    return CooldownLadder(paid, cooldown, longest + cooldown * (sum(paid) - longest), sum(paid))
