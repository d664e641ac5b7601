"""Estimate a law from runs: objectives, the engine, intervals, diagnosis."""

from __future__ import annotations

from similitude.fitting._approaches import Allocation, envelope, isoflop
from similitude.fitting._bootstrap import Bootstrap
from similitude.fitting._compare import LawComparison, compare_laws
from similitude.fitting._fit import Fit, Grouped, fit
from similitude.fitting._objective import Objective
from similitude.fitting._options import Intervals
from similitude.fitting._simulate import simulate

__all__ = [
    "Allocation",
    "Bootstrap",
    "Fit",
    "Grouped",
    "Intervals",
    "LawComparison",
    "Objective",
    "compare_laws",
    "envelope",
    "fit",
    "isoflop",
    "simulate",
]
