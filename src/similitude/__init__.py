"""Similitude: scaling laws, from a table of small training runs to a decision about the big one."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

# public name -> module that defines it; resolved on first use, so that `import similitude` costs nothing
_HOME: dict[str, str] = {
    "Allocation": "similitude.fitting",
    "Comparison": "similitude.comparison",
    "Curve": "similitude.runs",
    "DataPools": "similitude.planning",
    "Decision": "similitude.planning",
    "Estimate": "similitude.laws",
    "Fit": "similitude.fitting",
    "Forecast": "similitude.fitting",
    "Intervals": "similitude.fitting",
    "Law": "similitude.laws",
    "LawComparison": "similitude.fitting",
    "Objective": "similitude.fitting",
    "Plan": "similitude.planning",
    "Prediction": "similitude.laws",
    "Runs": "similitude.runs",
    "Schedule": "similitude._schedule",
    "SimilitudeError": "similitude._errors",
    "Store": "similitude.runs.store",
    "TrainingCurve": "similitude.planning",
    "Trend": "similitude.comparison",
    "Tuning": "similitude.planning",
    "architectures": "similitude._known_shapes",
    "below_output": "similitude.laws",
    "budget": "similitude.planning",
    "choose_schedule": "similitude.planning",
    "cite": "similitude.reports",
    "compare": "similitude.comparison",
    "compare_laws": "similitude.fitting",
    "compound_scaling": "similitude.planning",
    "cooldown_ladder": "similitude.planning",
    "critical_batch": "similitude.planning",
    "curve_of": "similitude.runs",
    "datasets": "similitude.runs.datasets",
    "decide": "similitude.planning",
    "envelope": "similitude.fitting",
    "exponent": "similitude.laws",
    "fit": "similitude.fitting",
    "fit_curves": "similitude.planning",
    "fit_pools": "similitude.planning",
    "fit_runtime": "similitude.planning",
    "forecast_run": "similitude.planning",
    "formula_law": "similitude.laws",
    "isoflop": "similitude.fitting",
    "lab": "similitude.lab",
    "ladder": "similitude.planning",
    "largest_model": "similitude.planning",
    "law": "similitude.laws",
    "laws": "similitude.laws",
    "lifetime_cost": "similitude.planning",
    "logged_schedule": "similitude.planning",
    "math": "similitude.math",
    "mixture": "similitude.planning",
    "mixture_laws": "similitude.planning",
    "next_runs": "similitude.planning",
    "noise_scale": "similitude.planning",
    "off_optimum": "similitude.planning",
    "on_grid": "similitude.runs",
    "paper": "similitude.laws",
    "papers": "similitude.studies",
    "parallel_layouts": "similitude.planning",
    "plan": "similitude.planning",
    "plugins": "similitude._plugins",
    "pools": "similitude.planning",
    "positive": "similitude.laws",
    "published": "similitude.laws",
    "read_logs": "similitude.runs",
    "read_runs": "similitude.runs",
    "real": "similitude.laws",
    "repetition": "similitude.planning",
    "report": "similitude.reports",
    "reproduce": "similitude.studies",
    "rescale_batch": "similitude.planning",
    "runtime_front": "similitude.planning",
    "scale_of": "similitude.laws",
    "scaling_efficiency": "similitude.planning",
    "schedule": "similitude._schedule",
    "seeds_for": "similitude.planning",
    "serve": "similitude.planning",
    "shape": "similitude._known_shapes",
    "shape_sheet": "similitude.planning",
    "shapes_for": "similitude.planning",
    "simulate": "similitude.fitting",
    "stability": "similitude.planning",
    "steps_to_goal": "similitude.planning",
    "track": "similitude.track",
    "trend": "similitude.comparison",
    "tune": "similitude.planning",
    "tuning_rules": "similitude.planning",
    "unit_interval": "similitude.laws",
    "width_rules": "similitude.planning",
    "width_transfer": "similitude.planning",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    from importlib import import_module

    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'similitude' has no attribute {name!r}") from None
    module = import_module(home)
    value = module if home.rpartition(".")[2] == name else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
