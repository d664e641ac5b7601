"""Shapes near a number of parameters that a person can train: layers, width, heads, feed-forward, batch and steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from similitude._architecture import Transformer
from similitude._counted import CONVENTIONS, chosen
from similitude._digits import format_number
from similitude._errors import ArgumentError, QuestionError
from similitude._known_shapes import refuse_unknown
from similitude._quantity import format_quantity
from similitude._result import Result
from similitude._view import Axis, Column, Figure, Points, Rule, Section, Table, Text
from similitude.planning._budget import amount
from similitude.planning._steps import Steps, steps_for

__all__ = ["ShapeChoice", "ShapeChoices", "shapes_for"]

LARGEST = 1e15  # parameters; beyond, there are too many shapes to look through
USUAL = (64.0, 160.0)  # width over layers of GPT-2 to Llama 3: 64 to 142
NOTES = (
    (
        "Loss varies by a few per cent only over aspect ratios (width over layers) from 10 to 1000 (Kaplan et al. "
        "2020, figure 5); the usual range is the custom, not an optimum."
    ),
    (
        "Depth over width is the expansion parameter of deep-learning theory: corrections to infinite width grow "
        "in proportion to it and should stay far below one (Roberts et al. 2022). Its best value is a small number "
        "whose constant depends on the architecture and is not known for transformers."
    ),
)


@dataclass(frozen=True)
class ShapeChoice:
    """One shape near the target: its parameters under the convention asked for, and their relative difference.

    `aspect` is width over layers; `splits` are the largest powers of two, up to 8, that divide its layers and its heads
    of keys and values: how far a pipeline and tensor parallelism can cut it evenly.
    """

    shape: Transformer
    parameters: int
    difference: float
    aspect: float
    splits: tuple[int, int]


@dataclass(frozen=True)
class ShapeChoices(Result):
    """Shapes near a number of parameters, the one to take first, with batches and steps for its tokens if asked."""

    target: float
    counts: str
    choices: tuple[ShapeChoice, ...]
    steps: tuple[Steps, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> ShapeChoice:
        """The first choice."""
        return self.choices[0]

    def __repr__(self) -> str:
        s, b = self.best.shape, self.best
        return (
            f"ShapeChoices({len(self.choices)} near {format_quantity(self.target)} {self.counts}; first {s.layers} "
            f"layers of {s.width}, {s.heads} heads: {format_quantity(b.parameters, digits=4)} ({b.difference:+.1%}))"
        )

    def view(self) -> Section:
        """The choices, their differences against aspect ratio, batches and steps, and what is known of aspect."""
        views: list[Any] = [_table(self), _figure(self)]
        if self.steps:
            views.append(_steps_table(self.steps))
        return Section(f"Shapes near {format_quantity(self.target)} parameters", (*views, Text("", points=self.notes)))


def shapes_for(
    parameters: float | str,
    *,
    counts: str = "total",
    tokens: float | str | None = None,
    batch: float | str | None = None,
    multiple: int = 128,
    aspect: float | tuple[float, float] | None = None,
    tolerance: float = 0.05,
    limit: int = 8,
    **sizes: Any,
) -> ShapeChoices:
    """Decoder shapes near a number of parameters that train well: widths and feed-forward layers in whole multiples.

    Parameters
    ----------
    parameters, counts
        The target, e.g. 7e9 or "7B", and the convention that counts it.
    tokens, batch
        Tokens to train on, and of a batch (by default about 4M): steps that divide them are listed too.
    multiple
        Widths are multiples of it, 64 or 128 as hardware wants; feed-forward layers of twice it.
    aspect
        Width over layers, as a number (within 15 per cent) or a range; by default 64 to 160.
    tolerance, limit
        Largest relative difference in parameters; number of shapes.
    sizes
        Anything of `Transformer` that all shapes share: vocabulary (32,000), context (4,096), `gated` (True), `tied`
        (False), head_width, kv_heads, experts ... Heads are 128 wide from width 2,048 on, else 64. A gated
        feed-forward layer is 8/3 of the width, another 4 times.

    A doubling of the number of accelerators that can share layers and heads evenly outweighs one per cent of
    difference. Raises ArgumentError for sizes that make no model, QuestionError where no shape is near enough.

    >>> import similitude as sim
    >>> found = sim.shapes_for("7B", tokens="1.4T", limit=3)
    >>> found
    ShapeChoices(3 near 7B total; first 44 layers of 3584, 28 heads: 7.093B (+1.3%))
    """
    target = amount("parameters", parameters, "parameters")
    assert target is not None
    if target > LARGEST:
        raise ArgumentError(f"parameters = {parameters}; shapes are looked for up to {format_quantity(LARGEST)}")
    chosen("convention", counts, CONVENTIONS)
    _check(multiple, tolerance, limit)
    shared = {"vocabulary": 32000, "context": 4096, "gated": True, "tied": False, **sizes}
    if taken := {"layers", "width", "heads", "feed_forward"} & shared.keys():
        raise ArgumentError(f"{', '.join(sorted(taken))}: these are what is looked for; give a shape with them instead")
    refuse_unknown("transformer", sizes)
    low, high = _range(aspect)
    found = [
        _choice(s, target, counts)
        for w in _widths(target, multiple, high)
        for s in _of_width(target, counts, tolerance, _fitted(w, multiple, shared), (w / high, w / low))
    ]
    near = [c for c in found if low <= c.aspect <= high]
    if not any(abs(c.difference) <= tolerance for c in near):
        raise QuestionError(_too_far(near, target, tolerance, (low, high)))
    ranked = sorted((c for c in near if abs(c.difference) <= tolerance), key=_rank)[:limit]
    steps = () if tokens is None else steps_for(tokens, context=shared["context"], batch=batch or 4.2e6)
    return ShapeChoices(target, counts, tuple(ranked), steps, NOTES)


def _check(multiple: int, tolerance: float, limit: int) -> None:
    if multiple < 1 or multiple != int(multiple):
        raise ArgumentError(f"multiple = {multiple}; expected a whole number such as 64 or 128")
    if not 0 < tolerance < 1:
        raise ArgumentError(f"tolerance = {tolerance}; expected a share of the parameters such as 0.05")
    if limit < 1:
        raise ArgumentError(f"limit = {limit}; expected at least one shape")


def _range(aspect: float | tuple[float, float] | None) -> tuple[float, float]:
    if aspect is None:
        return USUAL
    low, high = aspect if isinstance(aspect, tuple) else (aspect / 1.15, aspect * 1.15)
    if not 0 < low <= high:
        raise ArgumentError(f"aspect = {aspect}; expected width over layers, such as 128, or a range such as (64, 160)")
    return float(low), float(high)


def _widths(target: float, multiple: int, high: float) -> range:
    """Widths up to one at which even the flattest shape allowed is too large: N is over 8 layers width^2."""
    most = (target * 1.1 * high / 8) ** (1 / 3)
    return range(multiple, int(most) + 2 * multiple, multiple)


def _fitted(width: int, multiple: int, shared: dict[str, Any]) -> dict[str, Any] | None:
    """All sizes of a width but its layers; None where heads do not divide it."""
    one = shared.get("head_width") or (128 if width >= 2048 and width % 128 == 0 else 64)
    if width % one or (width // one) % (shared.get("kv_heads") or 1):
        return None
    inner = math.ceil(8 * width / 3 / (2 * multiple)) * 2 * multiple if shared["gated"] else 4 * width
    sizes = {"width": width, "heads": width // one, "head_width": None, "feed_forward": inner}
    return {**shared, **sizes}


def _of_width(
    target: float, counts: str, tolerance: float, sizes: dict[str, Any] | None, usual: tuple[float, float]
) -> list[Transformer]:
    """Depths of a width within the tolerance and the usual range, and the nearest; parameters are linear in them."""
    if sizes is None:
        return []
    least = 1 + int(sizes.get("dense_layers") or 0)
    first, second = (Transformer(layers=least + k, **sizes).parameters(counts) for k in (0, 1))
    low, aim, high = (least + (target * f - first) / (second - first) for f in (1 - tolerance, 1.0, 1 + tolerance))
    first_depth, last_depth = max(low, usual[0]), min(high, usual[1])
    depths = {*range(math.ceil(first_depth), math.floor(last_depth) + 1), math.floor(aim), math.ceil(aim)}
    return [Transformer(layers=d, **sizes) for d in sorted(depths) if d >= least]


def _choice(shape: Transformer, target: float, counts: str) -> ShapeChoice:
    n = shape.parameters(counts)
    splits = math.gcd(shape.layers, 8), math.gcd(shape.kv_heads or shape.heads, 8)
    return ShapeChoice(shape, n, n / target - 1, shape.width / shape.layers, splits)


def _rank(choice: ShapeChoice) -> float:
    pipeline, tensor = choice.splits
    return 100 * abs(choice.difference) - math.log2(pipeline * tensor)


def _too_far(near: list[ShapeChoice], target: float, tolerance: float, aspect: tuple[float, float]) -> str:
    said = f"no shape within {tolerance:.1%} of {format_quantity(target)} parameters"
    if not near:
        return (
            f"{said} has a width of {aspect[0]:.3g} to {aspect[1]:.3g} times its layers; widen aspect or lower multiple"
        )
    best = min(near, key=lambda c: abs(c.difference))
    s = best.shape
    return (
        f"{said}; the closest, {s.layers} layers of {s.width}, has {format_quantity(best.parameters, digits=4)} "
        f"({best.difference:+.1%}): raise tolerance, widen aspect or lower multiple"
    )


def _table(found: ShapeChoices) -> Table:
    rows = []
    for c in found.choices:
        s = c.shape
        kv = s.kv_heads or s.heads
        rows.append(
            (s.layers, s.width, f"{s.heads}/{kv}", s.one_head, s.inner,
             format_number(c.parameters, "parameters", 5, show_unit=False),
             f"{c.difference:+.2%}", f"{c.aspect:.3g}", f"{1 / c.aspect:.4f}", f"{c.splits[0]}×{c.splits[1]}",
             s.flop().training)
        )  # fmt: skip
    columns = (Column("layers", digits=6), Column("width", digits=6), Column("heads/kv", align="right"),
               Column("head"), Column("feed-fwd", digits=6), Column("parameters", align="right"),
               Column("off", align="right"), Column("aspect", align="right"), Column("depth/width", align="right"),
               Column("splits", align="right"), Column("training", "FLOP/token", digits=3))  # fmt: skip
    note = (
        f"Parameters {found.counts}; off: their relative difference from the target. Splits: even cuts of the layers "
        "and of the heads of keys and values, up to 8."
    )
    return Table(f"Shapes near {format_quantity(found.target)} parameters", columns, rows, note)


def _figure(found: ShapeChoices) -> Figure:
    c = found.choices
    labels = [f"{k.shape.layers} layers of {k.shape.width}" for k in c]
    points = Points("shape", [k.aspect for k in c], [100 * k.difference for k in c], labels=labels)
    axes = Axis("Width over layers", scale="linear"), Axis("Difference in parameters", "%", scale="linear")
    return Figure("Shapes near the target", *axes, (points, Rule("target", 0.0, "y")), name="shapes")


def _steps_table(steps: tuple[Steps, ...]) -> Table:
    rows = [(f"{s.batch:,}", f"{s.batch_tokens:,}", f"{s.steps:,}", f"{s.tokens:,}", _left(s)) for s in steps]
    columns = [Column(c, align="right") for c in ("sequences", "tokens a batch", "steps", "tokens", "off")]
    return Table("Batches and steps", columns, rows, "Off: relative difference from the tokens asked for.")


def _left(steps: Steps) -> str:
    return "exact" if steps.difference == 0 else f"{steps.difference:+.1e}"
