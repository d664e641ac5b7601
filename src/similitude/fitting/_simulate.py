"""Runs simulated from a law, for planning a sweep, for demonstrations and for testing intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from similitude._errors import ArgumentError
from similitude.laws import Estimate, Law
from similitude.runs import Runs, read_runs

__all__ = ["simulate"]

DESIGNS = ("ladder", "isoflop", "curves", "span")
# where inputs lie whose law does not say
USUAL = {"N": (1e7, 1e10), "D": (1e9, 1e11), "U": (5e8, 5e10), "C": (1e18, 1e23), "M": (5.0, 640.0), "x": (10.0, 1e5)}


def simulate(
    estimate: Estimate,
    *,
    design: str | None = None,
    points: dict[str, Any] | None = None,
    noise: float = 0.003,
    offset: float = 0.0,
    seed: int = 0,
) -> Runs:
    """Runs drawn from an estimate: its law at the points of a design, times exp of normal noise.

    `design`: "ladder" (sizes 20M to 1.3B, 5 to 80 tokens a parameter), "isoflop" (six budgets from 1e18 to 1e21 FLOP,
    seven sizes each), "curves" (twelve sizes with ten checkpoints each), "span" (at random where the law's inputs
    usually lie; the default for laws of other inputs than N and D, else "ladder"). `points` gives inputs of your own,
    one array an input, instead. `noise` is the standard deviation of the log of one row, `offset` that of an error
    shared by all rows of a run. The table's source says that it is simulated, and every report of it will.

    Raises ArgumentError for an unknown design, negative noise, or a design that lacks an input of the law.

    >>> import similitude as sim
    >>> truth = sim.laws.chinchilla.published["besiroglu2024"]
    >>> sim.simulate(truth, design="isoflop", seed=1).source
    'simulated from chinchilla:besiroglu2024'
    """
    if design is None:
        design = "ladder" if set(estimate.law.inputs) <= {"N", "D"} else "span"
    if design not in DESIGNS:
        raise ArgumentError(f"unknown design '{design}'; choose one of {', '.join(DESIGNS)}")
    if not (noise >= 0 and offset >= 0):
        raise ArgumentError("noise and offset are standard deviations: they cannot be negative")
    if points is not None:
        columns = dict(points)
    else:
        columns = _spread(estimate.law, seed) if design == "span" else _design(design)
    if lacking := [k for k in estimate.law.inputs if k not in columns]:
        raise ArgumentError(
            f"'{estimate.law.name}' takes {', '.join(estimate.law.inputs)}, and there is no {lacking[0]} "
            f"{'among the points' if points is not None else f'in the design {design}: give points'}"
        )
    inputs = {k: np.asarray(columns[k], float) for k in estimate.law.inputs}
    value = np.asarray(estimate.law.evaluate(inputs, estimate.values), float)
    rng = np.random.default_rng(seed)
    error = rng.normal(0, noise, value.shape) if noise else np.zeros(value.shape)
    if offset:
        _, codes = np.unique(np.asarray(columns["run"]), return_inverse=True)
        error = error + rng.normal(0, offset, codes.max() + 1)[codes]
    table = {**columns, "loss": value * np.exp(error)}
    runs = read_runs(table, counts=estimate.counts, check=False)
    text = f"simulated from {estimate.label}"
    step = f"{text} with noise {noise:g}, offset {offset:g}, seed {seed}"
    return replace(runs, source=text, provenance=(*runs.provenance, step))


def _spread(law: Law, seed: int) -> dict[str, Any]:
    """Runs at random over the law's span, evenly in logarithms where its inputs are positive."""
    ranges = {**USUAL, **law.span}
    count = max(60, 8 * len(law.params))
    rng = np.random.default_rng([seed, 1])
    out = {}
    for name in law.inputs:
        if name in ranges:
            low, high = ranges[name]
            even = not law.positive_inputs
            out[name] = rng.uniform(low, high, count) if even else np.exp(rng.uniform(np.log(low), np.log(high), count))
    return out


def _design(design: str) -> dict[str, Any]:
    if design == "ladder":
        sizes, ratios = np.geomspace(2e7, 1.28e9, 5), np.array([5.0, 15.0, 40.0, 80.0])
        n, ratio = (a.ravel() for a in np.meshgrid(sizes, ratios, indexing="ij"))
        return {"N": n, "D": n * ratio}
    if design == "isoflop":
        budgets = np.geomspace(1e18, 1e21, 6)
        ratio = np.geomspace(1 / 6, 6, 7)
        centre = np.sqrt(budgets / 6 / 20)  # twenty tokens a parameter
        n = (centre[:, None] * ratio[None]).ravel()
        c = np.repeat(budgets, 7)
        return {"N": n, "D": c / (6 * n), "C": c}
    sizes = np.geomspace(3e7, 2e9, 12)
    share = np.geomspace(0.05, 1, 10)
    n = np.repeat(sizes, 10)
    return {"N": n, "D": n * 60 * np.tile(share, 12), "run": np.repeat([f"run{i:02d}" for i in range(12)], 10)}
