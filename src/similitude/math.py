"""Functions for formulas of laws; each follows its argument: NumPy array, dual number, expression, JAX or SymPy.

A law written with these runs unchanged as numbers, with exact derivatives, as LaTeX and on JAX. Use plain operators
for arithmetic (`+ - * / **`) and these names for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from similitude._dual import logistic, solve

__all__ = [
    "arctan",
    "cos",
    "exp",
    "expit",
    "expm1",
    "let",
    "log",
    "log1p",
    "logaddexp",
    "maximum",
    "minimum",
    "powersum",
    "root",
    "sin",
    "sqrt",
    "tanh",
    "total",
    "where",
]


def _powersum(x: Any, y: Any, q: Any) -> Any:
    return np.exp(q * np.logaddexp(np.log(x) / q, np.log(y) / q))


_NUMPY = {"expit": logistic, "powersum": _powersum, "total": lambda x: np.sum(x, axis=0)}
# SymPy has no log1p and the like: spelled out
_SYMPY = {
    "expit": lambda s, x: 1 / (1 + s.exp(-x)),
    "expm1": lambda s, x: s.exp(x) - 1,
    "log1p": lambda s, x: s.log(1 + x),
    "logaddexp": lambda s, x, y: s.log(s.exp(x) + s.exp(y)),
    "arctan": lambda s, x: s.atan(x),
    "maximum": lambda s, x, y: s.Max(x, y),
    "minimum": lambda s, x, y: s.Min(x, y),
    "powersum": lambda s, x, y, q: (x ** (1 / q) + y ** (1 / q)) ** q,
    "where": lambda s, c, x, y: s.Piecewise((x, c), (y, True)),
}


def _call(name: str, *args: Any) -> Any:
    for arg in args:
        own = getattr(arg, "__similitude__", None)
        if own is not None:
            return own(name, args)
        home = type(arg).__module__.partition(".")[0]
        if home in ("jax", "jaxlib"):
            return _on_jax(name, args)
        if home == "sympy":
            return _on_sympy(name, args)
    return _NUMPY.get(name, getattr(np, name, None))(*args)  # pyright: ignore[reportOptionalCall]


def _on_jax(name: str, args: tuple[Any, ...]) -> Any:
    import jax  # pyright: ignore[reportMissingImports]

    if name == "powersum":
        x, y, q = args
        return jax.numpy.exp(q * jax.numpy.logaddexp(jax.numpy.log(x) / q, jax.numpy.log(y) / q))
    if name == "total":
        return jax.numpy.sum(args[0], axis=0)
    return jax.nn.sigmoid(*args) if name == "expit" else getattr(jax.numpy, name)(*args)


def _on_sympy(name: str, args: tuple[Any, ...]) -> Any:
    import sympy  # pyright: ignore[reportMissingImports]

    return _SYMPY[name](sympy, *args) if name in _SYMPY else getattr(sympy, name)(*args)


def exp(x: Any) -> Any:
    """e to the power x.

    >>> float(exp(0.0))
    1.0
    """
    return _call("exp", x)


def expm1(x: Any) -> Any:
    """exp(x) - 1, accurate for small x.

    >>> float(expm1(0.0))
    0.0
    """
    return _call("expm1", x)


def log(x: Any) -> Any:
    """The natural logarithm.

    >>> float(log(1.0))
    0.0
    """
    return _call("log", x)


def log1p(x: Any) -> Any:
    """log(1 + x), accurate for small x.

    >>> float(log1p(0.0))
    0.0
    """
    return _call("log1p", x)


def sqrt(x: Any) -> Any:
    """The square root.

    >>> float(sqrt(9.0))
    3.0
    """
    return _call("sqrt", x)


def sin(x: Any) -> Any:
    """The sine of an angle in radians.

    >>> float(sin(0.0))
    0.0
    """
    return _call("sin", x)


def cos(x: Any) -> Any:
    """The cosine of an angle in radians.

    >>> float(cos(0.0))
    1.0
    """
    return _call("cos", x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent.

    >>> float(tanh(0.0))
    0.0
    """
    return _call("tanh", x)


def arctan(x: Any) -> Any:
    """The inverse tangent, in radians.

    >>> float(arctan(0.0))
    0.0
    """
    return _call("arctan", x)


def expit(x: Any) -> Any:
    """The logistic function 1 / (1 + exp(-x)).

    >>> float(expit(0.0))
    0.5
    """
    return _call("expit", x)


def logaddexp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)) without overflow.

    >>> round(float(logaddexp(1000.0, 1000.0)), 6)
    1000.693147
    """
    return _call("logaddexp", x, y)


def powersum(x: Any, y: Any, q: Any) -> Any:
    """(x^(1/q) + y^(1/q))^q for positive x and y, without overflow: their sum at q = 1, the larger as q goes to 0.

    >>> round(float(powersum(3.0, 4.0, 0.5)), 12)
    5.0
    """
    return _call("powersum", x, y, q)


def let(symbol: str, value: Any) -> Any:
    """The value, under a symbol of its own when the formula is printed ("where U_N = ...").

    >>> let("U_D", 3.0)
    3.0
    """
    own = getattr(value, "__similitude_let__", None)
    return value if own is None else own(symbol)


def maximum(x: Any, y: Any) -> Any:
    """The larger of x and y, element by element.

    >>> float(maximum(1.0, 2.0))
    2.0
    """
    return _call("maximum", x, y)


def minimum(x: Any, y: Any) -> Any:
    """The smaller of x and y, element by element.

    >>> float(minimum(1.0, 2.0))
    1.0
    """
    return _call("minimum", x, y)


def root(function: Callable[[Any], Any], low: Any, high: Any, symbol: str = "y") -> Any:
    """The y between `low` and `high` at which the increasing `function` is zero, element by element.

    The value is found by bisection; derivatives follow from the implicit function theorem. Neither end is evaluated.
    `symbol` stands for y when the formula is printed.

    >>> round(float(root(lambda y: y * y - 2.0, 0.0, 2.0)), 12)
    1.414213562373
    """
    for value in (low, high, function(symbol_like(low, high))):
        own = getattr(value, "__similitude_root__", None)
        if own is not None:
            return own(function, low, high, symbol)
    return solve(function, low, high)


def symbol_like(low: Any, high: Any) -> Any:
    """A point between two ends, to learn what a function returns."""
    return 0.5 * (low + high)


def total(x: Any, over: str = "") -> Any:
    """The sum along the axis that `x` runs along (the leading one); `over` is its name in print.

    >>> float(total(np.array([1.0, 2.0]), over="domain"))
    3.0
    """
    own = getattr(x, "__similitude_total__", None)
    return own(over) if own is not None else _call("total", x)


def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, y elsewhere; the condition is a plain boolean array.

    >>> float(where(True, 1.0, 2.0))
    1.0
    """
    return _call("where", condition, x, y)
