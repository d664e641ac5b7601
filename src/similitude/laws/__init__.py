"""The catalogue of laws, and the words to declare one's own."""

from __future__ import annotations

from similitude.laws._estimate import Estimate, Prediction
from similitude.laws._law import Law, Published, Source, law, paper, published
from similitude.laws._words import Parameter, below_output, positive, real, scale_of, unit_interval

__all__ = [
    "Estimate",
    "Law",
    "Parameter",
    "Prediction",
    "Published",
    "Source",
    "below_output",
    "law",
    "paper",
    "positive",
    "published",
    "real",
    "scale_of",
    "unit_interval",
]
