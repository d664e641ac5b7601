"""Memory and time of a step of training under data, tensor, pipeline and expert parallelism, for arrays of layouts.

A model of what must happen, not a measurement: products at an assumed share of the peak, transfers at an assumed share
of the links, no latencies, no stragglers, experts evenly loaded. Each layout is an element of the arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._architecture import RECOMPUTE, Transformer
from similitude._counted import State

__all__ = ["Machine", "bubble", "memory", "time"]

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Machine:
    """What every accelerator has: FLOP/s of products, bytes/s to its memory, within a node and between nodes."""

    flops: float
    bandwidth: float | None
    link: float
    network: float
    node: int
    headroom: float = 0.0

    def between(self, span: Any) -> Any:
        """Bytes/s of a group whose members stand within `span` neighbouring accelerators."""
        return np.where(span <= self.node, self.link, self.network)


def bubble(pipeline: Any, microbatches: Any, interleave: Any = 1) -> Any:
    """Time a pipeline idles, over the time it computes: (p - 1) / (v m).

    >>> float(bubble(8, 32)), float(bubble(8, 32, 4))
    (0.21875, 0.0546875)
    """
    return (np.asarray(pipeline) - 1) / (np.asarray(interleave) * np.asarray(microbatches))


def _stage_layers(shape: Transformer, x: Arrays) -> np.ndarray:
    """Blocks of the fullest stage: chunks of a pipeline are whole blocks."""
    chunks = x["pipeline"] * x["interleave"]
    return np.ceil(shape.layers / chunks) * x["interleave"]


def _weights(shape: Transformer, x: Arrays) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Weights on one accelerator: dense blocks, experts, and tables of the first and of the last stage."""
    routed = shape.expert_layers * shape.experts * shape.expert_matrices
    share = _stage_layers(shape, x) / shape.layers / x["tensor"]
    table = shape.embeddings / x["tensor"]
    last = np.where(x["pipeline"] == 1, 0.0 if shape.tied else shape.head, shape.vocabulary * shape.width)
    return (shape.body - routed) * share, routed * share / x["expert"], table, last / x["tensor"]


def memory(shape: Transformer, x: Arrays, each: State, sequence: int) -> dict[str, np.ndarray]:
    """Bytes on the accelerator that needs most, by what they hold: the first stage of a pipeline or the last.

    ZeRO stages 1, 2 and 3 split the optimiser's state, gradients and weights among the replicas (Rajbhandari et al.
    2020); each expert has data / expert replicas. In flight are as many microbatches as stages, and with v chunks a
    stage 1 + (p - 1)/(p v) times a model's worth (Korthikanti et al. 2022, section 4.2.3).
    """
    dense, experts, first, last = _weights(shape, x)
    alone = x["pipeline"] == 1
    ends = (dense + first + np.where(alone, last, 0.0), dense + np.where(alone, first, 0.0) + last)
    layer = _layer_activations(shape, x, sequence)
    tokens = x["microbatch"] * sequence
    stage = _stage_layers(shape, x)
    m, p, v = x["microbatches"], x["pipeline"], x["interleave"]
    flight = np.where(v > 1, 1 + (p - 1) / (p * v), 1.0) * np.where(v > 1, p, np.minimum(m, p))
    flight = np.minimum(flight, m)
    working = np.where(x["recompute"] == 2, _working(shape, x, sequence), 0.0)
    head = tokens * shape.head_activations / x["tensor"]
    held = (
        tokens * (layer * stage * flight + working) + np.where(alone, head, 0.0),
        tokens * (layer * stage * np.minimum(1.0, m) + working) + head,
    )
    parts = [_state(n, experts, x, each) for n in ends]
    totals = [sum(s) + a for s, a in zip(parts, held, strict=True)]
    pick = totals[0] >= totals[1]
    named = {k: np.where(pick, a, b) for k, a, b in zip(("weights", "gradients", "optimizer"), *parts, strict=True)}
    return {**named, "activations": np.where(pick, *held)}


def _state(dense: Any, experts: Any, x: Arrays, each: State) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    def split(size: float, stage: int) -> np.ndarray:
        on = x["zero"] >= stage
        among = np.where(on, x["data"], 1), np.where(on, x["data"] / x["expert"], 1)
        return size * (dense / among[0] + experts / among[1])

    return split(each.weights, 3), split(each.gradients, 2), split(each.optimizer, 1)


def _layer_activations(shape: Transformer, x: Arrays, sequence: int) -> np.ndarray:
    """Bytes a block keeps of a token, under each layout's recomputation; outside products split along the sequence."""
    out = np.zeros(len(x["tensor"]))
    for code, name in enumerate(RECOMPUTE):
        kept = shape.layer_activations(
            recompute=name, tensor=x["tensor"], sequence=sequence, sequence_parallel=True, dropout=False
        )
        out = np.where(x["recompute"] == code, kept, out)
    return out


def _working(shape: Transformer, x: Arrays, sequence: int) -> Any:
    """Bytes of the one block that is being computed again, its attention fused."""
    return shape.layer_activations(
        recompute="selective", tensor=x["tensor"], sequence=sequence, sequence_parallel=True, dropout=False
    )


def time(shape: Transformer, x: Arrays, machine: Machine, each: State, sequence: int) -> dict[str, np.ndarray]:
    """Seconds of one step, by what they pass with; their sum is the step."""
    m, p, v = x["microbatches"], x["pipeline"], x["interleave"]
    compute, backward = _compute(shape, x, machine, sequence)
    parts = {
        "compute": m * compute,
        "tensor": m * _tensor(shape, x, machine, sequence),
        "expert": m * _expert(shape, x, machine, sequence),
        "pipeline": m * _pipeline(shape, x, machine, sequence),
    }
    parts["bubble"] = bubble(p, m, v) * sum(parts.values())
    parts["data"] = _data(shape, x, machine, each, backward, parts["compute"])
    parts["optimizer"] = _optimizer(shape, x, machine, each)
    return parts


def _compute(shape: Transformer, x: Arrays, machine: Machine, sequence: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of products of one microbatch on one stage, and those of its backward pass.

    The head is evened out against blocks, unless whole blocks do not allow it.
    """
    flop = shape.flop(sequence)
    head = 2.0 * shape.vocabulary * shape.width
    layer = (flop.forward - head) / shape.layers
    scores = flop.attention / shape.layers
    again = np.choose(x["recompute"], [0.0, scores, layer])
    stage = _stage_layers(shape, x)
    even = (shape.layers * (3 * layer + again) + 3 * head) / x["pipeline"]
    work = np.maximum(stage * (3 * layer + again), even)
    each = x["microbatch"] * sequence / x["tensor"] / machine.flops
    return work * each, work * each * (2 * layer + again) / (3 * layer + again)


def _tensor(shape: Transformer, x: Arrays, machine: Machine, sequence: int) -> np.ndarray:
    """Two all-reduces of the residual stream forward and two backward, two more where blocks are computed again."""
    t = x["tensor"]
    passes = np.where(x["recompute"] == 2, 6, 4)
    size = 2.0 * x["microbatch"] * sequence * shape.width
    return _stage_layers(shape, x) * passes * 2 * (t - 1) / t * size / machine.between(t)


def _expert(shape: Transformer, x: Arrays, machine: Machine, sequence: int) -> np.ndarray:
    """Tokens sent to their experts and back, forward and backward."""
    if not shape.experts:
        return np.zeros(len(x["tensor"]))
    e = x["expert"]
    blocks = _stage_layers(shape, x) * shape.expert_layers / shape.layers
    size = 2.0 * x["microbatch"] * sequence * shape.width * shape.experts_per_token / x["tensor"]
    return blocks * 4 * (e - 1) / e * size / machine.between(e * x["tensor"])


def _pipeline(shape: Transformer, x: Arrays, machine: Machine, sequence: int) -> np.ndarray:
    """The residual stream handed on, forward and backward, once a chunk."""
    size = 2.0 * x["microbatch"] * sequence * shape.width / x["tensor"]
    sent = 2 * x["interleave"] * size / machine.between(2 * x["tensor"] * x["data"])
    return np.where(x["pipeline"] > 1, sent, 0.0)


def _data(
    shape: Transformer, x: Arrays, machine: Machine, each: State, backward: np.ndarray, compute: np.ndarray
) -> np.ndarray:
    """Gradients summed over replicas, and under ZeRO 3 weights gathered twice a microbatch; less what hides.

    Summing hides behind the backward pass of the last microbatch, gathering behind all computing.
    """
    dense, experts, first, last = _weights(shape, x)
    d = x["data"]
    among = d / x["expert"]
    tables = first + np.where(x["pipeline"] == 1, last, 0.0)
    ring = (dense + tables) * (d - 1) / d + experts * (among - 1) / among
    speed = machine.between(d * x["tensor"])
    summed = 2 * ring * each.gradients / speed
    gathered = ring * (each.gradients + 2 * x["microbatches"] * each.weights) / speed
    return np.where(x["zero"] == 3, np.maximum(0.0, gathered - compute), np.maximum(0.0, summed - backward))


def _optimizer(shape: Transformer, x: Arrays, machine: Machine, each: State) -> np.ndarray:
    """State read and written once; nothing where the bandwidth of the memory is not known."""
    if machine.bandwidth is None:
        return np.zeros(len(x["tensor"]))
    dense, experts, first, _ = _weights(shape, x)
    split = np.where(x["zero"] >= 1, x["data"], 1)
    return 2 * (dense + experts + first) * each.total / split / machine.bandwidth
