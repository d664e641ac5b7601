"""Which parameters a formula is affine in, found by probing its exact derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._dual import Dual

if TYPE_CHECKING:
    from similitude.laws._law import Law

__all__ = ["affine_parts", "linear_parameters", "probes"]

_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)
_PROBES = 40  # enough that both sides of a min or max come up


def probes(j: int, count: int) -> np.ndarray:
    """The `j`-th coordinate of `count` points spread over the unit cube (Kronecker's sequence of square roots).

    Nothing special holds among them, as among random ones, but importing numpy.random takes as long as a small fit.
    """
    prime = _PRIMES[j % len(_PRIMES)]
    return np.modf(np.arange(1, count + 1) * np.sqrt(prime) + 0.37 * (j // len(_PRIMES)))[0]


def affine_parts(
    law: Law, inputs: dict[str, Any], params: dict[str, Any], names: tuple[str, ...]
) -> tuple[Any, list[Any]]:
    """The formula as constant + sum_j s_j basis_j in the parameters `names`: (constant, [basis_j]).

    `params` holds the other parameters; those of `names` are set to 1, where every term is alive.
    """
    seeds = {name: Dual(1.0, {j: 1.0}) for j, name in enumerate(names)}
    value = law.evaluate(inputs, {**params, **seeds})
    if not isinstance(value, Dual):
        return value, [0.0 for _ in names]
    basis = [value.partials.get(j, 0.0) for j in range(len(names))]
    constant = value.value
    for column in basis:
        constant = constant - column
    return constant, basis


def linear_parameters(law: Law) -> tuple[str, ...]:
    """Parameters (in declared order) in which the law is jointly affine.

    A parameter joins when the slopes by it and by those already found stay the same while it and they change.
    """
    inputs = {k: np.exp(0.2 + 2.8 * probes(j, _PROBES)) for j, k in enumerate(law.inputs)}
    base = {k: 0.3 + 0.1 * j for j, k in enumerate(law.params)}
    found: list[str] = []
    for name, parameter in law.params.items():
        if parameter.transform == "logit":
            continue
        if _affine(law, inputs, base, [*found, name]):
            found.append(name)
    return tuple(found)


def _affine(law: Law, inputs: dict[str, Any], base: dict[str, float], names: list[str]) -> bool:
    with np.errstate(all="ignore"):
        slopes = [_slopes(law, inputs, {**base, **{n: base[n] * f for n in names}}, names) for f in (1.0, 1.7, 0.4)]
        for other in names:  # one at a time too: a product of two is not affine
            slopes.append(_slopes(law, inputs, {**base, other: base[other] * 2.3}, names))
    first = slopes[0]
    if not np.all(np.any(first != 0, axis=-1)):  # a side of a min or max that no probe is on tells nothing
        return False
    return bool(np.all(np.isfinite(first)) and all(np.allclose(s, first, rtol=1e-10, atol=1e-13) for s in slopes[1:]))


def _slopes(law: Law, inputs: dict[str, Any], params: dict[str, float], names: list[str]) -> np.ndarray:
    seeded = {**params, **{n: Dual(params[n], {j: 1.0}) for j, n in enumerate(names)}}
    value = law.evaluate(inputs, seeded)
    parts = value.partials if isinstance(value, Dual) else {}
    return np.stack([np.broadcast_to(parts.get(j, 0.0), (_PROBES,)) for j in range(len(names))]).astype(float)
