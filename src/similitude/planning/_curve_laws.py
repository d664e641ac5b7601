"""The two laws of whole training curves as a fit of few curves needs them: inputs off a schedule, priors, slopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._dual import Dual
from similitude._schedule import Schedule
from similitude.laws import get

__all__ = ["FORMS", "Form", "loss_and_slopes", "prior_of"]

SEGMENTS = 150  # pieces that a schedule is cut into for the multi-power law
MEMORY = 0.999  # of the annealing law, a step (Tissue et al. 2024)
WIDE = 3.0  # spread of a logarithm that a prior leaves free
LEAST = 1e-6  # a law carried far out may fall below zero, where there is no logarithm
FIXED_CENTRES = {"alpha": 0.45, "C": 1.0, "beta": 0.5, "gamma": 0.5}


@dataclass(frozen=True)
class Form:
    """A law of training curves: its name in the catalogue, parameters, and prior spreads of their logarithms.

    The spreads hold back what one or two curves cannot settle: left free, the saturation of the multi-power law's
    gains fits the misfit of the early curve and spoils other schedules.
    """

    law: str
    params: tuple[str, ...]
    spreads: Mapping[str, float]

    def inputs(self, schedule: Schedule, at: Any) -> dict[str, np.ndarray]:
        """What the law reads off a schedule at steps (points,); arrays over segments are (segments, points)."""
        if self.law == "annealing":
            return schedule.areas(at, memory=MEMORY)
        pieces = schedule.segments(at, width=max(1, -(-len(schedule) // SEGMENTS)))
        count = (len(pieces) - 1) // 3
        out = {"S1": pieces["S1"]}
        for name, empty in (("drop", 0.0), ("rate", 1.0), ("area", 0.0)):
            rows = [pieces[f"{name}_{i}"] for i in range(1, count + 1)]
            out[name] = np.stack(rows) if rows else np.full((1, len(pieces["S1"])), empty)
        out["rate"] = np.maximum(out["rate"], 1e-12)  # a rate of zero has no negative power
        return out

    def value(self, inputs: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Any:
        """The loss (points,), a dual number where the values are."""
        law = get(self.law)
        function = law.arrays_function or law.function
        return function(**inputs, **values)


FORMS = {
    "multi_power": Form(
        "multi_power",
        ("L0", "A", "alpha", "B", "C", "beta", "gamma"),
        {"alpha": 0.3, "B": 1.0, "C": 0.4, "beta": 0.15, "gamma": 0.15},
    ),
    "annealing": Form("annealing", ("L0", "A", "alpha", "C"), {"alpha": 0.3, "C": 1.5}),
}


def loss_and_slopes(form: Form, inputs: Mapping[str, np.ndarray], logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log loss (points,) and its derivatives by the logarithms of the parameters (points, params), exact."""
    values = np.exp(logs)
    with np.errstate(over="ignore", invalid="ignore"):
        told = form.value(
            inputs, {k: Dual(v, {i: v}) for i, (k, v) in enumerate(zip(form.params, values, strict=True))}
        )
    points = len(inputs["S1"])
    loss = np.maximum(np.reshape(told.value, points), LEAST)
    slopes = [np.broadcast_to(told.partials[i], np.shape(told.value)).reshape(points) for i in range(len(values))]
    return np.log(loss), np.stack(slopes, axis=1) / loss[:, None]


def prior_of(form: Form, schedules: Sequence[Schedule], losses: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Centres and spreads (params,) of the logarithms; levels follow from the curves."""
    lowest = min(float(y.min()) for y in losses)
    peak = max(float(s.rates.max()) for s in schedules)
    area = float(np.median([s.rates.sum() / 2 for s in schedules]))
    centre = dict(FIXED_CENTRES, L0=0.9 * lowest, A=0.1 * lowest * area**0.45, B=0.045 * lowest / peak)
    if form.law == "annealing":
        centre["C"] = 0.045 * lowest / peak * (1 - MEMORY)
    spreads = np.array([form.spreads.get(k, WIDE) for k in form.params])
    return np.log([centre[k] for k in form.params]), spreads
