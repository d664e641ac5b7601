"""Chinchilla's other two ways to the compute-optimal allocation: the envelope of training curves (approach 1) and
IsoFLOP parabolas (approach 2), the latter with its bias estimated beside it. Approach 3 is `fit`.

A parabola in log N through a slice of constant compute has its vertex off the true minimum unless the law's two
exponents are equal: the offset depends on the exponents and on where the slice was sampled, the same factor at every
budget, so the exponents come out right and the intercepts wrong. (Problems with Chinchilla Approach 2, 2026.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, DataError, QuestionError, SimilitudeError
from similitude.fitting._quantiles import t_quantile
from similitude.laws import Law
from similitude.runs import Runs

__all__ = ["Allocation", "PowerTrend", "Slice", "envelope", "isoflop"]

GAP = 0.15  # budgets whose logarithms lie closer than this are the same slice
FLOP_PER_PARAMETER_TOKEN = 6.0


@dataclass(frozen=True)
class PowerTrend:
    """value = coefficient * C^exponent, by least squares on logarithms; the exponent with its t interval."""

    coefficient: float
    exponent: float
    low: float | None
    high: float | None

    def at(self, flop: Any) -> Any:
        """The trend at a compute budget."""
        return self.coefficient * np.asarray(flop, float) ** self.exponent

    @classmethod
    def through(cls, flop: np.ndarray, value: np.ndarray, level: float) -> PowerTrend:
        """The trend through positive points; the interval needs three."""
        x, y = np.log(flop), np.log(value)
        centre = x.mean()
        slope = float((x - centre) @ (y - y.mean()) / ((x - centre) @ (x - centre)))
        coefficient = float(np.exp(y.mean() - slope * centre))
        if len(x) < 3:
            return cls(coefficient, slope, None, None)
        left = y - y.mean() - slope * (x - centre)
        error = np.sqrt(left @ left / (len(x) - 2) / ((x - centre) @ (x - centre)))
        reach = float(error * t_quantile(len(x) - 2, 0.5 + level / 2))
        return cls(coefficient, slope, slope - reach, slope + reach)


@dataclass(frozen=True)
class Slice:
    """One budget: its runs' count, the vertex of each parabola, and what keeps it from being used."""

    flop: float
    runs: int
    N: float
    D: float
    loss: float
    note: str = ""

    @property
    def used(self) -> bool:
        """Whether it enters the trends."""
        return not self.note


@dataclass(frozen=True)
class Allocation:
    """Compute-optimal trends `N*(C)` and `D*(C)` by approach 1 or 2.

    `bias_N` and `bias_D` (approach 2) hold the estimated relative error of the parabolas' `N*` and `D*` at each used
    budget, 0.05 for 5 % too large; None where no surface could be fitted, for the reason in `note`. `surface` is that
    fit.

    >>> import similitude as sim
    >>> runs = sim.simulate(sim.laws.chinchilla.published["besiroglu2024"], design="isoflop", noise=0.0)
    >>> found = sim.isoflop(runs)
    >>> round(found.N.exponent, 3), round(float(found.bias_N[0]), 3), len(found.slices)
    (0.513, -0.009, 6)
    """

    approach: int
    N: PowerTrend
    D: PowerTrend
    slices: tuple[Slice, ...]
    level: float
    source: str
    bias_N: np.ndarray | None = None
    bias_D: np.ndarray | None = None
    surface: Any = None
    note: str = ""

    def __repr__(self) -> str:
        return f"Allocation(approach {self.approach}: N* ~ C^{self.N.exponent:.3f}, D* ~ C^{self.D.exponent:.3f})"

    def __str__(self) -> str:
        return "\n".join(str(v) for v in self.view())

    def corrected(self) -> Allocation:
        """The trends with the estimated bias divided out; QuestionError where it is not known."""
        if self.bias_N is None or self.bias_D is None:
            raise QuestionError(
                f"the bias of these parabolas is not known: {self.note or 'approach 1 has none to take out'}"
            )
        used = [s for s in self.slices if s.used]
        flop = np.array([s.flop for s in used])
        n = np.array([s.N for s in used]) / (1 + self.bias_N)
        d = np.array([s.D for s in used]) / (1 + self.bias_D)
        return Allocation(
            self.approach, PowerTrend.through(flop, n, self.level), PowerTrend.through(flop, d, self.level),
            tuple(Slice(s.flop, s.runs, float(a), float(b), s.loss) for s, a, b in zip(used, n, d, strict=True)),
            self.level, self.source, note="bias of the parabolas taken out",
        )  # fmt: skip

    def view(self) -> tuple[Any, ...]:
        """Trends and slices as tables."""
        from similitude._view import Column, Interval, Table

        trends = [
            (f"{name}*", Interval(t.exponent, t.low, t.high), t.coefficient)
            for name, t in (("N", self.N), ("D", self.D))
        ]
        bias = (
            iter(zip(self.bias_N, self.bias_D, strict=True))
            if self.bias_N is not None and self.bias_D is not None
            else None
        )
        rows = []
        for s in self.slices:
            pair = next(bias) if bias is not None and s.used else None
            rows.append(
                (s.flop, s.runs, s.N, s.D, s.loss, *((f"{p:+.2%}" for p in pair) if pair else ("", "")), s.note)
            )
        return (
            Table(
                f"Compute-optimal trends, approach {self.approach}",
                ("quantity", Column(f"exponent, {self.level:.0%} interval"), "coefficient"),
                trends,
                note=self.note,
            ),
            Table(
                "Budgets",
                (Column("C", "FLOP"), "runs", Column("N*", "parameters"), Column("D*", "tokens"), Column("loss"),
                 "bias of N*", "bias of D*", "left out because"),
                rows,
            ),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        trend = {
            k: {"coefficient": t.coefficient, "exponent": {"value": t.exponent, "low": t.low, "high": t.high}}
            for k, t in (("N", self.N), ("D", self.D))
        }
        slices = [
            {"flop": s.flop, "runs": s.runs, "N": s.N, "D": s.D, "loss": s.loss, "note": s.note} for s in self.slices
        ]
        bias = {
            "bias_N": None if self.bias_N is None else self.bias_N.tolist(),
            "bias_D": None if self.bias_D is None else self.bias_D.tolist(),
        }
        return {"approach": self.approach, **trend, **bias, "slices": slices, "level": self.level, "note": self.note}


def isoflop(
    runs: Runs, *, budget: str | None = None, law: Law | None = None, level: float = 0.9, least: int = 4, **options: Any
) -> Allocation:
    """Approach 2: a parabola of loss in log N (and in log D) for each budget, then power laws through their vertices.

    `budget` is the column of nominal budgets; without it runs are sliced where log C jumps. `law` (default chinchilla)
    is the surface fitted to the same runs, with `options` of `fit`, by which the parabolas' bias is estimated: the same
    parabolas through the noise-free surface at the same points, against the surface's own optimum. A slice with fewer
    than `least` runs, curved the wrong way or with its vertex outside the sampled range is left out, with the reason.

    Raises DataError without N, D and loss, and QuestionError with fewer than two usable slices.

    Source: Hoffmann et al. 2022, section 3.2; the bias, Problems with Chinchilla Approach 2 (2026).

    >>> import similitude as sim
    >>> runs = sim.simulate(sim.laws.chinchilla.published["besiroglu2024"], design="isoflop", noise=0.0)
    >>> sim.isoflop(runs)
    Allocation(approach 2: N* ~ C^0.513, D* ~ C^0.487)
    """
    runs = runs.kept.with_inputs(["N", "D"]).require("N", "D", runs.output)
    n, d, y = runs.column("N"), runs.column("D"), runs.column(runs.output)
    c = runs.column(budget) if budget else (runs.column("C") if "C" in runs else FLOP_PER_PARAMETER_TOKEN * n * d)
    labels = _slices(c, exact=budget is not None)
    slices = tuple(
        _slice(c[labels == k], n[labels == k], d[labels == k], y[labels == k], least) for k in np.unique(labels)
    )
    used = [s for s in slices if s.used]
    if len(used) < 2:
        raise QuestionError(
            f"{runs.source}: {len(used)} of {len(slices)} budgets have a minimum inside their runs, two are needed: "
            f"{'; '.join(f'{s.flop:.3g} FLOP: {s.note}' for s in slices if s.note)[:300]}"
        )
    flop = np.array([s.flop for s in used])
    best_n = PowerTrend.through(flop, np.array([s.N for s in used]), level)
    best_d = PowerTrend.through(flop, np.array([s.D for s in used]), level)
    surface, (bias_n, bias_d), note = _bias(runs, law, options, labels, c, n, d, slices, least)
    return Allocation(2, best_n, best_d, slices, level, runs.source, bias_n, bias_d, surface, note)


def _slices(c: np.ndarray, *, exact: bool) -> np.ndarray:
    """A slice number for each run."""
    logs = np.log(c)
    order = np.argsort(logs, kind="stable")
    jumps = np.diff(logs[order]) > (1e-6 if exact else GAP)
    labels = np.empty(len(c), int)
    labels[order] = np.concatenate([[0], np.cumsum(jumps)])
    return labels


def _slice(c: np.ndarray, n: np.ndarray, d: np.ndarray, y: np.ndarray, least: int) -> Slice:
    flop = float(np.exp(np.mean(np.log(c))))
    if np.unique(n).size < max(least, 3):
        return Slice(flop, len(n), np.nan, np.nan, np.nan, f"only {np.unique(n).size} model sizes")
    best_n, lowest, bent_n = _vertex(np.log(n), y)
    best_d, _, bent_d = _vertex(np.log(d), y)
    note = ""
    if not (bent_n and bent_d):
        note = "its parabola has no minimum"
    elif not n.min() <= np.exp(best_n) <= n.max():
        note = "its minimum lies outside the sampled sizes"
    return Slice(flop, len(n), float(np.exp(best_n)), float(np.exp(best_d)), lowest, note)


def _vertex(x: np.ndarray, y: np.ndarray) -> tuple[float, float, bool]:
    """Vertex, lowest value and whether the least-squares parabola opens upwards."""
    centre, spread = x.mean(), max(float(np.ptp(x)), 1e-12)
    p, q, r = np.polyfit((x - centre) / spread, y, 2)
    if p <= 0:
        return np.nan, np.nan, False
    return float(centre - q / (2 * p) * spread), float(r - q * q / (4 * p)), True


def _bias(runs, law, options, labels, c, n, d, slices, least):
    """The parabolas' relative error at each used slice, on a surface fitted to the same runs."""
    from similitude.fitting._fit import fit
    from similitude.laws import get

    law = law or get("chinchilla")
    if set(law.inputs) != {"N", "D"}:
        raise ArgumentError(f"the surface of isoflop is a law of N and D; '{law.name}' takes {', '.join(law.inputs)}")
    try:
        surface = fit(law, runs, **options)
    except SimilitudeError as error:
        return None, (None, None), f"bias not estimated: {error}"
    smooth = np.asarray(law.evaluate({"N": n, "D": d}, surface.values), float)
    bias_n, bias_d = [], []
    for k, found in zip(np.unique(labels), slices, strict=True):
        if not found.used:
            continue
        mine = labels == k
        again = _slice(c[mine], n[mine], d[mine], smooth[mine], least)
        product = float(np.exp(np.mean(np.log(n[mine] * d[mine]))))
        best = optimum_on_slice(law, surface.values, product)
        bias_n.append(again.N / best - 1)
        bias_d.append(again.D / (product / best) - 1)
    return surface, (np.array(bias_n), np.array(bias_d)), ""


def optimum_on_slice(law: Law, values: Any, product: float) -> float:
    """The N that minimises the law at constant N D, by golden section on log N after a coarse scan."""
    half = 0.5 * np.log(product)
    grid = np.linspace(half - 12, half + 12, 481)

    def loss(x: Any) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(law.evaluate({"N": np.exp(x), "D": product / np.exp(x)}, values), float)

    i = int(np.nanargmin(loss(grid)))
    low, high = grid[max(i - 1, 0)], grid[min(i + 1, 480)]
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp(0.5 * (low + high)))


def envelope(runs: Runs, *, points: int = 1500, level: float = 0.9, resamples: int = 200, seed: int = 0) -> Allocation:
    """Approach 1: at each of `points` compute values the run with the lowest loss, then power laws through its N and D.

    Needs training curves: columns run, N, D (tokens seen) and loss, several rows a run. Losses are interpolated
    linearly in log compute between a run's checkpoints, never beyond them. Compute values at which the smallest or the
    largest model wins are left out where others remain: the best size may lie beyond those trained. Intervals resample
    whole runs.

    The minimum over noisy runs is a little too low (the winner's curse), and a curve whose learning rate has not
    decayed at the point used is not a final loss. Raises DataError where curves or columns are missing.

    Source: Hoffmann et al. 2022, section 3.1.

    >>> import similitude as sim
    >>> runs = sim.simulate(sim.laws.chinchilla.published["besiroglu2024"], design="curves", noise=0.0)
    >>> sim.envelope(runs, resamples=20).approach
    1
    """
    if "run" not in runs:
        raise DataError(f"{runs.source}: approach 1 needs a column 'run' that says which rows are one training run")
    runs = runs.kept.with_inputs(["N", "D"]).require("N", "D", runs.output)
    curves = _curves(runs)
    if len(curves) < 3:
        raise DataError(
            f"{runs.source}: {len(curves)} runs have two checkpoints or more; approach 1 needs at least three"
        )
    flop, n = _lower_envelope(curves, points)
    trends = [PowerTrend.through(flop, v, level) for v in (n, flop / (FLOP_PER_PARAMETER_TOKEN * n))]
    ends = _resampled_exponents(curves, points, resamples, seed, level)
    bounded = [PowerTrend(t.coefficient, t.exponent, *e) for t, e in zip(trends, ends, strict=True)]
    note = "the lowest of noisy runs is a little too low (winner's curse); intervals resample whole runs"
    return Allocation(1, bounded[0], bounded[1], (), level, runs.source, note=note)


def _curves(runs: Runs) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """(N, log compute, loss) of each run with two checkpoints or more, by increasing compute."""
    n, d, y, labels = runs.column("N"), runs.column("D"), runs.column(runs.output), runs.labels("run")
    out = []
    for label in np.unique(labels):
        mine = labels == label
        x = np.log(FLOP_PER_PARAMETER_TOKEN * n[mine] * d[mine])
        order = np.argsort(x)
        if np.unique(x).size >= 2:
            out.append((float(n[mine][0]), x[order], y[mine][order]))
    return out


def _lower_envelope(curves: list[tuple[float, np.ndarray, np.ndarray]], points: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = min(x[0] for _, x, _ in curves), max(x[-1] for _, x, _ in curves)
    grid = np.linspace(low, high, points)
    losses = np.stack([np.interp(grid, x, y, left=np.inf, right=np.inf) for _, x, y in curves])
    covered = np.isfinite(losses).sum(axis=0) >= 2  # one run alone is no choice
    sizes = np.array([n for n, _, _ in curves])
    grid, best = grid[covered], sizes[np.argmin(losses[:, covered], axis=0)]
    inner = (best > sizes.min()) & (best < sizes.max())  # at a corner the best size may lie beyond those trained
    if np.unique(best[inner]).size >= 2:
        grid, best = grid[inner], best[inner]
    return np.exp(grid), best


def _resampled_exponents(curves, points, resamples, seed, level):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        chosen = [curves[i] for i in rng.integers(0, len(curves), len(curves))]
        flop, n = _lower_envelope(chosen, max(points // 5, 50))
        if np.unique(n).size >= 2:
            slope = PowerTrend.through(flop, n, level).exponent
            found.append((slope, 1 - slope))
    if len(found) < resamples / 2:
        return [(None, None), (None, None)]
    ends = np.quantile(np.array(found), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [(float(ends[0, k]), float(ends[1, k])) for k in (0, 1)]
