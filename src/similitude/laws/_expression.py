"""Expression trees: what a law's formula becomes when it is run on symbols, and what a formula's text is read into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude import math
from similitude._errors import ArgumentError

if TYPE_CHECKING:
    from similitude.laws._law import Law

__all__ = [
    "FUNCTIONS",
    "Binary",
    "Call",
    "Expression",
    "Let",
    "Name",
    "Negative",
    "Number",
    "Root",
    "Total",
    "evaluate",
    "names",
    "sketch",
    "trace",
]

# functions of a formula: how many arguments each takes, and what computes it
FUNCTIONS: dict[str, tuple[int, Any]] = {
    "arctan": (1, math.arctan),
    "cos": (1, math.cos),
    "exp": (1, math.exp),
    "expit": (1, math.expit),
    "expm1": (1, math.expm1),
    "log": (1, math.log),
    "log1p": (1, math.log1p),
    "logaddexp": (2, math.logaddexp),
    "max": (2, math.maximum),
    "min": (2, math.minimum),
    "powersum": (3, math.powersum),
    "sin": (1, math.sin),
    "sqrt": (1, math.sqrt),
    "tanh": (1, math.tanh),
}
_SHORT = {"maximum": "max", "minimum": "min"}


class Expression:
    """A node of a formula; arithmetic and `similitude.math` functions on it build larger nodes."""

    __array_ufunc__ = None  # makes `np.float64 * Expression` come to Expression.__rmul__

    def __add__(self, other: Any) -> Expression:
        return joined("+", self, other)

    def __radd__(self, other: Any) -> Expression:
        return Binary("+", as_node(other), self)

    def __sub__(self, other: Any) -> Expression:
        return joined("-", self, other)

    def __rsub__(self, other: Any) -> Expression:
        return Binary("-", as_node(other), self)

    def __mul__(self, other: Any) -> Expression:
        return joined("*", self, other)

    def __rmul__(self, other: Any) -> Expression:
        return Binary("*", as_node(other), self)

    def __truediv__(self, other: Any) -> Expression:
        return joined("/", self, other)

    def __rtruediv__(self, other: Any) -> Expression:
        return Binary("/", as_node(other), self)

    def __pow__(self, other: Any) -> Expression:
        return joined("^", self, other)

    def __rpow__(self, other: Any) -> Expression:
        return Binary("^", as_node(other), self)

    def __neg__(self) -> Expression:
        return Negative(self)

    def __pos__(self) -> Expression:
        return self

    def __bool__(self) -> bool:
        raise ArgumentError("a formula cannot branch on its inputs or parameters; use minimum or maximum")

    def __similitude__(self, name: str, args: tuple[Any, ...]) -> Any:
        for row in args:
            if hasattr(row, "entries"):
                return row.__similitude__(name, args)
        short = _SHORT.get(name, name)
        if short not in FUNCTIONS:
            raise ArgumentError(f"{name}() has no printed form")
        return Call(short, tuple(as_node(a) for a in args))

    def __similitude_root__(self, function: Any, low: Any, high: Any, symbol: str) -> Expression:
        return Root(symbol, as_node(function(Name(symbol))), as_node(low), as_node(high))

    def __similitude_total__(self, over: str) -> Expression:
        return Total(over, self)

    def __similitude_let__(self, symbol: str) -> Expression:
        return Let(symbol, self)


@dataclass(frozen=True, eq=False)
class Number(Expression):
    """A number."""

    value: float


@dataclass(frozen=True, eq=False)
class Name(Expression):
    """An input or a parameter."""

    name: str


@dataclass(frozen=True, eq=False)
class Negative(Expression):
    """Minus a node."""

    argument: Expression


@dataclass(frozen=True, eq=False)
class Binary(Expression):
    """Two nodes joined by one of + - * / ^."""

    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class Call(Expression):
    """A function of nodes."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Let(Expression):
    """A node that is printed under a symbol of its own."""

    symbol: str
    value: Expression


@dataclass(frozen=True, eq=False)
class Total(Expression):
    """A sum along an axis, as it is printed: never evaluated."""

    over: str
    argument: Expression


@dataclass(frozen=True, eq=False)
class Root(Expression):
    """The value of a symbol at which an increasing expression is zero, between two ends."""

    symbol: str
    function: Expression
    low: Expression
    high: Expression


def joined(sign: str, left: Expression, right: Any) -> Any:
    """Two nodes joined, or NotImplemented where `right` runs along an axis and does it entry by entry."""
    return NotImplemented if hasattr(right, "entries") else Binary(sign, left, as_node(right))


def as_node(value: Any) -> Expression:
    """A node from a node or a plain number; ArgumentError for anything else."""
    if isinstance(value, Expression):
        return value
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return Number(float(value)) if value >= 0 else Negative(Number(-float(value)))
    raise ArgumentError(f"a formula is made of numbers, inputs and parameters, not {type(value).__name__}")


def children(node: Expression) -> tuple[Expression, ...]:
    """The nodes directly below."""
    match node:
        case Binary(_, left, right):
            return (left, right)
        case Negative(argument):
            return (argument,)
        case Call(_, arguments):
            return arguments
        case Let(_, value) | Total(_, value):
            return (value,)
        case Root(_, function, low, high):
            return (function, low, high)
    return ()


def walk(node: Expression) -> Iterator[Expression]:
    """The node and everything below it, each shared node once, in reading order."""
    seen: set[int] = set()
    stack = [node]
    while stack:
        top = stack.pop()
        if id(top) not in seen:
            seen.add(id(top))
            yield top
            stack.extend(reversed(children(top)))


def names(node: Expression) -> tuple[str, ...]:
    """The names in a tree, each once, in reading order.

    >>> names(Name("E") + Name("A") / Name("N"))
    ('E', 'A', 'N')
    """
    bound = {n.symbol for n in walk(node) if isinstance(n, Root)}
    return tuple(dict.fromkeys(n.name for n in walk(node) if isinstance(n, Name) and n.name not in bound))


def evaluate(node: Expression, values: Mapping[str, Any]) -> Any:
    """The tree's value where its names have these values: numbers, arrays, dual numbers or symbols.

    >>> evaluate(2 * Name("x") ** 3, {"x": 2.0})
    16.0
    """
    known: dict[int, Any] = {}  # a Let is used more than once

    def visit(node: Expression) -> Any:
        match node:
            case Root(symbol, function, low, high):
                return math.root(
                    lambda y: evaluate(function, {**values, symbol: y}), visit(low), visit(high), symbol=symbol
                )
            case Name(name):
                return values[name]
            case Number(value):
                return value
            case Negative(argument):
                return -visit(argument)
            case Binary(sign, left, right):
                return _join(sign, visit(left), visit(right))
            case Call(function, arguments):
                return FUNCTIONS[function][1](*[visit(a) for a in arguments])
            case Let(_, value):
                if id(node) not in known:
                    known[id(node)] = visit(value)
                return known[id(node)]
        raise TypeError(f"not a node: {node!r}")

    return visit(node)


def _join(sign: str, left: Any, right: Any) -> Any:
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return left * right
    if sign == "/":
        return left / right
    return left**right


def sketch(law: Law) -> Expression:
    """The formula as it is declared, arrays as single symbols and sums along an axis as such: for printing only."""
    symbols = {k: Name(k) for k in law.symbols}
    return as_node((law.arrays_function or law.function)(**symbols))


def trace(law: Law) -> Expression:
    """The formula of a law as a tree in its author's order, by running its function on symbols.

    Raises ArgumentError when the function does what has no printed form.
    """
    symbols = {k: Name(k) for k in (*law.inputs, *law.params)}
    return as_node(law.evaluate(symbols, symbols))
