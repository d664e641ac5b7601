"""The catalogue of laws, and the words to declare one's own."""

from __future__ import annotations

from similitude.laws._application import application
from similitude.laws._catalogue import catalogue, get, resolve
from similitude.laws._estimate import Estimate, Prediction
from similitude.laws._exchange import law_from_dict, law_to_dict
from similitude.laws._formula import formula_law, formula_names
from similitude.laws._law import Law, Published, Source, law, paper, published
from similitude.laws._starts import start_grid
from similitude.laws._words import (
    Parameter,
    amplitude_of,
    below_output,
    exponent,
    positive,
    real,
    scale_of,
    unit_interval,
)

# last, and by name: a family's file and its first law may share one, and the law is what the package shows
from similitude.laws.chinchilla import chinchilla, chinchilla_tied, nested
from similitude.laws.kaplan import kaplan, kaplan_c, kaplan_d, kaplan_n
from similitude.laws.overtraining import overtrained
from similitude.laws.power import power, power_floor, power_scale
from similitude.laws.repetition import data_constrained

__all__ = [
    "Estimate",
    "Law",
    "Parameter",
    "Prediction",
    "Published",
    "Source",
    "amplitude_of",
    "application",
    "below_output",
    "catalogue",
    "chinchilla",
    "chinchilla_tied",
    "data_constrained",
    "exponent",
    "formula_law",
    "formula_names",
    "get",
    "kaplan",
    "kaplan_c",
    "kaplan_d",
    "kaplan_n",
    "law",
    "law_from_dict",
    "law_to_dict",
    "nested",
    "overtrained",
    "paper",
    "positive",
    "power",
    "power_floor",
    "power_scale",
    "published",
    "real",
    "resolve",
    "scale_of",
    "start_grid",
    "unit_interval",
]
