"""FLOP of a traced function, counted from its matrix products and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import jax

try:
    from jax.extend.core import ClosedJaxpr, Jaxpr
except ImportError:  # older releases
    from jax.core import ClosedJaxpr, Jaxpr


def products_of(function: Callable[..., Any], *arguments: Any) -> int:
    """2 x rows x columns x summed of every product in the function, scans as often as they run.

    Branches of a condition are all counted; nothing is computed.
    """
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def _count(jaxpr: Jaxpr) -> int:
    total = 0
    for step in jaxpr.eqns:
        times = step.params["length"] if step.primitive.name == "scan" else 1
        inner = sum(_count(j) for value in step.params.values() for j in _programs(value))
        total += times * inner + (_product(step) if step.primitive.name == "dot_general" else 0)
    return total


def _programs(value: Any) -> list[Jaxpr]:
    """Programs among the parameters of a step: a call's, a scan's, a branch's."""
    if isinstance(value, ClosedJaxpr):
        return [value.jaxpr]
    if isinstance(value, Jaxpr):
        return [value]
    return [j for v in value for j in _programs(v)] if isinstance(value, tuple | list) else []


def _product(step: Any) -> int:
    (left, _), _ = step.params["dimension_numbers"]
    shape = step.invars[0].aval.shape
    return 2 * prod(step.outvars[0].aval.shape) * prod(shape[i] for i in left)
