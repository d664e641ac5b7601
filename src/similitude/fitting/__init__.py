"""Estimate a law from runs: objectives, the engine, intervals, diagnosis."""

from __future__ import annotations

from similitude.fitting._bootstrap import Bootstrap
from similitude.fitting._fit import Fit, Grouped, fit
from similitude.fitting._objective import Objective
from similitude.fitting._options import Intervals

__all__ = ["Bootstrap", "Fit", "Grouped", "Intervals", "Objective", "fit"]
