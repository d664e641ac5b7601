"""Unique tokens as what is scarce: how often to repeat them, what a fresh token is worth, and how laws disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._dual import Dual
from similitude._errors import ArgumentError, QuestionError, SimilitudeError
from similitude._quantity import format_quantity
from similitude._result import Result
from similitude._view import Axis, Column, Figure, Interval, Line, Section, Table, Text
from similitude.laws import Estimate
from similitude.planning._budget import Budget, amount
from similitude.planning._make import plan

__all__ = ["Repetition", "RepetitionRow", "repetition"]

SPREAD = np.linspace(-2, 2, 17) * np.log(10.0)  # of budgets around the one asked about
MOST = 1e4  # epochs up to which a level of worth is looked for


@dataclass(frozen=True)
class RepetitionRow:
    """One law's answer: size, epochs and loss, what repeated tokens are worth, what unique ones may cost.

    `effective` are the fresh tokens that would do as much; `worth` how many of them one more repeated token adds, and
    `tenth` the epochs from which that is under a tenth, `eth` under 1/e; None where it never falls so low. `doubled`
    is the share of compute that twice the unique tokens would save for the same loss, `price` dollars for a unique
    token at which buying as many again breaks even with that compute. `fresh_loss` is the loss with none repeated.
    """

    label: str
    N: Interval
    D: Interval
    epochs: float
    loss: Interval
    fresh_loss: float
    effective: float
    worth: float
    eth: float | None
    tenth: float | None
    doubled: float | None
    price: float | None


@dataclass(frozen=True)
class Repetition(Result):
    """How to spend a budget on a limited number of unique tokens, by one law of repetition or several side by side.

    `compute`, `sizes` and `epochs` follow the first law along budgets. Made by `repetition`.

    >>> import similitude as sim
    >>> known = sim.laws.data_constrained.published["muennighoff2023"]
    >>> found = sim.repetition(known, "25B", flop=1e22)
    >>> round(found.rows[0].epochs, 1), round(found.rows[0].eth, 1)
    (9.5, 9.1)
    """

    unique: float
    flop: float
    rows: tuple[RepetitionRow, ...]
    compute: tuple[float, ...]
    sizes: tuple[float, ...]
    epochs: tuple[float, ...]
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        first = self.rows[0]
        return (
            f"Repetition({format_quantity(self.unique)} unique tokens, {self.flop:.3g} FLOP: "
            f"{format_quantity(first.N.value)} parameters, {first.epochs:.3g} epochs, loss {first.loss.value:.4f})"
        )

    def view(self) -> Section:
        """The answers, the picture along budgets, what was assumed."""
        items: list[Any] = [_table(self)]
        if self.warnings:
            items.append(Text("Beware", points=self.warnings, tone="warning"))
        if len(self.compute) > 2:
            items.append(_figure(self))
        items.append(Text("What the answer takes for granted", points=self.assumptions))
        return Section(f"{format_quantity(self.unique)} unique tokens", tuple(items))


def repetition(
    estimates: Estimate | Sequence[Estimate],
    unique: float | str,
    *,
    flop: float | str | None = None,
    budget: Budget | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> Repetition:
    """The best size and number of epochs for a budget on so many unique tokens, and what more of them would be worth.

    `estimates` are one or several fits (or published sets) of laws in N, D and U, such as `data_constrained`,
    `deff_repetition` and `repetition_interaction`: their answers stand side by side: they disagree. A
    repeated token is worth what it adds to the fresh tokens that would bring the same model to the same loss. With a
    `budget` that has a price, the saving of twice the unique tokens is also told in dollars a token.

    Source of the default law: Muennighoff et al. (2023, eqs. 5 and 6). Raises ArgumentError for a budget that is none,
    QuestionError for a law without unique tokens.

    >>> import similitude as sim
    >>> known = sim.laws.data_constrained.published["muennighoff2023"]
    >>> sim.repetition(known, "100B", budget=sim.budget(gpus="64xH100", days=30)).rows[0].price is not None
    True
    """
    laws = [estimates] if isinstance(estimates, Estimate) else list(estimates)
    if not laws or not all(isinstance(e, Estimate) for e in laws):
        raise ArgumentError("repetition takes a fit or a published set of a law of repeated data, or several")
    for e in laws:
        if not {"N", "D", "U"} <= set(e.law.inputs):
            raise QuestionError(
                f"law '{e.law.name}' has no unique tokens U: take a law of repeated data such as data_constrained"
            )
    there = amount("unique", unique, "tokens") or 0.0
    allowed = [amount("flop", flop, "compute"), budget.flop if budget is not None else None]
    known = [a for a in allowed if a is not None]
    if not known:
        raise ArgumentError("a budget is missing: give flop=, or budget= with days, dollars or hours")
    spent = min(known)
    rows, failed = [], []
    for e in laws:
        try:
            rows.append(_row(e, there, spent, budget, level, seed))
        except SimilitudeError as error:
            failed.append(f"{e.label}: {error}")
    if not rows:
        raise QuestionError(failed[0])
    along = [_best(laws[0], there, spent * float(np.exp(s))) for s in SPREAD]
    good = [a for a in along if a is not None]
    return Repetition(
        there, spent, tuple(rows), tuple(a[0] for a in good), tuple(a[1] for a in good),
        tuple(a[2] / there for a in good), _assumptions(budget), (*failed, *_warnings(rows)),
    )  # fmt: skip


def _row(e: Estimate, unique: float, flop: float, budget: Budget | None, level: float, seed: int) -> RepetitionRow:
    best = plan(e, flop=flop, unique_tokens=unique, level=level, seed=seed)
    n, d = best.N.value, best.D.value
    doubled = price = None
    try:
        cheaper = plan(e, loss=best.loss.value, unique_tokens=2 * unique)
        doubled = 1 - cheaper.flop / flop
        dollars = None if budget is None else budget.dollars_for(flop - cheaper.flop)
        price = None if dollars is None else dollars / unique
    except SimilitudeError:
        pass
    fresh = plan(e, flop=flop, at={"U": max(unique, 1e3 * d)}).loss.value
    return RepetitionRow(
        e.label, best.N, best.D, d / unique, best.loss, fresh,
        float(effective_tokens(e, n, np.array([d]), unique)[0]), float(_worth(e, n, np.array([d]), unique)[0]),
        _falls(e, n, unique, float(np.exp(-1))), _falls(e, n, unique, 0.1), doubled, price,
    )  # fmt: skip


def _worth(e: Estimate, n: float, d: np.ndarray, unique: float) -> np.ndarray:
    """What a repeated token is worth against a fresh one, (points,): d D_eff / d D, exact slopes on both sides."""
    params = {k: np.float64(v) for k, v in e.values.items()}
    ones = np.ones_like(d)
    repeated = e.law.evaluate({"N": n, "D": Dual(d, {0: ones}), "U": unique}, params)
    at = effective_tokens(e, n, d, unique)
    fresh = e.law.evaluate({"N": n, "D": Dual(at, {0: ones}), "U": Dual(at, {0: ones})}, params)
    with np.errstate(all="ignore"):
        return np.broadcast_to(repeated.partials.get(0, 0.0), d.shape) / fresh.partials[0]


def effective_tokens(e: Estimate, n: float, d: np.ndarray, unique: float) -> np.ndarray:
    """The fresh tokens that bring a model of N parameters to the loss of D tokens, unique ones repeated, (points,)."""
    params = {k: np.float64(v) for k, v in e.values.items()}
    goal = np.broadcast_to(np.asarray(e.law.evaluate({"N": n, "D": d, "U": unique}, params), float), d.shape)
    low, high = np.full(d.shape, np.log(unique / 1e6)), np.log(np.maximum(d, unique)) + 1.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        x = np.exp(middle)
        above = np.asarray(e.law.evaluate({"N": n, "D": x, "U": x}, params), float) > goal
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.exp(0.5 * (low + high))


def _falls(e: Estimate, n: float, unique: float, level: float) -> float | None:
    """The epochs at which the worth falls below a level; None where it does not up to ten thousand."""
    epochs = np.geomspace(1.001, MOST, 4001)
    worth = _worth(e, n, epochs * unique, unique)
    below = np.flatnonzero(worth < level)
    return float(epochs[below[0]]) if below.size else None


def _best(e: Estimate, unique: float, flop: float) -> tuple[float, float, float] | None:
    try:
        made = plan(e, flop=flop, unique_tokens=unique)
    except SimilitudeError:
        return None
    return flop, made.N.value, made.D.value


def _assumptions(budget: Budget | None) -> tuple[str, ...]:
    said = ["Training costs 6 FLOP per parameter and token, repeated or fresh."]
    return (*said, *(budget.assumptions if budget is not None else ()))


def _warnings(rows: Sequence[RepetitionRow]) -> list[str]:
    said = []
    if any(r.label.endswith("muennighoff2023") for r in rows):
        said.append(
            "On the authors' 182 runs saturations R_D* of 95 and R_N* of 1.7 fit no worse than the printed 15.4 and "
            "5.3: how soon repetition stops helping is bounded from below only."
        )
    epochs = [r.epochs for r in rows]
    if len(rows) > 1 and max(epochs) > 1.5 * min(epochs):
        said.append(f"The laws disagree: {min(epochs):.3g} to {max(epochs):.3g} epochs.")
    return said


def _table(made: Repetition) -> Table:
    rows = []
    for r in made.rows:
        price = "" if r.price is None else f"${1e6 * r.price:.3g}"
        doubled = "…" if r.doubled is None else f"{r.doubled:.0%}"
        falls = ("never" if v is None else f"{v:.3g}" for v in (r.eth, r.tenth))
        numbers = (format_quantity(r.N.value), f"{r.epochs:.3g}", f"{r.loss.value:.4f}", f"{r.fresh_loss:.4f}")
        rows.append((r.label, *numbers, format_quantity(r.effective), f"{r.worth:.0%}", *falls, doubled, price))
    heads = (
        "N",
        "epochs",
        "loss",
        "all fresh",
        "worth fresh",
        "next token",
        "under 1/e",
        "under 1/10",
        "twice U",
        "1M",
    )
    note = (
        "All fresh: the loss if no token had to be repeated. Worth fresh: the fresh tokens that would do as much. Next "
        "token: what one more repeated one adds to them, and the epochs from which that is under 1/e and 1/10. Twice U:"
        " the share of compute it saves at the same loss; 1M: what a million unique tokens may then cost."
    )
    title = f"{format_quantity(made.unique)} unique tokens, {made.flop:.3g} FLOP"
    return Table(title, ("law", *(Column(h, align="right") for h in heads)), rows, note)


def _figure(made: Repetition) -> Figure:
    here = made.rows[0]
    series: list[Any] = [
        Line("parameters", made.compute, [n / here.N.value for n in made.sizes], group=1.0, label="size"),
        Line("epochs", made.compute, [e / here.epochs for e in made.epochs], group=2.0, label="epochs"),
    ]
    shade = Axis("quantity", scale="linear", names={1.0: "parameters", 2.0: "epochs"})
    axis = Axis("Times those of the plan", ticks="plain")
    return Figure("Where more compute goes", Axis("Compute", "FLOP"), axis, series, shade, name="repetition")
