"""From an estimate and a question to a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, QuestionError
from similitude._quantity import BYTES, FLOP, format_quantity, parse_quantity
from similitude._view import Interval
from similitude.laws import Estimate, Law
from similitude.planning._budget import Budget, amount
from similitude.planning._certainty import Ends, draws_of, ends_of, regret_of
from similitude.planning._off_optimum import curves_of, excess_of, rows_of_one, table_of
from similitude.planning._plan import Check, Plan
from similitude.planning._power import PowerSum
from similitude.planning._question import Question
from similitude.planning._root import rising_root
from similitude.planning._round import rounded
from similitude.planning._sensitivity import sensitivity_of
from similitude.planning._solve import minimise
from similitude.planning._surface import LOG_RULE, Surface
from similitude.planning._words import assumptions_of, extrapolation_of, no_answer, question_words, warnings_of

__all__ = ["plan"]

Number = float | str


def plan(
    estimate: Estimate,
    *,
    flop: Number | None = None,
    loss: Number | None = None,
    budget: Budget | None = None,
    inference_tokens: Number | None = None,
    at: Mapping[str, Number] | None = None,
    max_parameters: Number | None = None,
    memory: Number | None = None,
    bytes_per_parameter: float = 2.0,
    unique_tokens: Number | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> Plan:
    """The parameters and tokens that a law says are best: least loss for a budget, or least compute for a loss.

    Ask with `flop` or a `budget` (accelerators and days, dollars, hours), with `loss` in the law's unit, or with both,
    and the least compute for the loss is held against the budget. A budget without an amount turns the answer into days
    and dollars. `inference_tokens` are served by the trained model: the budget then covers 6 N D + 2 N D_inf FLOP.
    `at` holds other inputs (`{"U": 25e9}`), or fixes N or D: with nothing else asked, the answer is the tokens
    (parameters) for which it is the best size. `max_parameters` caps N, and so does `memory` ("80GB"), at
    `bytes_per_parameter` for each weight of the model. `unique_tokens` is the input U of a law of repeated data. Counts
    may be written as people do ("8B"). `level` is that of intervals, which only a fit has; `seed` that of its draws.

    Raises ArgumentError for a question that is not one, QuestionError for one that has no answer: a loss below the
    law's floor or out of the budget, a law in one input, no minimum between extremes.

    >>> from similitude.laws import chinchilla
    >>> plan(chinchilla.published["besiroglu2024"], flop=5.76e23)
    Plan(72.2B parameters, 1.33T tokens, 18.4 tokens/parameter: loss 1.9744 at 5.76e+23 FLOP; chinchilla:besiroglu2024)
    """
    if not isinstance(estimate, Estimate):
        raise ArgumentError(_not_an_estimate(estimate))
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g}; expected a number between 0 and 1, such as 0.9")
    at, cap = _constrained(estimate, at, unique_tokens, max_parameters, memory, bytes_per_parameter)
    allowed = _allowed(flop, budget) if loss is not None else None
    if allowed is not None:
        flop, budget = None, budget and replace(budget, flop=None)
    question = _ask(estimate, flop, loss, budget, inference_tokens, at, cap)
    if memory is not None:
        question = replace(question, given={**question.given, "bytes": bytes_per_parameter})
    if not getattr(estimate, "identified", True):
        raise QuestionError(
            f"{estimate.label}: these runs cannot tell what N and D do apart, so no division of compute follows from "
            "them; add runs at other tokens per parameter, or fix parameters of the law"
        )
    made = _complete(estimate, question, budget, level, seed)
    weight = "" if memory is None else _weight(memory, bytes_per_parameter)
    made = replace(made, assumptions=(*made.assumptions, weight) if weight else made.assumptions)
    asked = {"at": at, "max_parameters": cap, "inference_tokens": inference_tokens}
    return made if allowed is None else within_budget(made, allowed, asked)


def _constrained(
    estimate: Estimate,
    at: Mapping[str, Number] | None,
    unique: Number | None,
    most: Number | None,
    memory: Number | None,
    each: float,
) -> tuple[dict[str, Number], Number | None]:
    """The held inputs with unique tokens among them, and the cap on parameters that memory leaves."""
    held = dict(at or {})
    if unique is not None:
        if "U" not in estimate.law.inputs:
            raise QuestionError(
                f"law '{estimate.law.name}' has no unique tokens U, so it cannot say what repeating them costs: fit a "
                "law of repeated data such as data_constrained, or hold the tokens themselves, at={'D': ...}"
            )
        if "U" in held:
            raise ArgumentError("unique_tokens is the input U, which is given as well: give one of the two")
        held["U"] = amount("unique_tokens", unique, "tokens") or 0.0
    if memory is None:
        return held, most
    if not each > 0:
        raise ArgumentError(f"bytes_per_parameter = {each:g}; expected a positive number, such as 2 for 16-bit weights")
    if isinstance(memory, str) and getattr(parse_quantity(memory), "unit", None) is None:
        raise ArgumentError(f"memory = {memory!r}: of what? expected a unit, such as 80GB")
    size = amount("memory", memory, "memory") or 0.0
    return held, min(size / each, amount("max_parameters", most, "parameters") or np.inf)


def _weight(memory: Number, each: float) -> str:
    size = format_quantity(amount("memory", memory, "memory") or 0.0, BYTES)
    return (
        f"The weights alone fill at most {size} at {each:g} bytes a parameter; a cache of keys and values, activations "
        "or an optimiser need more."
    )


def _allowed(flop: Number | None, budget: Budget | None) -> float | None:
    """The compute that a budget allows to a plan for a loss; the scarcer where two are given."""
    amounts = [amount("flop", flop, "compute"), budget.flop if budget is not None else None]
    return min((a for a in amounts if a is not None), default=None)


def within_budget(made: Plan, allowed: float, asked: Mapping[str, Any]) -> Plan:
    """A plan for a loss, held against what may be spent; QuestionError where it does not suffice.

    `asked` is what else constrained the plan: what the budget comes to instead keeps to it.
    """
    if made.flop > allowed * (1 + 1e-12):
        try:
            best = plan(made.estimate, flop=allowed, **asked) if made.estimate else None
        except QuestionError:
            best = None
        instead = f"; for the budget it comes to {best.loss.value:.4g} at best" if best is not None else ""
        raise QuestionError(
            f"loss {made.loss.value:.4g} takes at least {format_quantity(made.flop, FLOP)}, and the budget allows "
            f"{format_quantity(allowed, FLOP)}{instead}"
        )
    share = made.flop / allowed
    said = f"The budget allows {format_quantity(allowed, FLOP)}; the least for this loss is {share:.0%} of it."
    smallest = None if {"N", "D"} & set(asked["at"]) else _smallest(made, allowed)
    if smallest is not None:
        said += (
            f" Spending all of it, a model of {format_quantity(smallest[0])} parameters on "
            f"{format_quantity(smallest[1])} tokens reaches the loss, the smallest that does."
        )
    return replace(made, assumptions=(said, *made.assumptions))


def _smallest(made: Plan, allowed: float) -> tuple[float, float] | None:
    """The smallest model that reaches the plan's loss when the whole budget is spent, and its tokens."""
    if made.estimate is None:
        return None
    surface = Surface.of(made.estimate.law, made.at, made.inference_tokens)
    values, top = rows_of_one(made.estimate), float(np.log(made.N.value))
    log_flop = float(np.log(allowed))

    def short(x: np.ndarray) -> np.ndarray:
        return made.loss.value - np.asarray(surface.loss(values, x, surface.log_tokens(log_flop, x)))

    found = rising_root(short, np.array([top - np.log(1e6)]), np.array([top]))
    if not np.isfinite(found[0]):
        return None
    return float(np.exp(found[0])), float(np.exp(surface.log_tokens(log_flop, found[0])))


def _not_an_estimate(given: Any) -> str:
    if isinstance(given, Mapping):
        return f"a plan rests on one fit, and these are several: choose one of {', '.join(map(repr, given))}"
    if isinstance(given, Law):
        sets = ", ".join(given.published) or "none here"
        return f"law '{given.name}' has no coefficients of its own: fit it, or take a published set ({sets})"
    return f"a plan rests on a fit or a published coefficient set, not on a {type(given).__name__}"


def _ask(
    estimate: Estimate,
    flop: Number | None,
    loss: Number | None,
    budget: Budget | None,
    inference_tokens: Number | None,
    at: Mapping[str, Number] | None,
    max_parameters: Number | None,
) -> Question:
    held = {k: amount(k, v) for k, v in (at or {}).items()}
    fixed = {k: held.pop(k) for k in ("N", "D") if k in held}
    flop = _allowed(flop, budget)
    surface = Surface.of(estimate.law, held, amount("inference_tokens", inference_tokens, "tokens"))  # pyright: ignore[reportArgumentType]
    if len(fixed) == 2:
        raise ArgumentError("with N and D both fixed there is nothing to choose: predict the loss there")
    if flop is None and loss is None and len(fixed) != 1:
        if budget is not None and budget.accelerator is not None:
            raise ArgumentError(f"for how long may {budget.accelerator.name} train? Give days=, dollars=, or loss=")
        raise ArgumentError("nothing to plan for: give flop=, loss=, a budget, or at={'N': ...}")
    cap = amount("max_parameters", max_parameters, "parameters")
    if fixed and cap is not None:
        raise ArgumentError("max_parameters and memory cap a size that is chosen; N or D is fixed here")
    return Question.of(
        surface,
        estimate.values,
        given={**fixed, **({} if flop is None else {"flop": flop}), **({} if cap is None else {"cap": cap})},
        log_flop=_log(flop),
        loss=amount("loss", loss, "loss"),
        log_n=_log(fixed.get("N")),
        log_d=_log(fixed.get("D")),
        log_cap=_log(cap),
    )


def _log(value: float | None) -> float | None:
    return None if value is None else float(np.log(value))


def _complete(estimate: Estimate, question: Question, budget: Budget | None, level: float, seed: int) -> Plan:
    """Everything a plan says, computed once."""
    values = rows_of_one(estimate)
    log_n, log_d = choice = _choice(estimate, question, values)
    surface = question.surface
    training = float(np.exp(LOG_RULE + log_n + log_d))
    draws = draws_of(estimate, seed)
    log_flop = float(surface.log_cost(log_n, log_d))
    question = replace(question, near=(log_flop, log_d))
    ends = ends_of(estimate, question, choice, level)
    compute = _interval(log_flop, ends["C"], "FLOP", question.given.get("flop"))
    check = _check(question, values, choice)
    made = Plan(
        label=estimate.label,
        law=estimate.law.name,
        question=question_words(question),
        N=_interval(log_n, ends["N"], "parameters", question.given.get("cap" if log_n == question.log_cap else "N")),
        D=_interval(log_d, ends["D"], "tokens", question.given.get("D")),
        loss=Interval(_first(surface.loss(values, log_n, log_d)), *ends["loss"], unit=_output(estimate)),
        tokens_per_parameter=_interval(log_d - log_n, ends["M"], "tokens/parameter"),
        compute=compute,
        training_flop=training,
        counts=estimate.counts,
        at=dict(surface.held),
        inference_tokens=surface.inference_tokens or None,
        level=level if hasattr(estimate, "interval_of") else None,
        days=_converted(budget and budget.days_for, training, compute, "days"),
        dollars=_converted(budget and budget.dollars_for, training, compute, "$"),
        regret=regret_of(question, choice, draws, level) if question.free else None,
        excess=None if question.free else excess_of(question, values, choice),
        off_optimum=table_of(question, values, log_flop),
        sensitivity=sensitivity_of(estimate, question, choice, budget, draws),
        extrapolation=extrapolation_of(estimate, training),
        check=check,
        curves=curves_of(estimate, question, choice, draws, level),
        estimate=estimate,
    )
    made = replace(made, round=rounded(made, question, values))
    return replace(made, assumptions=assumptions_of(made, question, budget), warnings=warnings_of(made, question))


def _choice(estimate: Estimate, question: Question, values: Mapping[str, Any]) -> tuple[float, float]:
    log_n, log_d = (_first(x) for x in question.choose(values))
    if not (np.isfinite(log_n) and np.isfinite(log_d)):
        raise QuestionError(no_answer(estimate, question, values))
    return log_n, log_d


def _output(estimate: Estimate) -> str:
    """The unit of the loss: that of a fit's runs where they declare one, else the law's."""
    runs = getattr(estimate, "runs", None)
    if runs is None:
        return str(estimate.law.output)
    from similitude.fitting._prepare import law_unit

    return str(law_unit(estimate.law, runs))


def _first(value: Any) -> float:
    return float(np.ravel(value)[0])


def _interval(log_value: float, ends: Ends, unit: str, given: float | None = None) -> Interval:
    low, high = (None if e is None else float(np.exp(e)) for e in ends)
    return Interval(float(np.exp(log_value)) if given is None else given, low, high, unit)


def _converted(
    convert: Callable[[float], float | None] | None, training: float, compute: Interval, unit: str
) -> Interval | None:
    """Training compute in days or dollars, with the interval that the compute has."""
    value = convert(training) if convert else None
    if convert is None or value is None:
        return None
    share = training / compute.value
    low, high = (None if e is None else convert(e * share) for e in (compute.low, compute.high))
    return Interval(value, low, high, unit)


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
