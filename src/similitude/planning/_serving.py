"""Serving a decoder: roofline of encoding and decoding, memory of the cache, throughput and cost by batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from similitude._architecture import Transformer
from similitude._errors import ArgumentError, QuestionError
from similitude._known_shapes import Shape
from similitude._result import Result
from similitude._view import Axis, Column, Figure, Points, Section, Table, Text
from similitude.planning._budget import Accelerator, budget
from similitude.planning._parallel import NETWORK
from similitude.planning._result import gb
from similitude.planning._shape_sheet import resolve_shape

__all__ = ["Served", "Serving", "serve"]

MOST = 4096  # requests at once beyond which no batch is tried


@dataclass(frozen=True)
class Served:
    """So many requests at once on one replica.

    `first` is seconds until the first token, `step` between two tokens of a request, `request` both together;
    `throughput` output tokens a second of the replica, encoding of prompts included; `cache` bytes of keys and values
    at full length; `bound` what limits decoding: "memory" or "compute"; `dollars` per million output tokens, None
    without a price.
    """

    batch: int
    first: float
    step: float
    request: float
    throughput: float
    cache: float
    bound: str
    dollars: float | None


@dataclass(frozen=True)
class Serving(Result):
    """What serving takes on one replica of so many accelerators, batch by batch. Made by `serve`.

    `best` is the cheapest batch within the limit on seconds a token, if one was set.
    """

    name: str
    accelerator: str
    count: int
    prompt: int
    output: int
    weights: float
    cache_token: float
    memory: float
    price: float | None
    served: tuple[Served, ...]
    limit: float | None
    assumptions: tuple[str, ...]

    @property
    def best(self) -> Served:
        """The batch with the highest throughput among those within the limit."""
        within = [s for s in self.served if self.limit is None or s.step <= self.limit]
        return max(within, key=lambda s: s.throughput)

    def __repr__(self) -> str:
        b = self.best
        cost = "" if b.dollars is None else f", ${b.dollars:.3g} per million output tokens"
        return (
            f"Serving({self.name} on {self.count}x {self.accelerator}: {b.batch} requests at once, {b.throughput:.4g} "
            f"tokens/s, {1e3 * b.step:.3g} ms a token{cost})"
        )

    def view(self) -> Section:
        """Latency, throughput and cost by batch; memory; assumptions."""
        views = (_by_batch(self), _memory(self), _figure(self))
        return Section(
            f"Serving {self.name} on {self.count}x {self.accelerator}",
            (*views, Text("What the figures take for granted", points=self.assumptions)),
        )


def serve(
    model: str | Shape,
    gpus: str,
    *,
    prompt: int = 1024,
    output: int = 256,
    precision: str = "bf16",
    weight_bytes: float = 2,
    cache_bytes: float = 2,
    efficiency: float = 0.6,
    bandwidth: float = 0.8,
    links: Mapping[str, float] | None = None,
    headroom: float = 0.1,
    memory_gb: float | None = None,
    price: float | None = None,
    limit: float | None = None,
) -> Serving:
    """What serving a decoder takes on one replica: "4xH100", or "H100" for the fewest that hold it.

    A roofline: encoding a prompt takes its products at `efficiency` of the peak, or reading the weights; a further
    token takes reading the weights once for all requests and each one's cache at `bandwidth` of the memory's, or their
    products; tensor-parallel sums come on top over `links` ("link", GB/s one way, half the table's two-way figure by
    default; "reached", a share). Where requests were profiled, `fit_runtime` knows better.

    `prompt` and `output` are tokens of a request; bytes are of one weight and of one number in the cache; `headroom`
    of the memory stays free; `price` is dollars an accelerator and hour; `limit` the most seconds between two tokens.

    Raises ArgumentError for arguments not known, QuestionError where the model does not fit or is too slow.

    >>> import similitude as sim
    >>> made = sim.serve("llama-3-70b", "4xH100")
    >>> made.cache_token, made.served[0].bound
    (327680.0, 'memory')
    """
    name, shape, _ = resolve_shape(model)
    if not isinstance(shape, Transformer):
        raise ArgumentError(f"{name} is no decoder-only transformer: serving is known for those only")
    _check(prompt, output, efficiency, bandwidth, headroom, (weight_bytes, cache_bytes))
    read = budget(gpus=gpus)
    chip = read.accelerator
    assert chip is not None
    if chip.bandwidth is None:
        raise ArgumentError(f"the bandwidth of {chip.name}'s memory is not in the table: name another accelerator")
    each = (memory_gb or chip.memory_gb) * 1e9 * (1 - headroom)
    weights = weight_bytes * shape.parameters("total")
    one = shape.cache(prompt + output, bytes_each=cache_bytes)
    count = int(read.count) if read.count else _fewest(weights + one, each)
    if weights + one > each * count:
        raise QuestionError(
            f"{name} does not fit {count}x {memory_gb or chip.memory_gb:g} GB with {headroom:.0%} to spare: weights "
            f"take {gb(weights)} and the cache of one request {gb(one)}; take {_fewest(weights + one, each)} of them"
        )
    line = _Roofline(shape, chip, count, precision, efficiency, bandwidth, links or {}, weight_bytes, cache_bytes)
    rate = price if price is not None else chip.price
    most = int((each * count - weights) // one)
    served = tuple(_served(line, b, prompt, output, one, rate) for b in _batches(most))
    if limit is not None and not limit > 0:
        raise ArgumentError(f"limit = {limit:g}; expected the most seconds between two tokens, above zero")
    if limit is not None and not any(s.step <= limit for s in served):
        raise QuestionError(
            f"no batch keeps {1e3 * limit:g} ms a token: alone, a request takes {1e3 * served[0].step:.3g} ms on "
            f"{count}x {chip.name}; take more accelerators or fewer bytes a weight"
        )
    said = _assumptions(line, price, rate)
    cache = shape.cache(bytes_each=cache_bytes)
    return Serving(name, chip.name, count, prompt, output, weights, cache, each * count, rate, served, limit, said)


def _check(
    prompt: int, output: int, efficiency: float, bandwidth: float, headroom: float, sizes: tuple[float, float]
) -> None:
    for what, value in (("prompt", prompt), ("output", output)):
        if value < 1 or value != int(value):
            raise ArgumentError(f"{what} = {value}; expected a whole number of tokens, at least one")
    for what, value in (("efficiency", efficiency), ("bandwidth", bandwidth)):
        if not 0 < value <= 1:
            raise ArgumentError(f"{what} = {value}; expected a share, above 0 and at most 1")
    if not 0 <= headroom < 1:
        raise ArgumentError(f"headroom = {headroom}; expected the share of memory to leave free, such as 0.1")
    if min(sizes) <= 0:
        raise ArgumentError(f"bytes of a weight and of the cache {sizes}; expected positive numbers such as 2 and 1")


def _fewest(size: float, each: float) -> int:
    """The smallest power of two of accelerators that hold it."""
    return 2 ** max(0, math.ceil(math.log2(size / each)))


def _batches(most: int) -> list[int]:
    powers = [2**k for k in range(int(math.log2(min(most, MOST))) + 1)]
    return powers if powers[-1] == most or most > MOST else [*powers, most]


@dataclass(frozen=True)
class _Roofline:
    """Seconds of encoding and of a step of decoding on one replica."""

    shape: Transformer
    chip: Accelerator
    count: int
    precision: str
    efficiency: float
    bandwidth: float
    links: Mapping[str, float]
    weight_bytes: float
    cache_bytes: float

    @property
    def flops(self) -> float:
        return self.count * self.chip.peak(self.precision) * 1e12 * self.efficiency

    @property
    def reading(self) -> float:
        return self.count * (self.chip.bandwidth or 0.0) * 1e9 * self.bandwidth

    @property
    def link(self) -> float:
        own = self.chip.link / 2 if self.chip.link else NETWORK
        return self.links.get("link", own) * 1e9 * self.links.get("reached", 0.8)

    def sums(self, tokens: float) -> float:
        """Two all-reduces of the residual stream in each block."""
        size = 2.0 * tokens * self.shape.width
        return self.shape.layers * 2 * 2 * (self.count - 1) / self.count * size / self.link

    def met(self, tokens: float) -> float:
        """Bytes of the weights that at least one of so many tokens meets, routed evenly and independently."""
        s = self.shape
        routed = s.expert_layers * s.experts * s.expert_matrices
        idle = (1 - s.experts_per_token / s.experts) ** tokens if s.experts else 0.0
        table = s.embeddings * (not s.tied)  # of a table that is no head only rows are read
        return self.weight_bytes * (s.parameters("total") - table - routed * idle)

    def encode(self, prompt: int) -> float:
        """Seconds to encode one prompt; half the scores are masked and not computed, the head sees the last token."""
        s = self.shape
        flop = 2.0 * (s.active_matrices * prompt + s.vocabulary * s.width)
        flop += 0.5 * 4.0 * s.layers * s.attention_width * prompt**2
        return max(flop / self.flops, self.met(prompt) / self.reading) + self.sums(prompt)

    def decode(self, batch: int, length: float) -> tuple[float, str]:
        """Seconds between two tokens of requests that have `length` tokens behind them, and what bounds them."""
        compute = batch * self.shape.flop(max(1, round(length))).forward / self.flops
        read = (self.met(batch) + batch * self.shape.cache(length, bytes_each=self.cache_bytes)) / self.reading
        return max(compute, read) + self.sums(batch), "compute" if compute > read else "memory"


def _served(line: _Roofline, batch: int, prompt: int, output: int, one: float, price: float | None) -> Served:
    first = line.encode(prompt)
    step, bound = line.decode(batch, prompt + output / 2)
    # prompts are encoded one after the other while all requests of the batch decode together
    busy = batch * first + (output - 1) * step
    speed = batch * output / busy
    dollars = None if price is None else line.count * price / 3600 / speed * 1e6
    return Served(batch, first, step, first + (output - 1) * step, speed, batch * one, bound, dollars)


def _assumptions(line: _Roofline, given: float | None, rate: float | None) -> tuple[str, ...]:
    chip = line.chip
    speed = (
        f"Products reach {line.efficiency:.0%} of the dense {line.precision} peak of {chip.name}, "
        f"{chip.peak(line.precision):g} TFLOP/s, and reading {line.bandwidth:.0%} of its memory's "
        f"{chip.bandwidth:g} GB/s ({chip.document}; {chip.date})."
    )
    sizes = (
        f"{line.weight_bytes:g} bytes a weight, {line.cache_bytes:g} a number of the cache; the replica is one "
        f"tensor-parallel group over links of {line.link / 1e9:.3g} GB/s one way."
    )
    said = [speed, sizes, "No latencies, queues or scheduling: an ideal, which software comes near at large batches."]
    if rate is not None:
        note = "" if given is not None else f" ({chip.price_note}; give your own)"
        said.append(f"An accelerator costs ${rate:g} an hour{note}, whether busy or not.")
    return tuple(said)


def _by_batch(made: Serving) -> Table:
    best = made.best
    rows = [
        (f"{s.batch:,}{' ←' if s is best else ''}", f"{1e3 * s.first:.3g}", f"{1e3 * s.step:.3g}", f"{s.request:.3g}",
         f"{s.throughput:,.4g}" if s.throughput < 1e4 else f"{s.throughput:,.0f}", gb(s.cache), s.bound,
         "…" if s.dollars is None else f"{s.dollars:.3g}")
        for s in made.served
    ]  # fmt: skip
    columns = [Column("requests at once", align="right"), Column("first token", "ms", align="right"),
               Column("a token", "ms", align="right"), Column("request", "s", align="right"),
               Column("tokens/s", align="right"), Column("cache", align="right"), Column("bound"),
               Column("1M tokens", "$", align="right")]  # fmt: skip
    if all(s.dollars is None for s in made.served):  # no price is known
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    limit = "" if made.limit is None else f", at most {1e3 * made.limit:g} ms a token"
    note = f"Requests of {made.prompt:,} prompt and {made.output:,} output tokens; ← has the highest throughput{limit}."
    return Table(f"{made.name} on {made.count}x {made.accelerator}", columns, rows, note)


def _memory(made: Serving) -> Table:
    rows = [
        ("weights", gb(made.weights)),
        ("cache, a token of one request", gb(made.cache_token)),
        ("left for the cache", gb(made.memory - made.weights)),
        (
            "requests at full length that fit",
            f"{made.served[-1].batch:,}" if made.served[-1].batch < MOST else "over 4,096",
        ),
    ]
    return Table("Memory of a replica", ("what", Column("size", align="right")), rows)


def _figure(made: Serving) -> Figure:
    labels = [f"{s.batch} at once" for s in made.served]
    x, y = [1e3 * s.step for s in made.served], [s.throughput for s in made.served]
    axes = Axis("A token of one request", "ms"), Axis("Output of the replica", "tokens/s")
    return Figure("Throughput against latency", *axes, (Points("batch", x, y, labels=labels),), name="serving")
