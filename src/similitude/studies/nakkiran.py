"""Nakkiran et al. 2019: test error that rises again, and what a law with breaks makes of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._errors import ConvergenceError, QuestionError
from similitude._view import Column, Table
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import Runs, datasets, read_runs
from similitude.studies._claim import measured
from similitude.studies._rules import AT_LEAST
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

NOISY = "cifar10-mcnn-p20-sgd"  # a fifth of the labels wrong
LAWS = ("power_floor", "m3", "bnsl1", "bnsl2")


def claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("double-descent")
    four, eighteen = (_curve(runs, t) for t in ("df4k", "df18k"))
    widths = np.intersect1d(four[0], eighteen[0])
    more = [eighteen[1][eighteen[0] == w].mean() for w in widths]
    less = [four[1][four[0] == w].mean() for w in widths]
    worse = int(np.sum(np.array(more) > np.array(less)))
    yield measured(
        "widths at which a translation model is worse with 18,000 than with 4,000 samples",
        "1", "figure 3: some widths", float(worse), AT_LEAST,
    )  # fmt: skip
    yield measured(
        "width of the highest loss with 18,000 samples over that with 4,000", "1", "figure 3: shifted to the right",
        _peak(eighteen) / _peak(four), AT_LEAST,
    )  # fmt: skip
    yield measured(
        "rise of test error above its first minimum with 20 % wrong labels, CIFAR-10, points", "1",
        "figure 5: a peak with label noise", 100 * _rise(_curve(runs, NOISY)), AT_LEAST,
    )  # fmt: skip
    yield _laws(runs)
    yield "Broken laws describe the peak once it is among the runs; no form here foretells it from runs before it."


def _curve(runs: Runs, task: str) -> tuple[np.ndarray, np.ndarray]:
    mine = runs.where(task=task)
    order = np.argsort(mine.column("x"), kind="stable")
    return mine.column("x")[order], mine.column("y")[order]


def _peak(curve: tuple[np.ndarray, np.ndarray]) -> float:
    return float(curve[0][np.argmax(curve[1])])


def _rise(curve: tuple[np.ndarray, np.ndarray]) -> float:
    """How far the curve rises above the smallest value before, at most."""
    y = curve[1]
    return float(np.max(y - np.minimum.accumulate(y)))


def _laws(runs: Runs) -> Table:
    """Root mean squared log error of laws on whole curves, and beyond 70 % of the points."""
    rows = []
    for task in (NOISY, "df4k", "df18k", "nlp-model-dd"):
        x, y = _curve(runs, task)
        cells = []
        for name in LAWS:
            whole, beyond = _fitted(name, x, y, len(x)), _fitted(name, x, y, int(0.7 * len(x)))
            cells += [whole, beyond]
        rows.append((task, *cells))
    heads = [Column(f"{law}, {kind}", align="right") for law in LAWS for kind in ("fitted", "beyond")]
    note = "Beyond: fitted to the first 70 % of the points, judged on the rest; refused: no proved optimum."
    return Table("Log error of laws on double descent", ("curve", *heads), rows, note=note)


def _fitted(name: str, x: np.ndarray, y: np.ndarray, points: int) -> str:
    runs = read_runs({"x": x[:points], "error": y[:points]}, loss="error", check=False)
    try:
        found = fit(get(name), runs, objective="squares_log", intervals="delta", inputs={"x": "x"})
    except (ConvergenceError, QuestionError):
        return "refused"
    rest = slice(None) if points == len(x) else slice(points, None)
    told = np.asarray(found.law.evaluate({"x": x[rest]}, found.values), float)
    return f"{np.sqrt(np.mean(np.log(told / y[rest]) ** 2)):.3f}"


STUDY = Declaration("nakkiran2019", "Deep double descent", "nakkiran2019", ("double-descent",), claims)
