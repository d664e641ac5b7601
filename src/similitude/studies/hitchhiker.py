"""Choshen et al. 2024: how well a family's smaller models foretell its largest, from checkpoints."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._errors import ConvergenceError
from similitude._view import Column, Table
from similitude.fitting import fit
from similitude.fitting._curve import posterior
from similitude.laws import get
from similitude.runs import Runs, datasets, read_runs
from similitude.studies._claim import measured
from similitude.studies._rules import BEATS
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

TEXT = "abstract and section 5: about 4 % is the best to be had, 20 % still tells choices apart"
MIXED = (
    "the table's losses of the smallest models lie far above any law of the others (7 nats at 70M), as if evaluated "
    "otherwise; keeping early checkpoints brings the error down"
)
CUT = 1e10  # tokens before which checkpoints are left out
TAIL = 0.3  # share of the target's checkpoints that is predicted
THINNED = 60  # checkpoints a run
GPT3 = {"Small": 125e6, "Medium": 350e6, "Large": 760e6, "XL": 1.3e9, "2.7B": 2.7e9, "6.7B": 6.7e9, "13B": 13e9}
PYTHIA = ("70m", "160m", "410m", "1.4b", "2.8b", "6.9b", "12b")
Curve = tuple[float, np.ndarray, np.ndarray]  # parameters, tokens, loss


def claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("colpret-curves")
    families = {"GPT-3": _gpt3(runs), "OPT": _opt(runs), "Pythia": _pythia(runs)}
    rows = []
    for family, curves in families.items():
        late, early, final = _forecast(curves, CUT), _forecast(curves, 0.0), _forecast(curves, CUT, last=3)
        yield measured(
            f"relative error of the largest {family} model's loss, from checkpoints of all smaller ones", "0.04", TEXT,
            late, BEATS,
            remark="" if late < 0.04 else MIXED,
        )  # fmt: skip
        rows.append((family, str(len(curves) - 1), f"{late:.4f}", f"{early:.4f}", f"{final:.4f}"))
    heads = [Column(h, align="right") for h in ("smaller models", "after 10B tokens", "all", "last three only")]
    yield Table("Relative error of the largest model's last 30 % of checkpoints", ("family", *heads), rows)
    yield _half_curves(runs)
    yield "OPT's values are perplexities and enter as their logarithms. Sizes of GPT-3 are those of its report."


def _gpt3(runs: Runs) -> list[Curve]:
    names = runs.labels("run")
    return [(n, *_points(runs, names == f"GPT-3 {size}")) for size, n in GPT3.items()]


def _opt(runs: Runs) -> list[Curve]:
    mine = runs.where(family="opt")
    curves = []
    for name in dict.fromkeys(mine.labels("run")):
        tokens, perplexity = _points(mine, mine.labels("run") == name)
        n = float(mine.column("N")[mine.labels("run") == name][0])
        curves.append((n, tokens, np.log(perplexity)))
    return sorted(curves, key=lambda c: c[0])


def _pythia(runs: Runs) -> list[Curve]:
    names = runs.labels("run")
    sizes = {s: float(s[:-1]) * (1e6 if s[-1] == "m" else 1e9) for s in PYTHIA}
    return [(n, *_points(runs, names == f"pythia-{size}")) for size, n in sizes.items()]


def _points(runs: Runs, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(runs.column("D")[mine], kind="stable")
    return runs.column("D")[mine][order], runs.column("loss")[mine][order]


def _forecast(curves: list[Curve], cut: float, last: int | None = None) -> float:
    """Mean absolute relative error on the largest model, fitted to checkpoints of the others beyond `cut` tokens."""
    *smaller, (n, tokens, loss) = curves
    parts = []
    for size, d, y in smaller:
        keep = np.flatnonzero(d >= cut)
        keep = keep[-last:] if last else keep[np.unique(np.linspace(0, len(keep) - 1, THINNED).astype(int))]
        parts.append((np.full(len(keep), size), d[keep], y[keep]))
    table = {k: np.concatenate(v) for k, v in zip(("N", "D", "loss"), zip(*parts, strict=True), strict=True)}
    found = fit(get("chinchilla"), read_runs(table, check=False), intervals="delta")
    start = int((1 - TAIL) * len(tokens))
    at = {"N": np.full(len(tokens) - start, n), "D": tokens[start:]}
    told = np.asarray(found.law.evaluate(at, found.values), float)
    return float(np.mean(np.abs(told / loss[start:] - 1)))


def _half_curves(runs: Runs) -> Table:
    """Every curve's second half from its first: last score, a power law with a floor, and averaging over shapes."""
    families, names = runs.labels("family"), runs.labels("run")
    errors: dict[str, list[tuple[float, ...]]] = {}
    for name in dict.fromkeys(names):
        mine = np.flatnonzero((names == name) & (runs.column("loss") > 0) & (runs.column("D") > 0))
        family = str(families[mine[0]]) if mine.size else ""
        made = None if family in ("", "revisiting-lm") else _half(*_points(runs, np.isin(np.arange(len(names)), mine)))
        if made is not None:
            errors.setdefault(family, []).append(made)
    every = [row for rows in errors.values() for row in rows]
    rows = [(k, str(len(v)), *(f"{x:.4f}" for x in np.mean(v, axis=0)[:3]), f"{np.mean(v, axis=0)[3]:.0%}")
            for k, v in {**errors, "all": every}.items()]  # fmt: skip
    heads = ("curves", "last score", "power_floor", "auto", "in 80 % band of auto")
    note = "Root mean squared log error. None of these curves was used to choose the prior of auto."
    columns = ("family", *(Column(h, align="right") for h in heads))
    return Table("The second half of each training curve from its first", columns, rows, note=note)


def _half(tokens: np.ndarray, loss: np.ndarray) -> tuple[float, ...] | None:
    x, first = np.unique(tokens, return_inverse=True)
    y = np.bincount(first, loss) / np.bincount(first)
    cut = int(np.searchsorted(x, x[-1] / 2, side="right"))
    if len(x) < 16 or cut < 8 or cut == len(x):
        return None
    keep = np.unique(np.searchsorted(np.log(x[:cut]), np.linspace(np.log(x[0]), np.log(x[cut - 1]), 120)))
    seen, later = np.minimum(keep, cut - 1), slice(cut, None)
    log_x, log_y, truth = np.log(x[seen]), np.log(y[seen]), np.log(y[later])

    def missed(told: np.ndarray) -> float:
        return float(np.sqrt(np.mean((told - truth) ** 2)))

    made = posterior(log_x, log_y)
    ends = made.quantiles(np.log(x[later]), (0.1, 0.9))
    inside = float(np.mean((truth >= ends[:, 0]) & (truth <= ends[:, 1])))
    table = read_runs({"x": x[seen], "loss": y[seen]}, check=False)
    try:
        found = fit(get("power_floor"), table, objective="squares_log", intervals="delta", inputs={"x": "x"})
        law = missed(np.log(np.asarray(found.law.evaluate({"x": x[later]}, found.values), float)))
    except ConvergenceError:
        law = missed(np.full(len(truth), log_y[-1]))
    return missed(np.full(len(truth), log_y[-1])), law, missed(made.mean(np.log(x[later]))), inside


STUDY = Declaration(
    "choshen2024", "A hitchhiker's guide to scaling law estimation", "choshen2024", ("colpret-curves",), claims
)
