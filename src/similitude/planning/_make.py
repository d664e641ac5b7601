"""From an estimate and a question to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, QuestionError
from similitude._quantity import format_quantity
from similitude.laws import Estimate
from similitude.planning._budget import Budget, amount
from similitude.planning._interval import Interval
from similitude.planning._plan import Check, Plan
from similitude.planning._power import PowerSum
from similitude.planning._question import Question
from similitude.planning._solve import REACH, minimise
from similitude.planning._surface import LOG_RULE, Surface

__all__ = ["plan"]

Number = float | str


def plan(
    estimate: Estimate,
    *,
    flop: Number | None = None,
    loss: float | None = None,
    budget: Budget | None = None,
    inference_tokens: Number | None = None,
    at: Mapping[str, Number] | None = None,
    max_parameters: Number | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> Plan:
    """The parameters and tokens that a law says are best: least loss for a budget, or least compute for a loss.

    Ask with one of `flop`, `loss` (in the law's unit) or a `budget` (accelerators and days, dollars); a budget without
    an amount turns the answer into days and dollars. `inference_tokens` are served by the trained model: the budget
    then covers 6 N D + 2 N D_inf FLOP. `at` holds other inputs (`{"U": 25e9}`), or fixes N or D: with nothing else
    asked, the answer is the tokens (parameters) for which it is the best size. `max_parameters` caps N. Counts may be
    written as people do ("8B"). `level` is that of the intervals, which only a fit has; `seed` that of its draws.

    Raises ArgumentError for a question that is not one, QuestionError for one that has no answer: a loss below the
    law's floor, a law in one input, no minimum between extremes.

    >>> from similitude.laws import chinchilla
    >>> plan(chinchilla.published["besiroglu2024"], flop=5.76e23)
    Plan(72.2B parameters, 1.33T tokens, 18.4 tokens/parameter: loss 1.9744 at 5.76e+23 FLOP; chinchilla:besiroglu2024)
    """
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g}; expected a number between 0 and 1, such as 0.9")
    question = _ask(estimate, flop, loss, budget, inference_tokens, at, max_parameters)
    values = {k: np.array([float(v)]) for k, v in estimate.values.items()}
    log_n, log_d = (float(np.ravel(x)[0]) for x in question.choose(values))
    if not (np.isfinite(log_n) and np.isfinite(log_d)):
        raise QuestionError(_no_answer(estimate, question, values))
    return _complete(estimate, question, values, (log_n, log_d))


def _ask(
    estimate: Estimate,
    flop: Number | None,
    loss: float | None,
    budget: Budget | None,
    inference_tokens: Number | None,
    at: Mapping[str, Number] | None,
    max_parameters: Number | None,
) -> Question:
    held = {k: amount(k, v) for k, v in (at or {}).items()}
    fixed = {k: held.pop(k) for k in ("N", "D") if k in held}
    flop = amount("flop", flop, "compute")
    if budget is not None and budget.flop is not None:
        if flop is not None or loss is not None:
            raise ArgumentError("a budget with an amount is a question of its own: give it, or flop, or loss")
        flop = budget.flop
    if flop is not None and loss is not None:
        raise ArgumentError("flop and loss are two questions: ask for one at a time")
    if flop is None and loss is None and len(fixed) != 1:
        raise ArgumentError("nothing to plan for: give flop=, loss=, a budget, or at={'N': ...}")
    if len(fixed) == 2:
        raise ArgumentError("with N and D both fixed there is nothing to choose: predict the loss there")
    if fixed and max_parameters is not None:
        raise ArgumentError("max_parameters caps a size that is chosen; N or D is fixed here")
    if loss is not None and not (np.isfinite(loss) and loss > 0):
        raise ArgumentError(f"loss = {loss:g}; expected a positive number")
    surface = Surface.of(estimate.law, held, amount("inference_tokens", inference_tokens, "tokens"))  # pyright: ignore[reportArgumentType]
    return Question.of(
        surface,
        estimate.values,
        log_flop=_log(flop),
        loss=loss,
        log_n=_log(fixed.get("N")),
        log_d=_log(fixed.get("D")),
        log_cap=_log(amount("max_parameters", max_parameters, "parameters")),
    )


def _log(value: float | None) -> float | None:
    return None if value is None else float(np.log(value))


def _complete(estimate: Estimate, question: Question, values: Mapping[str, Any], choice: tuple[float, float]) -> Plan:
    surface, (log_n, log_d) = question.surface, choice
    n, d = np.exp(log_n), np.exp(log_d)
    loss = float(np.ravel(surface.loss(values, log_n, log_d))[0])
    return Plan(
        label=estimate.label,
        law=estimate.law.name,
        question=_words(question),
        N=Interval(float(n), unit="parameters"),
        D=Interval(float(d), unit="tokens"),
        loss=Interval(loss, unit=str(estimate.law.output)),
        tokens_per_parameter=Interval(float(d / n), unit="tokens/parameter"),
        compute=Interval(float(np.exp(surface.log_cost(log_n, log_d))), unit="FLOP"),
        training_flop=float(np.exp(LOG_RULE + log_n + log_d)),
        counts=estimate.counts,
        at=dict(surface.held),
        inference_tokens=surface.inference_tokens or None,
        check=_check(question, values, choice),
        estimate=estimate,
    )


def _check(question: Question, values: Mapping[str, Any], choice: tuple[float, float]) -> Check | None:
    """Closed form against numeric optimum at the cost of the choice; None where there is no closed form in play."""
    if not (question.closed and question.free):
        return None
    surface = question.surface
    log_flop = float(surface.log_cost(*choice))
    found = minimise(surface, values, log_flop)
    form = PowerSum.read(surface, {k: float(v[0]) for k, v in values.items()})
    return Check(
        float(np.exp(form.log_parameters(log_flop))),
        float(np.exp(found.log_n[0, 0])),
        float(form.least_loss(log_flop)),
        float(found.loss[0, 0]),
    )


def _words(question: Question) -> str:
    """The question as a sentence."""
    if question.log_flop is not None:
        asked = f"least loss for {format_quantity(np.exp(question.log_flop))} FLOP"
    elif question.loss is not None:
        asked = f"least compute for loss {question.loss:g}"
    else:
        asked = "the size at which compute is best spent"
    for name, value in (("N", question.log_n), ("D", question.log_d)):
        if value is not None:
            asked += f", {name} fixed at {format_quantity(float(np.exp(value)))}"
    if question.log_cap is not None:
        asked += f", at most {format_quantity(float(np.exp(question.log_cap)))} parameters"
    if question.surface.inference_tokens:
        asked += f", serving {format_quantity(question.surface.inference_tokens)} tokens included"
    return asked


def _no_answer(estimate: Estimate, question: Question, values: Mapping[str, Any]) -> str:
    """Why there is no answer, and what to do."""
    surface = question.surface
    if question.loss is not None:
        return _unreachable(estimate, question, values)
    if question.log_flop is not None and question.log_n is not None:
        return (
            f"serving {format_quantity(surface.inference_tokens)} tokens with N = "
            f"{format_quantity(float(np.exp(question.log_n)))} alone costs more than the budget: "
            "take a smaller N or a larger budget"
        )
    if question.log_flop is None:
        fixed = "N" if question.log_n is not None else "D"
        return f"{estimate.label} has no budget at which this {fixed} is the best: one of its terms outweighs the other"
    centre = (question.log_flop - LOG_RULE) / 2
    ends = [
        float(np.ravel(surface.loss(values, surface.log_parameters(question.log_flop, x), x))[0])
        for x in (centre + REACH[0], centre + REACH[1])
    ]
    better = "fewer tokens on a larger model" if ends[0] < ends[1] else "more tokens on a smaller model"
    return (
        f"{estimate.label} has no best division of {format_quantity(np.exp(question.log_flop))} FLOP between 1e-6 and "
        f"1e9 tokens per parameter: its loss keeps falling towards {better}; fit runs that vary N and D apart, or fix one: "
        "at={'N': ...}"
    )


def _unreachable(estimate: Estimate, question: Question, values: Mapping[str, Any]) -> str:
    far = np.log(1e60)
    log_n = far if question.log_n is None and question.log_cap is None else (question.log_n or question.log_cap)
    log_d = far if question.log_d is None else question.log_d
    least = float(np.ravel(question.surface.loss(values, log_n, log_d))[0])
    floor = next((k for k, p in estimate.law.params.items() if p.relative == "output"), None)
    if floor is not None and question.loss <= estimate.values[floor]:  # pyright: ignore[reportOperatorIssue]
        return (
            f"loss {question.loss:g} lies at or below {floor} = {estimate.values[floor]:g}, the floor that "
            f"{estimate.label} puts under every model: ask for a higher loss"
        )
    if question.loss <= least:  # pyright: ignore[reportOperatorIssue]
        what = "with this size" if question.log_n is not None or question.log_cap is not None else "with these tokens"
        what = "at any size" if question.log_d is None and log_n == far else what
        return f"loss {question.loss:g} cannot be reached {what}: {estimate.label} comes down to {least:.4f} at most"
    return f"{estimate.label} reaches loss {question.loss:g} nowhere between 1e8 and 1e42 FLOP"
