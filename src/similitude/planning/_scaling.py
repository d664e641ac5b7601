"""How well training scales to more accelerators: efficiency from measured or modelled times, strong and weak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from similitude._errors import ArgumentError, QuestionError
from similitude._result import Result
from similitude._view import Axis, Column, Figure, Line, Points, Section, Table

__all__ = ["ScalingEfficiency", "scaling_efficiency"]


@dataclass(frozen=True)
class ScalingEfficiency(Result):
    """Efficiency at each number of accelerators against the smallest, which has 1. Made by `scaling_efficiency`.

    Strong: T1 n1 / (Tn n), the work being the same. Weak: T1 / Tn, the work growing with the accelerators. `serial` is
    the share of the work that does not spread (Amdahl for strong, Gustafson for weak), fitted to all of them by least
    squares; None where there are two counts or fewer.
    """

    kind: str
    accelerators: tuple[int, ...]
    seconds: tuple[float, ...]
    efficiency: tuple[float, ...]
    serial: float | None
    source: str = "measured"

    def __repr__(self) -> str:
        return (
            f"ScalingEfficiency({self.kind}: {self.efficiency[-1]:.1%} at {self.accelerators[-1]:,} accelerators "
            f"against {self.accelerators[0]:,})"
        )

    def view(self) -> Section:
        """Times and efficiencies, and the curve of them."""
        rows = [(f"{n:,}", f"{t:.4g}", f"{e:.1%}", f"{s:.4g}") for n, t, e, s in zip(*self._columns(), strict=True)]
        columns = [Column(c, align="right") for c in ("accelerators", "seconds", "efficiency", "times as fast")]
        note = (
            ""
            if self.serial is None
            else f"Share of the work that does not spread, at the smallest count: {self.serial:.2%}."
        )
        table = Table(f"{self.kind.capitalize()} scaling, {self.source}", columns, rows, note)
        series = (
            Points(self.source, self.accelerators, [100 * e for e in self.efficiency]),
            Line("perfect", (self.accelerators[0], self.accelerators[-1]), (100.0, 100.0), "reference"),
        )
        axes = Axis("Accelerators", ticks="count"), Axis("Efficiency", "%", scale="linear", low=0.0, high=105.0)
        figure = Figure(f"{self.kind.capitalize()} scaling", *axes, series, name=f"{self.kind}-scaling")
        return Section(f"{self.kind.capitalize()} scaling", (table, figure))

    def _columns(self) -> tuple[Any, ...]:
        faster = [e * n / self.accelerators[0] for e, n in zip(self.efficiency, self.accelerators, strict=True)]
        return self.accelerators, self.seconds, self.efficiency, faster


def scaling_efficiency(
    seconds: Mapping[int, float], *, kind: str = "strong", source: str = "measured"
) -> ScalingEfficiency:
    """Efficiency of training on more accelerators, from seconds (of a step, or of all) by their number.

    `kind` is "strong" (the same batch throughout) or "weak" (a batch that grows with the accelerators). Raises
    ArgumentError for times or numbers that are not positive, QuestionError for fewer than two numbers.

    >>> scaling_efficiency({128: 10.0, 256: 5.2, 512: 2.8})
    ScalingEfficiency(strong: 89.3% at 512 accelerators against 128)
    """
    if kind not in ("strong", "weak"):
        raise ArgumentError(f"kind = {kind!r}; expected 'strong' (the same batch) or 'weak' (a batch that grows)")
    if len(seconds) < 2:
        raise QuestionError("efficiency compares at least two numbers of accelerators; give the seconds of each")
    for n, t in seconds.items():
        if not (n > 0 and n == int(n) and 0 < t < float("inf")):
            raise ArgumentError(f"{n} accelerators, {t} seconds; expected positive numbers")
    counts = sorted(seconds)
    times = [float(seconds[n]) for n in counts]
    ratio = [n / counts[0] for n in counts]
    grown = ratio if kind == "strong" else [1.0] * len(counts)
    efficiency = tuple(times[0] / (t * g) for t, g in zip(times, grown, strict=True))
    return ScalingEfficiency(
        kind, tuple(int(n) for n in counts), tuple(times), efficiency, _serial(ratio, times, kind), source
    )


def _serial(ratio: list[float], times: list[float], kind: str) -> float | None:
    """Amdahl: T/T1 = f + (1 - f)/r. Gustafson, as time lost: T/T1 = 1 + f (r - 1). Both linear in f, through (1, 1)."""
    if len(ratio) < 3:
        return None
    x = [1 - 1 / r if kind == "strong" else r - 1 for r in ratio]
    y = [t / times[0] - (1 / r if kind == "strong" else 1.0) for r, t in zip(ratio, times, strict=True)]
    return max(0.0, sum(a * b for a, b in zip(x, y, strict=True)) / sum(a * a for a in x))
