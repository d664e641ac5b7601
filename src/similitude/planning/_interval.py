"""A number with the ends of its interval."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Interval"]


@dataclass(frozen=True)
class Interval:
    """A number with the ends of its interval; an end that is not known is None."""

    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
