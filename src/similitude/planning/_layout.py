"""Layouts of training among accelerators, ranked: what each needs and how long its step takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from similitude._digits import format_number
from similitude._quantity import SECONDS, format_quantity
from similitude._result import Result
from similitude._view import Axis, Column, Figure, Marker, Points, Rule, Section, Table, Text
from similitude.planning._result import gb

__all__ = ["Layout", "Layouts"]

SPENT = {
    "compute": "matrix products",
    "tensor": "tensor-parallel sums",
    "expert": "tokens to experts and back",
    "pipeline": "hand-over between stages",
    "bubble": "pipeline idle",
    "data": "gradients and weights among replicas, not hidden",
    "optimizer": "optimiser",
}


@dataclass(frozen=True)
class Layout:
    """One way to spread training: degrees of parallelism, bytes on the fullest accelerator, seconds of a step.

    `mfu` is the share of the peak that model FLOP (nothing recomputed) amount to, `bubble` the pipeline's idle time
    over its computing time.
    """

    data: int
    tensor: int
    pipeline: int
    expert: int
    zero: int
    recompute: str
    microbatch: int
    microbatches: int
    interleave: int
    bytes: Mapping[str, float]
    seconds: Mapping[str, float]
    mfu: float
    bubble: float

    @property
    def memory(self) -> float:
        """Bytes on the accelerator that needs most."""
        return sum(self.bytes.values())

    @property
    def step(self) -> float:
        """Seconds of one step."""
        return sum(self.seconds.values())

    def __repr__(self) -> str:
        return f"Layout({self.words()}: {self.step:.3g} s a step, {gb(self.memory)})"

    def words(self) -> str:
        """The degrees in short."""
        said = f"data {self.data}, tensor {self.tensor}, pipeline {self.pipeline}"
        said += f"×{self.interleave}" if self.interleave > 1 else ""
        said += f", expert {self.expert}" if self.expert > 1 else ""
        return f"{said}, ZeRO {self.zero}, recompute {self.recompute}, microbatch {self.microbatch}"


@dataclass(frozen=True)
class Layouts(Result):
    """The layouts that fit, fastest first, of all that were tried. Made by `parallel_layouts`.

    `batch` is in sequences of `sequence` tokens; `needed` holds what the tokens asked for take on the best layout:
    steps, days, accelerator hours and, where a price is known, dollars. `cloud` has memory (bytes) and step (seconds)
    of further layouts that fit, for the figure.
    """

    name: str
    accelerator: str
    count: int
    batch: int
    sequence: int
    memory_gb: float
    headroom: float
    layouts: tuple[Layout, ...]
    tried: int
    fitting: int
    needed: Mapping[str, float]
    assumptions: tuple[str, ...]
    cloud: tuple[tuple[float, float], ...] = ()

    @property
    def best(self) -> Layout:
        """The fastest layout that fits."""
        return self.layouts[0]

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second of the best layout, on all accelerators."""
        return self.batch * self.sequence / self.best.step

    def __repr__(self) -> str:
        return (
            f"Layouts({self.name} on {self.count}x {self.accelerator}: {self.best.words()}; {self.best.step:.3g} s a "
            f"step, {self.best.mfu:.1%} of peak, {gb(self.best.memory)})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, each layout with its memory and step."""
        document = super().to_dict()
        for plain, layout in zip(document["layouts"], self.layouts, strict=True):
            plain |= {"memory": layout.memory, "step": layout.step}
        return {k: v for k, v in document.items() if k != "cloud"}

    def view(self) -> Section:
        """The ranking, where the best layout's memory and time go, memory against time, assumptions."""
        views: list[Any] = [_ranking(self), _spent(self), _held(self)]
        if self.needed:
            views.append(_needed(self))
        views += [_figure(self), Text("What the layouts take for granted", points=self.assumptions)]
        return Section(f"Training {self.name} on {self.count}x {self.accelerator}", views)


def _ranking(found: Layouts) -> Table:
    rows = [
        (x.data, x.tensor, f"{x.pipeline}×{x.interleave}" if x.interleave > 1 else str(x.pipeline), x.expert, x.zero,
         x.recompute, f"{x.microbatches}×{x.microbatch}", gb(x.memory), f"{x.step:.3g}", f"{x.mfu:.1%}",
         f"{x.bubble:.1%}")
        for x in found.layouts
    ]  # fmt: skip
    columns = (Column("data", digits=6), "tensor", Column("pipe", align="right"), "expert", "ZeRO", "recompute",
               Column("microbatches", align="right"), Column("memory", align="right"),
               Column("step", "s", align="right"), Column("of peak", align="right"),
               Column("idle", align="right"))  # fmt: skip
    note = (
        f"{found.fitting:,} of {found.tried:,} layouts fit {found.memory_gb:g} GB with {found.headroom:.0%} to spare; "
        f"a batch is {found.batch:,} sequences of {found.sequence:,} tokens."
    )
    return Table(f"{found.name} on {found.count}x {found.accelerator}", columns, rows, note)


def _spent(found: Layouts) -> Table:
    step = found.best.step
    rows = [(SPENT[k], f"{v:.3g}", f"{v / step:.1%}") for k, v in found.best.seconds.items() if v > 0]
    columns = ("on the first layout", Column("step", "s", align="right"), Column("share", align="right"))
    return Table("Where a step's time goes", columns, rows)


def _held(found: Layouts) -> Table:
    whole = found.best.memory
    words = {"optimizer": "optimiser"}
    rows = [(words.get(k, k), gb(v), f"{v / whole:.1%}") for k, v in found.best.bytes.items()]
    columns = ("on the first layout", Column("memory", align="right"), Column("share", align="right"))
    return Table("What fills the fullest accelerator", columns, rows)


def _needed(found: Layouts) -> Table:
    n = found.needed
    rows = [
        ("tokens", format_quantity(n["tokens"])),
        ("steps", f"{n['steps']:,.0f}"),
        ("tokens a second", format_quantity(found.tokens_per_second)),
        ("time", format_quantity(n["days"] * 86400, SECONDS)),
        ("accelerator hours", f"{n['hours']:,.0f}"),
    ]
    if "dollars" in n:
        rows.append(("cost", format_number(n["dollars"], "$", 3)))
    return Table("The whole training", ("quantity", Column("value", align="right")), rows)


def _figure(found: Layouts) -> Figure:
    memory, step = zip(*found.cloud, strict=True) if found.cloud else ((), ())
    best = found.best
    series = (
        Points("layouts that fit", [m / 1e9 for m in memory], step),
        Marker("first of the list", best.memory / 1e9, best.step),
        Rule("memory", found.memory_gb),
    )
    axes = Axis("Memory on the fullest accelerator", "GB"), Axis("Step", "seconds")
    return Figure("Memory against time", *axes, series, name="layouts")
