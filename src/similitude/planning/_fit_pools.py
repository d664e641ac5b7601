"""The utility and the half-life of data pools, from runs on each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, DataError, QuestionError, SimilitudeError, did_you_mean
from similitude._result import SCHEMA_VERSION, Result, plain
from similitude._view import Interval, Section
from similitude.fitting import Fit, Intervals, fit
from similitude.laws import Estimate
from similitude.planning._budget import amount
from similitude.planning._certainty import draws_of
from similitude.planning._pool_law import LONGEST, pool_law
from similitude.planning._pool_views import pools_section
from similitude.runs import Runs, read_runs

__all__ = ["DataPool", "DataPools", "fit_pools"]

UNIT = 1e5  # samples, the unit of n in the authors' code
FLOORS = (0.3, 0.8)  # of the smallest error, tried beside the first floor found
OBJECTIVE = "squares_log"


@dataclass(frozen=True)
class DataPool:
    """One pool: unique samples, utility b and half-life tau (in passes) with their intervals, and what was seen of it.

    `samples` and `epochs` are the most that a run took from it; None where the coefficients were given.
    """

    name: str
    unique: float
    utility: Interval
    half_life: Interval
    samples: float | None = None
    epochs: float | None = None
    runs: int | None = None


@dataclass(frozen=True)
class DataPools(Result):
    """Data pools, the most useful first, with the law of their error: y = a (n/unit)^-b + d in the first pass.

    `pools` hold utilities and half-lives; `a` is the reducible error after `unit` samples and `d` the floor, both
    shared. `estimate` is the fit, or the coefficients given. Made by `fit_pools`, or by `DataPools.known`.

    >>> import similitude as sim
    >>> known = sim.DataPools.known({"best": ("10M", 0.2, 3), "rest": ("90M", 0.1, 3)}, a=1.0, d=0.1)
    >>> round(float(known.error(["best"], "10M")), 4)
    0.4981
    """

    pools: tuple[DataPool, ...]
    a: Interval
    d: Interval
    unit: float
    estimate: Estimate
    labels: Mapping[str, str]
    level: float | None
    warnings: tuple[str, ...] = ()

    @classmethod
    def known(
        cls, pools: Mapping[str, tuple[Any, float, float]], *, a: float, d: float, unit: float = UNIT
    ) -> DataPools:
        """Pools whose coefficients are known: name -> (unique samples, utility, half-life in passes).

        `a` is the reducible error after `unit` samples, `d` the floor. Raises ArgumentError for values out of range.

        >>> import similitude as sim
        >>> known = sim.DataPools.known({"best": (1e7, 0.2, 3), "rest": (9e7, 0.1, 3)}, a=1.0, d=0.1)
        >>> [p.name for p in known.pools]
        ['best', 'rest']
        """
        if not pools:
            raise ArgumentError("pools: name at least one")
        labels = _labels(pools)
        rows, values = {}, {"a": float(a), "d": float(d)}
        for name, given in pools.items():
            unique, utility, life = given
            size = amount(f"unique samples of {name}", unique) or 0.0
            for what, value in (("utility", utility), ("half-life", life)):
                if not (np.isfinite(value) and value > 0):
                    raise ArgumentError(f"{what} of {name} = {value:g}; expected a positive number")
            values |= {f"b_{labels[name]}": float(utility), f"tau_{labels[name]}": float(life)}
            rows[name] = DataPool(name, size, Interval(float(utility)), Interval(float(life)))
        if not (a > 0 and d >= 0):
            raise ArgumentError(
                f"a = {a:g} and d = {d:g}; expected a positive error to reduce, and a floor from zero up"
            )
        unit = amount("unit", unit) or UNIT
        estimate = Estimate(pool_law(tuple(labels.values()), 1), values)
        return cls(_ranked(rows.values()), Interval(float(a)), Interval(float(d)), unit, estimate, labels, None)

    def __repr__(self) -> str:
        told = ", ".join(f"{p.name} {p.utility.value:.3g}" for p in self.pools)
        return f"DataPools(utility {told})"

    @property
    def names(self) -> tuple[str, ...]:
        """The pools, the most useful first."""
        return tuple(p.name for p in self.pools)

    def pool(self, name: str) -> DataPool:
        """The pool of that name; ArgumentError where there is none."""
        for p in self.pools:
            if p.name == name:
                return p
        raise ArgumentError(f"no pool '{name}'{did_you_mean(name, self.names)} (there are {', '.join(self.names)})")

    def error(self, pools: Sequence[str], samples: Any) -> np.ndarray:
        """The error on the union of `pools` after `samples` of it, by the law itself; shape as that of `samples`.

        Raises ArgumentError for a pool that is not there, or samples that are no positive numbers.
        """
        n = np.asarray([amount("samples", s) for s in samples] if isinstance(samples, (list, tuple)) else
                       amount("samples", samples) if isinstance(samples, str) else samples, float)  # fmt: skip
        if not (np.isfinite(n) & (n > 0)).all():
            raise ArgumentError("samples: expected positive numbers")
        law, inputs = self.law_of(pools, n)
        return np.asarray(law.evaluate(inputs, self.estimate.values), float)

    def law_of(self, pools: Sequence[str], samples: np.ndarray | float) -> tuple[Any, dict[str, Any]]:
        """The law with passes enough for samples of a union, and its inputs there: n, U and the shares."""
        chosen = {p.name: p.unique for p in map(self.pool, dict.fromkeys(pools))}
        whole = sum(chosen.values())
        if not chosen:
            raise ArgumentError("a union takes one pool or more")
        shares = {f"w_{label}": chosen.get(name, 0.0) / whole for name, label in self.labels.items()}
        law = pool_law(tuple(self.labels.values()), float(np.max(samples)) / whole)
        return law, {"n": samples / self.unit, "U": whole / self.unit, **shares}

    def draws(self, seed: int) -> Mapping[str, np.ndarray] | None:
        """Draws of the coefficients, (draws,) each; None where they were given."""
        return draws_of(self.estimate, seed)

    def view(self) -> Section:
        """The pools and what is shared, and what to beware of."""
        return pools_section(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the runs stay out."""
        names = ("pools", "a", "d", "unit", "level", "warnings")
        return {"schema_version": SCHEMA_VERSION, **{k: plain(getattr(self, k)) for k in names}}


def fit_pools(
    runs: Runs,
    *,
    pool: str = "pool",
    samples: str = "samples",
    unique: str = "unique",
    half_life: float | Mapping[str, float] | None = None,
    floor: float | None = None,
    unit: float | str = UNIT,
    level: float = 0.9,
    seed: int = 0,
) -> DataPools:
    """The utility and half-life of each pool of data, from runs on one pool each, some of which repeat it.

    A row is a run (or a checkpoint of one, with its id in the column `run`): `pool` names its pool, `samples` counts
    the samples it has seen, `unique` those that the pool holds; the output of the table is an error, lower being
    better. The law is y = a n_1^-b_1 (n_2/n_1)^-b_2 ... + d with b_k = b 2^(-(k-1)/tau) in the k-th pass and n in
    `unit` samples: a and d are shared by all pools, utility b and half-life tau (in passes) are each pool's own.
    `half_life` holds half-lives that are known, of all pools or by name, and `floor` the error d that stays.

    That pools share `a` says that they are equally good after `unit` samples: the default is the authors'.

    Source: Goyal et al. (2024, eqs. 2 and 3). Errors are squared on the logarithm. Raises DataError for columns or
    values that are missing or do not fit, QuestionError where no run repeats a pool whose half-life is asked for.

    >>> import numpy as np
    >>> import similitude as sim
    >>> known = sim.DataPools.known({"best": (1e7, 0.2, 3), "rest": (9e7, 0.1, 3)}, a=1.0, d=0.1)
    >>> n = np.geomspace(2e6, 4e8, 8)
    >>> rows = [(p, s, known.pool(p).unique, float(known.error([p], s))) for p in known.names for s in n]
    >>> table = dict(zip(("pool", "samples", "unique", "error"), zip(*rows)))
    >>> found = sim.fit_pools(sim.read_runs(table, loss="error", check=False))
    >>> round(found.pool("best").utility.value, 3), round(found.pool("best").half_life.value, 2)
    (0.2, 3.0)
    """
    unit = amount("unit", unit) or UNIT
    runs = runs.kept
    if runs.output not in runs:
        raise DataError(f"{runs.source}: no column '{runs.output}' with the error; name it when reading, loss='column'")
    names, n, sizes = _read(runs, pool, samples, unique)
    labels = _labels(sizes)
    held = _held(half_life, sizes)
    _check_repeats(runs, names, n, sizes, held)
    law = pool_law(tuple(labels.values()), float(max(s / sizes[p] for p, s in zip(names, n, strict=True))))
    table = _table(runs, names, n, sizes, labels, unit)
    fix = {f"tau_{labels[p]}": v for p, v in held.items()} | ({} if floor is None else {"d": float(floor)})
    try:
        start = _start(law, table, fix, labels)
        options = {"objective": OBJECTIVE, "intervals": Intervals(level=level), "seed": seed}
        made = fit(law, table, fix=fix, start=start, **options)
    except SimilitudeError as error:
        raise type(error)(f"{runs.source}: {_in_words(str(error).removeprefix(f'{runs.source}: '), labels)}") from None
    rows = {p: _pool(made, p, labels[p], size, n[names == p]) for p, size in sizes.items()}
    found = DataPools(_ranked(rows.values()), _interval(made, "a"), _interval(made, "d"), unit, made, labels, level)
    return replace(found, warnings=_warnings(found))


def _read(runs: Runs, pool: str, samples: str, unique: str) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """The pool and samples of each run, and the size of each pool."""
    names, n, sizes = runs.labels(pool), runs.column(samples), runs.column(unique)
    for i, row in enumerate(runs.row_numbers):
        where = f"{runs.source} row {row}"
        if not names[i]:
            raise DataError(f"{where}: {pool} is empty; expected the name of a pool")
        for what, value in ((samples, n[i]), (unique, sizes[i])):
            if np.isnan(value):
                told = "the size of the pool, in unique samples" if what == unique else "the samples seen"
                raise DataError(f"{where}: {what} is missing; expected {told}")
            if not (np.isfinite(value) and value > 0):
                raise DataError(f"{where}: {what} = {value:g}; expected a positive number of samples")
    found: dict[str, float] = {}
    for name, size, row in zip(names, sizes, runs.row_numbers, strict=True):
        if abs(found.setdefault(name, float(size)) - size) > 1e-9 * size:
            raise DataError(
                f"{runs.source} row {row}: {unique} of pool {name} = {size:g}, earlier {found[name]:g}; a pool has one "
                "size: give subsets of it names of their own"
            )
    return names, n, found


def _labels(names: Any) -> dict[str, str]:
    """Names of pools as parts of identifiers, kept apart where they would be the same."""
    found: dict[str, str] = {}
    for name in names:
        label = "".join(c if c.isalnum() else "_" for c in str(name)) or "pool"
        while label in found.values():
            label += "_"
        found[str(name)] = label
    return found


def _held(half_life: float | Mapping[str, float] | None, sizes: Mapping[str, float]) -> dict[str, float]:
    given = (
        half_life if isinstance(half_life, Mapping) else {} if half_life is None else dict.fromkeys(sizes, half_life)
    )
    for name, value in given.items():
        if name not in sizes:
            raise ArgumentError(
                f"half-life: no pool '{name}'{did_you_mean(name, sizes)} (there are {', '.join(sizes)})"
            )
        if not (np.isfinite(value) and value > 0):
            raise ArgumentError(f"half-life of {name} = {value:g}; expected a positive number of passes")
    return {k: float(v) for k, v in given.items()}


def _check_repeats(
    runs: Runs, names: np.ndarray, n: np.ndarray, sizes: Mapping[str, float], held: Mapping[str, float]
) -> None:
    """Refuse where a half-life or a utility cannot be told from these runs."""
    fresh = [p for p, size in sizes.items() if p not in held and not (n[names == p] > 1.0001 * size).any()]
    if fresh:
        which = "no run repeats its pool" if len(fresh) == len(sizes) else f"no run repeats pool {', '.join(fresh)}"
        raise QuestionError(
            f"{runs.source}: {which} (samples seen above unique ones), so the half-life of repeated data cannot be "
            "told from these runs: add runs of more than one epoch, or give half-lives that you know"
        )
    for name in sizes:
        if len(np.unique(n[names == name])) < (2 if name not in held else 1):
            raise DataError(
                f"{runs.source}: all runs on pool {name} saw as many samples; utility and half-life take two lengths "
                "or more"
            )


def _table(
    runs: Runs, names: np.ndarray, n: np.ndarray, sizes: Mapping[str, float], labels: Mapping[str, str], unit: float
) -> Runs:
    columns: dict[str, Any] = {"n": n / unit, "U": np.array([sizes[p] for p in names]) / unit}
    columns |= {f"w_{label}": (names == p).astype(float) for p, label in labels.items()}
    if "run" in runs.names:
        columns["run"] = runs.labels("run")
    columns["loss"] = runs.column(runs.output)
    return read_runs(columns, loss="loss", check=False, name=runs.source)


def _start(law: Any, table: Runs, fix: Mapping[str, float], labels: Mapping[str, str]) -> dict[str, list[float]]:
    """Where to begin: one utility and half-life for all pools, then each pool's own with `a` and `d` held.

    A grid over the utilities and half-lives of many pools is out of reach.
    """
    free = [k for k in law.params if k not in fix]
    ties = [group for prefix in ("b_", "tau_") if len(group := [k for k in free if k.startswith(prefix)]) > 1]
    common = fit(law, table, fix=fix, tie=ties, objective=OBJECTIVE, intervals="delta").values
    values = dict(common)
    for label in labels.values():
        own = {f"b_{label}", f"tau_{label}"}
        rest = {k: v for k, v in common.items() if k not in own}
        try:
            mine = table.where(table.column(f"w_{label}") > 0)
            begin = {k: [common[k]] for k in own - set(fix)}
            found = fit(law, mine, fix={**rest, **fix}, start=begin, objective=OBJECTIVE, intervals="delta")
            values |= {k: found.values[k] for k in own}
        except SimilitudeError:
            continue
    start = {k: [values[k]] for k in free}
    if "d" in start:
        start["d"] = [values["d"], *(f * float(table.column("loss").min()) for f in FLOORS)]
    return start


def _in_words(text: str, labels: Mapping[str, str]) -> str:
    for name, label in labels.items():
        text = text.replace(f"tau_{label}", f"half-life of {name}").replace(f"b_{label}", f"utility of {name}")
    return text


def _interval(made: Fit, name: str) -> Interval:
    low, high = made.ends.get(name, (None, None))
    return Interval(float(made.values[name]), low, high)


def _pool(made: Fit, name: str, label: str, size: float, n: np.ndarray) -> DataPool:
    utility, life = _interval(made, f"b_{label}"), _interval(made, f"tau_{label}")
    return DataPool(name, size, utility, life, float(n.max()), float(n.max() / size), len(n))


def _ranked(pools: Any) -> tuple[DataPool, ...]:
    return tuple(sorted(pools, key=lambda p: (-p.utility.value, p.name)))


def _warnings(found: DataPools) -> tuple[str, ...]:
    made: Any = found.estimate
    if not made.identified:  # the engine's sentence speaks of inputs that were held, as the size of equal pools is
        said = ["These runs do not tell utility, half-life and floor apart: add shorter and longer ones, or the floor."]
    else:
        said = [_in_words(w, found.labels) for w in made.warnings]
    lasting = [p.name for p in found.pools if p.half_life.value > 0.99 * LONGEST]
    if lasting:
        said.append(
            f"Repeating {', '.join(lasting)} has cost nothing in these runs: the half-life sits at the longest that is "
            f"looked for, {LONGEST:g} passes."
        )
    open_ended = [p.name for p in found.pools if p.name not in lasting and p.half_life.high is None]
    if open_ended:
        said.append(f"How long the half-life of {', '.join(open_ended)} may be is not bounded by these runs.")
    return tuple(said)
