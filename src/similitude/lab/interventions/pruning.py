"""Magnitude pruning while training: the smallest weights of every matrix are set to zero, more and more of them.

From the share `begin` of the steps to `end`, every `every` steps, the weights of smallest magnitude of each matrix of
attention and feed-forward layers are set to zero for good, a share that rises to `sparsity` along a cubic.

N counts all weights and FLOP are dense, as the computation here is. Measured are the weights that are left
(`pruned/parameters`) and their average over training (`pruned/mean_parameters`): the N of Jin et al. (2025), by whose
account the FLOP of a sparse run are six times that and the tokens. Unstructured and by magnitude: not the structural
saliency pruning of EfficientLLM.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from similitude._errors import ArgumentError
from similitude.lab._leaf import Leaf, is_matrix

from ._intervention import Intervention

__all__ = ["INTERVENTION", "sparsity_at"]

MASK = "mask/"


def _span(config: Any, settings: Mapping[str, Any]) -> tuple[int, int]:
    """The steps before which pruning begins and ends."""
    return round(settings["begin"] * config.steps), min(round(settings["end"] * config.steps), config.steps - 1)


def sparsity_at(step: int, config: Any, settings: Mapping[str, Any]) -> float:
    """Share of zeros, s (1 - (1 - (t - t0) / (t1 - t0))^3) from begin to end (Zhu & Gupta 2017, eq. 1)."""
    begin, end = _span(config, settings)
    if step < begin:
        return 0.0
    done = 1.0 if step >= end else (step - begin) / (end - begin)
    return settings["sparsity"] * (1 - (1 - done) ** 3)


def _revises(config: Any, settings: Mapping[str, Any]) -> list[int]:
    begin, end = _span(config, settings)
    return sorted({*range(begin, end, settings["every"]), end})


def _check(config: Any, settings: Mapping[str, Any]) -> None:
    if not settings["begin"] <= settings["end"]:
        raise ArgumentError(f"interventions.pruning.end = {settings['end']}; expected {settings['begin']} or more, "
                            "where it begins")  # fmt: skip


def _extra(leaves: Mapping[str, Leaf], config: Any, settings: Any) -> dict[str, np.ndarray]:
    """Masks (as the leaf) of the matrices of attention and feed-forward layers, which alone are pruned."""
    return {MASK + k: np.ones(leaf.shape, np.float32) for k, leaf in leaves.items() if is_matrix(k)}


def _revise(params: Any, extra: Any, step: int, config: Any, settings: Mapping[str, Any]) -> Any:
    """So many of the smallest weights of each matrix at zero; those that are stay so."""
    params, extra = dict(params), dict(extra)
    share = sparsity_at(step, config, settings)
    for name in [k.removeprefix(MASK) for k in extra if k.startswith(MASK)]:
        size = np.where(extra[MASK + name] > 0, np.abs(params[name]), -1.0).ravel()
        mask = np.ones(size.shape, np.float32)
        mask[np.argsort(size, kind="stable")[: round(share * size.size)]] = 0
        extra[MASK + name] = mask.reshape(params[name].shape)
        params[name] = params[name] * extra[MASK + name]
    return params, extra


def _weights(params: Mapping[str, Any], extra: Mapping[str, Any], step: Any, config: Any, settings: Any) -> Any:
    return {k: v * extra[MASK + k] if MASK + k in extra else v for k, v in params.items()}


def _counts(leaves: Mapping[str, Leaf], share: float) -> int:
    """Weights that are not pruned at a sparsity."""
    return sum(x.size - round(share * x.size) if is_matrix(k) else x.size for k, x in leaves.items())


def _measure(training: Any, config: Any, settings: Mapping[str, Any]) -> dict[str, float]:
    """Weights that are not pruned: at the end, counted, and on average over all tokens, by the schedule."""
    masks = [np.asarray(v) for k, v in training.state["extra"].items() if k.startswith(MASK)]
    leaves = training.functions.leaves
    zeros = sum(int(m.size - m.sum()) for m in masks)
    revisions, share, total = set(_revises(config, settings)), 0.0, 0.0
    for step in range(config.steps):
        share = sparsity_at(step, config, settings) if step in revisions else share
        total += _counts(leaves, share)
    return {
        "pruned/parameters": float(sum(x.size for x in leaves.values()) - zeros),
        "pruned/mean_parameters": total / config.steps,
        "pruned/sparsity": zeros / sum(m.size for m in masks),
    }


INTERVENTION = Intervention(
    name="pruning",
    changes="More and more of the smallest weights of each matrix are set to zero, `sparsity` of them by `end`.",
    source="Zhu & Gupta 2017, To prune, or not to prune, eq. 1; from 25 to 75 % of training: Jin et al. 2025",
    settings={"sparsity": 0.5, "begin": 0.25, "end": 0.75, "every": 10},
    limits={"sparsity": (0.0, 0.999), "begin": (0.0, 1.0), "end": (0.0, 1.0), "every": (1, 1_000_000)},
    check=_check,
    extra=_extra,
    revises=_revises,
    revise=_revise,
    weights=_weights,
    measure=_measure,
)
