"""Compare: which of two procedures wins at scale, where their curves cross, and how a metric moves with scale."""

from __future__ import annotations

from similitude.comparison._compare import compare
from similitude.comparison._result import Comparison, Crossing, Gap, Pair, Score, SharedModel
from similitude.comparison._trend import Trend, trend

__all__ = ["Comparison", "Crossing", "Gap", "Pair", "Score", "SharedModel", "Trend", "compare", "trend"]
