"""Points collected one by one and given away in chunks, with a bound on how many metrics there may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from similitude.runs._logged import CHUNK, points_schema

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MOST_METRICS", "Collector"]

MOST_METRICS = 100_000


@dataclass(slots=True)
class Collector:
    """Four lists that grow to a chunk; `full` says when to take it, `take` gives it. `names` are those bounded."""

    metric: list[str] = field(default_factory=list)
    step: list[int | None] = field(default_factory=list)
    time: list[float | None] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def add_bounded(self, metric: str, step: int | None, time: float | None, value: float) -> None:
        """One point, unless it is of one metric more than there may be."""
        if metric in self.names or len(self.names) < MOST_METRICS:
            self.names.add(metric)
            self.add(metric, step, time, value)

    def add(self, metric: str, step: int | None, time: float | None, value: float) -> None:
        """One point; a step that has more than 64 bits is no step."""
        self.metric.append(metric)
        self.step.append(step if step is None or -(1 << 63) <= step < 1 << 63 else None)
        self.time.append(time)
        self.value.append(value)

    @property
    def full(self) -> bool:
        """Whether a chunk has come together."""
        return len(self.value) >= CHUNK

    def take(self) -> Iterator[pl.DataFrame]:
        """What there is, as one frame; nothing where there is nothing."""
        import polars as pl

        if self.value:
            columns = {"metric": self.metric, "step": self.step, "time": self.time, "value": self.value}
            yield pl.DataFrame(columns, schema=points_schema())
            self.metric, self.step, self.time, self.value = [], [], [], []
