"""The configuration of whole sizes nearest to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from similitude._counted import CONVENTIONS
from similitude._errors import SimilitudeError
from similitude.planning._plan import Plan, RoundPlan
from similitude.planning._question import Question
from similitude.planning._shapes import shapes_for
from similitude.planning._steps import steps_for

__all__ = ["rounded"]

SMALLEST = 1e7  # parameters: below, a vocabulary of 32,000 leaves no model
BATCH = 4e6  # tokens of a batch, at most, and as many as leave a thousand steps


def rounded(plan: Plan, question: Question, values: Mapping[str, Any]) -> RoundPlan | None:
    """Layers, width, heads, a batch and steps near a plan's N and D; None where no shape is near.

    A shape of other size than the plan's gets the tokens that the same cost pays for, unless N or D was given. Where a
    cap was given, no shape goes beyond it.
    """
    if plan.N.value < SMALLEST or plan.estimate is None or plan.estimate.law.output.kind != "loss":
        return None
    counts = plan.counts if plan.counts in CONVENTIONS else "total"
    most = np.inf if question.log_cap is None else float(np.exp(question.log_cap)) * (1 + 1e-9)
    try:
        near = shapes_for(plan.N.value, counts=counts, limit=1 if most == np.inf else 1000, tolerance=0.1).choices
    except SimilitudeError:
        return None
    choice = next((c for c in near if c.parameters <= most), None)
    if choice is None:
        return None
    surface, log_n = question.surface, float(np.log(choice.parameters))
    tokens = plan.D.value
    if question.log_d is None and question.log_n is None:
        tokens = float(np.exp(surface.log_tokens(float(np.log(plan.flop)), log_n)))
    context = choice.shape.context
    if not np.isfinite(tokens) or tokens < 2 * context:
        return None
    steps = steps_for(tokens, context=context, batch=max(min(BATCH, tokens / 1000), context), limit=1)[0]
    loss = float(np.ravel(surface.loss(values, log_n, float(np.log(steps.tokens))))[0])
    sizes = choice.shape.layers, choice.shape.width, choice.shape.heads, choice.shape.inner
    run = steps.batch, context, steps.steps, float(steps.tokens)
    return RoundPlan(*sizes, float(choice.parameters), *run, loss, loss - plan.loss.value)
