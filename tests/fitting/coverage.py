"""How often the default intervals hold the truth, on sweeps simulated from a published law.

Each design is a table of inputs and a model of the noise; each sweep is fitted as a user would fit it. Run as a script:
``python tests/fitting/coverage.py [sweeps] [design ...]``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import similitude as sim

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]
LEVEL = 0.9
BEYOND = 30.0  # compute of the predicted run over the largest of the sweep
TARGETS = ("alpha", "E", "loss", "log N*", "new run")
SEED = 20261122  # chosen before any figure was seen


@dataclass(frozen=True)
class Design:
    """Inputs of one sweep; noise: own sd (array or number), offset sd shared within `run`; options of the fit."""

    points: Mapping[str, Any]
    sd: Any
    offset: float = 0.0
    intervals: sim.Intervals = field(default_factory=lambda: sim.Intervals(level=LEVEL))

    @property
    def compute(self) -> np.ndarray:
        return 6 * np.asarray(self.points["N"]) * np.asarray(self.points["D"])


def _grid(sizes: np.ndarray, ratios: np.ndarray) -> dict[str, np.ndarray]:
    n, ratio = (a.ravel() for a in np.meshgrid(sizes, ratios, indexing="ij"))
    return {"N": n, "D": n * ratio}


def _isoflop(budgets: np.ndarray, points: int) -> dict[str, np.ndarray]:
    n = (np.sqrt(budgets / 6 / 20)[:, None] * np.geomspace(1 / 6, 6, points)[None]).ravel()
    return {"N": n, "D": np.repeat(budgets, points) / (6 * n)}


def _weak() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    n = np.geomspace(2e7, 2e9, 30)
    return {"N": n, "D": n * rng.uniform(15, 25, 30)}


def _clusters(models: int, checkpoints: int) -> dict[str, Any]:
    n = np.repeat(np.geomspace(3e7, 2e9, models), checkpoints)
    share = np.tile(np.geomspace(0.05, 1, checkpoints), models)
    return {"N": n, "D": n * 60 * share, "run": np.repeat([f"m{i}" for i in range(models)], checkpoints)}


def designs() -> dict[str, Design]:
    het = _isoflop(np.geomspace(1e18, 1e21, 6), 8)
    compute = 6 * het["N"] * het["D"]
    scaled = sim.Intervals(level=LEVEL, noise="scale")
    het_sd = 0.0015 * (compute / compute.max()) ** -0.25
    return {
        "many": Design(_isoflop(np.geomspace(6e18, 3e21, 9), 27), 0.004),
        "ladder": Design(_grid(np.geomspace(2e7, 1.28e9, 5), np.array([5.0, 15.0, 40.0, 80.0])), 0.003),
        "isoflop": Design(_isoflop(np.geomspace(1e18, 1e21, 6), 7), 0.003),
        "clustered": Design(_clusters(12, 10), 0.002, offset=0.005),
        "shrinking": Design(het, het_sd, intervals=scaled),
        "shrinking, constant-noise fit": Design(het, het_sd),
        "weak": Design(_weak(), 0.003),
    }


def optimum(values: Mapping[str, Any], flop: float) -> Any:
    """log N* of the Chinchilla law at a budget, in closed form."""
    a, b = values["alpha"], values["beta"]
    return np.log(a * values["A"] / (b * values["B"])) / (a + b) + b / (a + b) * np.log(flop / 6)


def sweep(design: Design, rng: np.random.Generator) -> np.ndarray:
    """Whether each target was held, for one simulated sweep; NaN where no interval was given."""
    points, truth = design.points, TRUTH.values
    n, d = np.asarray(points["N"]), np.asarray(points["D"])
    log_loss = np.log(TRUTH.law(N=n, D=d, **truth)) + rng.normal(0, 1, n.size) * design.sd
    if design.offset:
        _, codes = np.unique(points["run"], return_inverse=True)
        log_loss = log_loss + rng.normal(0, design.offset, codes.max() + 1)[codes]
    runs = sim.read_runs({**points, "loss": np.exp(log_loss)}, check=False)
    far = BEYOND * design.compute.max()
    big_n = float(np.exp(optimum(truth, far)))
    big_d = far / 6 / big_n
    actual = float(TRUTH.law(N=big_n, D=big_d, **truth))
    own_sd = design.sd if not np.ndim(design.sd) else float(np.min(design.sd)) * BEYOND**-0.25
    new = actual * float(np.exp(rng.normal(0, np.hypot(own_sd, design.offset))))
    fit = sim.fit(sim.laws.chinchilla, runs, intervals=design.intervals)
    if not fit.identified:
        return np.full(len(TARGETS), np.nan)
    at = fit.predict(N=big_n, D=big_d)
    _, low, high = fit.interval_of(lambda p: optimum(p, far))
    return np.array(
        [
            _holds(truth["alpha"], *fit.ends["alpha"]),
            _holds(truth["E"], *fit.ends["E"]),
            _holds(actual, at.low, at.high),
            _holds(float(optimum(truth, far)), low, high),
            _holds(new, at.new_low, at.new_high),
        ]
    )


def _holds(value: float, low: float | None, high: float | None) -> float:
    """An end that is not known excludes nothing."""
    return float((low is None or low <= value) and (high is None or value <= high))


def cover(name: str, sweeps: int) -> tuple[np.ndarray, float]:
    """Coverage of each target over the sweeps that gave intervals, and the share of sweeps that did."""
    design = designs()[name]
    rng = np.random.default_rng([SEED, sum(map(ord, name))])
    held = np.stack([sweep(design, rng) for _ in range(sweeps)])
    given = ~np.isnan(held[:, 0])
    return held[given].mean(axis=0), float(given.mean())


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for design_name in sys.argv[2:] or designs():
        covered, share = cover(design_name, count)
        cells = "  ".join(f"{t} {100 * c:.1f}" for t, c in zip(TARGETS, covered, strict=True))
        print(f"{design_name:32s} {count} sweeps, {share:.1%} with intervals: {cells}", flush=True)
