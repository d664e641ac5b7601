"""The nonlinear regression sets of NIST's Statistical Reference Datasets: a reader and the 27 model functions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import similitude.math as m

FOLDER = Path(__file__).parent / "golden" / "nist"
_PI = 3.141592653589793


@dataclass(frozen=True)
class Problem:
    """One certified problem: find the `b` that minimise the sum of squares of `observed - model(*predictors, *b)`."""

    name: str
    difficulty: str  # "Lower", "Average" or "Higher"
    observed: np.ndarray  # (runs,); log(y) for Nelson, whose model is stated for the logarithm
    predictors: tuple[np.ndarray, ...]  # one (runs,) array a predictor
    starts: tuple[np.ndarray, np.ndarray]  # each (parameters,)
    certified: np.ndarray  # (parameters,)
    deviations: np.ndarray  # (parameters,), the certified standard deviations
    residual_sum: float
    residual_deviation: float
    model: Callable[..., Any]

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(f"b{i + 1}" for i in range(len(self.certified)))

    @property
    def degrees_of_freedom(self) -> int:
        return len(self.observed) - len(self.certified)

    def residuals(self, b: np.ndarray) -> np.ndarray:
        return self.observed - np.asarray(self.model(*self.predictors, *b))


def read(name: str) -> Problem:
    """Read ``golden/nist/NAME.dat`` and join it with its model."""
    text = (FOLDER / f"{name}.dat").read_text(encoding="ascii")
    table = np.array([row.split()[2:] for row in re.findall(r"^ *b\d+ =.*$", text, re.M)], dtype=float)
    data = np.array([row.split() for row in text.splitlines()[60:] if row.strip()], dtype=float)
    if len(data) != _number(text, "Number of Observations"):
        raise ValueError(f"{name}.dat holds {len(data)} observations, not the number it states")
    observed = np.log(data[:, 0]) if name == "Nelson" else data[:, 0]
    return Problem(
        name=name,
        difficulty=re.search(r"(\w+) Level of Difficulty", text)[1],  # pyright: ignore[reportOptionalSubscript]
        observed=observed,
        predictors=tuple(data[:, 1:].T),
        starts=(table[:, 0], table[:, 1]),
        certified=table[:, 2],
        deviations=table[:, 3],
        residual_sum=_number(text, "Residual Sum of Squares"),
        residual_deviation=_number(text, "Residual Standard Deviation"),
        model=MODELS[name],
    )


def digits(found: Any, certified: Any) -> np.ndarray:
    """Decimal digits of agreement, -log10 of the relative error, at most the 11 digits that NIST certifies."""
    error = np.abs(np.asarray(found, dtype=float) - certified) / np.abs(certified)
    with np.errstate(divide="ignore"):
        return np.clip(-np.log10(error), 0.0, 11.0)


def _number(text: str, label: str) -> float:
    found = re.search(rf"^{label}: +(\S+)", text, re.M)
    if found is None:
        raise ValueError(f"no line {label!r}")
    return float(found[1])


# The models, in NIST's symbols; each works on anything that similitude.math works on.


def misra1a(x, b1, b2):
    return b1 * (1 - m.exp(-b2 * x))


def misra1b(x, b1, b2):
    return b1 * (1 - (1 + b2 * x / 2) ** -2)


def misra1c(x, b1, b2):
    return b1 * (1 - (1 + 2 * b2 * x) ** -0.5)


def misra1d(x, b1, b2):
    return b1 * b2 * x / (1 + b2 * x)


def chwirut(x, b1, b2, b3):
    return m.exp(-b1 * x) / (b2 + b3 * x)


def lanczos(x, b1, b2, b3, b4, b5, b6):
    return b1 * m.exp(-b2 * x) + b3 * m.exp(-b4 * x) + b5 * m.exp(-b6 * x)


def gauss(x, b1, b2, b3, b4, b5, b6, b7, b8):
    first = b3 * m.exp(-((x - b4) ** 2) / b5**2)
    second = b6 * m.exp(-((x - b7) ** 2) / b8**2)
    return b1 * m.exp(-b2 * x) + first + second


def danwood(x, b1, b2):
    return b1 * x**b2


def kirby2(x, b1, b2, b3, b4, b5):
    return (b1 + b2 * x + b3 * x**2) / (1 + b4 * x + b5 * x**2)


def cubic_ratio(x, b1, b2, b3, b4, b5, b6, b7):
    return (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)


def nelson(x1, x2, b1, b2, b3):
    return b1 - b2 * x1 * m.exp(-b3 * x2)


def mgh09(x, b1, b2, b3, b4):
    return b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4)


def mgh10(x, b1, b2, b3):
    return b1 * m.exp(b2 / (x + b3))


def mgh17(x, b1, b2, b3, b4, b5):
    return b1 + b2 * m.exp(-x * b4) + b3 * m.exp(-x * b5)


def roszman1(x, b1, b2, b3, b4):
    return b1 - b2 * x - m.arctan(b3 / (x - b4)) / _PI


def enso(x, b1, b2, b3, b4, b5, b6, b7, b8, b9):
    def wave(cosine, sine, period):
        angle = 2 * _PI * x / period
        return cosine * m.cos(angle) + sine * m.sin(angle)

    return b1 + wave(b2, b3, 12) + wave(b5, b6, b4) + wave(b8, b9, b7)


def rat42(x, b1, b2, b3):
    return b1 / (1 + m.exp(b2 - b3 * x))


def rat43(x, b1, b2, b3, b4):
    return b1 / (1 + m.exp(b2 - b3 * x)) ** (1 / b4)


def eckerle4(x, b1, b2, b3):
    return b1 / b2 * m.exp(-0.5 * ((x - b3) / b2) ** 2)


def bennett5(x, b1, b2, b3):
    return b1 * (b2 + x) ** (-1 / b3)


MODELS: dict[str, Callable[..., Any]] = {
    "Misra1a": misra1a,
    "Chwirut2": chwirut,
    "Chwirut1": chwirut,
    "Lanczos3": lanczos,
    "Gauss1": gauss,
    "Gauss2": gauss,
    "DanWood": danwood,
    "Misra1b": misra1b,
    "Kirby2": kirby2,
    "Hahn1": cubic_ratio,
    "Nelson": nelson,
    "MGH17": mgh17,
    "Lanczos1": lanczos,
    "Lanczos2": lanczos,
    "Gauss3": gauss,
    "Misra1c": misra1c,
    "Misra1d": misra1d,
    "Roszman1": roszman1,
    "ENSO": enso,
    "MGH09": mgh09,
    "Thurber": cubic_ratio,
    "BoxBOD": misra1a,
    "Rat42": rat42,
    "MGH10": mgh10,
    "Eckerle4": eckerle4,
    "Rat43": rat43,
    "Bennett5": bennett5,
}
NAMES = tuple(MODELS)  # in NIST's order of difficulty
