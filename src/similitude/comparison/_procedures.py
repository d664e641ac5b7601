"""The runs of each procedure as tables ready for one law, along one scale, with what that took for granted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from similitude._errors import ArgumentError, DataError, SimilitudeError
from similitude.comparison._joint import Scale
from similitude.fitting import Fit, Intervals, fit
from similitude.laws import Law, get
from similitude.runs import Runs, read_runs

__all__ = ["BLOCK", "Asked", "Procedures", "along", "read_procedures"]

MANY = 8  # procedures; beyond, pairs are no longer read
BLOCK = "block"  # the column of a procedure's table that says which runs of the other it shares its luck with
PLENTY = 8  # runs of each procedure for a law in N and D to be chosen unasked
SPREAD = 0.3  # of log D about its line in log N, for the two to vary on their own
DEFAULTS = (
    ("chinchilla", "E + A/N^alpha + B/D^beta, as runs vary both N and D"),
    ("power_floor", "a power law with a floor"),
    ("power", "a power law without a floor"),
)


@dataclass(frozen=True)
class Asked:
    """Which columns are compared along which scale, as asked."""

    x: str | None = None
    score: str | None = None
    hours: str | None = None
    best_of: int | None = None
    blocks: str | None = None


@dataclass(frozen=True)
class Procedures:
    """Each procedure's runs with the law's inputs and `loss` as columns, its own fit, the scale, what was assumed."""

    tables: Mapping[str, Runs]
    scale: Scale
    said: tuple[str, ...]
    fits: Mapping[str, Fit]


def along(scale: Scale, table: Runs) -> np.ndarray:
    """The scale of each run."""
    if scale.by_compute:
        return 6 * table.column("N") * table.column("D")
    return table.column(scale.name)


def read_procedures(runs: Runs, by: str, law: Law | str | None, asked: Asked, level: float, seed: int) -> Procedures:
    """The procedures under a law; of no law named, under the first of `DEFAULTS` that all can be fitted by."""
    if asked.best_of is not None and asked.best_of < 1:
        raise ArgumentError(f"best_of = {asked.best_of}; expected how many bins a decade, 1 or more")
    if law is not None:
        return _under(runs, by, get(law) if isinstance(law, str) else law, asked, level, seed)
    failed: dict[str, SimilitudeError] = {}
    for name, what in DEFAULTS[0 if _vary_both(runs, by, asked) else 1 :]:
        try:
            made = _under(runs, by, get(name), asked, level, seed)
            if name == "chinchilla" and not all(f.identified for f in made.fits.values()):
                raise DataError("N and D move together too much to tell their parts of the loss apart")
        except ArgumentError:
            raise
        except SimilitudeError as error:
            failed[name] = error
            continue
        tried = [f"{get(k).title or k} could not be fitted: {e}" for k, e in failed.items()]
        return replace(made, said=(f"No law was named: each procedure follows {what}.", *tried, *made.said))
    raise failed["power_floor"]


def _vary_both(runs: Runs, by: str, asked: Asked) -> bool:
    """Whether each procedure's runs vary N and D on their own, and nothing asked speaks of another scale."""
    if any(v is not None for v in (asked.x, asked.score, asked.hours, asked.best_of)):
        return False
    try:
        parts = [(np.log(g.column("N")), np.log(g.column("D"))) for g in runs.kept.groups(by).values()]
    except SimilitudeError:
        return False
    for n, d in parts:
        good = np.isfinite(n) & np.isfinite(d)
        if good.sum() < PLENTY or np.ptp(n[good]) == 0:
            return False
        if np.std(d[good] - np.polyval(np.polyfit(n[good], d[good], 1), n[good])) < SPREAD:
            return False
    return bool(parts)


def _under(runs: Runs, by: str, law: Law, asked: Asked, level: float, seed: int) -> Procedures:
    tables, scale, said = _tables(runs, by, law, asked)
    return Procedures(tables, scale, said, {k: _fitted(law, t, level, seed) for k, t in tables.items()})


def _groups(runs: Runs, by: str) -> dict[str, Runs]:
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
    return groups


def _tables(runs: Runs, by: str, law: Law, asked: Asked) -> tuple[dict[str, Runs], Scale, tuple[str, ...]]:
    """Each procedure's table, the scale, and what was assumed."""
    groups, said, free = _groups(runs, by), [], list(law.inputs)
    if len(free) > 1 and not {"N", "D"} <= set(free):
        raise ArgumentError(f"law '{law.name}' takes {', '.join(free)}: compare along one input, or N and D")
    if len(free) > 1:
        inputs, scale = {k: k for k in free}, Scale(law, "compute", "FLOP", {})
        said.append("Compute is 6 N D, divided over N and D as is best for each procedure.")
    else:
        column, unit = _scale_column(runs, asked.x, asked.hours)
        inputs, scale = {free[0]: column}, Scale(law, free[0], unit, {}, column)
        said.append(f"The scale is {column}{f' in {unit}' if unit else ''}.")
    output = asked.score or "loss"
    turned = _is_share_that_rises(runs, inputs, output, asked.hours, law)
    if turned:
        said.append(f"{output} rises and is a share, so 1 - {output} is compared: its law is that of an error.")
    tables = {}
    for name, part in groups.items():
        where = f"{runs.source}, {by} = {name}"
        columns = {k: _values(part, v, asked.hours) for k, v in inputs.items()}
        columns["loss"] = 1 - part.column(output) if turned else part.column(output)
        rows = _usable(columns, {**inputs, "loss": output}, where)
        if asked.best_of is not None:
            rows = rows[_best(columns[free[0]][rows], columns["loss"][rows], asked.best_of)]
        if rows.size < len(law.params):
            raise DataError(
                f"{where}: {rows.size} runs with {', '.join(inputs.values())} and {output}; law '{law.name}' has "
                f"{len(law.params)} parameters: add runs, or take a law with fewer such as power"
            )
        kept = {**columns, **_labels(part, name, asked.blocks)}
        table = read_runs({k: v[rows] for k, v in kept.items()}, loss="loss", check=False)
        tables[name] = replace(table, source=where)
    if asked.best_of is not None:
        said.append(f"Of each procedure's runs the best in each 1/{asked.best_of} of a decade of the scale was taken.")
    if asked.blocks is not None:
        _shares_blocks(tables, runs.source, asked.blocks)
        said.append(
            f"Runs with equal {asked.blocks} share an error, which differences between procedures leave out; each by "
            "itself, AICc and the F test take runs as independent."
        )
    return tables, scale, tuple(said)


def _labels(part: Runs, name: str, blocks: str | None) -> dict[str, np.ndarray]:
    """Columns of words that say which runs share an error: checkpoints of a run, runs made alike."""
    found = {}
    if blocks is not None:
        found[BLOCK] = part.labels(blocks)
    elif "run" in part.names:
        found["run"] = np.array([f"{name}/{label}" for label in part.labels("run")], dtype=object)
    return found


def _shares_blocks(tables: Mapping[str, Runs], source: str, blocks: str) -> None:
    """At least a few blocks must hold runs of more than one procedure, and no block of theirs be unnamed."""
    labels = [set(t.labels(BLOCK)) for t in tables.values()]
    if any("" in found for found in labels):
        raise DataError(f"{source}: column '{blocks}' has empty cells; name the block of every run")
    common = set.union(*(a & b for i, a in enumerate(labels) for b in labels[i + 1 :]))
    if len(common) < 3:
        raise DataError(
            f"{source}: column '{blocks}' has {len(common)} values that two procedures share; blocks are runs made "
            "alike (same size, tokens, seed) by each procedure"
        )


def _usable(columns: Mapping[str, np.ndarray], called: Mapping[str, str], where: str) -> np.ndarray:
    """The rows without a missing value; DataError for a value that is not positive."""
    rows = np.flatnonzero(np.all([np.isfinite(v) for v in columns.values()], axis=0))
    for column, values in columns.items():
        bad = values[rows][values[rows] <= 0]
        if bad.size:
            raise DataError(f"{where}: {called[column]} = {bad[0]:g}; scales and scores must be positive")
    return rows


def _is_share_that_rises(runs: Runs, inputs: Mapping[str, str], output: str, hours: str | None, law: Law) -> bool:
    """Whether the score is an accuracy or the like, and the law one that falls to a floor."""
    if len(inputs) > 1 or not any(p.relative == "output" for p in law.params.values()):
        return False
    x, y = _values(runs.kept, next(iter(inputs.values())), hours), runs.kept.column(output)
    good = np.isfinite(x) & np.isfinite(y) & (x > 0)
    if good.sum() < 3 or not ((y[good] > 0) & (y[good] < 1)).all() or np.ptp(y[good]) == 0:
        return False
    return bool(np.corrcoef(np.log(x[good]), y[good])[0, 1] > 0)


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
            values = _values(runs, name, None)
            values = values[np.isfinite(values) & (values > 0)]
            if values.size and values.max() > 1.65 * values.min():
                return name, unit
        except SimilitudeError:
            continue
    raise DataError(f"{runs.source}: nothing to compare along; name the column of the scale, x='...'")


def _values(runs: Runs, name: str, hours: str | None) -> np.ndarray:
    """A column of the scale; hours are tokens over tokens a second, compute what the runs say or 6 N D."""
    if name == "hours" and hours is not None:
        return runs.column("D") / runs.column(hours) / 3600
    return runs.with_inputs([name]).column(name) if name in ("N", "D", "C", "M") else runs.column(name)


def _best(x: np.ndarray, y: np.ndarray, bins: int) -> np.ndarray:
    """Rows of the best run in each bin of the log of the scale; better is lower where the score falls along it."""
    rising = np.corrcoef(np.log(x), y)[0, 1] > 0
    place = np.floor(np.log10(x) * bins)
    pick = np.argmax if rising else np.argmin
    return np.array([np.flatnonzero(place == b)[pick(y[place == b])] for b in np.unique(place)])


def _fitted(law: Law, table: Runs, level: float, seed: int) -> Fit:
    try:
        return fit(law, table, intervals=Intervals(level=level), seed=seed)
    except SimilitudeError as error:
        said = str(error)
        raise type(error)(said if said.startswith(table.source) else f"{table.source}: {said}") from None
