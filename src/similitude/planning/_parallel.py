"""Every layout of a training among accelerators, tried at once; those that fit, fastest first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from similitude._architecture import RECOMPUTE, Transformer
from similitude._counted import OPTIMIZERS, State, chosen
from similitude._errors import ArgumentError, QuestionError
from similitude._known_shapes import Shape
from similitude.planning._budget import Accelerator, amount, budget
from similitude.planning._layout import Layout, Layouts
from similitude.planning._layout_cost import Machine, bubble, memory, time
from similitude.planning._shape_sheet import resolve_shape

__all__ = ["fleet", "parallel_layouts"]

NETWORK = 25.0  # GB/s an accelerator between nodes where nothing is known: one port of 200 Gbit/s
DEGREES = ("data", "tensor", "pipeline", "expert", "zero", "recompute", "microbatch", "interleave")
HIDDEN = (
    (
        "Sums of gradients hide behind the last backward pass, gathering of weights (ZeRO 3) behind all computing; "
        "tensor-parallel sums, tokens sent to experts and hand-over between stages hide behind nothing."
    ),
    (
        "Attention is fused where scores are not kept, activations outside products are split along the sequence among "
        "the tensor-parallel group, nothing is dropped out, experts are evenly loaded."
    ),
)
CLOUD = 400  # layouts beyond those listed that the figure shows


def parallel_layouts(
    model: str | Shape,
    gpus: str,
    *,
    batch: float | str = "4M",
    tokens: float | str | None = None,
    sequence: int | None = None,
    memory_gb: float | None = None,
    optimizer: str | State = "adam",
    precision: str = "bf16",
    efficiency: float = 0.6,
    links: Mapping[str, float] | None = None,
    node: int = 8,
    headroom: float = 0.1,
    price: float | None = None,
    limit: int = 8,
    **fixed: Any,
) -> Layouts:
    """The fastest ways to train a decoder on accelerators ("1024xH100") that fit their memory, of all layouts tried.

    Parameters
    ----------
    model, gpus, batch, tokens, sequence
        A shape or a public model by name; number and kind of accelerators; tokens of a batch, rounded to sequences
        that can be shared evenly; tokens of the whole training; tokens of a sequence, by default the shape's context.
    memory_gb, headroom
        Memory of one accelerator, by default the table's, and the share to leave free for buffers and fragmentation.
    optimizer, precision
        As in `shape_sheet`; what the products are computed in.
    efficiency
        Share of the dense peak that products alone reach.
    links
        GB/s one way: "link" within a node (by default half the table's two-way figure), "network" between nodes
        (by default 25, 200 Gbit/s); both are multiplied by the share "reached" (by default 0.8).
    node, price, limit
        Accelerators of a node, which tensor parallelism stays within; dollars an hour; layouts to list.
    fixed
        Hold a degree, or give several values to try: data, tensor, pipeline, expert, zero (0 to 3), recompute
        ("none", "selective", "full"), microbatch (sequences), interleave (chunks of a stage).

    ZeRO 2 and 3 are tried without pipeline only. The model of cost is in `_layout_cost`: memory of activations after
    Korthikanti et al. 2022, ZeRO after Rajbhandari et al. 2020, the pipeline's idle time (p - 1)/(v m). It leaves out
    latencies and stragglers: rankings and memory are what it is for; measure the step before believing its seconds.

    Raises ArgumentError for arguments not known, QuestionError where nothing fits, with what the closest would need.

    >>> import similitude as sim
    >>> found = sim.parallel_layouts("llama-2-70b", "512xA100", tokens="2T")
    >>> found.best.memory < 80e9 * 0.9, found.best.data * found.best.tensor * found.best.pipeline
    (True, 512)
    """
    name, shape, _ = resolve_shape(model)
    if not isinstance(shape, Transformer):
        raise ArgumentError(f"{name} is no decoder-only transformer: layouts are known for those only")
    count, chip = fleet(gpus)
    if limit < 1:
        raise ArgumentError(f"limit = {limit}; expected at least one layout")
    s = sequence or shape.context
    machine = _machine(chip, precision, efficiency, dict(links or {}), node, headroom)
    size, sequences = _batch(batch, s, count)
    tried = _candidates(shape, count, sequences, node, fixed)
    each = optimizer if isinstance(optimizer, State) else OPTIMIZERS[chosen("optimizer", optimizer, OPTIMIZERS)]
    held = memory(shape, tried, each, s)
    room = (memory_gb or chip.memory_gb) * 1e9 * (1 - headroom)
    needs = np.sum(np.broadcast_arrays(*held.values()), axis=0)
    fits = np.asarray(needs <= room)
    if not fits.any():
        raise QuestionError(_nothing_fits(tried, needs, memory_gb or chip.memory_gb, headroom))
    kept = {k: v[fits] for k, v in tried.items()}
    spent = time(shape, kept, machine, each, s)
    held = {k: np.broadcast_to(v, fits.shape)[fits] for k, v in held.items()}
    step = np.sum(np.broadcast_arrays(*spent.values()), axis=0)
    order = np.lexsort((needs[fits], step.round(12)))
    peak = count * chip.peak(precision) * 1e12
    ideal = shape.flop(s).training * sequences * s / peak
    made = [_layout(kept, held, spent, int(i), ideal) for i in _distinct(kept, order, limit)]
    return Layouts(
        name,
        chip.name,
        count,
        sequences,
        s,
        float(memory_gb or chip.memory_gb),
        headroom,
        tuple(made),
        len(fits),
        int(fits.sum()),
        _needed(made[0], sequences * s, tokens, count, price if price is not None else chip.price),
        _assumptions(chip, precision, efficiency, machine, size, sequences * s, price),
        _cloud(needs[fits], step, order),
    )


def fleet(gpus: str) -> tuple[int, Accelerator]:
    """("64xH100") -> (64, the H100); ArgumentError without a number."""
    read = budget(gpus=gpus)
    assert read.accelerator is not None
    if read.count is None:
        raise ArgumentError(f"gpus = {gpus!r}: how many? Give a number and a kind, such as '64x{gpus.strip()}'")
    return int(read.count), read.accelerator


def _machine(
    chip: Accelerator, precision: str, efficiency: float, links: dict[str, float], node: int, headroom: float
) -> Machine:
    if unknown := set(links) - {"link", "network", "reached"}:
        raise ArgumentError(f"links: no '{min(unknown)}'; they are link, network (GB/s one way) and reached (a share)")
    for what, value in (("efficiency", efficiency), ("links['reached']", links.get("reached", 0.8))):
        if not 0 < value <= 1:
            raise ArgumentError(f"{what} = {value}; expected a share, above 0 and at most 1")
    if not 0 <= headroom < 1:
        raise ArgumentError(f"headroom = {headroom}; expected the share of memory to leave free, such as 0.1")
    if node < 1 or min(links.get("link", 1), links.get("network", 1)) <= 0:
        raise ArgumentError("node and links must be positive")
    network = links.get("network", getattr(chip, "network", None) or NETWORK)
    link = links.get("link", chip.link / 2 if chip.link else network)
    reached = links.get("reached", 0.8) * 1e9
    flops = chip.peak(precision) * 1e12 * efficiency
    bandwidth = chip.bandwidth * reached if chip.bandwidth else None
    return Machine(flops, bandwidth, link * reached, network * reached, node, headroom)


def _batch(batch: float | str, sequence: int, count: int) -> tuple[float, int]:
    """(tokens asked for, sequences): a multiple of a divisor of the accelerators, up to an eighth of the batch."""
    size = amount("batch", batch, "tokens")
    assert size is not None
    sequences = size / sequence
    if sequences < 1:
        raise ArgumentError(f"batch = {size:g} tokens is shorter than a sequence of {sequence}")
    share = max(d for d in _divisors(count) if d <= max(1.0, sequences / 8))
    return size, max(share, round(sequences / share) * share)


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def _values(fixed: Mapping[str, Any], name: str, usual: Any) -> list[Any]:
    """What to try of a degree: the value or values it is held at, else the usual ones."""
    given = fixed.get(name)
    if given is None:
        return list(usual)
    listed = list(given) if isinstance(given, (list, tuple)) else [given]
    if name == "recompute":
        return [RECOMPUTE.index(chosen("recomputation", v, RECOMPUTE)) for v in listed]
    low, high = (0, 3) if name == "zero" else (1, 10**9)
    for v in listed:
        if v != int(v) or not low <= v <= high:
            raise ArgumentError(f"{name} = {v}; expected a whole number{' from 0 to 3' if name == 'zero' else ''}")
    return [int(v) for v in listed]


def _candidates(
    shape: Transformer, count: int, sequences: int, node: int, fixed: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Every combination of degrees that the shape, the accelerators and the batch can be divided into."""
    if unknown := set(fixed) - set(DEGREES):
        raise ArgumentError(f"no degree '{min(unknown)}'; the degrees are: {', '.join(DEGREES)}")
    tensors = [t for t in _values(fixed, "tensor", _divisors(node)) if (shape.kv_heads or shape.heads) % t == 0]
    pipelines = [p for p in _values(fixed, "pipeline", _divisors(count)) if p <= shape.layers]
    experts = [e for e in _values(fixed, "expert", _divisors(shape.experts or 1)) if (shape.experts or 1) % e == 0]
    micro = _values(fixed, "microbatch", [2**k for k in range(8)])
    others = [micro, _values(fixed, "zero", range(4)), _values(fixed, "recompute", range(3))]
    grids = [tensors, pipelines, experts, *others, _values(fixed, "interleave", (1, 2, 4))]
    t, p, e, b, z, r, v = (g.ravel() for g in np.meshgrid(*(np.array(g, int) for g in grids), indexing="ij"))
    with np.errstate(divide="ignore"):
        d = count // np.maximum(t * p, 1)
        m = sequences // np.maximum(d * b, 1)
    keep = (d * t * p == count) & (d * b * m == sequences) & (m >= 1)
    keep &= (d % e == 0) & ((p > 1) | (v == 1)) & (p * v <= shape.layers) & ((p == 1) | (z < 2)) & ((d > 1) | (z == 0))
    keep &= (v == 1) | (m % p == 0)  # chunks take turns in rounds of as many microbatches as stages
    if "data" in fixed and fixed["data"] is not None:
        keep &= np.isin(d, _values(fixed, "data", ()))
    if not keep.any():
        raise QuestionError(
            f"no layout divides {shape.heads} heads, {shape.layers} layers and {sequences} sequences among {count} "
            "accelerators under these constraints; hold fewer degrees or change the batch"
        )
    names = ("tensor", "pipeline", "expert", "microbatch", "zero", "recompute", "interleave", "data", "microbatches")
    return {n: a[keep] for n, a in zip(names, (t, p, e, b, z, r, v, d, m), strict=True)}


def _nothing_fits(x: Mapping[str, np.ndarray], needs: np.ndarray, room: float, headroom: float) -> str:
    i = int(np.argmin(needs))
    spare = f" with {headroom:.0%} to spare" if headroom else ""
    closest = math.ceil(needs[i] / (1 - headroom) / 1e9)
    said = f"data {x['data'][i]}, tensor {x['tensor'][i]}, pipeline {x['pipeline'][i]}, ZeRO {x['zero'][i]}"
    return (
        f"no configuration fits {room:g} GB{spare} under these constraints; the closest needs {closest} GB ({said}): "
        "take more accelerators, a smaller batch or model, or hold fewer degrees"
    )


def _distinct(x: Mapping[str, np.ndarray], order: np.ndarray, limit: int) -> list[int]:
    """The first of every data, tensor, pipeline and expert degree, so that the list shows what is really different."""
    seen: dict[tuple[int, ...], int] = {}
    for i in order:
        seen.setdefault(tuple(int(x[k][i]) for k in ("data", "tensor", "pipeline", "expert")), int(i))
        if len(seen) == limit:
            break
    return list(seen.values())


def _layout(
    x: Mapping[str, np.ndarray], held: Mapping[str, Any], spent: Mapping[str, Any], i: int, ideal: float
) -> Layout:
    def at(values: Mapping[str, Any]) -> dict[str, float]:
        return {k: float(v[i]) for k, v in values.items()}

    degrees: dict[str, Any] = {k: int(x[k][i]) for k in x}
    degrees["recompute"] = RECOMPUTE[degrees["recompute"]]
    seconds = at(spent)
    idle = float(bubble(degrees["pipeline"], degrees["microbatches"], degrees["interleave"]))
    return Layout(**degrees, bytes=at(held), seconds=seconds, mfu=ideal / sum(seconds.values()), bubble=idle)


def _needed(best: Layout, batch: int, tokens: float | str | None, count: int, price: float | None) -> dict[str, float]:
    total = amount("tokens", tokens, "tokens")
    if total is None:
        return {}
    steps = math.ceil(total / batch)
    hours = steps * best.step / 3600 * count
    needed = {"tokens": total, "steps": float(steps), "days": steps * best.step / 86400, "hours": hours}
    return needed if price is None else {**needed, "dollars": hours * price}


def _cloud(needs: np.ndarray, step: np.ndarray, order: np.ndarray) -> tuple[tuple[float, float], ...]:
    some = order[:: max(1, len(order) // CLOUD)]
    return tuple((float(needs[i]), float(step[i])) for i in some)


def _assumptions(
    chip: Accelerator,
    precision: str,
    efficiency: float,
    machine: Machine,
    asked: float,
    batch: int,
    price: float | None,
) -> tuple[str, ...]:
    products = (
        f"Products reach {efficiency:.0%} of the dense {precision} peak of {chip.name}, {chip.peak(precision):g} "
        f"TFLOP/s ({chip.document}; {chip.date})."
    )
    transfers = (
        f"Transfers reach {machine.link / 1e9:.3g} GB/s one way within a node of {machine.node} and "
        f"{machine.network / 1e9:.3g} GB/s an accelerator between nodes; latencies are left out."
    )
    said = [products, transfers, *HIDDEN]
    if batch != asked:
        said.append(f"The batch of {asked:,.0f} tokens is rounded to {batch:,} that can be shared evenly.")
    rate = price if price is not None else chip.price
    if rate is not None:
        note = "" if price is not None else f" ({chip.price_note}; give your own)"
        said.append(f"An accelerator costs ${rate:g} an hour{note}.")
    return tuple(said)
