"""Runs: an immutable table of training runs with units and a counting convention, and the readers that make it."""

from __future__ import annotations

from ._derive import FLOP_RULES, FlopRule
from ._read import read_runs
from ._table import Runs

__all__ = ["FLOP_RULES", "FlopRule", "Runs", "read_runs"]
