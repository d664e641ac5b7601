"""`compare`: the laws of several procedures, what pairs of them share, and where their curves cross."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, did_you_mean
from similitude.comparison._crossing import interval_of
from similitude.comparison._joint import Scale
from similitude.comparison._models import Where, pair_of, scatters_of
from similitude.comparison._procedures import Asked, Procedures, along, read_procedures
from similitude.comparison._result import Comparison, Pair, Score
from similitude.fitting import Fit
from similitude.laws import Law
from similitude.runs import Runs

__all__ = ["compare"]

REACH = 100.0


def compare(
    runs: Runs,
    by: str,
    *,
    law: Law | str | None = None,
    x: str | None = None,
    score: str | None = None,
    against: str | None = None,
    at: float | str | Sequence[float | str] | None = None,
    reach: float = REACH,
    throughput: str | None = None,
    best_of: int | None = None,
    blocks: str | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> Comparison:
    """Which procedure wins at scale: the runs of each value of the column `by`, compared by their laws.

    `law` is fitted to each procedure. By default it is `chinchilla` where runs of each vary N and D on their own, else
    `power_floor` along one scale, `x`: compute where runs have it, else the one of N and D that varies. A law in N and
    D is compared along compute, each procedure dividing it as is best for itself. `score` names the column that is
    compared (the loss); a score that rises with scale is better high. `throughput` names a column of tokens a second:
    the scale is then hours, D over the measured rate, so that classes of equal time are compared and not of equal FLOP.
    `best_of` keeps the best run in each of so many bins a decade, for sweeps over settings. `blocks` names a column
    whose equal values mark runs made alike by each procedure (size, tokens, seed): what they share then cancels from
    differences. `against` is the procedure others are compared with (the first). `at` adds scales to judge; `reach` is
    how far beyond the largest run curves are followed.

    Runs of a pair are weighted by their procedure's scatter where an F test tells the two apart (p < 0.05).
    Both procedures are fitted as one law with everything, floor and exponents, exponents, the floor or nothing in
    common, told apart by AICc, an F test and held-out error. Differences, multiples and crossings are those of the
    last, which assumes least: shared exponents would rule crossings out. The crossing's interval is the set of scales
    at which the difference is not told from zero at `level` (Fieller's construction by profile likelihood): it may be
    open, or not exist. Who wins at a scale is the confidence of that same profile, one-sided.

    Raises ArgumentError for columns and laws that do not fit, DataError for procedures with too few runs.

    >>> import similitude as sim
    >>> table = {
    ...     "C": [1e18, 1e19, 1e20, 1e21] * 2,
    ...     "loss": [3.5, 3.19, 2.91, 2.66, 3.9, 3.56, 3.24, 2.97],
    ...     "model": ["a"] * 4 + ["b"] * 4,
    ... }
    >>> found = sim.compare(sim.read_runs(table), by="model", law="power")
    >>> found.pairs[0].verdict
    'a is ahead throughout, as far as 100 times the largest run; no crossing within reach'
    """
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g}; expected a number between 0 and 1, such as 0.9")
    if not reach >= 1:
        raise ArgumentError(f"reach = {reach:g}; expected how many times beyond the largest run to look, 1 or more")
    asked = Asked(x, score, throughput, best_of, blocks)
    read = read_procedures(runs, by, law, asked, level, seed)
    first = against if against is not None else next(iter(read.tables))
    if first not in read.tables:
        raise ArgumentError(
            f"no procedure '{first}'{did_you_mean(first, read.tables)} in {by} ({', '.join(read.tables)})"
        )
    order = [first, *(k for k in read.tables if k != first)]
    everything = np.concatenate([along(read.scale, t) for t in read.tables.values()])
    span = float(everything.min()), float(everything.max())
    where = Where(span, reach, _spots(at, span, reach), _rises(read.scale, read.fits, span), level, seed)
    pairs = tuple(
        pair_of(
            read.scale,
            (first, read.tables[first]),
            (k, read.tables[k]),
            where,
            blocked=blocks is not None,
            scatters=scatters_of(read.fits[first], read.fits[k]),
        )
        for k in order[1:]
    )
    return _result(by, read, tuple(order), pairs, where)


def _result(by: str, read: Procedures, order: tuple[str, ...], pairs: tuple[Pair, ...], where: Where) -> Comparison:
    scale, fits = read.scale, {k: read.fits[k] for k in order}
    points = {k: {"x": tuple(along(scale, t)), "y": tuple(t.column("loss"))} for k, t in read.tables.items()}
    return Comparison(
        by=by,
        law=scale.law.text(),
        scale=scale.label or scale.name,
        unit=scale.unit,
        names=order,
        fits=fits,
        pairs=pairs,
        level=where.level,
        range=where.span,
        reach=where.reach,
        higher_is_better=where.higher,
        assumptions=read.said,
        warnings=_warnings(fits, pairs),
        scores={k: _scores(scale, f, where) for k, f in fits.items()},
        curves={k: _curve(scale, f, where.span, where.reach, where.level) for k, f in fits.items()},
        points=points,
    )


def _scores(scale: Scale, made: Fit, where: Where) -> tuple[Score, ...]:
    """The score at each scale that is judged, and what twice the scale adds to it."""

    def doubled(params: Mapping[str, Any], log_x: Any) -> Any:
        return scale.value(params, log_x + np.log(2)) - scale.value(params, log_x)

    found = [made.intervals_along(f, np.log(where.spots), where.level) for f in (scale.value, doubled)]
    return tuple(Score(spot, interval_of(*value), interval_of(*gain)) for spot, value, gain in zip(where.spots, *found))


def _rises(scale: Scale, fits: Mapping[str, Fit], span: tuple[float, float]) -> bool:
    """Whether the score rises with scale, on the whole: then more is better."""
    ends = [
        [float(np.ravel(scale.value({k: np.array([v]) for k, v in f.values.items()}, np.log(s)))[0]) for s in span]
        for f in fits.values()
    ]
    return bool(np.mean([b - a for a, b in ends]) > 0)


def _spots(at: Any, span: tuple[float, float], reach: float) -> tuple[float, ...]:
    """The scales to judge at: the largest run, ten times it, as far as asked, and those given."""
    from similitude.planning._budget import amount

    given = [] if at is None else [at] if isinstance(at, (str, int, float)) else list(at)
    found = {span[1] * f for f in (1.0, 10.0, 100.0) if f <= reach} | {span[1] * reach}
    found |= {amount("at", v) or 0.0 for v in given}
    return tuple(sorted(found))


def _curve(
    scale: Scale, made: Fit, span: tuple[float, float], reach: float, level: float
) -> dict[str, tuple[float, ...]]:
    x = np.geomspace(span[0], span[1] * reach, 25)
    if scale.by_compute:
        y = scale.value({k: np.array([v]) for k, v in made.values.items()}, np.log(x))
        ends = made.intervals_along(scale.value, np.log(x), level)
        low, high = ends[:, 1], ends[:, 2]
    else:
        told = made.predict(level=level, **{scale.name: x})
        y, low, high = told.value, np.asarray(told.low, float), np.asarray(told.high, float)
    y = np.asarray(y, float)
    known = np.isfinite(low) & np.isfinite(high) & (low > 0)  # where an end is not known there is no band
    low, high = np.where(known, low, np.nan), np.where(known, high, np.nan)
    return {k: tuple(np.asarray(v, float).tolist()) for k, v in zip(("x", "y", "low", "high"), (x, y, low, high))}


def _warnings(fits: Mapping[str, Fit], pairs: Sequence[Pair]) -> tuple[str, ...]:
    said = []
    noises = {k: f.noise for k, f in fits.items()}
    first, *others = fits
    for name in others:
        if scatters_of(fits[first], fits[name]) is None:
            continue
        most, least = (first, name) if noises[first] > noises[name] else (name, first)
        times = noises[most] / noises[least]
        said.append(f"Runs of {most} scatter {times:.1f} times as much as those of {least}, and are weighted by that.")
    for name, f in fits.items():
        if len(f.observed) < len(f.law.params) + 3:
            said.append(
                f"{name} has {len(f.observed)} runs for {len(f.law.params)} parameters: its interval says little."
            )
    for pair in pairs:
        freest = max(pair.models, key=lambda m: m.free)
        if freest.sharing != "nothing":
            said.append(
                f"{pair.first} and {pair.second} could not be fitted with nothing in common: what is said of them "
                f"assumes {freest.says}."
            )
    return tuple(said)
