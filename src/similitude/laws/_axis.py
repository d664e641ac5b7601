"""Inputs and parameters that run along an axis: a mixture over domains, a schedule over segments.

A declaration writes them once, `along("segment", RATE)`, and sums with `total`. The law that results has one plain
input or parameter an entry (`rate_1`, `rate_2` ...), so that fitting, intervals, storing and the command line need
no case for them; `Law.sized` gives it other entries. Inside the formula the entries are stacked on a leading axis,
(entries, batch, runs), which broadcasts against everything that has no such axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from similitude import math
from similitude._dual import Dual
from similitude._errors import ArgumentError
from similitude.laws._expression import Expression

__all__ = ["Along", "along", "entries", "expanded", "stacked"]

Word = TypeVar("Word")


@dataclass(frozen=True, slots=True)
class Along:
    """A unit or a parameter's word that holds for every entry of an axis."""

    axis: str
    word: Any


def along(axis: str, word: Any) -> Any:
    """A unit, or a parameter's word, for each entry of the axis of that name.

    >>> from similitude._quantity import RATIO
    >>> along("domain", RATIO).axis
    'domain'
    """
    return Along(axis, word)


def entries(name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The plain names that an array's entries have.

    >>> entries("r", ("web", "books"))
    ('r_web', 'r_books')
    """
    return tuple(f"{name}_{label}" for label in labels)


def expanded(declared: Mapping[str, Any], sizes: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Declared names with each array replaced by its entries.

    >>> expanded({"E": 1, "r": along("domain", 2)}, {"domain": ("a", "b")})
    {'E': 1, 'r_a': 2, 'r_b': 2}
    """
    out: dict[str, Any] = {}
    for name, word in declared.items():
        if not isinstance(word, Along):
            out[name] = word
            continue
        if word.axis not in sizes:
            raise ArgumentError(f"'{name}' runs along '{word.axis}', whose size is not declared")
        out.update(dict.fromkeys(entries(name, sizes[word.axis]), word.word))
    return out


def stacked(
    function: Callable[..., Any], arrays: Mapping[str, tuple[str, ...]], order: tuple[str, ...]
) -> Callable[..., Any]:
    """The function of plain entries: it stacks each array of `arrays` and calls `function`.

    `order` holds the plain names of the inputs, for positional arguments.
    """

    def entrywise(*args: Any, **values: Any) -> Any:
        given = {**dict(zip(order, args)), **values}
        shape = np.broadcast_shapes(*(np.shape(_number(v)) for v in given.values()))
        taken = {k for names in arrays.values() for k in names}
        bound = {k: v for k, v in given.items() if k not in taken}
        for name, names in arrays.items():
            bound[name] = _stack([given[k] for k in names])
        return _shaped(function(**bound), shape)

    return entrywise


def _number(value: Any) -> Any:
    return value.value if isinstance(value, Dual) else 0.0 if isinstance(value, Expression) else value


def _stack(items: list[Any]) -> Any:
    """Entries on a leading axis: numbers as an array, dual numbers as one, symbols as a row of symbols."""
    if any(isinstance(i, Expression) for i in items):
        return Row(tuple(items))
    values = _stacked_numbers([_number(i) for i in items])
    if not any(isinstance(i, Dual) for i in items):
        return values
    partials: dict[int, Any] = {}
    for place, item in enumerate(items):
        for seed, slope in item.partials.items() if isinstance(item, Dual) else ():
            column = [np.zeros(())] * len(items)
            column[place] = np.asarray(slope)
            spread = _stacked_numbers(column)
            partials[seed] = partials[seed] + spread if seed in partials else spread
    return Dual(values, partials)


def _stacked_numbers(items: list[Any]) -> np.ndarray:
    alike = np.stack(np.broadcast_arrays(*items))
    return alike.reshape(len(items), *(1,) * (2 - (alike.ndim - 1)), *alike.shape[1:])


def _shaped(value: Any, shape: tuple[int, ...]) -> Any:
    """A result without the dimensions that stacking put before the runs."""
    if isinstance(value, Expression):
        return value
    if isinstance(value, Dual):
        full = np.shape(value.value)
        slopes = {k: np.broadcast_to(p, full).reshape(shape) for k, p in value.partials.items()}
        return Dual(np.reshape(value.value, shape), slopes)
    return np.reshape(np.broadcast_to(value, np.broadcast_shapes(np.shape(value), shape)), shape)[()]


class Row:
    """Symbols along an axis; arithmetic works entry by entry, `total` adds them up."""

    __array_ufunc__ = None

    def __init__(self, items: tuple[Any, ...]):
        self.entries = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.entries)

    def _with(self, other: Any, join: Callable[[Any, Any], Any]) -> Row:
        others = other.entries if isinstance(other, Row) else (other,) * len(self.entries)
        return Row(tuple(join(a, b) for a, b in zip(self.entries, others, strict=True)))

    def __add__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: a + b)

    def __radd__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: b + a)

    def __sub__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: a * b)

    def __rmul__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: b * a)

    def __truediv__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: a / b)

    def __rtruediv__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: b / a)

    def __pow__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: a**b)

    def __rpow__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: b**a)

    def __neg__(self) -> Row:
        return Row(tuple(-a for a in self.entries))

    def __similitude__(self, name: str, args: tuple[Any, ...]) -> Any:
        if name == "total":
            out = self.entries[0]
            for item in self.entries[1:]:
                out = out + item
            return out
        if name not in math.__all__:
            raise ArgumentError(f"{name}() has no printed form along an axis")
        columns = [a.entries if isinstance(a, Row) else (a,) * len(self.entries) for a in args]
        return Row(tuple(getattr(math, name)(*column) for column in zip(*columns, strict=True)))
