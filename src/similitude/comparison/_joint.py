"""Two procedures under one law: which parameters they share, as laws with a procedure for an input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from similitude._quantity import COUNT
from similitude.laws import Law, Parameter
from similitude.math import where
from similitude.planning._power import PowerSum, is_power_sum
from similitude.planning._solve import minimise
from similitude.planning._surface import Surface

__all__ = ["SHARINGS", "Scale", "joint_law", "own", "shared_names"]

SIDE = "procedure"  # the input that says whose run it is: 1 or 2
FAR = 9 * np.log(10.0)  # of the log scale, where an equal score is looked for

# what both procedures have in common -> how it is said
SHARINGS = {
    "everything": "one curve for both",
    "floor and exponents": "one multiple of compute at every scale",
    "exponents": "own floors, one exponent",
    "floor": "one floor, own exponents",
    "nothing": "own floors, own exponents",
}


def shared_names(law: Law, sharing: str) -> tuple[str, ...]:
    """The parameters that both procedures share under one of `SHARINGS`."""
    floors = [k for k, p in law.params.items() if p.relative == "output"]
    exponents = [k for k in law.params if k not in law.linear and k not in floors]
    return {
        "everything": tuple(law.params),
        "floor and exponents": (*floors, *exponents),
        "exponents": tuple(exponents),
        "floor": tuple(floors),
        "nothing": (),
    }[sharing]


def own(name: str, side: int, shared: tuple[str, ...]) -> str:
    """What a parameter of the law is called for one side in the joint law."""
    return name if name in shared else f"{name}_{side}"


def joint_law(law: Law, shared: tuple[str, ...]) -> Law:
    """The law of both procedures: its inputs and `procedure`, 1 or 2; parameters outside `shared` come twice."""
    params: dict[str, Parameter] = {}
    for name, word in law.params.items():
        for side in (1, 2):
            word_here = replace(word, exponent=own(word.exponent, side, shared)) if word.exponent else word
            params[own(name, side, shared)] = word_here

    def function(**values: Any) -> Any:
        inputs = {k: values[k] for k in law.inputs}
        sides = [law.function(**inputs, **{k: values[own(k, side, shared)] for k in law.params}) for side in (1, 2)]
        return where(np.asarray(values[SIDE]) > 1.5, sides[1], sides[0])

    return Law(
        name=f"{law.name} of two procedures",
        function=function,
        inputs=MappingProxyType({**law.inputs, SIDE: COUNT}),
        output=law.output,
        params=MappingProxyType(params),
        source=law.source,
        title=f"{law.title}, two procedures",
        counts=law.counts,
        family=law.family,
        positive_inputs=law.positive_inputs,
    )


@dataclass(frozen=True)
class Scale:
    """What procedures are compared along: the one input of their law, or compute spent as each spends it best."""

    law: Law
    name: str
    unit: str
    held: Mapping[str, float]
    label: str = ""  # the column that the scale is in the user's table

    @property
    def by_compute(self) -> bool:
        """Whether the scale is compute, divided over N and D as is best for each procedure."""
        return self.name not in self.law.inputs

    def value(self, params: Mapping[str, Any], log_x: Any) -> np.ndarray:
        """The law at a log scale or one for each row of parameters, (rows,); the least value where compute is it."""
        rows = _rows(params)
        count = max(max(map(len, rows.values())), np.size(log_x))
        log_x = np.broadcast_to(np.asarray(log_x, float), (count,))
        with np.errstate(all="ignore"):
            if not self.by_compute:
                out = self.law.evaluate({**self.held, self.name: np.exp(log_x)}, rows)
                return np.broadcast_to(np.asarray(out, float), (count,))
            powers = self._powers(rows)
            if powers is not None:
                return np.broadcast_to(np.asarray(powers.least_loss(log_x), float), (count,))
            wide = {k: np.broadcast_to(v, (count,)) for k, v in rows.items()}
            return minimise(Surface.of(self.law, self.held), wide, log_x[:, None]).loss[:, 0]

    def _powers(self, rows: Mapping[str, np.ndarray]) -> PowerSum | None:
        """The law as a floor and two powers where it is one."""
        return PowerSum.read(Surface.of(self.law, self.held), rows) if self._closed else None

    @cached_property
    def _closed(self) -> bool:
        """Whether the law is a floor and two powers: a matter of its form, looked at with any parameters."""
        some = {k: word.close(np.array(0.1 * j - 0.5)) for j, (k, word) in enumerate(self.law.params.items())}
        return is_power_sum(Surface.of(self.law, self.held), some)

    def reaching(self, params: Mapping[str, Any], goal: Any, near: float) -> np.ndarray:
        """log of the scale at which rows of parameters come to a value (rows,); NaN beyond 1e9 times of `near`."""
        count = max(np.size(v) for v in (*params.values(), goal))
        if self.by_compute:
            with np.errstate(all="ignore"):
                powers = self._powers(_rows(params))
                if powers is not None:
                    found = np.broadcast_to(np.asarray(powers.log_flop_for(goal), float), (count,))
                    return np.where(np.abs(found - near) <= FAR, found, np.nan)
        low, high = np.full(count, near - FAR), np.full(count, near + FAR)
        falling = self.value(params, low) > self.value(params, high)
        at_low, at_high = self.value(params, low) - goal, self.value(params, high) - goal
        for _ in range(60):
            middle = 0.5 * (low + high)
            before = (self.value(params, middle) - goal > 0) == falling
            low, high = np.where(before, middle, low), np.where(before, high, middle)
        return np.where(at_low * at_high <= 0, 0.5 * (low + high), np.nan)


def _rows(params: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Parameters as rows, (rows,) or (1,) where all rows share one."""
    return {k: np.atleast_1d(np.asarray(v, float)) for k, v in params.items()}
