"""Decide: how many parameters and tokens for a budget, what a target loss needs, and how sure the decision is."""

from __future__ import annotations

from similitude.planning._budget import Accelerator, Budget, accelerators, budget
from similitude.planning._make import plan
from similitude.planning._plan import Check, Curves, OffOptimum, Plan, Regret, Sensitivity

__all__ = [
    "Accelerator",
    "Budget",
    "Check",
    "Curves",
    "OffOptimum",
    "Plan",
    "Regret",
    "Sensitivity",
    "accelerators",
    "budget",
    "plan",
]
