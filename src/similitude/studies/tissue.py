"""Tissue et al. 2024: the loss at any step from the area under the learning rate and a memory of its drops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from similitude._view import Column, Interval, Table
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import Runs, datasets, read_runs
from similitude.studies._claim import measured
from similitude.studies._study import Declaration, Item
from similitude.studies.luo2025 import PEAK, trained

__all__ = ["STUDY"]

MEMORY = 0.999  # the paper's lambda
# L0, A, alpha, C and mean absolute error over six unseen schedules, refitted elsewhere on the same three curves a size
ELSEWHERE = {
    "25M": ("3.1583", "0.5136", "0.5134", "0.4019", "0.0048"),
    "100M": ("2.7889", "0.5926", "0.4550", "0.4812", "0.0047"),
    "400M": ("2.5246", "0.6536", "0.4205", "0.5700", "0.0065"),
}
FITTED = ("cosine_24000", "constant_24000", "wsdcon_9")
WHERE = "refitted elsewhere, not printed"
POINTS = 120  # a curve


def claims(seed: int) -> Iterator[Item]:
    law, runs = get("annealing"), datasets.load("multipowerlaw")
    rows = []
    for size, printed in ELSEWHERE.items():
        mine = runs.where(model=size)
        curves = {str(s): mine.where(schedule=s) for s in np.unique(mine.labels("schedule"))}
        tables = [_table(s, curves[s], POINTS) for s in FITTED]
        joined = {k: np.concatenate([t[k] for t in tables]) for k in ("S1", "S2", "loss")}
        found = fit(law, read_runs(joined, check=False), delta=1e-3, intervals="delta")
        for name, digits in zip(("L0", "A", "alpha", "C"), printed):
            ours = Interval(found.values[name], *found.ends[name])
            yield measured(f"{name}, {size}", digits, WHERE, ours, interval="90 % delta")
        errors = {s: _missed(found.values, s, c) for s, c in curves.items() if s not in FITTED}
        mean = float(np.mean(list(errors.values())))
        yield measured(f"mean absolute error over six unseen schedules, {size}", printed[-1], WHERE, mean)
        rows += [(size, s, f"{e:.4f}") for s, e in errors.items()]
    columns = ("model", "schedule", Column("mean absolute error", "nats/token", "right"))
    yield Table("Unseen schedules predicted from three", columns, rows)
    yield f"Each curve is thinned to {POINTS} steps; the refit elsewhere weighs all steps alike."
    yield f"Peak rate {PEAK:g}; the warm-up counts in S1, not in S2; the memory of a drop fades by {MEMORY:g} a step."


def _table(schedule: str, curve: Runs, points: int | None = None) -> dict[str, np.ndarray]:
    at, loss = curve.column("step").astype(int), curve.column("loss")
    some = np.arange(len(at)) if points is None else np.unique(np.linspace(0, len(at) - 1, points).astype(int))
    return {**trained(schedule, int(at.max())).areas(at[some], memory=MEMORY), "loss": loss[some]}


def _missed(values: Mapping[str, float], schedule: str, curve: Runs) -> float:
    table = _table(schedule, curve)
    told = np.asarray(get("annealing").evaluate({k: table[k] for k in ("S1", "S2")}, values), float)
    return float(np.mean(np.abs(told - table["loss"])))


STUDY = Declaration("tissue2024", "Scaling law with learning rate annealing", "tissue2024", ("multipowerlaw",), claims)
