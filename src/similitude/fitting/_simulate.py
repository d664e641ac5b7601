"""Runs simulated from a law, for planning a sweep, for demonstrations and for testing intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from similitude._errors import ArgumentError
from similitude.laws import Estimate
from similitude.runs import Runs, read_runs

__all__ = ["simulate"]

DESIGNS = ("ladder", "isoflop", "curves")


def simulate(
    estimate: Estimate,
    *,
    design: str = "ladder",
    points: dict[str, Any] | None = None,
    noise: float = 0.003,
    offset: float = 0.0,
    seed: int = 0,
) -> Runs:
    """Runs drawn from an estimate: its law at the points of a design, times exp of normal noise.

    `design`: "ladder" (sizes 20M to 1.3B, 5 to 80 tokens a parameter), "isoflop" (six budgets from 1e18 to 1e21 FLOP,
    seven sizes each), "curves" (twelve sizes with ten checkpoints each). `points` gives inputs of your own, one array
    an input, instead. `noise` is the standard deviation of the log of one row, `offset` that of an error shared by all
    rows of a run. The table's source says that it is simulated, and every report of it will.

    Raises ArgumentError for an unknown design or negative noise.

    >>> import similitude as sim
    >>> truth = sim.laws.chinchilla.published["besiroglu2024"]
    >>> sim.simulate(truth, design="isoflop", seed=1).source
    'simulated from chinchilla:besiroglu2024'
    """
    if design not in DESIGNS:
        raise ArgumentError(f"unknown design '{design}'; choose one of {', '.join(DESIGNS)}")
    if not (noise >= 0 and offset >= 0):
        raise ArgumentError("noise and offset are standard deviations: they cannot be negative")
    columns = dict(points) if points is not None else _design(design)
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
