"""Where a fit may start: the starting values that a law declares, in the units of the runs at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import numpy as np

from similitude._errors import ArgumentError
from similitude.laws._law import Law
from similitude.laws._words import Parameter

__all__ = ["start_grid"]


def start_grid(
    law: Law, inputs: Mapping[str, Any], output: Any, names: Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    """Every combination of the declared starting values of `names`, as arrays of one length.

    `inputs` and `output` are the runs, which relative starts refer to; `names` defaults to the parameters that the law
    is not linear in. A parameter without declared starts begins at 1. Values stay inside each parameter's bounds.

    Raises ArgumentError for a name that is no parameter.

    >>> from similitude.laws import chinchilla
    >>> grid = start_grid(chinchilla, {"N": [1e8, 1e9], "D": [1e10, 1e10]}, [3.0, 2.5])
    >>> sorted(grid), len(grid["alpha"])
    (['alpha', 'beta'], 16)
    """
    wanted = tuple(names) if names is not None else tuple(k for k in law.params if k not in law.linear)
    law.check_names(wanted)
    rows = np.array(list(product(*[law.params[k].starts or (1.0,) for k in wanted])), float).reshape(-1, len(wanted))
    grid = dict(zip(wanted, rows.T))
    smallest, largest = (float(f(np.asarray(output, float))) for f in (np.min, np.max))
    centres = {k: float(np.exp(np.mean(np.log(np.asarray(inputs[k], float))))) for k in law.inputs}
    # amplitudes last: they need the values that their exponents take
    for name in sorted(wanted, key=lambda k: bool(law.params[k].exponent)):
        parameter = law.params[name]
        scaled = grid[name] * _scale(parameter, name, grid, centres, (smallest, largest))
        grid[name] = np.clip(scaled, parameter.low, parameter.high)
    return grid


def _scale(
    parameter: Parameter,
    name: str,
    grid: Mapping[str, np.ndarray],
    centres: Mapping[str, float],
    ends: tuple[float, float],
) -> Any:
    if parameter.exponent:
        if parameter.exponent not in grid:
            raise ArgumentError(f"starts of '{name}' need those of '{parameter.exponent}' beside them")
        return ends[0] * centres[str(parameter.relative)] ** grid[parameter.exponent]
    if parameter.relative in ("output", "peak"):
        return ends[parameter.relative == "peak"]
    return centres[parameter.relative] if parameter.relative else 1.0
