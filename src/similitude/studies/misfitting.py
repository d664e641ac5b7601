"""Li et al. 2025, (Mis)Fitting: which choices of a fit swing the optimum, on the authors' own sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from similitude._digits import format_number
from similitude._errors import ConvergenceError
from similitude._view import Column, Interval, Table
from similitude.fitting import Fit, Intervals, Objective, fit
from similitude.laws import Law, get
from similitude.runs import Runs, datasets
from similitude.studies._chinchilla import exponent, optimal_tokens
from similitude.studies._claim import ABOUT, AT_MOST, measured
from similitude.studies._quasi_newton import quasi_newton
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

HUBER = Objective.named("huber_log", delta=1e-3)
FIGURES, SEPARATE = "figure data in the repository", "recomputed elsewhere, not printed"
INDEPENDENT = Intervals(cluster=None)  # as the authors: every row counts
QUICK = Intervals(method="delta", cluster=None)
TIED = [("alpha", "beta")]
NO_FLOOR = 1e-6  # nats a token
BUDGETS = (1e21, 1e22, 1e23, 1e24)
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "checkpoints": ("final only", "all"),
    "learning rates": ("all", "best of each model and length"),
    "N counts": ("embeddings", "no embeddings"),
    "loss": ("Huber 1e-3", "squares"),
    "exponents": ("free", "tied"),
}
# (a, b, e, alpha, beta) in the log form
STARTS = {
    "Hoffmann's coefficients": (6.0073, 6.0179, 0.5267, 0.3392, 0.2849),
    "zeros": (0.0, 0.0, 0.0, 0.0, 0.0),
    "middle of the usual grid": (10.0, 10.0, 0.0, 0.5, 0.5),
    "corner of the usual grid": (25.0, 25.0, 1.0, 2.0, 2.0),
    "no floor": (5.0, 5.0, -1.0, 0.3, 0.3),
}


@dataclass(frozen=True)
class World:
    """One way to fit: its choices, and the answer it gives."""

    choices: tuple[str, ...]
    a: float
    ratios: tuple[float, ...]  # D/N at each of BUDGETS
    floor: bool


def claims(seed: int) -> Iterator[Item]:
    law, final = get("chinchilla"), datasets.load("misfitting", "final")
    best = fit(law, final, objective=HUBER, intervals=INDEPENDENT)
    tied = fit(law, final, objective=HUBER, intervals=QUICK, tie=TIED)
    yield from _published(best, tied)
    yield from _best_rates(fit(law, datasets.load("misfitting", "best_lr"), objective=HUBER, intervals=QUICK))
    worlds = list(_multiverse())
    yield _spread(worlds)
    yield _importance(worlds)
    yield _starts(best)
    a, ratios = [w.a for w in worlds], [w.ratios[-1] for w in worlds]
    yield (
        f"Over {len(worlds)} ways to fit one sweep a lies between {min(a):.2f} and {max(a):.2f}, and the best D/N at "
        f"1e24 FLOP "
        f"between {format_number(min(ratios), digits=2)} and {format_number(max(ratios), digits=2)}."
    )
    yield (
        "The spread is the choices', not the solver's: every fit passes its gradient test "
        f"({sum(not w.floor for w in worlds)} of them without a floor, where it ran off to zero). Intermediate "
        f"checkpoints are "
        "in the middle of their learning-rate decay and are no final losses."
    )


def _published(best: Fit, tied: Fit) -> Iterator[Item]:
    yield measured("objective, 261 final checkpoints", "0.0050216542", FIGURES, best.objective_value, AT_MOST)
    for name, printed in (("A", "3.9388"), ("B", "13.0558"), ("E", "0.5921")):
        low, high = (None if x is None else float(np.log(x)) for x in best.ends[name])
        ours = Interval(float(np.log(best.values[name])), low, high)
        yield measured(f"log {name}, final checkpoints", printed, FIGURES, ours, interval="90 % profile")
    for name, printed in (("alpha", "0.2002"), ("beta", "0.6357")):
        ours = Interval(best.values[name], *best.ends[name])
        yield measured(f"{name}, final checkpoints", printed, FIGURES, ours, interval="90 % profile")
    yield measured("objective with alpha = beta", "0.0052437058", FIGURES, tied.objective_value, AT_MOST)
    yield measured("alpha = beta", "0.6034", FIGURES, tied.values["alpha"])
    for label, flop, found, printed in (
        ("free exponents", 1e21, best, "1.376"),
        ("free exponents", 1e24, best, "0.03763"),
        ("alpha = beta", 1e24, tied, "28.22"),
    ):
        value = _ratio(found.values, flop)
        yield measured(f"best D/N at {_written(flop)} FLOP, {label}", printed, FIGURES, value)
    apart = _ratio(tied.values, 1e24) / _ratio(best.values, 1e24)
    yield measured("ratio of those two answers at 1e24 FLOP", "750", f"{FIGURES}, quotient", apart, ABOUT)


def _ratio(values: Mapping[str, float], flop: float) -> float:
    n, d = optimal_tokens(values, flop)
    return float(d / n)


def _written(flop: float) -> str:
    return f"1e{np.log10(flop):.0f}"


def _best_rates(best: Fit) -> Iterator[Item]:
    minimum = Interval(best.objective_value)
    yield measured("objective, 81 points of the best learning rate", "0.000886", SEPARATE, minimum, AT_MOST)
    for name, printed in (("A", "21.68"), ("B", "8.812e5"), ("E", "1.3982"), ("alpha", "0.1382"), ("beta", "0.6699")):
        sentence = f"{name}, 81 points of the best learning rate"
        yield measured(sentence, printed, SEPARATE, best.values[name])


def _multiverse() -> Iterator[World]:
    """Every combination of the options, refitted."""
    law = get("chinchilla")
    for choices in product(*OPTIONS.values()):
        *which, loss, form = choices
        objective = HUBER if loss == "Huber 1e-3" else Objective.named("squares_log")
        found = _fitted(law, _runs(*which), objective, TIED if form == "tied" else None)
        yield World(
            choices,
            float(exponent(found.values)),
            tuple(_ratio(found.values, c) for c in BUDGETS),
            found.values["E"] > 1e-3,
        )


def _fitted(law: Law, runs: Runs, objective: Objective, tie: list[tuple[str, str]] | None) -> Fit:
    """The fit; without a floor where the floor runs off to zero and no optimum exists inside."""
    try:
        return fit(law, runs, objective=objective, intervals=QUICK, tie=tie)
    except ConvergenceError:
        return fit(law, runs, objective=objective, intervals=QUICK, tie=tie, fix={"E": NO_FLOOR})


def _runs(checkpoints: str, rates: str, counting: str) -> Runs:
    final = datasets.load("misfitting", "best_lr" if rates != "all" else "final")
    runs = final
    if checkpoints == "all":
        runs = datasets.load("misfitting", "checkpoints")
        runs = runs.where(run=sorted(set(final.labels("run")))) if rates != "all" else runs
    return runs if counting == "embeddings" else runs.count("N", embeddings=False)


def _spread(worlds: list[World]) -> Table:
    columns = {"a of N* ~ C^a": np.array([w.a for w in worlds])}
    for i, flop in enumerate(BUDGETS):
        columns[f"best D/N at {_written(flop)} FLOP"] = np.array([w.ratios[i] for w in worlds])
    rows = []
    for name, values in columns.items():
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
        rows.append((name, float(middle), float(low), float(high), float(values.min()), float(values.max())))
    return Table(
        f"The answer of {len(worlds)} fits to one sweep",
        ("quantity", *(Column(n, digits=3) for n in ("median", "5 %", "95 %", "lowest", "highest"))),
        rows,
        note="Options crossed: " + "; ".join(f"{k}: {' or '.join(v)}" for k, v in OPTIONS.items()) + ".",
    )


def _importance(worlds: list[World]) -> Table:
    """The share of the variance between the fits with free exponents that each option explains by itself."""
    free = [w for w in worlds if w.choices[-1] == "free"]
    targets = {"a": np.array([w.a for w in free]), "log D/N at 1e24": np.log([w.ratios[-1] for w in free])}
    rows = []
    for i, (option, levels) in enumerate(list(OPTIONS.items())[:-1]):
        means = {k: [v[[w.choices[i] == level for w in free]].mean() for level in levels] for k, v in targets.items()}
        shares = [f"{np.var(means[k]) / np.var(v):.0%}" for k, v in targets.items()]
        rows.append((option, *(f"{level}: {m:.2f}" for level, m in zip(levels, means["a"], strict=True)), *shares))
    return Table(
        "Which option moves the answer, exponents free",
        (
            "option",
            "mean a under the first",
            "mean a under the second",
            "share of variance of a",
            "of log D/N at 1e24 FLOP",
        ),
        rows,
        note="Main effects of a balanced design; what is missing to 100 % are interactions. Tied exponents give a = "
        "0.5 whatever "
        "the runs say.",
    )


def _starts(best: Fit) -> Table:
    """Where a quasi-Newton solver ends on the same objective, from one start each."""
    rows = []
    for name, start in STARTS.items():
        for mean in (False, True):
            reached, at = quasi_newton(best, [start], mean=mean)
            rows.append((name, "mean" if mean else "sum", f"{reached:.6f}", exponent(at)))
    ours = ("this package's", "sum", f"{best.objective_value:.6f}", exponent(best.values))
    return Table(
        "One start of L-BFGS at its default tolerances",
        ("start", "minimised", "sum reached", Column("a", digits=3)),
        [*rows, ours],
        note="Huber 1e-3 on the 261 final checkpoints, exact derivatives. The mean has the same minimum as the sum.",
    )


STUDY = Declaration("li2025", "(Mis)Fitting: what swings the optimum", "li2025", ("misfitting",), claims)
