"""Which pools of data to keep at a budget of samples: the best union, how sure it is, and where another takes over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from similitude._errors import ArgumentError
from similitude._quantity import format_quantity
from similitude._result import Result, plain
from similitude._view import Interval, Section
from similitude.fitting import Fit
from similitude.planning._budget import amount
from similitude.planning._fit_pools import DataPool, DataPools
from similitude.planning._pool_law import falls
from similitude.planning._pool_views import choice_section

__all__ = ["PoolBudget", "PoolChange", "PoolChoice", "PoolSet", "pool_budgets", "pools"]

EVERY = 10  # pools up to which every union is tried
GRID = 241  # budgets at which changes of the best union are looked for
DECADE = 10.0  # below the smallest and above the largest budget asked about
LIKELY = 0.05  # probability from which a union is shown
FIRST = 3  # unions shown whatever their probability
FAR = 3.0  # times the most samples or epochs in the runs, beyond which a budget is said to be far

Choice = tuple[str, ...]


@dataclass(frozen=True)
class PoolSet:
    """A union of pools at a budget: unique samples, epochs, and its error with an interval.

    `probability` of having the least error of all unions tried, and `regret`, the mean error above that of the union
    that is best in each draw (the oracle's), are over draws of the fit; None for given coefficients.
    """

    pools: Choice
    unique: float
    epochs: float
    error: Interval
    probability: float | None
    regret: float | None


@dataclass(frozen=True)
class PoolBudget:
    """A budget of samples (and FLOP, where told) with the best union and others, the least error first.

    `kept` holds the unions of the best pool, the best two and so on, from one pool to all.
    """

    samples: float
    flop: float | None
    best: PoolSet
    sets: tuple[PoolSet, ...]
    kept: tuple[PoolSet, ...]


@dataclass(frozen=True)
class PoolChange:
    """A budget of samples, with its interval over draws, at which one union takes over from another as the best."""

    before: Choice
    after: Choice
    samples: Interval


@dataclass(frozen=True)
class PoolChoice(Result):
    """Which pools to keep at each budget of samples, and the budgets at which that changes. Made by `pools`.

    `pools` are ranked by utility; `changes` lie within a decade of the budgets asked about. `along` holds budgets and
    `errors` the error of each of `unions` (the best pool, the best two ...) there.

    >>> import similitude as sim
    >>> known = sim.DataPools.known({"best": ("10M", 0.2, 2), "rest": ("90M", 0.16, 2)}, a=1.0, d=0.1)
    >>> found = sim.pools(known, ["10M", "10B"])
    >>> [b.best.pools for b in found.budgets]
    [('best',), ('best', 'rest')]
    """

    pools: tuple[DataPool, ...]
    budgets: tuple[PoolBudget, ...]
    changes: tuple[PoolChange, ...]
    level: float | None
    every: bool
    unions: tuple[Choice, ...]
    along: tuple[float, ...]
    errors: tuple[tuple[float, ...], ...]
    data: DataPools = field(repr=False)
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        told = ", ".join(f"{format_quantity(b.samples)}: {' + '.join(b.best.pools)}" for b in self.budgets)
        return f"PoolChoice({told})"

    def view(self) -> Section:
        """The best union at each budget, where it changes, the unions at each budget and the picture."""
        return choice_section(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = [k for k in self.__dataclass_fields__ if k != "data"]
        return {**self.data.to_dict(), **{k: plain(getattr(self, k)) for k in names}}


def pools(
    data: DataPools,
    samples: float | str | Sequence[float | str] | None = None,
    *,
    flop: float | str | Sequence[float | str] | None = None,
    flop_per_sample: float | str | None = None,
    every: bool | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> PoolChoice:
    """Which pools of data to train on, at each budget of `samples`, or of `flop` at so many FLOP per sample.

    A union is sampled evenly: each of its pools has the share of its unique samples. In the k-th pass its exponent is
    the mean of b 2^(-(k-1)/tau') by share, with half-lives tau' = tau x (unique samples of the union / of the pool)
    (Theorem 1, where p equal pools have p tau). Tried are the union of the best pool, the best two and so on by
    utility, and with `every` (by default up to ten pools) all others. Intervals, the probability of being the best
    and the regret against the oracle are over draws of the fit.

    Source: Goyal et al. (2024), who find that strong filtering is best at small budgets, milder at large ones.
    Raises ArgumentError for budgets that are none.

    >>> import similitude as sim
    >>> known = sim.DataPools.known({"best": ("10M", 0.2, 2), "rest": ("90M", 0.16, 2)}, a=1.0, d=0.1)
    >>> found = sim.pools(known, "32M")
    >>> found.budgets[0].best.pools, [c.after for c in found.changes]
    (('best',), [('best', 'rest')])
    """
    if not isinstance(data, DataPools):
        raise ArgumentError("pools takes the pools of fit_pools, or of DataPools.known")
    asked = pool_budgets(samples, flop, flop_per_sample)
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g}: it must lie between 0 and 1, such as 0.9")
    every = len(data.pools) <= EVERY if every is None else every
    if every and len(data.pools) > 2 * EVERY:
        raise ArgumentError(f"every union of {len(data.pools)} pools is too many: leave every out, or group pools")
    unions = tuple(data.names[: k + 1] for k in range(len(data.pools)))
    tried = _tried(data.names, unions, every)
    drawn = data.draws(seed)
    judged = [
        _judged(n, spent, tried, unions, *values)
        for (n, spent), values in zip(asked, _by_budget(data, tried, [n for n, _ in asked], drawn), strict=True)
    ]
    budgets = _with_intervals(data, judged, unions, level)
    low, high = min(n for n, _ in asked), max(n for n, _ in asked)
    along = np.geomspace(low / DECADE, high * DECADE, GRID)
    changes = _changes(data, tried, along, drawn, level)
    errors = tuple(tuple(map(float, _errors(data, u, along, None)[0])) for u in unions)
    return PoolChoice(
        data.pools, budgets, changes, None if drawn is None else level, every, unions, tuple(map(float, along)), errors,
        data, _assumptions(data, every, flop_per_sample), (*data.warnings, *_warnings(data, budgets)),
    )  # fmt: skip


def pool_budgets(samples: Any, flop: Any, flop_per_sample: Any) -> list[tuple[float, float | None]]:
    """(samples, FLOP or None) of each budget, in order of size; ArgumentError for budgets that are none."""
    if (samples is None) == (flop is None):
        raise ArgumentError("a budget is missing: give samples=, or flop= with flop_per_sample=")
    each = amount("flop_per_sample", flop_per_sample, "compute")
    if flop is not None and each is None:
        raise ArgumentError("flop_per_sample is missing: a budget of FLOP buys samples at so many FLOP each")
    what, given = ("samples", samples) if flop is None else ("flop", flop)
    listed = [given] if isinstance(given, (str, int, float)) else list(given)
    if not listed:
        raise ArgumentError(f"{what}: give at least one budget")
    numbers = sorted({amount(what, v, "" if flop is None else "compute") or 0.0 for v in listed})
    if flop is not None and each is not None:
        return [(c / each, c) for c in numbers]
    return [(n, None if each is None else n * each) for n in numbers]


def _tried(names: Choice, unions: Sequence[Choice], every: bool) -> list[Choice]:
    """The unions of the best pools, and where asked for every other, the best pool first."""
    if not every:
        return list(unions)
    more = (c for k in range(1, len(names) + 1) for c in combinations(names, k))
    return [*unions, *(c for c in more if c not in set(unions))]


def _errors(data: DataPools, union: Choice, n: np.ndarray, drawn: Mapping[str, np.ndarray] | None) -> np.ndarray:
    """Errors on a union, (draws, budgets); of the estimate itself, as one row, without draws."""
    values = {k: np.atleast_1d(np.asarray(v, float)) for k, v in (drawn or data.estimate.values).items()}
    labels = [data.labels[p] for p in union]
    sizes = np.array([data.pool(p).unique for p in union]) / data.unit
    b, tau = (np.stack([values[f"{k}_{label}"] for label in labels]) for k in ("b", "tau"))
    return values["a"][:, None] * np.exp(-falls(n / data.unit, sizes, b, tau)) + values["d"][:, None]


def _by_budget(
    data: DataPools, tried: Sequence[Choice], n: Sequence[float], drawn: Mapping[str, np.ndarray] | None
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """For each budget the errors of the unions tried (unions,), and over draws (unions, draws)."""
    at = np.asarray(n, float)
    told = np.stack([_errors(data, u, at, None)[0] for u in tried])
    if drawn is None:
        return [(told[:, j], None) for j in range(len(at))]
    spread = np.stack([_errors(data, u, at, drawn) for u in tried])
    return [(told[:, j], spread[:, :, j]) for j in range(len(at))]


@dataclass(frozen=True)
class _Judged:
    """The unions shown at a budget, the least error first, with their probability and regret."""

    samples: float
    flop: float | None
    shown: tuple[Choice, ...]
    probability: Mapping[Choice, float]
    regret: Mapping[Choice, float]


def _judged(
    n: float, flop: float | None, tried: Sequence[Choice], unions: Sequence[Choice], told: np.ndarray, spread: Any
) -> _Judged:
    """Which unions to show at a budget, from their errors (unions,), and over draws (unions, draws)."""
    probability: dict[Choice, float] = {}
    regret: dict[Choice, float] = {}
    if spread is not None:
        spread = spread[:, np.isfinite(spread).all(axis=0)]
        best = np.bincount(np.argmin(spread, axis=0), minlength=len(tried)) / spread.shape[1]
        lost = (spread - spread.min(axis=0)).mean(axis=1)
        probability, regret = (dict(zip(tried, map(float, x), strict=True)) for x in (best, lost))
    ordered = [tried[i] for i in np.argsort(told, kind="stable")]
    kept = set(unions)
    shown = (u for rank, u in enumerate(ordered) if rank < FIRST or u in kept or probability.get(u, 0.0) >= LIKELY)
    return _Judged(n, flop, tuple(shown), probability, regret)


def _with_intervals(
    data: DataPools, judged: Sequence[_Judged], unions: Sequence[Choice], level: float
) -> tuple[PoolBudget, ...]:
    """The budgets with the intervals of all their errors, found together: one at a time takes ten times as long."""
    places = [(union, j.samples) for j in judged for union in j.shown]
    found = iter(_intervals(data, places, level))
    out = []
    for j in judged:
        made = {}
        for union in j.shown:
            unique = sum(data.pool(p).unique for p in union)
            chance = j.probability.get(union), j.regret.get(union)
            made[union] = PoolSet(union, unique, j.samples / unique, next(found), *chance)
        sets = tuple(made.values())
        out.append(PoolBudget(j.samples, j.flop, sets[0], sets, tuple(made[u] for u in unions)))
    return tuple(out)


def _intervals(data: DataPools, places: Sequence[tuple[Choice, float]], level: float) -> list[Interval]:
    values = [float(data.error(union, n)) for union, n in places]
    if not isinstance(data.estimate, Fit):
        return [Interval(v) for v in values]
    targets = [partial(_error_at, *data.law_of(union, n)) for union, n in places]
    ends = data.estimate.intervals_of(targets, level)[:, 1:]
    known = [tuple(float(e) if np.isfinite(e) else None for e in row) for row in ends]
    return [Interval(v, low, high) for v, (low, high) in zip(values, known, strict=True)]


def _error_at(law: Any, inputs: Mapping[str, float], params: Mapping[str, Any]) -> Any:
    return law.evaluate(inputs, params)


def _changes(
    data: DataPools, tried: Sequence[Choice], along: np.ndarray, drawn: Any, level: float
) -> tuple[PoolChange, ...]:
    """Where the best union gives way to another as the budget grows."""
    best = np.argmin(np.stack([_errors(data, u, along, None)[0] for u in tried]), axis=0)
    found = []
    for i in np.flatnonzero(best[1:] != best[:-1]):
        before, after = tried[best[i]], tried[best[i + 1]]
        at = _crossing(data, before, after, float(along[i]), float(along[i + 1]))
        found.append(
            PoolChange(before, after, Interval(at, *_crossing_ends(data, before, after, at, along, drawn, level)))
        )
    return tuple(found)


def _ahead(data: DataPools, before: Choice, after: Choice, n: np.ndarray, drawn: Any = None) -> np.ndarray:
    """By how much the error of `after` is below that of `before`, (draws, budgets)."""
    return _errors(data, before, n, drawn) - _errors(data, after, n, drawn)


def _crossing(data: DataPools, before: Choice, after: Choice, low: float, high: float) -> float:
    for _ in range(50):
        middle = float(np.sqrt(low * high))
        if _ahead(data, before, after, np.array([middle]))[0, 0] > 0:
            high = middle
        else:
            low = middle
    return float(np.sqrt(low * high))


def _crossing_ends(
    data: DataPools, before: Choice, after: Choice, at: float, along: np.ndarray, drawn: Any, level: float
) -> tuple[float | None, float | None]:
    """Ends over draws: the crossing nearest to the estimate's, or beyond the budgets looked at where there is none."""
    if drawn is None:
        return None, None
    ahead = _ahead(data, before, after, along, drawn)
    x = np.log(along)
    place = np.empty(len(ahead))
    for row, gap in enumerate(ahead):
        up = np.flatnonzero((gap[:-1] <= 0) & (gap[1:] > 0))
        if up.size:
            share = -gap[up] / (gap[up + 1] - gap[up])
            crossings = x[up] + share * (x[up + 1] - x[up])
            place[row] = crossings[np.argmin(np.abs(crossings - np.log(at)))]
        else:
            place[row] = -np.inf if gap[np.argmin(np.abs(x - np.log(at)))] > 0 else np.inf
    ranks = np.quantile(place, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    low, high = (float(np.exp(v)) if np.isfinite(v) else None for v in ranks)
    return low, high


def _assumptions(data: DataPools, every: bool, flop_per_sample: Any) -> tuple[str, ...]:
    said = [
        "A union is sampled evenly, so that a pool's share is that of its unique samples.",
        (
            "The half-life of a union grows with its unique samples (Goyal et al. 2024, theorem 1): runs on single "
            "pools do not test that; a run on a union does."
        ),
        f"All pools reach the same error after {format_quantity(data.unit)} samples, and the same floor.",
        "Every union of pools was tried." if every else "Only unions of the best pools by utility were tried.",
    ]
    if flop_per_sample is not None:
        said.append("A sample costs the same whatever its pool; making and filtering pools costs nothing.")
    return tuple(said)


def _warnings(data: DataPools, budgets: Sequence[PoolBudget]) -> list[str]:
    said = []
    most = [p.samples for p in data.pools if p.samples is not None]
    if most and (far := [b for b in budgets if b.samples > FAR * max(most)]):
        said.append(
            f"{format_quantity(far[-1].samples)} samples are {far[-1].samples / max(most):.3g} times the most that a "
            "run saw."
        )
    epochs = [p.epochs for p in data.pools if p.epochs is not None]
    if epochs and (far := [b for b in budgets if b.best.epochs > FAR * max(epochs)]):
        said.append(f"The best union makes {far[-1].best.epochs:.3g} epochs; no run made more than {max(epochs):.3g}.")
    unsure = [b for b in budgets if b.best.probability is not None and b.best.probability < 0.5]
    if unsure:
        said.append(
            f"At {', '.join(format_quantity(b.samples) for b in unsure)} samples the best union is best in less than "
            "half of the draws: look at the regret rather than at the names."
        )
    return said
