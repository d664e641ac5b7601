"""Decide: how many parameters and tokens for a budget, what a target loss needs, and how sure the decision is."""

from __future__ import annotations

from similitude.planning._budget import Accelerator, Budget, accelerators, budget
from similitude.planning._largest import largest_model
from similitude.planning._make import plan
from similitude.planning._off_optimum import off_optimum
from similitude.planning._plan import Check, Curves, OffOptimum, Plan, Regret, Sensitivity
from similitude.planning._rescale import BatchChange, Rescaled, rescale_batch
from similitude.planning._rules import TuningRule, TuningRules, tuning_rules
from similitude.planning._stability import LrSensitivity, Signal, Stability, stability
from similitude.planning._tune import tune
from similitude.planning._tuning import Optimum, RuleCost, SettingLaw, TunedSettings, Tuning
from similitude.planning._width import WidthRule, WidthRules, WidthTransfer, width_rules, width_transfer

__all__ = [
    "Accelerator",
    "BatchChange",
    "Budget",
    "Check",
    "Curves",
    "LrSensitivity",
    "OffOptimum",
    "Optimum",
    "Plan",
    "Regret",
    "Rescaled",
    "RuleCost",
    "Sensitivity",
    "SettingLaw",
    "Signal",
    "Stability",
    "TunedSettings",
    "Tuning",
    "TuningRule",
    "TuningRules",
    "WidthRule",
    "WidthRules",
    "WidthTransfer",
    "accelerators",
    "budget",
    "largest_model",
    "off_optimum",
    "plan",
    "rescale_batch",
    "stability",
    "tune",
    "tuning_rules",
    "width_rules",
    "width_transfer",
]
