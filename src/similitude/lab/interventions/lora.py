"""Fine-tuning on a second domain, of all weights or of low-rank additions to some.

After the share `at` of the steps the run goes on with `domain` alone: with every weight (`full`), or with none but A
(fan in, `rank`) and B (`rank`, fan out), B zeros at first, for each matrix in `targets`: y = x W + alpha / rank x A
B. `data.domains` lists every domain of the run; of one with weight 0 pre-training reads nothing. Both stretches have
the whole schedule, the second with the peak `lr`, by default the run's.

N counts W, A and B. FLOP of tuning leave out the gradients of weights that are not tuned. `val/loss` is that on
`domain` in the second stretch. Measured: parameters and tokens of tuning, and in nats a token what the first domains
lost by it (`tuned/forgot`) and the second gained (`tuned/gained`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import numpy as np

from similitude._errors import ArgumentError
from similitude.lab._leaf import Leaf, hidden, is_matrix

from ._intervention import Intervention, Stage, without
from ._reshaped import Reshaped, passes_of

__all__ = ["INTERVENTION", "is_added"]

TARGETS = ("qkv", "out", "up", "down")


def is_added(name: str) -> bool:
    """Whether a leaf is one of the low-rank factors, which alone are tuned."""
    return name.endswith(("/lora_a", "/lora_b"))


def _start(config: Any, settings: Mapping[str, Any]) -> int:
    """Steps of pre-training."""
    return round(settings["at"] * config.steps)


def _check(config: Any, settings: Mapping[str, Any]) -> None:
    domain, domains = settings["domain"], config.data.domains
    if domain not in domains or len(domains) < 2:
        raise ArgumentError(
            f"interventions.lora.domain = '{domain}'; expected one of the domains of data.domains, which lists every "
            f"domain of the run, a weight of 0 keeping it out of pre-training (it has {', '.join(domains)})"
        )
    if not 0 < _start(config, settings) < config.steps:
        raise ArgumentError(f"interventions.lora.at = {settings['at']}; of {config.steps} steps that leaves none for "
                            "pre-training or for tuning")  # fmt: skip
    if "moe" in config.interventions and {"up", "down"} & set(settings["targets"]):
        raise ArgumentError("interventions.lora.targets: experts have no low-rank additions; give qkv and out")


def _stages(config: Any, settings: Mapping[str, Any]) -> tuple[Stage, ...]:
    """Two runs in one, each with the whole schedule."""
    start, bare = _start(config, settings), without(config, "lora")
    data = msgspec.structs.replace(config.data, domains={settings["domain"]: 1.0})
    second = msgspec.structs.replace(bare if settings["full"] else config, data=data)
    rates = [_rates(config, start, config.train.lr),
             _rates(config, config.steps - start, settings["lr"] or config.train.lr)]  # fmt: skip
    return Stage(0, bare, None, rates[0]), Stage(start, second, None if settings["full"] else is_added, rates[1])


def _rates(config: Any, steps: int, lr: float) -> np.ndarray:
    train = msgspec.structs.replace(config.train, steps=steps, lr=lr)
    return msgspec.structs.replace(config, train=train, interventions={}).rates().rates


def _added(leaves: Mapping[str, Leaf], settings: Mapping[str, Any]) -> dict[str, Leaf]:
    """A (fan in, rank) and B (rank, fan out), zeros, for every matrix that is a target."""
    rank, found = settings["rank"], {}
    for name, leaf in leaves.items():
        if is_matrix(name) and name.rpartition("/")[2] in settings["targets"]:
            found[f"{name}/lora_a"] = hidden(leaf.fan_in, rank)
            found[f"{name}/lora_b"] = Leaf((rank, leaf.fan_out), "input", rank, leaf.fan_out, fill=0.0)
    return found


def _leaves(leaves: Mapping[str, Leaf], config: Any, settings: Mapping[str, Any]) -> dict[str, Leaf]:
    return {**leaves, **_added(leaves, settings)}


def _size(config: Any, settings: Mapping[str, Any]) -> int:
    """Weights of all additions."""
    m = config.model
    head = m.width // m.heads
    sides = {"qkv": (m.width, m.width + 2 * (m.kv_heads or m.heads) * head), "out": (m.width, m.width),
             "up": (m.width, m.inner() * (2 if m.activation == "swiglu" else 1)),
             "down": (m.inner(), m.width)}  # fmt: skip
    return m.layers * settings["rank"] * sum(sum(sides[t]) for t in set(settings["targets"]))


def _shape(shape: Any, config: Any, settings: Mapping[str, Any]) -> Any:
    if settings["full"]:
        return shape
    size = _size(config, settings)
    return Reshaped(shape, body=size, within=2.0 * size * passes_of(shape))


def _linear(scale: float, x: Any, weights: Any, name: str, params: Mapping[str, Any]) -> Any:
    y = x @ weights
    if f"{name}/lora_a" not in params:
        return y
    return y + scale * ((x @ params[f"{name}/lora_a"]) @ params[f"{name}/lora_b"])


def _parts(parts: Any, config: Any, settings: Mapping[str, Any]) -> Any:
    if settings["full"]:
        return parts
    return replace(parts, linear=partial(_linear, settings["alpha"] / settings["rank"]))


def _flop(flop: float, config: Any, settings: Mapping[str, Any]) -> float:
    """Matrices that are not trained have no gradient of their own: two products of three.

    That of the first block's input is counted, though nothing that is trained lies before it.
    """
    if settings["full"]:
        return flop
    forward = config.shape.flop(config.data.sequence)
    added = 2.0 * _size(config, settings) * passes_of(config.shape)
    return flop - (forward.forward - forward.attention - added)


def _carry(params: Mapping[str, Any], before: Any, after: Any, settings: Any) -> dict[str, Any]:
    return dict(params)


def _measure(training: Any, config: Any, settings: Mapping[str, Any]) -> dict[str, float]:
    """Parameters and tokens of tuning, and what it cost the first domains and gave the second, in nats a token."""
    stage, leaves = training.stages[-1], training.functions.leaves
    tuned = sum(leaf.size for name, leaf in leaves.items() if stage.trains is None or stage.trains(name))
    from similitude.lab._training import short_name

    before, after = training.ends[0], training.losses(training.state["params"], "val")
    first = training.stages[0].config.data.domains
    total = sum(first.values())
    names = {name: f"val/{short_name(name)}/loss" for name, weight in first.items() if weight}
    forgot = sum(first[name] / total * (after[key] - before[key]) for name, key in names.items())
    gained = f"val/{short_name(settings['domain'])}/loss"
    tokens = (config.steps - stage.start) * config.tokens_per_step
    return {"tuned/parameters": float(tuned), "tuned/tokens": float(tokens), "tuned/forgot": forgot,
            "tuned/gained": before[gained] - after[gained]}  # fmt: skip


INTERVENTION = Intervention(
    name="lora",
    changes="After the share `at` of the steps, the run goes on with `domain` and low-rank additions, or all weights.",
    source="Hu et al. 2022, LoRA, eq. 3 (A normal, B zero); additions to all matrices: Dettmers et al. 2023",
    settings={"domain": "", "at": 0.5, "full": False, "rank": 4, "alpha": 8.0, "targets": list(TARGETS), "lr": None},
    limits={"at": (0.0, 1.0), "rank": (1, 4096), "alpha": (1e-6, 1e6), "targets": TARGETS, "lr": (1e-12, 1e3)},
    check=_check,
    shape=_shape,
    parts=_parts,
    leaves=_leaves,
    stages=_stages,
    carry=_carry,
    flop=_flop,
    measure=_measure,
)
