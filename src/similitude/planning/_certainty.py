"""How sure a decision is: intervals of N, D, loss and compute from the fit, and the regret of deciding now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from similitude.laws import Estimate
from similitude.planning._plan import Regret
from similitude.planning._power import PowerSum
from similitude.planning._question import Question, least_flop
from similitude.planning._solve import minimise

__all__ = ["Draws", "Ends", "draws_of", "ends_of", "optimum_at", "regret_of", "saved_flop"]

Ends = tuple[float | None, float | None]
UNKNOWN: Ends = (None, None)
DRAWS = 400
Draws = Mapping[str, np.ndarray] | None


def ends_of(estimate: Estimate, question: Question, choice: tuple[float, float], level: float) -> dict[str, Ends]:
    """The ends of the intervals of log N, log D, log M, log C and of the loss at the choice; None where not known.

    A fit gives them by `interval_of(target, level)`; a bare estimate knows none. Where the budget ties N to D one
    interval gives the others, as intervals by profile likelihood follow monotone changes of variable.
    """
    ends: dict[str, Ends] = dict.fromkeys(("N", "D", "M", "C", "loss"), UNKNOWN)
    if not hasattr(estimate, "interval_of"):
        return ends
    ends.update(_choice_ends(estimate, question, choice, level))
    n, d = np.exp(choice[0]), np.exp(choice[1])
    ends["loss"] = _ends(estimate, lambda p: question.surface.evaluate(p, n, d), level)
    return ends


def _choice_ends(estimate: Estimate, question: Question, choice: tuple[float, float], level: float) -> dict[str, Ends]:
    surface, (log_n, log_d) = question.surface, choice
    capped = question.log_cap is not None and log_n >= question.log_cap - 1e-12
    fixed_n = question.log_n is not None or capped
    fixed = fixed_n or question.log_d is not None
    if fixed and question.log_flop is not None:
        return {}
    question = replace(question, log_n=question.log_cap if capped else question.log_n, log_cap=None)
    if not fixed and question.log_flop is None:
        picks: dict[str, Callable[[Any, Any], Any]] = {
            "N": lambda n, d: n,
            "D": lambda n, d: d,
            "M": lambda n, d: d - n,
        }
        ends = {k: _ends(estimate, question.target(pick), level) for k, pick in picks.items()}
        if surface.inference_tokens:
            return {**ends, "C": _ends(estimate, question.target(surface.log_cost), level)}
        return {**ends, "C": _ends(estimate, question.target(lambda n, d: n + d + np.log(6.0)), level)}
    if fixed_n:  # tokens follow from the law
        along = _ends(estimate, question.target(lambda n, d: d), level)
        return _follow(along, lambda x: (log_n, x), log_d, surface.log_cost)
    if question.log_d is not None:
        along = _ends(estimate, question.target(lambda n, d: n), level)
        return _follow(along, lambda x: (x, log_d), log_n, surface.log_cost)
    along = _ends(estimate, question.target(lambda n, d: n), level)
    log_flop = question.log_flop
    ends = _follow(along, lambda x: (x, float(surface.log_tokens(log_flop, x))), log_n, surface.log_cost)
    return {**ends, "C": UNKNOWN}


def _follow(
    along: Ends, place: Callable[[float], tuple[float, float]], centre: float, cost: Callable[..., Any]
) -> dict[str, Ends]:
    """The intervals of N, D, M and C that follow from that of the one of N and D which the law decides."""
    functions: dict[str, Callable[[float, float], float]] = {
        "N": lambda n, d: n,
        "D": lambda n, d: d,
        "M": lambda n, d: d - n,
        "C": lambda n, d: float(cost(n, d)),
    }
    out: dict[str, Ends] = {}
    for name, function in functions.items():
        before, after = (function(*place(centre + h)) for h in (-1e-3, 1e-3))
        if abs(after - before) < 1e-9:
            out[name] = UNKNOWN  # given, not estimated
            continue
        mapped = [None if x is None else function(*place(x)) for x in along]
        low, high = mapped if after > before else mapped[::-1]
        out[name] = (_known(low), _known(high))
    return out


def _ends(estimate: Any, target: Callable[[Mapping[str, Any]], Any], level: float) -> Ends:
    _, low, high = estimate.interval_of(target, level=level)
    return _known(low), _known(high)


def _known(end: float | None) -> float | None:
    return None if end is None or not np.isfinite(end) else float(end)


def draws_of(estimate: Any, seed: int) -> Draws:
    """Draws of the coefficients, (draws,) each; None for a bare estimate."""
    if not hasattr(estimate, "draws"):
        return None
    drawn = estimate.draws(DRAWS, seed)
    return {k: np.asarray(drawn[k], float) for k in estimate.law.params} if drawn else None


def optimum_at(question: Question, params: Mapping[str, Any], log_flop: Any) -> tuple[Any, Any, Any]:
    """(log N, log D, loss) of the free optimum at a cost, for each row of parameters: (rows,)."""
    with np.errstate(all="ignore"):
        if question.closed:
            form = PowerSum.read(question.surface, params)
            return form.log_parameters(log_flop), form.log_tokens(log_flop), form.least_loss(log_flop)
        best = minimise(question.surface, params, np.reshape(log_flop, (-1, 1)))
    return best.log_n[:, 0], best.log_d[:, 0], best.loss[:, 0]


def saved_flop(question: Question, params: Mapping[str, Any], loss: Any, log_flop: float) -> Any:
    """log of the least cost at which the optimum reaches a loss that exp(log_flop) reaches, for each row; else NaN."""
    with np.errstate(all="ignore"):
        if question.closed:
            return PowerSum.read(question.surface, params).log_flop_for(loss)
        return least_flop(question.surface, params, loss, log_flop)


def regret_of(question: Question, choice: tuple[float, float], draws: Draws, level: float) -> Regret | None:
    """Over draws of the coefficients: the loss of the choice against the best at the same cost, and the compute lost.

    None without draws, or where draws have no optimum of their own at that cost in more than a tenth of cases.
    """
    if draws is None:
        return None
    surface = question.surface
    log_flop = float(surface.log_cost(*choice))
    with np.errstate(all="ignore"):
        chosen = np.asarray(surface.loss(draws, *choice))
        _, _, best = optimum_at(question, draws, log_flop)
        saved = 1 - np.exp(saved_flop(question, draws, chosen, log_flop) - log_flop)
    good = np.isfinite(best) & np.isfinite(chosen) & np.isfinite(saved)
    if good.mean() < 0.9:
        return None
    excess, saved = np.maximum(chosen - best, 0)[good], np.maximum(saved, 0)[good]
    return Regret(
        float(excess.mean()),
        float(np.quantile(excess, level)),
        float(saved.mean()),
        float(np.quantile(saved, level)),
        level,
        int(good.sum()),
    )
