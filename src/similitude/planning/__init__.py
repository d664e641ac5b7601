"""Decide: how many parameters and tokens for a budget, what a target loss needs, and how sure the decision is."""

from __future__ import annotations

from similitude.planning._budget import Accelerator, Budget, accelerators, budget
from similitude.planning._compound import CompoundScaling, Scaled, compound_scaling
from similitude.planning._decide import decide
from similitude.planning._decision import Decision, Deviation, Frontier, Rounded
from similitude.planning._largest import largest_model
from similitude.planning._make import plan
from similitude.planning._off_optimum import off_optimum
from similitude.planning._plan import Check, Curves, OffOptimum, Plan, Regret, Sensitivity
from similitude.planning._shape_sheet import ShapeSheet, shape_sheet
from similitude.planning._shapes import ShapeChoice, ShapeChoices, shapes_for

__all__ = [
    "Accelerator",
    "Budget",
    "Check",
    "CompoundScaling",
    "Curves",
    "Decision",
    "Deviation",
    "Frontier",
    "OffOptimum",
    "Plan",
    "Regret",
    "Rounded",
    "Scaled",
    "Sensitivity",
    "ShapeChoice",
    "ShapeChoices",
    "ShapeSheet",
    "accelerators",
    "budget",
    "compound_scaling",
    "decide",
    "largest_model",
    "off_optimum",
    "plan",
    "shape_sheet",
    "shapes_for",
]
