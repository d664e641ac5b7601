"""From a table of runs and a law to a problem: which column is which input, and whether the question can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._quantity import Unit
from similitude.fitting._objective import Objective
from similitude.fitting._options import Intervals
from similitude.fitting._problem import Coordinates, Priors, Problem
from similitude.laws import Law
from similitude.laws._application import application
from similitude.runs import Runs

__all__ = ["Constraints", "Observed", "bind", "observe", "pose"]

_PREFERRED = ("N", "D", "C", "U", "M", "step")


@dataclass(frozen=True)
class Constraints:
    """What the user holds about parameters: fixed values, ties, bounds, priors (centre, spread) and starting values."""

    fix: Mapping[str, float]
    tie: tuple[tuple[str, ...], ...]
    bound: Mapping[str, tuple[float | None, float | None]]
    prior: Mapping[str, tuple[float, float]]
    start: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        fix: Mapping[str, float] | None = None,
        tie: Sequence[Sequence[str]] | None = None,
        bound: Mapping[str, tuple[float | None, float | None]] | None = None,
        prior: Mapping[str, tuple[float, float]] | None = None,
        start: Mapping[str, Any] | None = None,
    ) -> Constraints:
        """Checked and complete; ArgumentError for a number that is none."""
        for name, value in (fix or {}).items():
            if not np.isfinite(value):
                raise ArgumentError(f"fix {name} = {value}: a fixed parameter must be a finite number")
        for name, (_, spread) in (prior or {}).items():
            if not spread > 0:
                raise ArgumentError(f"prior of {name}: its spread must be positive, not {spread:g}")
        ties = tuple(tuple(t) for t in tie or ())
        if any(len(t) < 2 for t in ties):
            raise ArgumentError("a tie names at least two parameters, such as alpha=beta")
        return cls(dict(fix or {}), ties, dict(bound or {}), dict(prior or {}), dict(start or {}))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "fix": dict(self.fix),
            "tie": [list(t) for t in self.tie],
            "bound": {k: list(v) for k, v in self.bound.items()},
            "prior": {k: list(v) for k, v in self.prior.items()},
        }


@dataclass(frozen=True)
class Observed:
    """The runs of a fit as arrays: inputs and output (runs,), weights, censoring, cluster labels, row numbers."""

    inputs: Mapping[str, np.ndarray]
    y: np.ndarray
    rows: np.ndarray
    weights: np.ndarray | None = None
    censored: np.ndarray | None = None
    labels: np.ndarray | None = None
    source: str = ""

    def __len__(self) -> int:
        return self.y.size

    def take(self, keep: np.ndarray) -> Observed:
        """Some of the runs."""
        optional = {k: None if (v := getattr(self, k)) is None else v[keep] for k in ("weights", "censored", "labels")}
        return Observed(
            {k: v[keep] for k, v in self.inputs.items()}, self.y[keep], self.rows[keep], source=self.source, **optional
        )

    def compute(self) -> tuple[np.ndarray, str] | None:
        """What grows with cost: training FLOP where N and D or C are inputs, else a single input."""
        return compute_of(self.inputs)


def compute_of(inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, str] | None:
    """The compute of points given by their inputs, and its name; a single input stands for itself, None for others."""
    if "C" in inputs:
        return inputs["C"], "C"
    if "N" in inputs and "D" in inputs:
        return 6 * inputs["N"] * inputs["D"], "C"
    if len(inputs) == 1:
        name, values = next(iter(inputs.items()))
        return values, name
    return None


def bind(law: Law, runs: Runs, inputs: Mapping[str, str] | None = None) -> Law:
    """The law with its inputs named as the table's columns are.

    `inputs` maps an input of the law to a column. Without it, a law of one input takes the only column it could mean.
    Raises DataError when that is not clear.
    """
    chosen = dict(inputs or {})
    for name in chosen:
        if name not in law.inputs:
            raise ArgumentError(f"law '{law.name}' has no input '{name}' (it takes {', '.join(law.inputs)})")
    if not chosen and len(law.inputs) == 1:
        (symbol,) = law.inputs
        if symbol not in runs and not _follows(symbol, runs):
            chosen = {symbol: _only_input(law, runs)}
    chosen = {k: v for k, v in chosen.items() if k != v}
    if not chosen:
        return law
    units = {k: (v, runs.unit(v)) for k, v in chosen.items()}
    return application(law, name=law.name, inputs=units, source=law.source, doc=law.doc, title=law.title)


def _follows(name: str, runs: Runs) -> bool:
    """Whether an input follows from the table's columns, as C does from N and D."""
    if name not in ("N", "D", "C", "M"):
        return False
    try:
        return name in runs.with_inputs([name])
    except DataError:
        return False


def _only_input(law: Law, runs: Runs) -> str:
    known = [n for n in _PREFERRED if n in runs.names and n != runs.output]
    numeric = [n for n, t in runs.frame.schema.items() if t.is_numeric() and n != runs.output]
    # a size that is the same in every run, as along one curve, is not what the law is about
    varied = next((v for names in (known, numeric) if (v := _varied(names, runs))), known or numeric)
    if len(varied) == 1:
        return varied[0]
    (symbol,) = law.inputs
    raise DataError(
        f"{runs.source}: law '{law.name}' takes one input and the table has "
        f"{', '.join(varied) or 'no numeric column'}; say which, with "
        f"inputs={{'{symbol}': 'column'}} (on the command line --input {symbol}=column)"
    )


def _varied(names: Sequence[str], runs: Runs) -> list[str]:
    return [n for n in names if np.unique(runs.column(n)).size > 1]


def observe(law: Law, runs: Runs, objective: Objective, intervals: Intervals) -> tuple[Observed, Runs]:
    """The arrays of a fit, and the table they were read from (outliers out, inputs derived, missing values out).

    Raises DataError for an output that is not positive on the log scale, or a weight that is not.
    """
    runs = runs.kept.with_inputs(list(law.inputs))
    columns = [*law.inputs, runs.output, *([objective.weights] if objective.weights else [])]
    holes = [c for c in columns if np.isnan(runs.column(c)).any()]
    if holes:
        runs = runs.drop(missing=holes)
    if not len(runs):
        raise DataError(f"{runs.source}: no run has a value for all of {', '.join(columns)}")
    y = runs.column(runs.output)
    if objective.log and (y <= 0).any():
        i = int(np.argmax(y <= 0))
        raise DataError(
            f"{runs.source} row {runs.row_numbers[i]}: {runs.output} = {y[i]:g}; an objective on logarithms needs "
            "positive values: choose --objective huber or squares, which use raw residuals"
        )
    inputs = {k: runs.column(k) for k in law.inputs}
    for name, values in inputs.items():
        if law.positive_inputs and (values <= 0).any():
            i = int(np.argmax(values <= 0))
            raise DataError(f"{runs.source} row {runs.row_numbers[i]}: {name} = {values[i]:g}; {name} must be positive")
    weights = None
    if objective.weights:
        weights = runs.column(objective.weights)
        if (weights <= 0).any():
            i = int(np.argmax(weights <= 0))
            raise DataError(
                f"{runs.source} row {runs.row_numbers[i]}: weight {objective.weights} = {weights[i]:g}; "
                "a weight must be positive: drop the run instead"
            )
    censored = runs.censored if runs.censored.any() else None
    labels = cluster_labels(runs, intervals, inputs)
    return Observed(inputs, y, np.asarray(runs.row_numbers), weights, censored, labels, runs.source), runs


def _has_checkpoints(labels: np.ndarray, inputs: Mapping[str, np.ndarray]) -> bool:
    """Whether some run has rows at different inputs: rows at the same ones are repeats."""
    _, codes = np.unique(labels, return_inverse=True)
    first = np.full(codes.max() + 1, len(codes))
    np.minimum.at(first, codes, np.arange(len(codes)))
    return any(np.any(np.abs(v - v[first[codes]]) > 1e-9 * np.abs(v)) for v in inputs.values())


def cluster_labels(runs: Runs, intervals: Intervals, inputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The run of each row where rows share its error; None for one row a run."""
    if intervals.cluster is None:
        return None
    if intervals.cluster == "auto":
        if "run" not in runs.names:
            return None
        labels = runs.labels("run")
        return labels if _has_checkpoints(labels, inputs) else None
    return runs.labels(intervals.cluster)


def _centre(law: Law, inputs: Mapping[str, np.ndarray], name: str) -> float:
    """The geometric mean of an input, together with others in tokens where it is in tokens: laws compare D with U."""
    unit = law.inputs[name]
    alike = [
        k for k, u in law.inputs.items() if k == name or (u == unit and unit.kind not in ("count", "ratio", "score"))
    ]
    return float(np.exp(np.mean([np.mean(np.log(inputs[k])) for k in alike])))


def pose(law: Law, observed: Observed, objective: Objective, constraints: Constraints) -> Problem:
    """The problem of fitting a law to runs.

    Raises QuestionError when there are no more runs than free parameters.
    """
    centre = None
    if law.positive_inputs:
        centre = {k: _centre(law, observed.inputs, k) for k in law.inputs}
    peak = float(np.max(observed.y))
    coordinates = Coordinates.build(
        law,
        constraints.fix,
        constraints.tie,
        constraints.bound,
        float(np.min(observed.y)),
        centre,
        tuple(constraints.prior),
        {k: (float(np.min(v)), float(np.max(v))) for k, v in observed.inputs.items()} | {"peak": (peak, peak)},
    )
    law.check_names([*constraints.prior, *constraints.start])
    _check_constraints(law, constraints)
    finished = len(observed) if observed.censored is None else int(np.sum(~observed.censored))
    if observed.censored is not None and observed.labels is not None:
        raise QuestionError(
            f"{observed.source}: censored runs and errors shared within a run cannot be modelled together: drop the "
            "censored runs, or say intervals=Intervals(cluster=None)"
        )
    if finished + len(constraints.prior) <= len(coordinates):
        noun = "runs" if finished == len(observed) else "runs that were not censored"
        raise QuestionError(
            f"{observed.source}: {finished} {noun} cannot determine {len(coordinates)} free parameters "
            f"({', '.join(coordinates.names)}): at least {len(coordinates) + 1} are needed; add runs, or fix parameters"
        )
    inner = {k: np.asarray(v, float) for k, v in coordinates.inner_inputs(observed.inputs).items()}
    weights = None
    if observed.weights is not None:
        weights = np.sqrt(observed.weights / np.exp(np.mean(np.log(observed.weights))))
    priors = Priors()
    if constraints.prior:
        centres, spreads = zip(*constraints.prior.values(), strict=True)
        priors = Priors(tuple(constraints.prior), tuple(map(float, centres)), tuple(map(float, spreads)))
    return Problem(coordinates, inner, observed.y, objective, weights, observed.censored, None, priors)


def _check_constraints(law: Law, constraints: Constraints) -> None:
    for name, value in constraints.fix.items():
        if name in constraints.prior:
            raise ArgumentError(f"'{name}' is both fixed and given a prior; choose one")
        word = law.params[name]
        # the domain binds a fixed value, the range searched does not: a term may be switched off
        low = 0.0 if word.transform in ("log", "logit") else -np.inf
        high = 1.0 if word.transform == "logit" else np.inf
        if not low <= value <= high:
            raise ArgumentError(f"fix {name} = {value:g}: it must lie between {low:g} and {high:g}")


def constant_inputs(observed: Observed) -> list[tuple[str, float]]:
    """Inputs that are the same in every run."""
    return [(k, float(v[0])) for k, v in observed.inputs.items() if np.ptp(v) <= 1e-9 * np.max(np.abs(v))]


def law_unit(law: Law, runs: Runs) -> Unit:
    """The unit of the output: that of the column where known, else that of the law."""
    unit = runs.unit(runs.output)
    return unit if unit.name else law.output
