"""Decide: how many parameters and tokens for a budget, what a target loss needs, and how sure the decision is."""

from __future__ import annotations

from similitude.planning._batch import CriticalBatch, critical_batch
from similitude.planning._batch_choice import BatchChoice, BatchDecision
from similitude.planning._batch_curve import BatchCurve, BatchSlope
from similitude.planning._batch_growth import BatchGrowth
from similitude.planning._budget import Accelerator, Budget, accelerators, budget
from similitude.planning._compound import CompoundScaling, Scaled, compound_scaling
from similitude.planning._curves import CurveFit, CurvePrediction, fit_curves
from similitude.planning._decide import decide
from similitude.planning._decision import Decision, Deviation, Frontier, Rounded
from similitude.planning._fit_pools import DataPool, DataPools, fit_pools
from similitude.planning._in_run import RunForecast, forecast_run
from similitude.planning._ladder import Design, Ladder, Simulated, ladder
from similitude.planning._largest import largest_model
from similitude.planning._layout import Layout, Layouts
from similitude.planning._lifetime import LifetimeCost, lifetime_cost
from similitude.planning._make import plan
from similitude.planning._mixture import Mixture, Proportion, mixture
from similitude.planning._mixture_laws import mixture_laws
from similitude.planning._next_runs import GainMap, NewRuns, NextRuns, Outlook, next_runs
from similitude.planning._noise_scale import NoiseScale, noise_scale
from similitude.planning._off_optimum import off_optimum
from similitude.planning._parallel import parallel_layouts
from similitude.planning._plan import Check, Curves, OffOptimum, Plan, Regret, RoundPlan, Sensitivity
from similitude.planning._pools import PoolBudget, PoolChange, PoolChoice, PoolSet, pools
from similitude.planning._repetition import Repetition, RepetitionRow, repetition
from similitude.planning._rescale import BatchChange, Rescaled, rescale_batch
from similitude.planning._rules import TuningRule, TuningRules, tuning_rules
from similitude.planning._run_events import RunEvent
from similitude.planning._runtime import Runtime, RuntimeFront, fit_runtime, runtime_front
from similitude.planning._scaling import ScalingEfficiency, scaling_efficiency
from similitude.planning._schedule_choice import (
    Candidate,
    CooldownLadder,
    ScheduleChoice,
    choose_schedule,
    cooldown_ladder,
)
from similitude.planning._seeds import Seeds, seeds_for
from similitude.planning._serving import Served, Serving, serve
from similitude.planning._shape_sheet import ShapeSheet, shape_sheet
from similitude.planning._shapes import ShapeChoice, ShapeChoices, shapes_for
from similitude.planning._stability import LrSensitivity, Signal, Stability, stability
from similitude.planning._steps_to_goal import steps_to_goal
from similitude.planning._training_curve import TrainingCurve, logged_schedule
from similitude.planning._tune import tune
from similitude.planning._tuning import Optimum, RuleCost, SettingLaw, TunedSettings, Tuning
from similitude.planning._width import WidthRule, WidthRules, WidthTransfer, width_rules, width_transfer

__all__ = [
    "Accelerator",
    "BatchChange",
    "BatchChoice",
    "BatchCurve",
    "BatchDecision",
    "BatchGrowth",
    "BatchSlope",
    "Budget",
    "Candidate",
    "Check",
    "CompoundScaling",
    "CooldownLadder",
    "CriticalBatch",
    "CurveFit",
    "CurvePrediction",
    "Curves",
    "DataPool",
    "DataPools",
    "Decision",
    "Design",
    "Deviation",
    "Frontier",
    "GainMap",
    "Ladder",
    "Layout",
    "Layouts",
    "LifetimeCost",
    "LrSensitivity",
    "Mixture",
    "NewRuns",
    "NextRuns",
    "NoiseScale",
    "OffOptimum",
    "Optimum",
    "Outlook",
    "Plan",
    "PoolBudget",
    "PoolChange",
    "PoolChoice",
    "PoolSet",
    "Proportion",
    "Regret",
    "Repetition",
    "RepetitionRow",
    "Rescaled",
    "RoundPlan",
    "Rounded",
    "RuleCost",
    "RunEvent",
    "RunForecast",
    "Runtime",
    "RuntimeFront",
    "Scaled",
    "ScalingEfficiency",
    "ScheduleChoice",
    "Seeds",
    "Sensitivity",
    "Served",
    "Serving",
    "SettingLaw",
    "ShapeChoice",
    "ShapeChoices",
    "ShapeSheet",
    "Signal",
    "Simulated",
    "Stability",
    "TrainingCurve",
    "TunedSettings",
    "Tuning",
    "TuningRule",
    "TuningRules",
    "WidthRule",
    "WidthRules",
    "WidthTransfer",
    "accelerators",
    "budget",
    "choose_schedule",
    "compound_scaling",
    "cooldown_ladder",
    "critical_batch",
    "decide",
    "fit_curves",
    "fit_pools",
    "fit_runtime",
    "forecast_run",
    "ladder",
    "largest_model",
    "lifetime_cost",
    "logged_schedule",
    "mixture",
    "mixture_laws",
    "next_runs",
    "noise_scale",
    "off_optimum",
    "parallel_layouts",
    "plan",
    "pools",
    "repetition",
    "rescale_batch",
    "runtime_front",
    "scaling_efficiency",
    "seeds_for",
    "serve",
    "shape_sheet",
    "shapes_for",
    "stability",
    "steps_to_goal",
    "tune",
    "tuning_rules",
    "width_rules",
    "width_transfer",
]
