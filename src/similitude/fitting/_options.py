"""How uncertainty is estimated, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from similitude._errors import ArgumentError

__all__ = ["Intervals"]

BOOTSTRAPS = ("case", "residual", "wild", "parametric")
METHODS = ("profile", "delta", *BOOTSTRAPS)


@dataclass(frozen=True, slots=True)
class Intervals:
    """How intervals are made.

    `method`: "profile" (likelihood, F cut), "delta" (symmetric, from the curvature), or a bootstrap: "case" (by cluster
    where runs are clustered), "residual", "wild", "parametric". `level`: nominal coverage. `cluster`: the column whose
    equal values share an error, None for independent runs, "auto" for the column `run` where one id has several rows.
    `noise`: "constant", or "scale" where the noise changes with compute. `resamples`: of a bootstrap; None is 400.

    Raises ArgumentError for an unknown word, a level outside (0, 1) or fewer than 20 resamples.

    >>> Intervals(level=0.8).method
    'profile'
    """

    method: str = "profile"
    level: float = 0.9
    cluster: str | None = "auto"
    noise: str = "constant"
    resamples: int | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ArgumentError(f"unknown interval method '{self.method}'; choose one of {', '.join(METHODS)}")
        if not 0 < self.level < 1:
            raise ArgumentError(f"level = {self.level:g}: it must lie between 0 and 1, such as 0.9")
        if self.noise not in ("constant", "scale"):
            raise ArgumentError(f"unknown noise model '{self.noise}'; choose constant or scale")
        if self.resamples is not None and self.resamples < 20:
            raise ArgumentError(f"resamples = {self.resamples}: fewer than 20 say nothing about an interval")

    @property
    def bootstrap(self) -> bool:
        """Whether the method resamples."""
        return self.method in BOOTSTRAPS

    @property
    def count(self) -> int:
        """Resamples in force, 0 where none are made."""
        return (self.resamples or 400) if self.bootstrap else 0
