"""Decide: how many parameters and tokens for a budget, what a target loss needs, and how sure the decision is."""

from __future__ import annotations

from similitude.planning._budget import Accelerator, Budget, accelerators, budget
from similitude.planning._curves import CurveFit, CurvePrediction, fit_curves
from similitude.planning._in_run import RunForecast, forecast_run
from similitude.planning._largest import largest_model
from similitude.planning._make import plan
from similitude.planning._off_optimum import off_optimum
from similitude.planning._plan import Check, Curves, OffOptimum, Plan, Regret, Sensitivity
from similitude.planning._run_events import RunEvent
from similitude.planning._schedule_choice import (
    Candidate,
    CooldownLadder,
    ScheduleChoice,
    choose_schedule,
    cooldown_ladder,
)
from similitude.planning._training_curve import TrainingCurve, logged_schedule

__all__ = [
    "Accelerator",
    "Budget",
    "Candidate",
    "Check",
    "CooldownLadder",
    "CurveFit",
    "CurvePrediction",
    "Curves",
    "OffOptimum",
    "Plan",
    "Regret",
    "RunEvent",
    "RunForecast",
    "ScheduleChoice",
    "Sensitivity",
    "TrainingCurve",
    "accelerators",
    "budget",
    "choose_schedule",
    "cooldown_ladder",
    "fit_curves",
    "forecast_run",
    "largest_model",
    "logged_schedule",
    "off_optimum",
    "plan",
]
