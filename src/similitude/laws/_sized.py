"""A law whose inputs or parameters run along an axis, with given entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from similitude._errors import ArgumentError
from similitude.laws._axis import Along, entries, expanded, stacked
from similitude.laws._law import Law
from similitude.laws._words import Parameter

__all__ = ["sized"]


def sized(law: Law, labels: Mapping[str, Any]) -> Law:
    """`law` with the entries of its axes labelled so; a number stands for labels from 1 on."""
    bare = law.bare or law
    axes = {word.axis: None for word in law.declared.values() if isinstance(word, Along)}
    sizes = {**law.sizes, **{axis: _labels(law, axis, given, axes) for axis, given in labels.items()}}
    words = {k: v for k, v in law.declared.items() if isinstance(getattr(v, "word", v), Parameter)}
    units = {k: v for k, v in law.declared.items() if k not in words}
    inputs, params = expanded(units, sizes), expanded(words, sizes)
    arrays = {k: entries(k, sizes[v.axis]) for k, v in law.declared.items() if isinstance(v, Along)}
    assert law.arrays_function is not None
    return replace(
        law,
        function=stacked(law.arrays_function, arrays, tuple(inputs)),
        inputs=MappingProxyType(inputs),
        params=MappingProxyType(params),
        sizes=MappingProxyType(sizes),
        bare=bare,
        span=_spread(bare.span, arrays),
        example=_spread(bare.example, arrays),
    )


def _labels(law: Law, axis: str, given: Any, axes: Mapping[str, None]) -> tuple[str, ...]:
    if axis not in axes:
        raise ArgumentError(f"law '{law.name}' has no axis '{axis}' (it has {', '.join(axes) or 'none'})")
    found = tuple(map(str, range(1, given + 1))) if isinstance(given, int) else tuple(given)
    if not found or len(set(found)) < len(found) or not all(f"x_{label}".isidentifier() for label in found):
        raise ArgumentError(f"law '{law.name}': the entries of '{axis}' need different names, not {found!r}")
    return found


def _spread(values: Mapping[str, Any], arrays: Mapping[str, tuple[str, ...]]) -> Mapping[str, Any]:
    """Values of an array go to its entries; what is given for an entry stays."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        out.update(dict.fromkeys(arrays.get(name, (name,)), value))
    return MappingProxyType(out)
