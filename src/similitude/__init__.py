"""Similitude: scaling laws, from a table of small training runs to a decision about the big one."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

# public name -> module that defines it; resolved on first use, so that `import similitude` costs nothing
_HOME: dict[str, str] = {
    "Allocation": "similitude.fitting",
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
    "Tuning": "similitude.planning",
    "below_output": "similitude.laws",
    "budget": "similitude.planning",
    "cite": "similitude.reports",
    "compare_laws": "similitude.fitting",
    "datasets": "similitude.runs.datasets",
    "envelope": "similitude.fitting",
    "exponent": "similitude.laws",
    "fit": "similitude.fitting",
    "formula_law": "similitude.laws",
    "isoflop": "similitude.fitting",
    "largest_model": "similitude.planning",
    "law": "similitude.laws",
    "laws": "similitude.laws",
    "math": "similitude.math",
    "off_optimum": "similitude.planning",
    "paper": "similitude.laws",
    "papers": "similitude.studies",
    "plan": "similitude.planning",
    "positive": "similitude.laws",
    "published": "similitude.laws",
    "read_runs": "similitude.runs",
    "real": "similitude.laws",
    "report": "similitude.reports",
    "reproduce": "similitude.studies",
    "rescale_batch": "similitude.planning",
    "scale_of": "similitude.laws",
    "schedule": "similitude._schedule",
    "simulate": "similitude.fitting",
    "stability": "similitude.planning",
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
