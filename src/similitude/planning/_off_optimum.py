"""What it costs to be off the optimum, and the curves a plan's figures draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from similitude._errors import ArgumentError
from similitude.laws import Estimate
from similitude.planning._certainty import Draws, optimum_at, saved_flop
from similitude.planning._plan import Curves, OffOptimum, Plan
from similitude.planning._power import PowerSum
from similitude.planning._question import Question
from similitude.planning._solve import minimise
from similitude.planning._surface import Surface

__all__ = ["FACTORS", "curves_of", "excess_of", "off_optimum", "table_of"]

FACTORS = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)


def off_optimum(plan: Plan, factors: Sequence[float] = FACTORS) -> tuple[OffOptimum, ...]:
    """What a model `factors` times the optimal size costs at the plan's compute: excess loss, and compute wasted.

    The waste is (C - C')/C, where C' is the least compute that reaches the same loss. Sizes whose inference alone
    exceeds the budget are left out. Raises ArgumentError for factors that are not positive, and for a plan read back
    from JSON, which no longer has its law.

    >>> from similitude.laws import chinchilla
    >>> from similitude.planning import plan
    >>> best = plan(chinchilla.published["besiroglu2024"], flop=1e23)
    >>> [f"{row.factor:g}x: {row.wasted:.1%}" for row in off_optimum(best, (0.5, 1, 2))]
    ['0.5x: 15.6%', '1x: 0.0%', '2x: 15.7%']
    """
    if plan.estimate is None:
        raise ArgumentError("this plan was read back and no longer has its law: its off_optimum table is what it knows")
    if not all(np.isfinite(f) and f > 0 for f in factors):
        raise ArgumentError("factors are multiples of the optimal size: expected positive numbers, such as 0.5 or 2")
    surface = Surface.of(plan.estimate.law, plan.at, plan.inference_tokens)
    question = Question.of(surface, plan.estimate.values, log_flop=float(np.log(plan.flop)))
    return table_of(question, rows_of_one(plan.estimate), float(np.log(plan.flop)), factors)


def rows_of_one(estimate: Estimate) -> dict[str, np.ndarray]:
    """An estimate's coefficients as one row."""
    return {k: np.array([float(v)]) for k, v in estimate.values.items()}


def table_of(
    question: Question, values: Mapping[str, Any], log_flop: float, factors: Sequence[float] = FACTORS
) -> tuple[OffOptimum, ...]:
    """The table of `off_optimum` at a cost; empty where the law has no free optimum there."""
    best_n, _, best = (float(np.ravel(x)[0]) for x in optimum_at(question, values, log_flop))
    if not np.isfinite(best_n):
        return ()
    return _rows(question, values, log_flop, np.asarray(factors, float), (best_n, best))


def _rows(
    question: Question, values: Mapping[str, Any], log_flop: float, factors: np.ndarray, best: tuple[float, float]
) -> tuple[OffOptimum, ...]:
    """A row for each multiple of the optimum (log N, loss) that the cost can pay for."""
    surface = question.surface
    log_n = best[0] + np.log(factors)
    log_d = np.asarray(surface.log_tokens(log_flop, log_n))
    held = np.isfinite(log_d)
    log_n, log_d, factors = log_n[held], log_d[held], factors[held]
    with np.errstate(all="ignore"):
        loss = np.ravel(surface.loss(values, log_n, log_d))
        wasted = 1 - np.exp(np.ravel(saved_flop(question, values, loss, log_flop)) - log_flop)
    columns = (factors, np.exp(log_n), np.exp(log_d), loss, np.maximum(loss - best[1], 0), np.maximum(wasted, 0))
    return tuple(OffOptimum(*(float(c[j]) for c in columns)) for j in range(len(factors)))


def excess_of(question: Question, values: Mapping[str, Any], choice: tuple[float, float]) -> OffOptimum | None:
    """What a fixed or capped choice costs against the free optimum at the same cost; None for a free choice."""
    log_flop = float(question.surface.log_cost(*choice))
    best_n, _, best = (float(np.ravel(x)[0]) for x in optimum_at(question, values, log_flop))
    if not np.isfinite(best_n) or abs(choice[0] - best_n) < 1e-6:
        return None
    rows = _rows(question, values, log_flop, np.exp([choice[0] - best_n]), (best_n, best))
    return rows[0] if rows else None


def curves_of(
    estimate: Estimate, question: Question, choice: tuple[float, float], draws: Draws, level: float
) -> Curves:
    """Loss along the plan's budget, 1/30 to 30 times its N, and the frontier from 1e-4 to 10 times its compute."""
    surface, values = question.surface, rows_of_one(estimate)
    log_flop = float(surface.log_cost(*choice))
    log_n = choice[0] + np.linspace(-1, 1, 61) * np.log(30.0)
    log_d = surface.log_tokens(log_flop, log_n)
    held = np.isfinite(log_d)
    log_n, log_d = log_n[held], log_d[held]
    with np.errstate(all="ignore"):
        loss = surface.loss(values, log_n, log_d)
    costs = log_flop + np.linspace(-4, 1, 26) * np.log(10.0)
    best_n, best_d, best = _frontier(question, values, costs)
    bands = _bands(question, draws, costs, level)
    return Curves(
        *(_listed(x) for x in (np.exp(log_n), loss, np.exp(costs), np.exp(best_n[0]), np.exp(best_d[0]), best[0])),
        *bands,
    )


def _frontier(question: Question, params: Mapping[str, Any], costs: np.ndarray) -> tuple[Any, Any, Any]:
    """(log N, log D, loss) of the optimum: (rows, costs)."""
    with np.errstate(all="ignore"):
        if question.closed:
            form = PowerSum.read(question.surface, {k: np.reshape(v, (-1, 1)) for k, v in params.items()})
            return form.log_parameters(costs), form.log_tokens(costs), form.least_loss(costs)
        best = minimise(question.surface, params, costs)
    return best.log_n, best.log_d, best.loss


def _bands(question: Question, draws: Draws, costs: np.ndarray, level: float) -> tuple[tuple[float, ...], ...]:
    if draws is None:
        return ((),) * 4
    log_n, log_d, _ = _frontier(question, draws, costs)
    if np.isnan(log_n).mean() > 0.1:
        return ((),) * 4
    ends = ((1 - level) / 2, (1 + level) / 2)
    return tuple(_listed(np.exp(np.nanquantile(x, q, axis=0))) for x in (log_n, log_d) for q in ends)


def _listed(values: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in np.ravel(values))
