"""Estimate a law from runs: objectives, the engine, intervals, diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from similitude.fitting._bootstrap import Bootstrap
from similitude.fitting._fit import Fit, Grouped, fit
from similitude.fitting._objective import Objective
from similitude.fitting._options import Intervals

if TYPE_CHECKING:
    from similitude.fitting._approaches import Allocation, envelope, isoflop
    from similitude.fitting._compare import LawComparison, compare_laws
    from similitude.fitting._forecast import Forecast
    from similitude.fitting._simulate import simulate

# what a plain fit does not need is imported on first use
_HOME = {
    "Allocation": "_approaches",
    "envelope": "_approaches",
    "isoflop": "_approaches",
    "Forecast": "_forecast",
    "LawComparison": "_compare",
    "compare_laws": "_compare",
    "simulate": "_simulate",
}

__all__ = [
    "Allocation",
    "Bootstrap",
    "Fit",
    "Forecast",
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


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module 'similitude.fitting' has no attribute {name!r}")
    return getattr(import_module(f"similitude.fitting.{_HOME[name]}"), name)
