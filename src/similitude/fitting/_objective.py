"""What a fit minimises: residuals on the log or raw scale under a squared, Huber or asymmetric loss, always summed.

The sum matters: with the mean, a quasi-Newton solver at default tolerances stops early on problems of this size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from similitude._errors import ArgumentError

__all__ = ["HUBER_LOG", "Objective", "loss_terms", "noise_scale", "tied_delta", "working_slope"]

_NAMES = {
    "huber_log": ("log", "huber"),
    "squares_log": ("log", "squares"),
    "huber": ("raw", "huber"),
    "squares": ("raw", "squares"),
}
NORMAL_MAD = 1.4826  # standard deviation of a normal over its median absolute deviation
HUBER_K = 1.345  # 95 % efficient under normal noise


@dataclass(frozen=True, slots=True)
class Objective:
    """How residuals are formed and penalised.

    `scale`: "log" (log f - log y) or "raw" (f - y). `loss`: "huber" or "squares". `delta`: where Huber's loss turns
    linear, in units of the residual; None ties it to the noise (1.345 times the scaled median absolute residual).
    `asymmetry`: share of the penalty on runs above the law, 0.5 for none; a small one pulls the law towards the best
    runs. `weights`: name of a column of weights (inverse variances, up to a factor).

    Raises ArgumentError for an unknown word, a delta that is not positive, an asymmetry outside (0, 1).

    >>> Objective.named("huber_log", delta=1e-3).name
    'huber_log'
    """

    scale: str = "log"
    loss: str = "huber"
    delta: float | None = None
    asymmetry: float = 0.5
    weights: str | None = None

    def __post_init__(self) -> None:
        if self.scale not in ("log", "raw") or self.loss not in ("huber", "squares"):
            raise ArgumentError("an objective's scale is 'log' or 'raw' and its loss 'huber' or 'squares'")
        if self.delta is not None and not (np.isfinite(self.delta) and self.delta > 0):
            raise ArgumentError(f"delta = {self.delta}: it must be a positive number")
        if not 0 < self.asymmetry < 1:
            raise ArgumentError(f"asymmetry = {self.asymmetry}: it must lie between 0 and 1")

    @classmethod
    def named(
        cls, name: str, *, delta: float | None = None, asymmetry: float = 0.5, weights: str | None = None
    ) -> Objective:
        """An objective by the name used on the command line: huber_log, squares_log, huber, squares."""
        if name not in _NAMES:
            raise ArgumentError(f"unknown objective '{name}'; choose one of {', '.join(_NAMES)}")
        scale, loss = _NAMES[name]
        if delta is not None and loss == "squares":
            raise ArgumentError("delta belongs to a Huber objective; least squares has none")
        return cls(scale, loss, delta, asymmetry, weights)

    @property
    def name(self) -> str:
        """The name used on the command line."""
        return next(k for k, v in _NAMES.items() if v == (self.scale, self.loss))

    @property
    def log(self) -> bool:
        """Whether residuals are differences of logarithms."""
        return self.scale == "log"

    def describe(self, delta: float) -> str:
        """One sentence for reports, with the delta in force."""
        where = "log residuals" if self.log else "raw residuals"
        skew = f", {self.asymmetry:.0%} of the penalty above the law" if self.asymmetry != 0.5 else ""
        if self.loss == "squares":
            return f"sum of squared {where} / 2{skew}"
        tied = "tied to the noise" if self.delta is None else "given"
        return f"sum of Huber losses of {where}, delta = {delta:.3g} ({tied}){skew}"


HUBER_LOG = Objective()


def loss_terms(r: np.ndarray, delta: np.ndarray | float | None, asymmetry: float = 0.5) -> tuple[np.ndarray, ...]:
    """(rho, psi, curvature, weight) of each residual: the loss, its derivative, psi' and psi / r.

    `delta` broadcasts against r; None or infinity means squares. Residuals are law minus observation, so a run above
    the law has a negative one.
    """
    if delta is None:
        rho, psi = 0.5 * r * r, r
        curvature = weight = np.ones_like(r)
    else:
        size = np.abs(r)
        bent = np.minimum(size, delta)
        rho = bent * (size - 0.5 * bent)
        psi = np.copysign(bent, r)
        curvature = (size <= delta).astype(float)
        weight = bent / np.maximum(size, 1e-300)
    if asymmetry != 0.5:
        side = np.where(r < 0, 2 * asymmetry, 2 * (1 - asymmetry))
        rho, psi, curvature, weight = rho * side, psi * side, curvature * side, weight * side
    return rho, psi, curvature, weight


def noise_scale(r: np.ndarray, parameters: int) -> float:
    """The scaled median absolute residual, the `parameters` smallest dropped: as many residuals a fit can zero."""
    size = np.sort(np.abs(r))
    kept = size[min(parameters, max(size.size - 1, 0)) :]
    return float(NORMAL_MAD * np.median(kept)) if kept.size else 0.0


def tied_delta(r: np.ndarray, parameters: int) -> float:
    """The Huber delta tied to the noise of these residuals."""
    return HUBER_K * noise_scale(r, parameters)


def working_slope(r: np.ndarray, delta: float | None, parameters: int) -> float:
    """m, the expected psi' that scales Huber's objective to a chi-square-like statistic; 1 for least squares.

    Where most residuals are inside delta, their share with Huber's correction for fitted parameters. Where delta is so
    small that the loss is nearly least absolute deviation, 2 delta f(0) with the density from a Hall-Sheather
    difference of quantiles.
    """
    if delta is None or not np.isfinite(delta):
        return 1.0
    n = r.size
    share = float(np.mean(np.abs(r) <= delta))
    if share >= 0.5:
        return share / (1 + (parameters / n) * (1 - share) / share)
    bandwidth = _hall_sheather(n)
    low, high = np.quantile(r, [0.5 - bandwidth, 0.5 + bandwidth])
    density = 2 * bandwidth / max(high - low, 1e-300) * np.sqrt(max(1 - parameters / n, 1e-6))
    return float(min(2 * delta * density, 1.0))


def _hall_sheather(n: int) -> float:
    """Hall and Sheather's bandwidth at the median, for 95 % intervals."""
    z, density = 1.959964, 0.3989423
    return float(min(0.49, n ** (-1 / 3) * z ** (2 / 3) * (1.5 * density**2) ** (1 / 3)))
