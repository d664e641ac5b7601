"""Forward-mode dual numbers over arrays: a value and its partial derivatives by a few seeds.

The partials are sparse: a seed that an expression does not depend on is absent, so `A / N**alpha + B / D**beta`
carries two partials through each term, not five. A partial may have any shape that broadcasts against the value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Dual", "logistic", "solve"]

Partials = dict[int, Any]
_UNKNOWN = -1  # the seed of an implicit unknown, apart from those of parameters


class Dual:
    """A value with partial derivatives; arithmetic and `similitude.math` functions follow the chain rule.

    >>> x = Dual(3.0, {0: 1.0})
    >>> (x * x + 1).partials[0]
    6.0
    """

    __slots__ = ("partials", "value")
    __array_ufunc__ = None  # makes `ndarray * Dual` come to Dual.__rmul__

    def __init__(self, value: Any, partials: Partials):
        self.value = value
        self.partials = partials

    def __repr__(self) -> str:
        return f"Dual({self.value!r}, {self.partials!r})"

    def __neg__(self) -> Dual:
        return Dual(-self.value, {k: -d for k, d in self.partials.items()})

    def __pos__(self) -> Dual:
        return self

    def __add__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.value + other.value, _merge(self.partials, other.partials))
        return Dual(self.value + other, self.partials)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Dual:
        return self + (-other)

    def __rsub__(self, other: Any) -> Dual:
        return (-self) + other

    def __mul__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            a, b = self.value, other.value
            return Dual(a * b, _merge(_scaled(self.partials, b), _scaled(other.partials, a)))
        return Dual(self.value * other, _scaled(self.partials, other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            ratio = self.value / other.value
            return Dual(
                ratio, _merge(_scaled(self.partials, 1 / other.value), _scaled(other.partials, -ratio / other.value))
            )
        return Dual(self.value / other, _scaled(self.partials, 1 / np.asarray(other, float)))

    def __rtruediv__(self, other: Any) -> Dual:
        ratio = other / self.value
        return Dual(ratio, _scaled(self.partials, -ratio / self.value))

    def __pow__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return _exp(other * _log(self))
        if np.ndim(other) == 0 and other == 2:
            return self * self
        exponent = np.asarray(other, float)
        return Dual(self.value**exponent, _scaled(self.partials, exponent * self.value ** (exponent - 1)))

    def __rpow__(self, base: Any) -> Dual:
        base = np.asarray(base, float)
        if np.all(base > 0):  # one exponential is cheaper than a power, and log(base) has no batch axis
            logs = np.log(base)
            value = np.exp(self.value * logs)
        else:
            value = base**self.value
            with np.errstate(divide="ignore", invalid="ignore"):
                logs = np.where(base == 0, 0.0, np.log(base))
        return Dual(value, _scaled(self.partials, value * logs))

    def __abs__(self) -> Dual:
        return Dual(abs(self.value), _scaled(self.partials, np.sign(self.value)))

    def __similitude__(self, name: str, args: tuple[Any, ...]) -> Dual:
        try:
            return _FUNCTIONS[name](*args)
        except KeyError:
            raise NotImplementedError(f"no derivative rule for {name}") from None


def _scaled(partials: Partials, factor: Any) -> Partials:
    return {k: d * factor for k, d in partials.items()}


def _merge(a: Partials, b: Partials) -> Partials:
    if not a:
        return b
    out = dict(a)
    for k, d in b.items():
        out[k] = out[k] + d if k in out else d
    return out


def _parts(x: Any) -> tuple[Any, Partials]:
    return (x.value, x.partials) if isinstance(x, Dual) else (x, {})


def _unary(function: Callable[[Any], Any], slope: Callable[[Any, Any], Any]) -> Callable[[Dual], Dual]:
    """A rule from a function and its slope; the slope is given the argument and the value already computed."""

    def apply(x: Dual) -> Dual:
        value = function(x.value)
        return Dual(value, _scaled(x.partials, slope(x.value, value)))

    return apply


def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x)) of numbers, without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * np.asarray(x, float))


def _logaddexp(x: Any, y: Any) -> Dual:
    (a, da), (b, db) = _parts(x), _parts(y)
    weight = logistic(np.asarray(a, float) - b)
    return Dual(np.logaddexp(a, b), _merge(_scaled(da, weight), _scaled(db, 1 - weight)))


def _powersum(x: Any, y: Any, q: Any) -> Dual:
    (a, da), (b, db), (q, dq) = _parts(x), _parts(y), _parts(q)
    left, right = np.log(a) / q, np.log(b) / q
    total = np.logaddexp(left, right)
    value, weight = np.exp(q * total), logistic(left - right)
    partials = _merge(_scaled(da, value * weight / a), _scaled(db, value * (1 - weight) / b))
    return Dual(value, _merge(partials, _scaled(dq, value * (total - weight * left - (1 - weight) * right))))


def _where(condition: Any, x: Any, y: Any) -> Dual:
    (a, da), (b, db) = _parts(x), _parts(y)
    chosen = np.where(condition, a, b)
    left = {k: np.where(condition, d, 0.0) for k, d in da.items()}
    return Dual(chosen, _merge(left, {k: np.where(condition, 0.0, d) for k, d in db.items()}))


def _maximum(x: Any, y: Any) -> Dual:
    return _where(np.asarray(_parts(x)[0]) >= _parts(y)[0], x, y)


def _minimum(x: Any, y: Any) -> Dual:
    # at a tie the other side than maximum's, so that the two still add up to x + y
    return _where(np.asarray(_parts(x)[0]) < _parts(y)[0], x, y)


def solve(function: Callable[[Any], Any], low: Any, high: Any) -> Any:
    """Where an increasing function of numbers or dual numbers is zero between two ends; `math.root` explains.

    >>> float(solve(lambda y: y - Dual(3.0, {0: 1.0}), 0.0, 9.0).partials[0])
    1.0
    """
    ends = _parts(low)[0], _parts(high)[0]
    shape = np.shape(_parts(function(0.5 * (ends[0] + ends[1])))[0])
    left, right = (np.broadcast_to(np.asarray(e, float), shape) for e in ends)
    with np.errstate(all="ignore"):
        for _ in range(60):
            middle = 0.5 * (left + right)
            under = _parts(function(middle))[0] < 0
            left, right = np.where(under, middle, left), np.where(under, right, middle)
        y = 0.5 * (left + right)
        out = function(Dual(y, {_UNKNOWN: np.ones(shape)}))
        slope = out.partials.pop(_UNKNOWN)
        newton = y - out.value / slope  # bisection stops at the rounding of its ends
        y = np.where((newton > left - (right - left)) & (newton < right + (right - left)), newton, y)
    if not out.partials:
        return y[()]
    return Dual(y, {k: -d / slope for k, d in out.partials.items()})


def _total(x: Dual) -> Dual:
    full = np.shape(x.value)
    slopes = {k: np.sum(np.broadcast_to(d, (full[0], *np.shape(d)[1:])), axis=0) for k, d in x.partials.items()}
    return Dual(np.sum(x.value, axis=0), slopes)


_exp = _unary(np.exp, lambda x, value: value)
_log = _unary(np.log, lambda x, value: 1 / x)

_FUNCTIONS: dict[str, Callable[..., Dual]] = {
    "exp": _exp,
    "log": _log,
    "expm1": _unary(np.expm1, lambda x, value: value + 1),
    "log1p": _unary(np.log1p, lambda x, value: 1 / (1 + x)),
    "sqrt": _unary(np.sqrt, lambda x, value: 0.5 / value),
    "sin": _unary(np.sin, lambda x, value: np.cos(x)),
    "cos": _unary(np.cos, lambda x, value: -np.sin(x)),
    "tanh": _unary(np.tanh, lambda x, value: 1 - value**2),
    "arctan": _unary(np.arctan, lambda x, value: 1 / (1 + x * x)),
    "expit": _unary(logistic, lambda x, value: value * (1 - value)),
    "logaddexp": _logaddexp,
    "powersum": _powersum,
    "maximum": _maximum,
    "minimum": _minimum,
    "total": _total,
    "where": _where,
}
