"""`compare`: the laws of several procedures, what pairs of them share, and where their curves cross."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, DataError, SimilitudeError, did_you_mean
from similitude.comparison._crossing import crossings_of, gaps_of, verdict_of
from similitude.comparison._joint import SHARINGS, SIDE, Scale, joint_law, own, shared_names
from similitude.comparison._result import Comparison, Pair, SharedModel
from similitude.fitting import Fit, Intervals, Objective, fit
from similitude.laws import Law, get
from similitude.runs import Runs, read_runs

__all__ = ["compare"]

REACH = 100.0
HELD = 0.8  # the share of the log range of the scale below which runs train, for the held-out error
WEIGHT = "weight"  # a column of the runs of two procedures: one over the square of the procedure's scatter
UNEQUAL = 0.05  # p of an F test below which each procedure has a scatter of its own
MOST = 30.0  # times: the largest ratio of scatters that is believed
MANY = 8  # procedures; beyond, pairs are no longer read


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
    level: float = 0.9,
    seed: int = 0,
) -> Comparison:
    """Which procedure wins at scale: the runs of each value of the column `by`, compared by their laws.

    `law` is fitted to each procedure; by default `power_floor` along one scale, `x`: compute where runs have it, else
    the one of N and D that varies. A law in N and D is compared along compute, each procedure dividing it as is best
    for itself. `score` names the column that is compared (the loss); a score that rises with scale is better high.
    `throughput` names a column of tokens a second: the scale is then hours, D over the measured rate, so that classes
    of equal time are compared and not of equal FLOP. `best_of` keeps the best run in each of so many bins a decade,
    for sweeps over settings. `against` is the procedure others are compared with (the first). `at` adds scales to
    judge; `reach` is how far beyond the largest run curves are followed.

    Runs of a pair are weighted by their procedure's scatter where an F test tells the two apart (p < 0.05).
    Both procedures are fitted as one law with everything, floor and exponents, exponents, the floor or nothing in
    common, told apart by AICc and held-out error. Differences, multiples and crossings are those of the last, which
    assumes least: shared exponents would rule crossings out. The crossing's interval is the set of scales at which the
    difference is not told from zero at `level` (Fieller's construction by profile likelihood): it may be open, or not
    exist.

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
    tables, scale, said = _tables(runs, by, law, x, score, throughput, best_of)
    first = against if against is not None else next(iter(tables))
    if first not in tables:
        raise ArgumentError(f"no procedure '{first}'{did_you_mean(first, tables)} in {by} ({', '.join(tables)})")
    order = [first, *(k for k in tables if k != first)]
    fits = {k: _fitted(scale.law, tables[k], level, seed) for k in order}
    everything = np.concatenate([_along(scale, t) for t in tables.values()])
    span = float(everything.min()), float(everything.max())
    higher = _rises(scale, fits, span)
    spots = _spots(at, span, reach, scale.unit)
    pairs = tuple(
        _pair(
            scale,
            (first, tables[first]),
            (k, tables[k]),
            (span, reach, spots),
            _scatters(fits[first], fits[k]),
            higher,
            level,
            seed,
        )
        for k in order[1:]
    )
    return Comparison(
        by=by,
        law=scale.law.text(),
        scale=scale.label or scale.name,
        unit=scale.unit,
        names=tuple(order),
        fits=fits,
        pairs=pairs,
        level=level,
        range=span,
        reach=reach,
        higher_is_better=higher,
        assumptions=said,
        warnings=_warnings(fits),
        curves={k: _curve(scale, f, span, reach, level) for k, f in fits.items()},
        points={k: {"x": tuple(_along(scale, t)), "y": tuple(t.column("loss"))} for k, t in tables.items()},
    )


def _tables(
    runs: Runs, by: str, law: Law | str | None, x: str | None, score: str | None, hours: str | None, best_of: int | None
) -> tuple[dict[str, Runs], Scale, tuple[str, ...]]:
    """Each procedure's runs with the law's inputs and `loss` as columns, the scale, and what was assumed."""
    if best_of is not None and best_of < 1:
        raise ArgumentError(f"best_of = {best_of}; expected how many bins a decade, 1 or more")
    groups = runs.kept.groups(by)
    if nameless := [k for k in groups if not str(k).strip()]:
        count = len(groups[nameless[0]])
        raise DataError(
            f"{runs.source}: column '{by}' is empty in {count} of the runs, so whose they are is not known; fill it "
            "in, or leave those runs out"
        )
    if len(groups) < 2:
        raise DataError(
            f"{runs.source}: column '{by}' has one value, {next(iter(groups), 'none')!r}; comparing takes two"
        )
    if len(groups) > MANY:
        raise DataError(
            f"{runs.source}: column '{by}' has {len(groups)} values; choose up to {MANY} with where, or another column"
        )
    chosen = get(law) if isinstance(law, str) else law
    said = []
    if chosen is None:
        chosen = get("power_floor")
        said.append("No law was named: each procedure follows a power law with a floor.")
    free = list(chosen.inputs)
    if len(free) > 1 and not {"N", "D"} <= set(free):
        raise ArgumentError(f"law '{chosen.name}' takes {', '.join(free)}: compare along one input, or N and D")
    output = score or "loss"
    if len(free) > 1:
        inputs, scale = {k: k for k in free}, Scale(chosen, "compute", "FLOP", {})
        said.append("Compute is 6 N D, divided over N and D as is best for each procedure.")
    else:
        column, unit = _scale_column(runs, x, hours)
        inputs = {free[0]: column}
        scale = Scale(chosen, free[0], unit, {}, column)
        said.append(f"The scale is {column}{f' in {unit}' if unit else ''}.")
    tables = {}
    for name, part in groups.items():
        columns = {k: _values(part, v, hours) for k, v in inputs.items()}
        columns["loss"] = part.column(output)
        good = np.all([np.isfinite(v) for v in columns.values()], axis=0)
        columns = {k: v[good] for k, v in columns.items()}
        if best_of is not None:
            columns = _best(columns, free[0], best_of)
        if len(columns["loss"]) < len(chosen.params):
            raise DataError(
                f"{runs.source}, {by} = {name}: {len(columns['loss'])} runs with {', '.join(inputs.values())} and "
                f"{output}; law '{chosen.name}' has {len(chosen.params)} parameters: add runs, or take a law with "
                "fewer such as power"
            )
        tables[name] = replace(read_runs(columns, loss="loss", check=False), source=f"{runs.source}, {by} = {name}")
    if best_of is not None:
        said.append(f"Of each procedure's runs the best in each 1/{best_of} of a decade of the scale was taken.")
    return tables, scale, tuple(said)


def _scale_column(runs: Runs, x: str | None, hours: str | None) -> tuple[str, str]:
    """The column that is the scale, with its unit."""
    if hours is not None:
        if x is not None:
            raise ArgumentError("throughput makes hours the scale: leave x out")
        return "hours", "hours"
    if x is not None:
        _values(runs, x, None)
        unit = runs.units.get(x) if hasattr(runs, "units") else None
        return x, str(unit or "")
    for name, unit in (("C", "FLOP"), ("N", "parameters"), ("D", "tokens")):
        try:
            if np.ptp(np.log(_values(runs, name, None))) > 0.5:
                return name, unit
        except SimilitudeError:
            continue
    raise DataError(f"{runs.source}: nothing to compare along; name the column of the scale, x='...'")


def _values(runs: Runs, name: str, hours: str | None) -> np.ndarray:
    """A column of the scale; hours are tokens over tokens a second, compute what the runs say or 6 N D."""
    if name == "hours" and hours is not None:
        return runs.column("D") / runs.column(hours) / 3600
    return runs.with_inputs([name]).column(name) if name in ("N", "D", "C", "M") else runs.column(name)


def _best(columns: Mapping[str, np.ndarray], along: str, bins: int) -> dict[str, np.ndarray]:
    """The best run in each bin of the log of the scale; better is lower where the score falls along it."""
    x, y = columns[along], columns["loss"]
    rising = np.corrcoef(np.log(x), y)[0, 1] > 0
    place = np.floor(np.log10(x) * bins)
    pick = np.argmax if rising else np.argmin
    rows = np.array([np.flatnonzero(place == b)[pick(y[place == b])] for b in np.unique(place)])
    return {k: v[rows] for k, v in columns.items()}


def _fitted(law: Law, table: Runs, level: float, seed: int) -> Fit:
    try:
        return fit(law, table, intervals=Intervals(level=level), seed=seed)
    except SimilitudeError as error:
        said = str(error)
        raise type(error)(said if said.startswith(table.source) else f"{table.source}: {said}") from None


def _along(scale: Scale, table: Runs) -> np.ndarray:
    if scale.by_compute:
        return 6 * table.column("N") * table.column("D")
    return table.column(scale.name)


def _rises(scale: Scale, fits: Mapping[str, Fit], span: tuple[float, float]) -> bool:
    """Whether the score rises with scale, on the whole: then more is better."""
    ends = [
        [float(np.ravel(scale.value({k: np.array([v]) for k, v in f.values.items()}, np.log(s)))[0]) for s in span]
        for f in fits.values()
    ]
    return bool(np.mean([b - a for a, b in ends]) > 0)


def _spots(at: Any, span: tuple[float, float], reach: float, unit: str) -> tuple[float, ...]:
    """The scales to judge at: the largest run, ten times it, as far as asked, and those given."""
    from similitude.planning._budget import amount

    given = [] if at is None else [at] if isinstance(at, (str, int, float)) else list(at)
    found = {span[1] * f for f in (1.0, 10.0, 100.0) if f <= reach} | {span[1] * reach}
    found |= {amount("at", v) or 0.0 for v in given}
    return tuple(sorted(found))


def _scatters(one: Fit, two: Fit) -> tuple[float, float] | None:
    """The scatter of each procedure's runs, where an F test tells them apart; None where one scatter serves both."""
    from scipy.stats import f as fisher

    if not (one.noise > 0 and two.noise > 0 and min(f.solution.freedom for f in (one, two)) > 0):
        return None
    ratio = (one.noise / two.noise) ** 2
    freedom = one.solution.freedom, two.solution.freedom
    p = 2 * min(fisher.sf(ratio, *freedom), fisher.cdf(ratio, *freedom))
    least = max(one.noise, two.noise) / MOST  # runs that lie on their law, as made ones do, would count for everything
    return (max(one.noise, least), max(two.noise, least)) if p < UNEQUAL else None


def _together(one: Runs, two: Runs, law: Law, scatters: tuple[float, float] | None) -> Runs:
    columns = {k: np.concatenate([one.column(k), two.column(k)]) for k in (*law.inputs, "loss")}
    columns[SIDE] = np.repeat([1.0, 2.0], [len(one), len(two)])
    columns[WEIGHT] = np.repeat([s**-2 for s in scatters or (1.0, 1.0)], [len(one), len(two)])
    return replace(read_runs(columns, loss="loss", check=False), source=f"{one.source} and {two.source}")


def _pair(
    scale: Scale,
    one: tuple[str, Runs],
    two: tuple[str, Runs],
    where: tuple[tuple[float, float], float, tuple[float, ...]],
    scatters: tuple[float, float] | None,
    higher: bool,
    level: float,
    seed: int,
) -> Pair:
    both = _together(one[1], two[1], scale.law, scatters)
    small = both.where(_along(scale, both) <= _cut(_along(scale, both)))
    found: dict[str, tuple[SharedModel, Fit]] = {}
    floored = any(p.relative == "output" for p in scale.law.params.values())
    for sharing, says in SHARINGS.items():
        if not floored and sharing in ("exponents", "floor"):
            continue  # without a floor these are models already listed
        made = _model(scale, sharing, both, small, level, seed)
        if isinstance(made, Fit):
            aicc, held = _aicc(made), _held_out(scale, sharing, both, small)
            said = says if floored else says.removeprefix("own floors, ")
            found[sharing] = SharedModel(sharing, said, len(made.free), aicc, held), made
    if not found:
        raise DataError(f"{both.source}: the two procedures' runs could not be fitted together")
    freest = max(found, key=lambda k: found[k][0].free)
    joint = found[freest][1]
    sides = _sides(scale.law, shared_names(scale.law, freest))
    span, reach, spots = where
    crossings, undecided = crossings_of(scale, joint, sides, (one[0], two[0]), (span, reach), higher, level)
    noises = scatters or (joint.noise, joint.noise)
    gaps = gaps_of(scale, joint, sides, spots, span[1], noises, higher, level)
    return Pair(
        one[0],
        two[0],
        tuple(m for m, _ in found.values()),
        min(found, key=lambda k: found[k][0].aicc),
        crossings,
        verdict_of((one[0], two[0]), crossings, undecided, gaps, span, reach),
        undecided,
        gaps,
        _paired(scale, one, two),
        joint,
    )


def _sides(law: Law, shared: tuple[str, ...]) -> Any:
    """A function from parameters of the joint law to those of one side."""

    def side(params: Mapping[str, Any], number: int) -> dict[str, Any]:
        return {k: params[own(k, number, shared)] for k in law.params}

    return side


def _model(scale: Scale, sharing: str, both: Runs, small: Runs, level: float, seed: int) -> Fit | None:
    law = joint_law(scale.law, shared_names(scale.law, sharing))
    try:
        return fit(law, both, objective=Objective(weights=WEIGHT), intervals=Intervals(level=level), seed=seed)
    except SimilitudeError:
        return None


def _cut(x: np.ndarray) -> float:
    low, high = np.log(x.min()), np.log(x.max())
    return float(np.exp(low + HELD * (high - low)))


def _held_out(scale: Scale, sharing: str, both: Runs, small: Runs) -> float:
    """Root mean square of log residuals on the runs above the cut, of the model fitted below it."""
    law = joint_law(scale.law, shared_names(scale.law, sharing))
    held = both.where(_along(scale, both) > _cut(_along(scale, both)))
    if not len(held):
        return float("nan")
    try:
        made = fit(law, small, objective=Objective(weights=WEIGHT), intervals="delta")
    except SimilitudeError:
        return float("nan")
    told = np.asarray(law.evaluate({k: held.column(k) for k in law.inputs}, made.values), float)
    return float(np.sqrt(np.mean(np.log(told / held.column("loss")) ** 2)))


def _aicc(made: Fit) -> float:
    from similitude.fitting._compare import akaike

    return akaike(made)


def _paired(scale: Scale, one: tuple[str, Runs], two: tuple[str, Runs]) -> str:
    """Runs of both at the very same inputs: how many of them each wins."""
    keys = [list(zip(*(t.column(k) for k in scale.law.inputs), strict=True)) for _, t in (one, two)]
    firsts = dict(zip(keys[0], one[1].column("loss"), strict=True))
    gaps = [b - firsts[k] for k, b in zip(keys[1], two[1].column("loss"), strict=True) if k in firsts]
    if len(gaps) < 2:
        return ""
    lower = int(np.sum(np.array(gaps) < 0))
    mean, error = float(np.mean(gaps)), float(np.std(gaps, ddof=1) / np.sqrt(len(gaps)))
    return (
        f"At {len(gaps)} settings both {one[0]} and {two[0]} have runs: {two[0]} is lower in {lower} of them; the mean "
        f"difference is {mean:+.4g}, standard error {error:.2g}."
    )


def _curve(
    scale: Scale, made: Fit, span: tuple[float, float], reach: float, level: float
) -> dict[str, tuple[float, ...]]:
    x = np.geomspace(span[0], span[1] * reach, 25)
    if scale.by_compute:
        y = scale.value({k: np.array([v]) for k, v in made.values.items()}, np.log(x))
        ends = made.intervals_of([lambda p, v=v: scale.value(p, np.log(v)) for v in x], level)
        low, high = ends[:, 1], ends[:, 2]
    else:
        told = made.predict(level=level, **{scale.name: x})
        y, low, high = told.value, np.asarray(told.low, float), np.asarray(told.high, float)
    y = np.asarray(y, float)
    low, high = (np.where(np.isfinite(e) & (np.asarray(e) > 0), e, y) for e in (low, high))
    return {k: tuple(np.asarray(v, float).tolist()) for k, v in zip(("x", "y", "low", "high"), (x, y, low, high))}


def _warnings(fits: Mapping[str, Fit]) -> tuple[str, ...]:
    said = []
    noises = {k: f.noise for k, f in fits.items()}
    first, *others = fits
    for name in others:
        if _scatters(fits[first], fits[name]) is None:
            continue
        most, least = (first, name) if noises[first] > noises[name] else (name, first)
        times = noises[most] / noises[least]
        said.append(f"Runs of {most} scatter {times:.1f} times as much as those of {least}, and are weighted by that.")
    for name, f in fits.items():
        if len(f.observed) < len(f.law.params) + 3:
            said.append(
                f"{name} has {len(f.observed)} runs for {len(f.law.params)} parameters: its interval says little."
            )
    return tuple(said)
