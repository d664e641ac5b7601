"""The sentences of a plan: its question, what it rests on, what to beware of, and why there is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from similitude._quantity import BYTES, format_quantity
from similitude.laws import Estimate
from similitude.planning._budget import Budget
from similitude.planning._plan import Plan
from similitude.planning._question import Question
from similitude.planning._root import rising_root
from similitude.planning._sensitivity import digits_of, siblings_of
from similitude.planning._solve import REACH, minimise
from similitude.planning._surface import LOG_RULE

__all__ = ["assumptions_of", "extrapolation_of", "no_answer", "question_words", "warnings_of"]

FAR = 30.0  # times the largest run: beyond it one law's interval says too little, see "How far may I extrapolate?"
LEAST = 0.98  # of the smallest run: below it a plan lies under the runs; published ranges are rounded
DIGITS = 1.2  # tokens per parameter that printed digits leave open


def question_words(question: Question) -> str:
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


def no_answer(estimate: Estimate, question: Question, values: Mapping[str, Any]) -> str:
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
        f"1e9 tokens per parameter: its loss keeps falling towards {better}; fit runs that vary N and D apart, "
        "or fix one: at={'N': ...}"
    )


def _unreachable(estimate: Estimate, question: Question, values: Mapping[str, Any]) -> str:
    far, wanted = np.log(1e60), float(question.loss or 0)
    log_n = far if question.log_n is None and question.log_cap is None else (question.log_n or question.log_cap)
    log_d = far if question.log_d is None else question.log_d
    least = float(np.ravel(question.surface.loss(values, log_n, log_d))[0])
    floor = next((k for k, p in estimate.law.params.items() if p.relative == "output"), None)
    if floor is not None and wanted <= estimate.values[floor]:
        return (
            f"loss {wanted:g} lies at or below {floor} = {estimate.values[floor]:g}, the floor that "
            f"{estimate.label} puts under every model: ask for a higher loss"
        )
    if wanted <= least:
        what = "with this size" if question.log_n is not None or question.log_cap is not None else "with these tokens"
        what = "at any size" if question.log_d is None and log_n == far else what
        if question.log_cap is not None and question.log_d is None:
            return _too_small(estimate, question, values, least)
        return f"loss {wanted:g} cannot be reached {what}: {estimate.label} comes down to {least:.4f} at most"
    return f"{estimate.label} reaches loss {wanted:g} nowhere between 1e8 and 1e42 FLOP"


def _too_small(estimate: Estimate, question: Question, values: Mapping[str, Any], least: float) -> str:
    """No model under the cap reaches the loss: how far it comes, and the smallest that would do."""
    wanted, far = float(question.loss or 0), float(np.log(1e60))
    cap = float(question.log_cap or 0.0)
    each = question.given.get("bytes")

    def size(n: float) -> str:
        fits = "" if each is None else f" ({format_quantity(n * each, BYTES)} at {each:g} bytes each)"
        return f"{format_quantity(n)} parameters{fits}"

    said = (
        f"no model of at most {size(float(np.exp(cap)))} reaches loss {wanted:g}, however long it trains: "
        f"{estimate.label} comes down to {least:.4f}"
    )
    found = rising_root(
        lambda x: wanted - np.asarray(question.surface.loss(values, x, np.full(np.shape(x), far))),
        np.array([cap]),
        np.array([float(np.log(1e40))]),
    )
    return said + (f"; the closest needs {size(float(np.exp(found[0])))}" if np.isfinite(found[0]) else "")


def assumptions_of(made: Plan, question: Question, budget: Budget | None) -> tuple[str, ...]:
    """What the answer takes for granted, a sentence each."""
    said = ["Training costs 6 FLOP per parameter and token."]
    if made.inference_tokens:
        said.append(
            f"The compute covers serving {format_quantity(made.inference_tokens)} tokens at 2 FLOP per parameter and "
            "token, as dear as training FLOP."
        )
    if unique := made.at.get("U"):
        said.append(f"D is {made.D.value / unique:.3g} epochs of {format_quantity(unique)} unique tokens.")
    said += budget.assumptions if budget is not None else ()
    if made.counts != "undeclared":
        said.append(f"N counts parameters as the runs did: {made.counts}.")
    if made.estimate is not None and made.estimate.law.validity:
        said.append(f"The law's range: {made.estimate.law.validity}")
    if question.log_cap is not None and made.excess is not None:
        said.append("The cap on parameters binds.")
    return tuple(said)


def extrapolation_of(estimate: Estimate, training_flop: float) -> float | None:
    """Training compute as a multiple of the largest run's; None where the runs are not known."""
    largest = getattr(estimate, "largest_compute", None)
    if largest is None and "C" in estimate.within:
        largest = estimate.within["C"][1]
    return None if not largest else float(training_flop / largest)


def warnings_of(made: Plan, question: Question) -> tuple[str, ...]:
    """What to beware of, a sentence each."""
    said = [
        _digits_warning(made, question),
        *_reach_warnings(made),
        _epochs_warning(made),
        _branch_warning(question, made),
    ]
    if made.counts == "undeclared" and not hasattr(made.estimate, "warnings"):  # a fit says so itself
        said.append(
            "The runs behind this law do not declare whether N counts embeddings; that alone has moved published "
            "optima severalfold: declare it (counts=...)."
        )
    if made.check is not None and not made.check.agrees:
        said.append(
            f"Closed form and numeric optimum differ: N = {made.check.closed_N:.6g} and {made.check.numeric_N:.6g}."
        )
    said += getattr(made.estimate, "warnings", ())
    return tuple(s for s in said if s)


def _digits_warning(made: Plan, question: Question) -> str:
    estimate = made.estimate
    if estimate is None or not question.free or question.log_flop is None:
        return ""
    ratio = {}
    for item in (digits_of(estimate, question), *siblings_of(estimate, question)):
        if item is not None:  # at one budget D/N falls as N squared
            centre = made.tokens_per_parameter.value * made.N.value**2
            ratio[item.what] = tuple(sorted(centre / n**2 for n in item.N))
    digits = next(iter(ratio.items()), None) if estimate.digits else None
    if digits is None or digits[1][1] / digits[1][0] < DIGITS:
        return ""
    low, high = digits[1]
    said = (
        f"Printed digits matter here: before rounding, {made.label} may have meant {low:.3g} to {high:.3g} tokens "
        "per parameter"
    )
    own = made.tokens_per_parameter.value
    for what, ends in list(ratio.items())[1:]:
        other = ends[0] if abs(ends[1] / own - 1) < 1e-6 else ends[1]
        said += f"; {what.split(' ')[0]} gives {other:.3g}"
    return said + "."


def _reach_warnings(made: Plan) -> list[str]:
    """A sentence for each of compute, N and D that lies below the smallest run or far above the largest."""
    ranges = _ranges_of(made.estimate) if made.estimate is not None else {}
    chosen = {"C": made.training_flop, "N": made.N.value, "D": made.D.value}
    said = []
    for name, value in chosen.items():
        if name not in ranges:
            continue
        low, high = ranges[name]
        if value > FAR * high:
            said.append(_too_large(name, value / high))
        elif value < LEAST * low:
            what = "The plan's training compute" if name == "C" else name
            said.append(
                f"{what} is {value / low:.2g} times the smallest among the runs the plan rests on: the law was not "
                "checked down there."
            )
    return said


def _too_large(name: str, times: float) -> str:
    if name == "C":
        return f"The plan spends {format_quantity(times)} times the compute of the largest run it rests on."
    return f"{name} is {format_quantity(times)} times the largest among the runs the plan rests on."


def _ranges_of(estimate: Estimate) -> dict[str, tuple[float, float]]:
    """The smallest and largest N, D and training compute of the runs, as far as they are known."""
    ranges = {k: v for k, v in estimate.within.items() if k in ("N", "D", "C")}
    observed = getattr(estimate, "observed", None)
    found = observed.compute() if observed is not None else None
    if found is not None and found[1] == "C":
        ranges["C"] = (float(found[0].min()), float(found[0].max()))
    return ranges


def _epochs_warning(made: Plan) -> str:
    # the law's declaration says so in its validity; 6 N D counts tokens processed
    if made.estimate is None or "data set" not in made.estimate.law.validity:
        return ""
    return (
        f"D of law '{made.law}' is the size of a data set that is seen many times, so that 6 N D is not its training "
        "compute: take this division as a comparison, not as a plan."
    )


def _branch_warning(question: Question, made: Plan) -> str:
    if question.closed or not question.free:
        return ""
    values = {k: np.array([float(v)]) for k, v in made.estimate.values.items()} if made.estimate else {}
    found = minimise(question.surface, values, float(np.log(made.flop)))
    if not found.edge[0, 0] < found.loss[0, 0]:
        return ""
    return "Far from the runs this law falls below its own optimum; the plan is the minimum between the extremes."
