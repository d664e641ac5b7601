"""What the inputs of a law cost together: a formula, read once, with exact slopes in the logarithms of the inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from similitude._dual import Dual
from similitude._errors import ArgumentError, QuestionError
from similitude._quantity import COUNT, FLOP, PARAMETERS, TOKENS, Unit
from similitude.laws import Law
from similitude.laws._expression import evaluate, names
from similitude.laws._formula import parse_formula
from similitude.planning._surface import LogDual

__all__ = ["Cost", "cost_of"]


@dataclass(frozen=True)
class Cost:
    """A cost as a formula's text in inputs of a law and in `held` numbers of its own, in `unit`.

    `tokens` is the name of the input that serving adds to: every token served costs a third of one trained on, the
    forward pass alone, so that the cost is taken at D + D_served / 3.
    """

    text: str
    unit: Unit = FLOP
    held: Mapping[str, float] = field(default_factory=dict)
    served: float = 0.0
    tokens: str = "D"

    @cached_property
    def tree(self) -> Any:
        """The formula as an expression tree."""
        return parse_formula(self.text)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the formula, in reading order."""
        return names(self.tree)

    def of(self, inputs: Mapping[str, Any]) -> Any:
        """The cost at inputs, numbers or dual numbers."""
        values = {**self.held, **inputs}
        if self.served:
            values[self.tokens] = values[self.tokens] + self.served / 3
        return evaluate(self.tree, values)

    def log_slopes(self, logs: Mapping[str, Any], fixed: Mapping[str, float]) -> tuple[Any, list[Any]]:
        """log cost and its slopes by the logarithms of the free inputs, in their order."""
        duals = {k: LogDual(v, {j: 1.0}) for j, (k, v) in enumerate(logs.items())}
        out = self.of({**fixed, **duals})
        if not isinstance(out, Dual):
            raise QuestionError(f"the cost {self.text} depends on none of the inputs that are to be chosen")
        if isinstance(out, LogDual):
            return out.log, [out.slopes.get(j, 0.0) for j in range(len(duals))]
        return np.log(out.value), [out.partials.get(j, 0.0) / out.value for j in range(len(duals))]


def cost_of(
    law: Law, text: str | None, unit: Unit | None, held: Mapping[str, float], served: float | None
) -> tuple[Cost, str]:
    """The cost asked for, else the law's own, else 6 N D; and a sentence that says which.

    Raises ArgumentError for names that nothing gives, QuestionError for a law whose cost nobody has declared.
    """
    said = "The cost is as given"
    if text is None:
        text, unit, said = _default(law)
    cost = Cost(text, unit or COUNT, {k: v for k, v in held.items() if k not in law.inputs}, float(served or 0.0))
    known = {*law.inputs, *held}
    if unknown := [k for k in cost.names if k not in known]:
        raise ArgumentError(
            f"the cost {text} names {', '.join(unknown)}, which is no input of law '{law.name}' "
            f"({', '.join(law.inputs)}): give its value, at={{'{unknown[0]}': ...}}"
        )
    if served and cost.tokens not in cost.names:
        raise ArgumentError(f"inference_tokens need a cost in the tokens D; this one is {text}")
    return cost, f"{said}, {text}{f' in {cost.unit}' if cost.unit.name else ''}."


def _default(law: Law) -> tuple[str, Unit, str]:
    if law.cost:
        return law.cost, law.cost_unit, f"The cost is the one declared with law '{law.name}'"
    sizes = [k for k, u in law.inputs.items() if u == PARAMETERS]
    if len(sizes) == 1 and law.inputs.get("D") == TOKENS:
        return f"6*{sizes[0]}*D", FLOP, "Training costs 6 FLOP per parameter and token"
    raise QuestionError(
        f"nothing says what the inputs of law '{law.name}' cost ({', '.join(law.inputs)}): give a formula, "
        f"cost='{'*'.join(list(law.inputs)[:2])}'"
    )
