"""The mixture of domains that is best for what one cares about, within what each domain can give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._dual import Dual
from similitude._errors import ArgumentError, QuestionError, did_you_mean
from similitude._quantity import format_quantity
from similitude._result import Result
from similitude._view import Axis, Column, Figure, Interval, Points, Section, Table, Text
from similitude.laws import Estimate
from similitude.planning._budget import amount
from similitude.planning._certainty import draws_of
from similitude.planning._simplex import Goal, Losses

__all__ = ["Mixture", "Proportion", "mixture"]

ROOM = 0.01  # more of a limit, for its price


@dataclass(frozen=True)
class Proportion:
    """A domain's share with its interval over draws, its limits, how many epochs it makes and what binds it.

    `price` is the loss that one point (0.01) more room at the limit that binds would save; None where none binds.
    """

    name: str
    share: Interval
    low: float
    high: float
    epochs: float | None
    usual: float | None
    price: float | None
    unlimited: float


@dataclass(frozen=True)
class Mixture(Result):
    """The best mixture of domains under limits, what it gains over the usual one and what not knowing costs.

    `value` is the weighted loss there, `usual` that of the usual mixture, `unlimited` that of the best without limits,
    which is a diagnostic only. `regret` is the mean excess over the best of each draw. Made by `mixture`.

    >>> import similitude as sim
    >>> law = sim.laws.data_mixture.sized(domain=("web", "code"))
    >>> web = law.estimate(c=2.0, k=1.0, t_web=-1.0, t_code=0.2)
    >>> code = law.estimate(c=1.0, k=1.0, t_web=0.1, t_code=-2.0)
    >>> best = sim.mixture({"web": web, "code": code})
    >>> [round(p.share.value, 3) for p in best.proportions]
    [0.497, 0.503]
    """

    proportions: tuple[Proportion, ...]
    losses: Mapping[str, Interval]
    weights: Mapping[str, float]
    value: Interval
    usual: float | None
    unlimited: float
    regret: float | None
    worst: bool
    level: float | None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shares = ", ".join(f"{p.name} {p.share.value:.1%}" for p in self.proportions)
        return f"Mixture({shares}: {self.value.value:.4f})"

    @property
    def shares(self) -> dict[str, float]:
        """The share of each domain."""
        return {p.name: p.share.value for p in self.proportions}

    def view(self) -> Section:
        """Shares, losses, what binds and the picture."""
        items: list[Any] = [_share_table(self), _loss_table(self)]
        if self.warnings:
            items.append(Text("Beware", points=self.warnings, tone="warning"))
        items.append(_figure(self))
        return Section("Mixture of domains", tuple(items))


def mixture(
    estimates: Mapping[str, Estimate] | Estimate,
    *,
    weights: Mapping[str, float] | None = None,
    worst: bool = False,
    usual: Mapping[str, float] | None = None,
    tokens: float | str | None = None,
    unique: Mapping[str, float | str] | None = None,
    epochs: float | Mapping[str, float] = 4.0,
    least: Mapping[str, float] | None = None,
    most: Mapping[str, float] | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> Mixture:
    """The shares of training domains that make a weighted loss least, within what each domain can give.

    `estimates` holds a fit (or coefficients) of a law in shares, such as `data_mixture`, for every validation domain,
    all with the same inputs `r_name`. `weights` says how much each counts (alike by default); `worst` makes the largest
    loss least instead. With `tokens` to train on and `unique` tokens of a domain, its share is at most
    epochs x unique / tokens; `least` and `most` limit shares directly. `usual` is the mixture to be compared with.

    The law is convex in the shares for a positive k, so the minimum is the one there is: projected gradient steps with
    exact slopes on the simplex with limits, for the estimate and for every draw of a fit. Source of the default law:
    Ye et al. (2024, eq. 7); limits by epochs after Muennighoff et al. (2023), who find four worth nearly fresh data.

    Raises ArgumentError for names that no law has, QuestionError where limits leave no mixture.

    >>> import similitude as sim
    >>> law = sim.laws.data_mixture.sized(domain=("web", "code"))
    >>> web = law.estimate(c=2.0, k=1.0, t_web=-1.0, t_code=0.2)
    >>> found = sim.mixture(web, tokens="100B", unique={"web": "10B"})
    >>> found.shares["web"], found.proportions[0].epochs
    (0.4, 4.0)
    """
    laws = dict(estimates) if isinstance(estimates, Mapping) else {estimates.label: estimates}
    names = _domains(laws)
    low, high, unique_tokens, trained = _limits(names, tokens, unique, epochs, least, most)
    importance = _weights(laws, weights)
    goal = Goal(_losses(laws, names), None if worst else np.array([importance[k] for k in laws]))
    params = {k: {p: np.array([float(v)]) for p, v in e.values.items()} for k, e in laws.items()}
    start = np.clip(np.full(len(names), 1 / len(names)), low, high)
    best = goal.least(params, start[None], low, high)[0]
    free = goal.least(params, best[None], np.zeros(len(names)), np.ones(len(names)))[0]
    draws = _draws(laws, seed)
    shares, regret = _spread(goal, draws, best, low, high, level)
    value = float(goal.value(params, best[None])[0])
    losses = {k: _loss(e, names, best, level) for k, e in laws.items()}
    proportions = []
    for j, name in enumerate(names):
        ends = (None, None) if shares is None else (float(shares[0][j]), float(shares[1][j]))
        known_tokens = unique_tokens.get(name)
        made = None if trained is None or known_tokens is None else float(best[j] * trained / known_tokens)
        proportions.append(
            Proportion(name, Interval(float(best[j]), *ends), float(low[j]), float(high[j]), made,
                       None if usual is None else float(usual.get(name, 0.0)),
                       _price(goal, params, best, (low, high), j, value), float(free[j]))
        )  # fmt: skip
    known = None if usual is None else _usual(goal, params, names, usual)
    made = Mixture(
        tuple(proportions), losses, importance, _total(laws, names, importance, best, level, worst, value), known,
        float(goal.value(params, free[None])[0]), regret, worst, None if shares is None else level,
    )  # fmt: skip
    return Mixture(**{**{k: getattr(made, k) for k in made.__dataclass_fields__}, "warnings": _warnings(made, laws)})


def _domains(laws: Mapping[str, Estimate]) -> tuple[str, ...]:
    """The domains that the laws' inputs name, the same for all."""
    first = next(iter(laws.values()))
    if any(not isinstance(e, Estimate) for e in laws.values()):
        raise ArgumentError(
            "a mixture rests on fits or coefficients of a law in shares, one for each validation domain"
        )
    inputs = tuple(first.law.inputs)
    for label, e in laws.items():
        if tuple(e.law.inputs) != inputs:
            told = f"{', '.join(e.law.inputs)}, others {', '.join(inputs)}"
            raise ArgumentError(f"the law of {label} has the inputs {told}")
    if len(inputs) < 2 or any(not k.startswith("r_") for k in inputs):
        raise QuestionError(
            f"law '{first.law.name}' takes {', '.join(inputs)}: a mixture needs shares r_name of two domains or more"
        )
    return tuple(k.removeprefix("r_") for k in inputs)


def _weights(laws: Mapping[str, Estimate], weights: Mapping[str, float] | None) -> dict[str, float]:
    given = weights or dict.fromkeys(laws, 1.0)
    for name, weight in given.items():
        if name not in laws:
            raise ArgumentError(f"weights: no loss on '{name}'{did_you_mean(name, laws)} (there are {', '.join(laws)})")
        if not weight >= 0:
            raise ArgumentError(f"weights of {name} = {weight:g}; expected zero or more")
    whole = sum(given.values())
    if not whole > 0:
        raise ArgumentError("weights: at least one must be above zero")
    return {k: given.get(k, 0.0) / whole for k in laws}


def _unknown(what: str, name: str, names: Sequence[str]) -> str:
    return f"{what}: no domain '{name}'{did_you_mean(name, names)} (there are {', '.join(names)})"


def _limits(
    names: Sequence[str], tokens: Any, unique: Any, epochs: Any, least: Any, most: Any
) -> tuple[np.ndarray, np.ndarray, dict[str, float], float | None]:
    """Lowest and highest shares, unique tokens and all tokens; refused where no mixture is left."""
    trained = amount("tokens", tokens, "tokens")
    there = {k: amount(f"unique tokens of {k}", v, "tokens") or 0.0 for k, v in (unique or {}).items()}
    for what, given in (("unique", there), ("least", least or {}), ("most", most or {})):
        for name in given:
            if name not in names:
                raise ArgumentError(_unknown(what, name, names))
    if there and trained is None:
        raise ArgumentError("unique tokens limit shares of the tokens trained on: give tokens=")
    low = np.array([float((least or {}).get(k, 0.0)) for k in names])
    high = np.array([float((most or {}).get(k, 1.0)) for k in names])
    for j, name in enumerate(names):
        times = float(epochs.get(name, 4.0) if isinstance(epochs, Mapping) else epochs)
        if not times > 0:
            raise ArgumentError(f"epochs = {times:g}; expected a positive number, such as 4")
        if name in there and trained is not None:
            high[j] = min(high[j], times * there[name] / trained)
        if not 0 <= low[j] <= high[j] <= 1:
            raise QuestionError(f"{name}: a share of at least {low[j]:.1%} and at most {high[j]:.1%} leaves nothing")
    if high.sum() < 1:
        short = "" if trained is None else f", {format_quantity((1 - high.sum()) * trained)} tokens short"
        raise QuestionError(
            f"the domains can make up {high.sum():.1%} of the tokens at these epochs{short}: allow more epochs, train "
            "on fewer tokens or add data"
        )
    if low.sum() > 1:
        raise QuestionError(f"the least shares add up to {low.sum():.1%}: lower some of them")
    return low, high, there, trained


def _losses(laws: Mapping[str, Estimate], names: Sequence[str]) -> Losses:
    """Values (losses, rows) and slopes (losses, rows, domains) of each loss at shares (rows, domains)."""

    def value(params: Mapping[str, Any], r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, slopes = [], []
        for label, estimate in laws.items():
            inputs = {f"r_{k}": Dual(r[:, j], {j: 1.0}) for j, k in enumerate(names)}
            out = estimate.law.evaluate(inputs, params[label])
            values.append(np.broadcast_to(out.value, len(r)))
            slopes.append(np.stack([np.broadcast_to(out.partials.get(j, 0.0), len(r)) for j in range(len(names))], -1))
        return np.stack(values), np.stack(slopes)

    return value


def _draws(laws: Mapping[str, Estimate], seed: int) -> dict[str, Any] | None:
    found = {}
    for i, (label, estimate) in enumerate(laws.items()):
        drawn = draws_of(estimate, seed + i)
        if drawn is None:
            return None
        found[label] = drawn
    return found


def _spread(
    goal: Goal, draws: Any, best: np.ndarray, low: np.ndarray, high: np.ndarray, level: float
) -> tuple[np.ndarray | None, float | None]:
    """Ends of each share over draws (2, domains), and the mean excess of the decision over each draw's own best."""
    if draws is None:
        return None, None
    rows = len(next(iter(next(iter(draws.values())).values())))
    here = np.broadcast_to(best, (rows, len(best)))
    with np.errstate(all="ignore"):
        own = goal.least(draws, here, low, high)
        excess = goal.value(draws, here) - goal.value(draws, own)
    good = np.isfinite(excess)
    ends = np.quantile(own[good], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return ends, float(np.maximum(excess[good], 0).mean())


def _price(
    goal: Goal, params: Any, best: np.ndarray, limits: tuple[np.ndarray, np.ndarray], j: int, value: float
) -> float | None:
    """What a point more room at the limit that a share sits on would save."""
    low, high = (e.copy() for e in limits)
    if best[j] >= high[j] - 1e-9 and high[j] < 1:
        high[j] = min(high[j] + ROOM, 1.0)
    elif best[j] <= low[j] + 1e-9 and low[j] > 0:
        low[j] = max(low[j] - ROOM, 0.0)
    else:
        return None
    moved = goal.least(params, best[None], low, high)
    return float(value - goal.value(params, moved)[0])


def _inputs(names: Sequence[str], shares: np.ndarray) -> dict[str, float]:
    return {f"r_{k}": float(s) for k, s in zip(names, shares, strict=True)}


def _loss(estimate: Any, names: Sequence[str], best: np.ndarray, level: float) -> Interval:
    inputs = _inputs(names, best)
    value = float(estimate.law.evaluate(inputs, {k: np.float64(v) for k, v in estimate.values.items()}))
    if not hasattr(estimate, "interval_of"):
        return Interval(value)
    _, low, high = estimate.interval_of(lambda p: estimate.law.evaluate(inputs, p), level=level)
    return Interval(value, *(None if e is None or not np.isfinite(e) else float(e) for e in (low, high)))  # pyright: ignore[reportArgumentType]


def _total(
    laws: Mapping[str, Estimate], names: Sequence[str], weights: Mapping[str, float], best: np.ndarray, level: float,
    worst: bool, value: float,
) -> Interval:  # fmt: skip
    """The weighted loss with the interval that independent fits give it; the worst loss has its own fit's."""
    parts = {k: _loss(e, names, best, level) for k, e in laws.items()}
    if any(p.low is None or p.high is None for p in parts.values()):
        return Interval(value)
    if worst:
        top = max(parts.values(), key=lambda p: p.value)
        return Interval(value, top.low, top.high)
    down = np.sqrt(sum((weights[k] * (p.value - (p.low or 0.0))) ** 2 for k, p in parts.items()))
    up = np.sqrt(sum((weights[k] * ((p.high or 0.0) - p.value)) ** 2 for k, p in parts.items()))
    return Interval(value, value - float(down), value + float(up))


def _usual(goal: Goal, params: Any, names: Sequence[str], usual: Mapping[str, float]) -> float:
    for name in usual:
        if name not in names:
            raise ArgumentError(_unknown("usual", name, names))
    shares = np.array([float(usual.get(k, 0.0)) for k in names])
    if not abs(shares.sum() - 1) < 0.02:
        raise ArgumentError(f"usual: the shares add up to {shares.sum():.3f}; expected 1")
    return float(goal.value(params, (shares / shares.sum())[None])[0])


def _warnings(made: Mixture, laws: Mapping[str, Estimate]) -> tuple[str, ...]:
    said = []
    outside = set()
    for estimate in laws.values():
        for p in made.proportions:
            known = estimate.within.get(f"r_{p.name}")
            if known and not known[0] - 1e-9 <= p.share.value <= known[1] + 1e-9:
                outside.add(p.name)
    if outside:
        said.append(f"The shares of {', '.join(sorted(outside))} lie outside the mixtures that the law was fitted to.")
    if made.unlimited < made.value.value - 1e-9:
        said.append(f"Without limits the law would reach {made.unlimited:.4f}: a diagnostic of the limits, not a plan.")
    if any(p.share.value < 1e-9 and p.low == 0 for p in made.proportions):
        said.append("A share of zero is where the law says least: it was seldom fitted to mixtures without a domain.")
    return tuple(said)


def _share_table(made: Mixture) -> Table:
    rows = []
    for p in made.proportions:
        share = Interval(100 * p.share.value, *(None if e is None else 100 * e for e in (p.share.low, p.share.high)))  # pyright: ignore[reportArgumentType]
        rows.append((p.name, share, "" if p.usual is None else f"{100 * p.usual:.1f}", f"{100 * p.high:.1f}",
                     "" if p.epochs is None else f"{p.epochs:.2f}", "" if p.price is None else f"{p.price:.2g}",
                     f"{100 * p.unlimited:.1f}"))  # fmt: skip
    heads = ("usual", "at most", "epochs", "price of the limit", "without limits")
    columns = ("domain", Column("share", "%"), *(Column(h, align="right") for h in heads))
    level = f"Intervals at {made.level:.0%} over draws. " if made.level else ""
    note = f"{level}Price: the loss that one point more room would save. The last column is a diagnostic only."
    return Table("Shares of the domains", columns, rows, note)


def _loss_table(made: Mixture) -> Table:
    rows: list[tuple[Any, ...]] = [(k, v, f"{made.weights[k]:.3g}") for k, v in made.losses.items()]
    what = "the largest" if made.worst else "weighted"
    rows.append((what, made.value, ""))
    if made.usual is not None:
        rows.append(("the same, usual mixture", f"{made.usual:.4f}", f"{made.value.value - made.usual:+.4f}"))
    note = "" if made.regret is None else f"Not knowing the laws better is expected to cost {made.regret:.2g}."
    return Table("Losses", ("loss on", "value", Column("weight", align="right")), rows, note)


def _figure(made: Mixture) -> Figure:
    place = [float(i + 1) for i in range(len(made.proportions))]
    share = [p.share.value for p in made.proportions]
    bars: dict[str, Any] = {} if made.level is None else {
        "low": [p.share.low or 0.0 for p in made.proportions], "high": [p.share.high or 0.0 for p in made.proportions]
    }  # fmt: skip
    labels = [p.name for p in made.proportions]
    series: list[Any] = [Points("best", place, share, labels=labels, **bars)]
    if made.usual is not None:
        series.append(Points("usual", place, [p.usual or 0.0 for p in made.proportions], role="outlier", labels=labels))
    axes = Axis("Domain, in the order of the table", scale="linear"), Axis("Share", scale="linear")
    return Figure("Shares", *axes, series, name="mixture")
