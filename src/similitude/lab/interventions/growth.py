"""Growth in depth: a shallow model is trained first, then stacked upon itself.

A model of `model.layers / factor` blocks is trained for the share `at` of the steps. Then block i of the deep model
begins as block i mod l of the shallow one, and embeddings, head and last norm as they were. N is the deep model's,
FLOP are those of both stages, each with its own depth.

Assumed, as the paper's text was not at hand: the optimiser's moments begin anew, and the learning rate goes on along
the run's one schedule. The paper's guideline for `at` is a number of tokens (log10 d = .88 log10 N + 163.27 / log10 C
- 5.74).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from similitude._errors import ArgumentError

from ._intervention import Intervention, Stage, without

__all__ = ["INTERVENTION"]


def _start(config: Any, settings: Mapping[str, Any]) -> int:
    """Steps of the shallow model."""
    return round(settings["at"] * config.steps)


def _check(config: Any, settings: Mapping[str, Any]) -> None:
    layers, factor = config.model.layers, settings["factor"]
    if layers % factor:
        raise ArgumentError(f"interventions.growth.factor = {factor}; expected a divisor of the {layers} layers")
    if not 0 < _start(config, settings) < config.steps:
        raise ArgumentError(f"interventions.growth.at = {settings['at']}; of {config.steps} steps that leaves none "
                            "for one of the two models")  # fmt: skip


def _stages(config: Any, settings: Mapping[str, Any]) -> tuple[Stage, ...]:
    layers = config.model.layers // settings["factor"]
    large = without(config, "growth")
    small = msgspec.structs.replace(large, model=msgspec.structs.replace(config.model, layers=layers))
    return Stage(0, small), Stage(_start(config, settings), large)


def _carry(params: Mapping[str, Any], before: Any, after: Any, settings: Any) -> dict[str, Any]:
    """Block i of the deep model is block i mod l of the shallow one; the rest is as it was."""
    found = {k: v for k, v in params.items() if not k.startswith("block")}
    for name, values in params.items():
        match = re.fullmatch(r"block(\d+)/(.+)", name)
        if match:
            places = range(int(match[1]), after.model.layers, before.model.layers)
            found |= {f"block{i}/{match[2]}": values for i in places}
    return found


INTERVENTION = Intervention(
    name="growth",
    changes="A shallower model is trained for the share `at` of the steps, then stacked on itself `factor` times.",
    source="Du et al. 2024, Stacking Your Transformers (G_stack; a growth factor of 4 there)",
    settings={"factor": 2, "at": 0.25},
    limits={"factor": (2, 1000), "at": (0.0, 1.0)},
    check=_check,
    stages=_stages,
    carry=_carry,
)
