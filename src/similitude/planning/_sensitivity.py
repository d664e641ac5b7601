"""What would change the answer: printed digits, the floor, the FLOP rule, utilisation, a sibling set."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from similitude.laws import Estimate
from similitude.planning._budget import Budget
from similitude.planning._certainty import Draws
from similitude.planning._plan import Sensitivity
from similitude.planning._question import Question

__all__ = ["digit_ranges", "digits_of", "sensitivity_of", "siblings_of"]

SHOWN = 3
SAME = 1e-9  # relative difference of two N that are the same answer
VOCABULARY = 50_000
ASPECT = 100.0  # width over depth of an ordinary transformer
NOTEWORTHY = 1.02  # N moving by less than 2 % is not worth a line unless the loss moves
TRUE_COST = 1.2  # attention and the output head put the true cost of small models some 20 % above 6 N D


def sensitivity_of(
    estimate: Estimate, question: Question, choice: tuple[float, float], budget: Budget | None, draws: Draws
) -> tuple[Sensitivity, ...]:
    """The assumptions that move N or the loss most, at most three, the strongest first."""
    found = [
        digits_of(estimate, question),
        _floor(estimate, question, draws),
        _rule(estimate, question),
        _utilisation(estimate, question, budget),
        _counting(estimate, question, choice),
        *siblings_of(estimate, question),
    ]
    kept = [s for s in found if s is not None and (s.spread > NOTEWORTHY or abs(s.loss[1] - s.loss[0]) > 1e-3)]
    return tuple(sorted(kept, key=_weight, reverse=True)[:SHOWN])


def _weight(item: Sensitivity) -> float:
    # a tenth of the loss counts as much as a factor e in N
    return max(np.log(item.spread), 10 * np.log(max(item.loss) / min(item.loss)))


def _answers(question: Question, params: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """N and loss of the answer, a row of parameters each; NaN where there is none."""
    log_n, log_d = question.choose(params)
    with np.errstate(all="ignore"):
        loss = np.ravel(np.asarray(question.surface.loss(params, log_n, log_d)))
        return np.broadcast_to(np.exp(np.ravel(log_n)), loss.shape), loss


def _range(question: Question, params: Mapping[str, Any], what: str) -> Sensitivity | None:
    """From the smallest to the largest N over rows of parameters, each end with a loss that goes with it.

    Several rows may share an end, such as those that differ in the floor only: of their losses the two furthest apart.
    """
    n, loss = _answers(question, params)
    good = np.isfinite(n) & np.isfinite(loss)
    if not good.any():
        return None
    n, loss = n[good], loss[good]
    ends = [loss[np.abs(n / end - 1) < SAME] for end in (n.min(), n.max())]
    pair = max(itertools.product(*ends), key=lambda p: abs(p[1] - p[0]))
    return Sensitivity(what, (float(n.min()), float(n.max())), (float(pair[0]), float(pair[1])))


def _change(question: Question, params: Mapping[str, Any], what: str) -> Sensitivity | None:
    """From the answer by the first of two rows of parameters to the answer by the second."""
    n, loss = _answers(question, params)
    if not (np.all(np.isfinite(n)) and np.all(np.isfinite(loss))):
        return None
    return Sensitivity(what, (float(n[0]), float(n[1])), (float(loss[0]), float(loss[1])))


def digits_of(estimate: Estimate, question: Question) -> Sensitivity | None:
    """The range of answers within half a unit of every printed digit; None for an estimate without printed digits."""
    ranges = digit_ranges(estimate.digits)
    if not ranges or set(ranges) != set(estimate.values):
        return None
    corners = np.array(list(itertools.product(*ranges.values())))
    params = {k: corners[:, j] for j, k in enumerate(ranges)}
    return _range(question, params, "the last printed digit of each coefficient, half a unit either way")


def digit_ranges(digits: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """What each printed coefficient may have been before rounding; those written otherwise are left out.

    >>> digit_ranges({"A": "406.5", "beta": "fitted"})
    {'A': (406.45, 406.55)}
    """
    out = {}
    for name, text in digits.items():
        match = re.fullmatch(r"(exp\()?\s*(-?\d+(?:\.(\d+))?(?:[eE]([+-]?\d+))?)\s*\)?", text.strip())
        if match is None:
            continue
        half = 0.5 * 10.0 ** (int(match[4] or 0) - len(match[3] or ""))
        ends = (float(match[2]) - half, float(match[2]) + half)
        out[name] = tuple(float(np.exp(e)) for e in ends) if match[1] else ends
    return out


def siblings_of(estimate: Estimate, question: Question) -> list[Sensitivity]:
    """Other coefficient sets of the same law from the same paper, such as unrounded digits."""
    if estimate.source is None or not estimate.digits:
        return []
    out = []
    for other in estimate.law.published.values():
        if other.label == estimate.label or other.source is None or other.source.key != estimate.source.key:
            continue
        params = {k: np.array([float(estimate.values[k]), float(other.values[k])]) for k in estimate.values}
        out.append(_change(question, params, f"{other.label} instead of {estimate.label}"))
    return [s for s in out if s is not None]


def _floor(estimate: Estimate, question: Question, draws: Draws) -> Sensitivity | None:
    """Answers of the draws with the lowest and the highest tenth of floors, by their medians."""
    name = next((k for k, p in estimate.law.params.items() if p.relative == "output"), None)
    if name is None or draws is None or np.ptp(draws[name]) == 0:
        return None
    order = np.argsort(draws[name])
    tenth = len(order) // 10
    ends = []
    for rows in (order[:tenth], order[-tenth:]):
        part = {k: v[rows] for k, v in draws.items()}
        log_n, log_d = question.choose(part)
        with np.errstate(all="ignore"):
            loss = question.surface.loss(part, log_n, log_d)
        ends.append((float(np.exp(np.nanmedian(log_n))), float(np.nanmedian(loss))))
    if not np.all(np.isfinite(ends)):
        return None
    low, high = (float(np.median(draws[name][rows])) for rows in (order[:tenth], order[-tenth:]))
    return Sensitivity(
        f"the floor {name}, {low:.4g} or {high:.4g} (typical answers of the tenth of draws with the lowest floors and "
        "of that with the highest, not an interval)",
        (ends[0][0], ends[1][0]),
        (ends[0][1], ends[1][1]),
    )


def _scaled(estimate: Estimate, question: Question, ratios: tuple[float, float], what: str) -> Sensitivity | None:
    """From the answer at the first of two multiples of the budget to that at the second; None without a budget."""
    if question.log_flop is None:
        return None
    values = {k: np.array([float(v)]) for k, v in estimate.values.items()}
    budgets = [replace(question, log_flop=question.log_flop + float(np.log(r))) for r in ratios]
    (n, loss), (n_then, loss_then) = (_answers(q, values) for q in budgets)
    ends = (float(n[0]), float(n_then[0])), (float(loss[0]), float(loss_then[0]))
    return Sensitivity(what, *ends) if np.all(np.isfinite(ends)) else None


def _rule(estimate: Estimate, question: Question) -> Sensitivity | None:
    what = "the FLOP rule: training that truly costs 20 % more than 6 N D (attention, output head)"
    return _scaled(estimate, question, (1.0, 1 / TRUE_COST), what)


def _counting(estimate: Estimate, question: Question, choice: tuple[float, float]) -> Sensitivity | None:
    """The model's total size should N leave out the embeddings, for an ordinary transformer of that size.

    N = 12 layers width^2 and width = 100 layers give width = (100 N / 12)^(1/3).
    """
    if estimate.counts not in ("undeclared", "without embeddings"):
        return None
    n = float(np.exp(choice[0]))
    total = n + VOCABULARY * (ASPECT * n / 12) ** (1 / 3)
    values = {k: np.array([float(v)]) for k, v in estimate.values.items()}
    loss = float(np.ravel(question.surface.loss(values, *choice))[0])
    said = "if" if estimate.counts == "undeclared" else "as"
    what = f"the counting of N: in total, {said} it leaves out the embeddings of a vocabulary of {VOCABULARY:,}"
    return Sensitivity(what, (n, total), (loss, loss))


def _utilisation(estimate: Estimate, question: Question, budget: Budget | None) -> Sensitivity | None:
    if budget is None or budget.accelerator is None or budget.flop is None:
        return None
    low, high = max(0.05, budget.mfu - 0.1), min(1.0, budget.mfu + 0.1)
    what = f"utilisation between {low:.0%} and {high:.0%} of peak"
    return _scaled(estimate, question, (low / budget.mfu, high / budget.mfu), what)
