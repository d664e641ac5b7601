"""An estimate: a law with coefficients, what they count and where they hold; it predicts and can be planned with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, QuestionError
from similitude.laws._inverse import left_out, roots
from similitude.laws._law import Law, Published, Source, read_input

__all__ = ["Estimate", "Prediction", "read_digits"]


def read_digits(digits: str) -> float:
    """A coefficient as printed, `"406.4"`, or in the terms in which a source prints it, `"exp(6.0073404)"`.

    >>> round(read_digits("exp(6.0073404)"), 2)
    406.4
    """
    try:
        return float(digits)
    except ValueError:
        from similitude.laws._expression import evaluate
        from similitude.laws._formula import parse_formula

        return float(evaluate(parse_formula(digits), {}))


@dataclass(frozen=True)
class Prediction:
    """A law's value at some inputs.

    `value`, `low`, `high` are the law's mean and its confidence interval at `level`; `new_low`, `new_high` hold where
    one new run would fall. Ends that are not known are None (one point) or NaN (many). `extrapolation` is the ratio of
    the point's compute, or of its largest input where compute is not defined, to the largest among the runs.

    >>> from similitude.laws import chinchilla
    >>> at = chinchilla.published["besiroglu2024"].predict(N=70e9, D=1.4e12)
    >>> round(at.value, 3), at.low is None, at.unit
    (1.974, True, 'nats/token')
    """

    at: Mapping[str, Any]
    value: Any
    low: Any = None
    high: Any = None
    level: float | None = None
    extrapolation: Any = None
    new_low: Any = None
    new_high: Any = None
    unit: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        if np.ndim(self.value):
            return f"Prediction({np.size(self.value)} points)"
        from similitude._digits import format_interval

        return f"Prediction({format_interval(self.value, self.low, self.high)} {self.unit})"

    def to_dict(self) -> dict[str, Any]:
        """One point as plain values: at, value, low, high, level, extrapolation, new_run."""
        new_run = {"low": self.new_low, "high": self.new_high}
        return {
            "at": dict(self.at),
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "extrapolation": self.extrapolation,
            "new_run": new_run,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, eq=False)
class Estimate:
    """A law with coefficients: `values` by name, `label`, counting convention, source and range of validity.

    A published coefficient set is an Estimate; a `Fit` is an Estimate with evidence.

    >>> from similitude.laws import chinchilla
    >>> estimate = chinchilla.published["besiroglu2024"]
    >>> round(estimate.value(N=70e9, D=1.4e12), 3), estimate.counts
    (1.974, 'total')
    """

    law: Law
    values: Mapping[str, float]
    label: str = "given coefficients"
    counts: str = "undeclared"
    source: Source | None = None
    digits: Mapping[str, str] = field(default_factory=dict)
    within: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def from_published(cls, law: Law, entry: Published) -> Estimate:
        """The estimate a published coefficient set stands for."""
        values = {k: read_digits(v) for k, v in entry.digits.items()}
        return cls(
            law,
            MappingProxyType(values),
            label=f"{law.name}:{entry.key}",
            counts=entry.counts,
            source=entry.source,
            digits=entry.digits,
            within=entry.within,
            note=entry.note,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label}: {', '.join(f'{k}={v:.6g}' for k, v in self.values.items())})"

    def value(self, **inputs: Any) -> Any:
        """The law's value at inputs (scalars, text such as "7B", or arrays that broadcast), without an interval.

        Raises ArgumentError for a missing, unknown or non-positive input.
        """
        out = self.law.evaluate(self.law.check_inputs(inputs), {k: np.float64(v) for k, v in self.values.items()})
        return float(out) if np.ndim(out) == 0 else out

    def inverse(self, target: Any, *, level: float | None = None, **others: Any) -> Prediction:
        """The value of the one input left out at which the law reaches `target`, the other inputs given.

        The smallest such value is taken, within a factor of 1e9 around where the law's inputs usually lie. `at` of the
        result holds the target as "output" and the other inputs. Raises ArgumentError unless all inputs but one are
        given, and QuestionError where the law does not reach the target.

        >>> from similitude.laws import chinchilla
        >>> found = chinchilla.published["besiroglu2024"].inverse(2.0, N=70e9)
        >>> f"{found.value:.3g} {found.unit}"
        '6.2e+11 tokens'
        """
        if level is not None:
            raise ArgumentError(
                f"{self.label} has published coefficients but no runs: it gives a value, not an interval"
            )
        name, goal, numbers = left_out(self.law, target, others)
        rows = {k: np.array([float(v)]) for k, v in self.values.items()}
        value = float(roots(self.law, rows, name, goal, numbers, self._reach(name))[0])
        self._refuse_unreached(value, name, goal, numbers)
        return Prediction({"output": goal, **numbers}, value, unit=str(self.law.inputs[name]))

    def _reach(self, name: str) -> tuple[float, float]:
        """Where an input is looked for."""
        low, high = self.within.get(name) or self.law.span.get(name) or (1.0, 1e12)
        if self.law.positive_inputs:
            return low / 1e9, high * 1e9
        return low - 10 * (high - low), high + 10 * (high - low)

    def _refuse_unreached(self, value: float, name: str, goal: float, numbers: Mapping[str, float]) -> None:
        if not np.isfinite(value):
            given = "".join(f" at {k} = {v:.4g}" for k, v in numbers.items())
            raise QuestionError(
                f"{self.label}: no {name} brings the law to {goal:g}{given}: its floor or ceiling is in the way"
            )

    def predict(self, *, level: float | None = None, **inputs: Any) -> Prediction:
        """The law's value at inputs. A bare estimate carries no runs, so the interval's ends are unknown (None).

        Raises ArgumentError for a missing, unknown or non-positive input, or a level that a bare estimate cannot give.
        """
        if level is not None:
            raise ArgumentError(
                f"{self.label} has published coefficients but no runs: it gives a value, not an interval; "
                "fit the law to runs to have one"
            )
        value = self.value(**inputs)
        inputs = {k: read_input(v) for k, v in inputs.items()}
        unknown = None if np.ndim(value) == 0 else np.full(np.shape(value), np.nan)
        return Prediction(inputs, value, unknown, unknown, None, None, unknown, unknown, str(self.law.output))
