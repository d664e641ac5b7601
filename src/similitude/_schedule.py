"""Learning-rate schedules: named shapes or arrays of one's own, and what laws of training time read off them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, did_you_mean

__all__ = ["SHAPES", "Schedule", "schedule"]

SHAPES = {
    "constant": "the peak to the end",
    "cosine": "half a cosine from the peak to the end rate",
    "linear": "a straight line from the peak to the end rate",
    "wsd": "constant, then a cooldown by a straight line",
    "wsd_sqrt": "constant, then a cooldown as 1 - sqrt of its share",
    "wsd_exponential": "constant, then a cooldown by equal factors",
    "two_stage": "constant, then constant at the end rate",
}
LONGEST = 1e8  # steps of a schedule, whose rates are all held
COOLING = ("wsd", "wsd_sqrt", "wsd_exponential", "two_stage")


@dataclass(frozen=True, eq=False)
class Schedule:
    """The learning rate of every step (steps,), from the first on.

    Make it with `schedule`, or from an array of your own, such as a logged column: `Schedule(rates, warm_up=2000)`.
    Raises ArgumentError for rates that are negative or not finite, and a warm-up longer than the schedule.

    >>> import similitude as sim
    >>> whole = sim.Schedule([1e-4, 2e-4, 2e-4, 1e-4], warm_up=1)
    >>> len(whole), round(float(whole.areas([4])["S1"][0]), 6)
    (4, 0.0006)
    """

    rates: Any
    warm_up: int = 0
    name: str = "given"

    def __post_init__(self) -> None:
        rates = np.atleast_1d(np.asarray(self.rates, float))
        if rates.ndim != 1 or not rates.size or not np.isfinite(rates).all() or (rates < 0).any():
            raise ArgumentError("a schedule is one list of learning rates, finite and not negative")
        if not 0 <= self.warm_up <= rates.size:
            raise ArgumentError(f"warm_up = {self.warm_up}: the schedule has {rates.size} steps")
        object.__setattr__(self, "rates", rates)

    def __len__(self) -> int:
        return len(self.rates)

    def __repr__(self) -> str:
        return f"Schedule({self.name}: {len(self)} steps, peak {self.rates.max():g}, end {self.rates[-1]:g})"

    def areas(self, at: Any = None, *, memory: float = 0.999, warm_up_drops: bool = False) -> dict[str, np.ndarray]:
        """S1 and S2 at steps `at` (points,), counted from 1; the inputs of the laws `annealing` and `annealing_size`.

        S1 is the sum of learning rates so far, warm-up and all. S2 sums a memory of the rate's drops that fades by
        `memory` a step; rises of the warm-up are left out of it unless `warm_up_drops` (Tissue et al. 2024).

        >>> import similitude as sim
        >>> sim.schedule("constant", 100, peak=1e-3).areas()["S2"].max()
        np.float64(0.0)
        """
        drop = np.concatenate([[0.0], self.rates[:-1] - self.rates[1:]])
        if not warm_up_drops:
            drop[: self.warm_up] = 0.0
        state, held = 0.0, np.empty_like(drop)
        for i, d in enumerate(drop):
            state = memory * state + d
            held[i] = state
        places = self._places(at)
        return {"S1": np.cumsum(self.rates)[places], "S2": np.cumsum(held)[places]}

    def segments(self, at: Any = None, *, width: int = 100) -> dict[str, np.ndarray]:
        """Inputs of the law `multi_power` at steps `at` (points,): S1, and `drop_1`, `rate_1`, `area_1` and so on.

        Changes within `width` steps are one segment, at the place where the rate changed; a segment yet to come has no
        drop. Size the law by as many: `sim.laws.multi_power.sized(segment=count)` (Luo et al. 2025).

        >>> import similitude as sim
        >>> sorted(sim.schedule("two_stage", 400, peak=3e-4, end=1e-4, cooldown=0.5).segments([400], width=200))
        ['S1', 'area_1', 'area_2', 'drop_1', 'drop_2', 'rate_1', 'rate_2']
        """
        places = self._places(at)
        before = np.concatenate([[0.0], self.rates[:-1]])
        area = np.concatenate([[0.0], np.cumsum(self.rates)])
        edges = np.arange(0, len(self), width)
        size = np.abs(before - self.rates)
        drop, weight = np.add.reduceat(before - self.rates, edges), np.add.reduceat(size, edges)
        kept = weight > 0
        middle = np.round(np.add.reduceat(size * np.arange(len(self)), edges)[kept] / weight[kept]).astype(int)
        out = {"S1": area[places + 1]}
        for i, (place, fell) in enumerate(zip(middle, drop[kept], strict=True), 1):
            since = area[places + 1] - area[place]
            out[f"drop_{i}"] = np.where(since > 0, fell, 0.0)
            out[f"rate_{i}"] = np.full(len(places), self.rates[place])
            out[f"area_{i}"] = np.maximum(since, 0.0)
        return out

    def _places(self, at: Any) -> np.ndarray:
        if at is None:
            return np.arange(len(self))
        steps = np.atleast_1d(np.asarray(at))
        whole = steps.astype(int)
        if (whole != steps).any() or (whole < 1).any() or (whole > len(self)).any():
            raise ArgumentError(f"steps are whole numbers from 1 to {len(self)}, the length of the schedule")
        return whole - 1


def schedule(
    shape: str, steps: int, *, peak: float, end: float = 0.0, warm_up: int = 0, cooldown: float = 0.2
) -> Schedule:
    """A learning-rate schedule by the name of its shape, after a linear warm-up.

    `shape` is constant, cosine, linear, wsd, wsd_sqrt, wsd_exponential or two_stage; those with a cooldown spend the
    last `cooldown` of all steps on it (two_stage: at the end rate). `steps` counts the warm-up.

    Raises ArgumentError for an unknown shape, a share of cooldown outside (0, 1], an end rate above the peak, or a
    wsd_exponential that ends at zero.

    >>> import similitude as sim
    >>> sim.schedule("wsd", 1000, peak=1e-3, warm_up=100)
    Schedule(wsd: 1000 steps, peak 0.001, end 0)
    """
    if shape not in SHAPES:
        raise ArgumentError(f"no schedule '{shape}'{did_you_mean(shape, SHAPES)} (there are {', '.join(SHAPES)})")
    if not (peak > 0 and 0 <= end <= peak):
        raise ArgumentError(f"peak = {peak:g}, end = {end:g}: expected a positive peak and an end from 0 to it")
    if not 1 <= steps <= LONGEST:
        raise ArgumentError(
            f"steps = {steps:g}: expected from 1 to {LONGEST:g} steps of the optimiser; tokens over tokens of a batch "
            "are steps"
        )
    if not 0 <= warm_up < steps:
        raise ArgumentError(f"warm_up = {warm_up}: expected fewer steps than the {steps} of the schedule")
    if shape in COOLING and not 0 < cooldown <= 1:
        raise ArgumentError(f"cooldown = {cooldown:g}: expected the share of steps it takes, above 0 and up to 1")
    if shape == "wsd_exponential" and end == 0:
        raise ArgumentError("wsd_exponential never reaches zero: give an end above it")
    t = np.arange(1, steps + 1, dtype=float)
    rise = np.minimum(t / max(warm_up, 1), 1.0)
    begin = (1 - cooldown) * steps if shape in COOLING else float(warm_up)
    share = np.clip((t - begin) / max(steps - begin, 1.0), 0.0, 1.0)
    return Schedule(np.where(t > max(begin, warm_up), _fallen(shape, share, peak, end), rise * peak), warm_up, shape)


def _fallen(shape: str, share: np.ndarray, peak: float, end: float) -> np.ndarray:
    """The rate at shares (steps,) of the way down."""
    if shape == "cosine":
        return end + 0.5 * (peak - end) * (1 + np.cos(np.pi * share))
    if shape == "wsd_exponential":
        return peak * (end / peak) ** share
    if shape == "wsd_sqrt":
        return end + (peak - end) * (1 - np.sqrt(share))
    if shape == "constant":
        return np.full(len(share), peak)
    if shape == "two_stage":
        return np.full(len(share), end)
    return peak + (end - peak) * share
