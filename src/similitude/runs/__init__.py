"""Runs: an immutable table of training runs with units and a counting convention, and the readers that make it."""

from __future__ import annotations

from ._curves import Curve, curve_of, on_grid
from ._derive import FLOP_RULES, FlopRule
from ._logged import LoggedRun
from ._logs import Logs, read_logs
from ._read import read_runs
from ._table import Runs

__all__ = [
    "FLOP_RULES",
    "Curve",
    "FlopRule",
    "LoggedRun",
    "Logs",
    "Runs",
    "curve_of",
    "on_grid",
    "read_logs",
    "read_runs",
]
