"""Chen et al. 2025: parallel streams act like a larger model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Interval
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import datasets
from similitude.studies._claim import measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

# E, A in billions, alpha, k, R2 of the authors' fit
PRINTED = {
    "stack-v2-python": ("0.691237", "0.0113062", "0.189371", "0.393463", "0.99783"),
    "pile": ("1.288766", "0.197352", "0.196333", "0.334456", "0.99868"),
}
README = "README, fitted parameters"


def claims(seed: int) -> Iterator[Item]:
    law, runs = get("parscale"), datasets.load("parscale")
    for corpus, printed in PRINTED.items():
        found = fit(law, runs.where(dataset=corpus), delta=1e-3)
        for name, digits in zip(("E", "A", "alpha", "k"), printed):
            scale = 1e-9 if name == "A" else 1.0
            low, high = (None if end is None else end * scale for end in found.ends[name])
            ours = Interval(found.values[name] * scale, low, high)
            label = "A, in billions" if name == "A" else name
            yield measured(f"{label}, {corpus}", digits, README, ours, interval="90 % profile")
        y = found.observed.y
        explained = 1 - np.sum((y - found.fitted()) ** 2) / np.sum((y - y.mean()) ** 2)
        yield measured(f"R2, {corpus}", printed[-1], README, float(explained))
    yield "Twenty-four points of one number of tokens each: the floor E contains what more data would gain."


STUDY = Declaration(
    "chen2025parscale", "Parallel scaling law for language models", "chen2025parscale", ("parscale",), claims
)
