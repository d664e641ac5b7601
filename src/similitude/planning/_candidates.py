"""Runs that could be made: a grid of configurations within caps, or the user's own list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, QuestionError, did_you_mean
from similitude._quantity import format_quantity
from similitude.laws import Estimate
from similitude.planning._budget import amount
from similitude.planning._cost import Cost
from similitude.planning._optimum import Space

__all__ = ["Candidates", "grid_of", "listed"]

POINTS = {1: 200, 2: 40, 3: 12, 4: 7}  # an axis, by number of axes
ENOUGH = 1000  # candidates, about
RATIO = "M"  # tokens per parameter, which may be limited beside the inputs
WIDE = ("parameters", "tokens", "compute", "steps")
USUAL_RATIO = (5.0, 160.0)
Limits = Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Candidates:
    """Inputs of the law, (candidates,) each, and what a run of each costs."""

    inputs: Mapping[str, np.ndarray]
    costs: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.costs)


def listed(points: Any, space: Space, cost: Cost, per_run: float) -> Candidates:
    """The user's own configurations: a mapping of inputs to columns; the inputs held at the target where absent."""
    law = space.law
    if unknown := [k for k in points if k not in law.inputs]:
        raise ArgumentError(
            f"candidates name '{unknown[0]}'{did_you_mean(unknown[0], law.inputs)}, which is no input of law "
            f"'{law.name}' ({', '.join(law.inputs)})"
        )
    columns = {k: np.asarray(points[k], float) if k in points else space.held.get(k) for k in law.inputs}
    if missing := [k for k, v in columns.items() if v is None]:
        raise ArgumentError(f"candidates lack {', '.join(missing)}, which law '{law.name}' takes")
    *arrays, _ = np.broadcast_arrays(*columns.values(), np.zeros(1))  # pyright: ignore[reportCallIssue, reportArgumentType]
    inputs = {k: np.ravel(a).astype(float) for k, a in zip(columns, arrays, strict=True)}
    with np.errstate(all="ignore"):
        costs = np.broadcast_to(np.asarray(cost.of(inputs), float), inputs[next(iter(inputs))].shape)
    good = np.isfinite(costs) & (costs > 0)
    if not good.all():
        raise ArgumentError(f"candidate {int(np.argmin(good)) + 1} has no positive cost by {cost.text}")
    return _affordable(Candidates(inputs, costs), costs <= per_run * (1 + 1e-9), per_run, cost)


def grid_of(estimate: Estimate, space: Space, cost: Cost, per_run: float, within: Limits) -> Candidates:
    """A grid over the inputs to choose, from the smallest run so far up to what one run may cost.

    Tokens per parameter stay between 5 and 160, or the runs' own range where that is wider.
    """
    boxes, notes = {}, []
    _known(space, within)
    for name in space.free:
        boxes[name] = _box(estimate, space, name, cost, per_run, within)
    ratios = _ratios(estimate, space, within)
    if ratios is not None:
        notes.append(f"Candidates have {ratios[0]:.3g} to {ratios[1]:.3g} tokens per parameter.")
    count = POINTS.get(len(space.free), 5)
    made, keep = _gridded(space, cost, boxes, count, per_run, ratios)
    if 0 < keep.sum() < ENOUGH:  # much of the box costs too much: a finer grid for what is left
        finer = int(count * min((ENOUGH / keep.sum()) ** (1 / len(boxes)), 4.0))
        made, keep = _gridded(space, cost, boxes, finer, per_run, ratios)
    found = _affordable(made, keep, per_run, cost)
    ends = {k: (float(found.inputs[k].min()), float(found.inputs[k].max())) for k in boxes}
    said = ", ".join(f"{k} {format_quantity(low)} to {format_quantity(high)}" for k, (low, high) in ends.items())
    notes.append(f"Candidates span {said}, at most {format_quantity(per_run, cost.unit)} a run.")
    return replace(found, notes=tuple(notes))


def _gridded(
    space: Space,
    cost: Cost,
    boxes: Mapping[str, tuple[float, float]],
    count: int,
    per_run: float,
    ratios: tuple[float, float] | None,
) -> tuple[Candidates, np.ndarray]:
    """The grid, and which of its points are affordable and within the limits of tokens per parameter."""
    axes = [np.geomspace(low, high, count) if low < high else np.array([low]) for low, high in boxes.values()]
    grid = [g.ravel() for g in np.meshgrid(*axes, indexing="ij")]
    inputs = {**{k: np.full(grid[0].size, v) for k, v in space.held.items()}, **dict(zip(boxes, grid, strict=True))}
    inputs = {k: inputs[k] for k in space.law.inputs}
    with np.errstate(all="ignore"):
        costs = np.broadcast_to(np.asarray(cost.of(inputs), float), grid[0].shape)
    keep = np.isfinite(costs) & (costs > 0) & (costs <= per_run * (1 + 1e-9))
    if ratios is not None:
        m = inputs["D"] / inputs["N"]
        keep &= (m >= ratios[0] * (1 - 1e-9)) & (m <= ratios[1] * (1 + 1e-9))
    return Candidates(inputs, costs), keep


def _affordable(all_: Candidates, keep: np.ndarray, per_run: float, cost: Cost) -> Candidates:
    if not keep.any():
        least = format_quantity(float(np.nanmin(all_.costs)), cost.unit)
        raise QuestionError(
            f"no candidate costs at most {format_quantity(per_run, cost.unit)} a run within these limits: the cheapest "
            f"needs {least}; raise the budget, or allow smaller runs"
        )
    return Candidates({k: v[keep] for k, v in all_.inputs.items()}, all_.costs[keep], all_.notes)


def _known(space: Space, within: Limits) -> None:
    known = [*space.free, *([RATIO] if {"N", "D"} <= set(space.free) and RATIO not in space.law.inputs else [])]
    for name in within:
        if name not in known:
            raise ArgumentError(
                f"within names '{name}'{did_you_mean(name, known)}, and what can be chosen is {', '.join(known)}"
            )


def _pair(name: str, within: Limits) -> tuple[float | None, float | None]:
    low, high = (None if v is None else amount(f"within {name}", v) for v in within.get(name, (None, None)))
    if low is not None and high is not None and not low <= high:
        raise ArgumentError(f"within {name}: at least {format_quantity(low)} and at most {format_quantity(high)}")
    return low, high


def _ratios(estimate: Estimate, space: Space, within: Limits) -> tuple[float, float] | None:
    if not {"N", "D"} <= set(space.free) or RATIO in space.law.inputs:
        return None
    low, high = _pair(RATIO, within)
    observed = getattr(estimate, "observed", None)
    usual = USUAL_RATIO
    if observed is not None:
        m = observed.inputs["D"] / observed.inputs["N"]
        usual = (min(usual[0], float(m.min())), max(usual[1], float(m.max())))
    return (usual[0] if low is None else low, usual[1] if high is None else high)


def _box(
    estimate: Estimate, space: Space, name: str, cost: Cost, per_run: float, within: Limits
) -> tuple[float, float]:
    """The lowest and highest value of one input among the candidates."""
    low, high = _pair(name, within)
    known = estimate.within.get(name) or space.law.span.get(name)
    if space.law.inputs[name].kind not in WIDE:
        known = known or tuple(np.exp([space.low[space.free.index(name)], space.high[space.free.index(name)]]))
        return (known[0] if low is None else low, known[1] if high is None else high)
    if low is None and known is None:
        raise ArgumentError(f"nothing says how small {name} may be: give within={{'{name}': (low, high)}}")
    start = low if low is not None else known[0]  # pyright: ignore[reportOptionalSubscript]
    if high is not None:
        return start, max(high, start)
    others = {}
    for k in space.free:
        least, _ = _pair(k, within)
        base = estimate.within.get(k) or space.law.span.get(k) or (1.0, 1.0)
        others[k] = least if least is not None else base[0]
    steps = start * np.geomspace(1, 1e9, 3000)
    with np.errstate(all="ignore"):
        costs = np.asarray(cost.of({**space.held, **others, name: steps}), float) * np.ones(steps.size)
    reach = steps[costs <= per_run]
    return start, float(reach[-1]) if reach.size else start
