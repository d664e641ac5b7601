"""The loss over parameters and tokens that a law describes, with exact slopes: what every question of planning asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from similitude._dual import Dual
from similitude._errors import ArgumentError, QuestionError, did_you_mean
from similitude.laws import Law

__all__ = ["LOG_RULE", "LogDual", "Surface"]

LOG_RULE = float(np.log(6.0))  # training costs 6 FLOP per parameter and token
FREE = ("N", "D", "C", "M")  # parameters, tokens, training FLOP, tokens per parameter: any two say the other two


class LogDual(Dual):
    """A positive dual number held by its logarithm: a power costs one multiplication, and the value one exponential.

    `log` is the logarithm and `slopes` its derivatives by seed.
    """

    __slots__ = ("_value", "log", "slopes")

    def __init__(self, log: Any, slopes: dict[int, Any] | None = None):
        self.log = log
        self.slopes = slopes or {}
        self._value: Any = None

    @property
    def value(self) -> Any:
        """exp(log), computed once when first asked."""
        if self._value is None:
            self._value = np.exp(self.log)
        return self._value

    @property
    def partials(self) -> dict[int, Any]:
        """The derivatives of the value by seed."""
        return {k: self.value * s for k, s in self.slopes.items()}

    def __pow__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return super().__pow__(other)
        exponent = np.asarray(other, float)
        return LogDual(self.log * exponent, {k: s * exponent for k, s in self.slopes.items()})

    def __mul__(self, other: Any) -> Dual:
        if isinstance(other, LogDual):
            keys = {*self.slopes, *other.slopes}
            slopes = {k: self.slopes.get(k, 0.0) + other.slopes.get(k, 0.0) for k in keys}
            return LogDual(self.log + other.log, slopes)
        if not isinstance(other, Dual) and np.all(np.asarray(other) > 0):
            return LogDual(self.log + np.log(other), self.slopes)
        return super().__mul__(other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Dual:
        if isinstance(other, LogDual):
            return self * other._inverse()
        return super().__truediv__(other)

    def __rtruediv__(self, other: Any) -> Dual:
        return self._inverse() * other

    def _inverse(self) -> LogDual:
        return LogDual(-self.log, {k: -s for k, s in self.slopes.items()})


@dataclass(frozen=True)
class Surface:
    """A law as a function of log N and log D, its other inputs held; `inference_tokens` weigh on the cost of N.

    The lifetime cost is 6 N D + 2 N D_inf. Along a cost F, N = F / (6 D + 2 D_inf): every D > 0 is feasible.
    """

    law: Law
    held: Mapping[str, float] = field(default_factory=dict)
    inference_tokens: float = 0.0

    @classmethod
    def of(cls, law: Law, at: Mapping[str, float] | None = None, inference_tokens: float | None = None) -> Surface:
        """The surface of a law, with the inputs in `at` held.

        Raises ArgumentError for an unknown or missing input, QuestionError for a law that has no N and D to choose.
        """
        held = dict(at or {})
        for name in held:
            if name not in law.inputs:
                raise ArgumentError(
                    f"law '{law.name}' has no input '{name}'{did_you_mean(name, law.inputs)} "
                    f"(it takes {', '.join(law.inputs)})"
                )
        free = [k for k, unit in law.inputs.items() if k in FREE and k not in held and unit.name != "PF-days"]
        if len(free) < 2:
            raise QuestionError(
                f"law '{law.name}' has {' and '.join(free) or 'neither N nor D'} to choose, and an allocation needs "
                "two of N, D, C and M (tokens per parameter): fit a law in both N and D"
            )
        if missing := [k for k in law.inputs if k not in free and k not in held]:
            raise ArgumentError(f"law '{law.name}' also needs {', '.join(missing)}: give at={{'{missing[0]}': ...}}")
        law.check_inputs({**dict.fromkeys(free, 1.0), **held})
        return cls(law, held, float(inference_tokens or 0.0))

    def evaluate(self, params: Mapping[str, Any], n: Any, d: Any) -> Any:
        """The law at N and D, whatever kind of number they and the parameters are."""
        inputs: dict[str, Any] = {"N": n, "D": d, **self.held}
        if "C" in self.law.inputs and "C" not in self.held:
            inputs["C"] = n * d * 6.0
        if "M" in self.law.inputs and "M" not in self.held:
            inputs["M"] = d / n
        return self.law.evaluate(inputs, params)

    def loss(self, params: Mapping[str, Any], log_n: Any, log_d: Any) -> Any:
        """The loss at log N and log D; everything broadcasts."""
        out = self.evaluate(params, LogDual(log_n), LogDual(log_d))
        return out.value if isinstance(out, Dual) else np.broadcast_to(out, np.broadcast(log_n, log_d).shape)

    def slopes(self, params: Mapping[str, Any], log_n: Any, log_d: Any) -> tuple[Any, Any, Any]:
        """(loss, d loss / d log N, d loss / d log D)."""
        out = self.evaluate(params, LogDual(log_n, {0: 1.0}), LogDual(log_d, {1: 1.0}))
        partials = out.partials
        return out.value, partials.get(0, 0.0), partials.get(1, 0.0)

    def log_parameters(self, log_flop: Any, log_d: Any) -> Any:
        """log N where tokens exp(log_d) use up the cost exp(log_flop)."""
        if not self.inference_tokens:
            return log_flop - LOG_RULE - log_d
        return log_flop - LOG_RULE - np.logaddexp(log_d, np.log(self.inference_tokens / 3))

    def log_tokens(self, log_flop: Any, log_n: Any) -> Any:
        """log D where parameters exp(log_n) use up the cost exp(log_flop); NaN where inference alone costs more."""
        if not self.inference_tokens:
            return log_flop - LOG_RULE - log_n
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(np.exp(log_flop - LOG_RULE - log_n) - self.inference_tokens / 3)

    def log_cost(self, log_n: Any, log_d: Any) -> Any:
        """log of the lifetime cost 6 N D + 2 N D_inf in FLOP."""
        if not self.inference_tokens:
            return LOG_RULE + log_n + log_d
        return LOG_RULE + log_n + np.logaddexp(log_d, np.log(self.inference_tokens / 3))

    def along(self, params: Mapping[str, Any], log_flop: Any, log_d: Any) -> tuple[Any, Any]:
        """(loss, d loss / d log D) along the curve of constant cost."""
        log_n = self.log_parameters(log_flop, log_d)
        out = self.evaluate(params, LogDual(log_n, {0: self.exchange(log_d)}), LogDual(log_d, {0: 1.0}))
        return out.value, out.partials.get(0, 0.0)

    def exchange(self, log_d: Any) -> Any:
        """d log N / d log D at constant cost: -1, or -D / (D + D_inf/3) where inference is paid for."""
        return -1 / (1 + self.inference_tokens / 3 * np.exp(-log_d)) if self.inference_tokens else -1.0
