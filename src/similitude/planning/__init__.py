"""Decide: how many parameters and tokens for a budget, what a target loss needs, and how sure the decision is."""

from __future__ import annotations

from similitude.planning._budget import Accelerator, Budget, accelerators, budget
from similitude.planning._decide import decide
from similitude.planning._decision import Decision, Deviation, Frontier, Rounded
from similitude.planning._largest import largest_model
from similitude.planning._make import plan
from similitude.planning._off_optimum import off_optimum
from similitude.planning._plan import Check, Curves, OffOptimum, Plan, Regret, Sensitivity

__all__ = [
    "Accelerator",
    "Budget",
    "Check",
    "Curves",
    "Decision",
    "Deviation",
    "Frontier",
    "OffOptimum",
    "Plan",
    "Regret",
    "Rounded",
    "Sensitivity",
    "accelerators",
    "budget",
    "decide",
    "largest_model",
    "off_optimum",
    "plan",
]
