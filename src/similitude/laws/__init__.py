"""The catalogue of laws, and the words to declare one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from similitude.laws._application import application
from similitude.laws._axis import along
from similitude.laws._catalogue import catalogue, get, resolve
from similitude.laws._estimate import Estimate, Prediction
from similitude.laws._exchange import law_from_dict, law_to_dict
from similitude.laws._formula import formula_law, formula_names
from similitude.laws._law import Law, Published, Source, law, paper, published
from similitude.laws._starts import start_grid
from similitude.laws._words import (
    Parameter,
    above_output,
    amplitude_of,
    below_output,
    exponent,
    positive,
    real,
    scale_of,
    unit_interval,
)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Law: ...


__all__ = [
    "Estimate",
    "Law",
    "Parameter",
    "Prediction",
    "Published",
    "Source",
    "above_output",
    "along",
    "amplitude_of",
    "application",
    "below_output",
    "catalogue",
    "exponent",
    "formula_law",
    "formula_names",
    "get",
    "law",
    "law_from_dict",
    "law_to_dict",
    "paper",
    "positive",
    "published",
    "real",
    "resolve",
    "scale_of",
    "start_grid",
    "unit_interval",
]

# last: a family's file and its first law may share a name, and the law is what the package shows
globals().update(catalogue())
__all__ += list(catalogue())
