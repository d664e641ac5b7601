"""Weight-shared depth: the blocks of the model are passed several times.

`model.layers` blocks are passed `repeats` times, each at once as often (`order` "each") or all in turn ("cycle").
Weights are counted once, FLOP by passes; first values are those of a model as deep as its passes. This is the naive
recursion of the paper, without its sliced group attention and its projections between passes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ._intervention import Intervention
from ._reshaped import Reshaped

__all__ = ["INTERVENTION"]


def _order(layers: int, repeats: int, order: str) -> tuple[int, ...]:
    if order == "cycle":
        return tuple(range(layers)) * repeats
    return tuple(i for i in range(layers) for _ in range(repeats))


def _parts(parts: Any, config: Any, settings: Any) -> Any:
    return replace(parts, order=_order(config.model.layers, settings["repeats"], settings["order"]))


def _shape(shape: Any, config: Any, settings: Any) -> Any:
    return Reshaped(shape, passes=settings["repeats"])


INTERVENTION = Intervention(
    name="recursion",
    changes="`model.layers` blocks are passed `repeats` times with the same weights.",
    source="Shen, Liu & Xing 2022, Sliced Recursive Transformer (a vision transformer there)",
    settings={"repeats": 2, "order": "each"},
    limits={"repeats": (1, 1000), "order": ("each", "cycle")},
    shape=_shape,
    parts=_parts,
)
