"""Everything that follows from a shape alone: parameters by convention, FLOP by rule, memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from similitude._architecture import FLOP_RULES, RECOMPUTE, Transformer
from similitude._counted import CONVENTIONS, State
from similitude._digits import format_number, in_powers
from similitude._encoder_decoder import FLOP_RULES as PAIR_RULES
from similitude._encoder_decoder import EncoderDecoder
from similitude._errors import ArgumentError
from similitude._known_shapes import Shape, architectures, kind_of, shape
from similitude._quantity import format_quantity
from similitude._result import Result
from similitude._view import Column, Section, Table
from similitude._vision import ConvolutionNet
from similitude.planning._budget import amount
from similitude.planning._result import gb

__all__ = ["ShapeSheet", "resolve_shape", "shape_sheet"]


@dataclass(frozen=True)
class ShapeSheet(Result):
    """What a shape costs: parameters by convention, training FLOP by rule, bytes of memory. Made by `shape_sheet`.

    `flop` holds FLOP per `unit` of one pass ("forward", "backward", "of which attention") and `training` FLOP by rule,
    per unit or, where `amount` is given, for all of it. `state` is bytes of weights, gradients and optimiser,
    `activations` bytes by recomputation for `batch` sequences or images, `cache` bytes a token.
    """

    name: str
    shape: Shape
    source: str
    parameters: Mapping[str, int]
    unit: str
    flop: Mapping[str, float]
    training: Mapping[str, float]
    amount: float | None
    state: State
    optimizer: str
    batch: float
    activations: Mapping[str, float]
    cache: float | None = None

    def __repr__(self) -> str:
        n = format_number(self.parameters["total"], "parameters")
        return f"ShapeSheet({self.name}: {n}, {self.flop['forward']:.4g} FLOP forward per {self.unit})"

    def view(self) -> Section:
        """Sizes, parameters, FLOP and memory as tables."""
        views = (_sizes(self), _parameters(self), _flop(self), _memory(self))
        return Section(f"Shape of {self.name}", tuple(v for v in views if v is not None))


def shape_sheet(
    model: str | Shape, *, amount: float | str | None = None, batch: float = 1, optimizer: str = "adam"
) -> ShapeSheet:
    """Parameters, FLOP and memory of a shape, or of a public model by name, with every convention side by side.

    `amount` is what it is trained on: tokens, or images. `batch` sequences or images are held at once; `optimizer` is
    one of "adam" (16 bytes a parameter), "adam, 32-bit gradients", "adam, 8-bit moments", "adam, 32 bit" and "sgd with
    momentum, 32 bit". Activations as Korthikanti et al. 2022 count them. Raises ArgumentError for names not known.

    >>> import similitude as sim
    >>> sheet = sim.shape_sheet("llama-2-7b", amount="2T tokens")
    >>> sheet
    ShapeSheet(llama-2-7b: 6.738B parameters, 1.536e+10 FLOP forward per token)
    >>> f"{sheet.training['6ND']:.3g}"
    '8.09e+22'
    """
    name, made, source = resolve_shape(model)
    trained = _amount(amount)
    if not batch > 0:
        raise ArgumentError(f"batch = {batch}; expected a positive number of sequences or images")
    flop = made.flop()
    passes = {"forward": flop.forward, "backward": flop.backward, "of which attention": 3 * flop.attention}
    ways = [r for r in RECOMPUTE if r != "selective" or not isinstance(made, ConvolutionNet)]
    return ShapeSheet(
        name,
        made,
        source,
        {c: made.parameters(c) for c in CONVENTIONS},
        flop.unit,
        passes,
        _training(made, trained),
        trained,
        made.state(optimizer),
        optimizer,
        batch,
        {r: made.activations(batch, recompute=r) for r in ways},
        _cache(made),
    )


def resolve_shape(model: str | Shape) -> tuple[str, Shape, str]:
    """(name, shape, source) of a public model by name or of any shape; a shape that is public gets its name back."""
    if isinstance(model, str):
        made = shape(model)
    else:
        made = model
        kind_of(made)
    known = next((k for k in architectures().values() if k.shape == made), None)
    return (known.name, made, known.source) if known else (f"your {kind_of(made)}", made, "")


def _amount(value: float | str | None) -> float | None:
    return amount("amount", value, "tokens") if isinstance(value, str) else amount("amount", value)


def _training(made: Shape, trained: float | None) -> dict[str, float]:
    """FLOP by rule, of one token, example or image, or of all."""
    n = trained or 1.0
    if isinstance(made, Transformer):
        return {**{r: made.training_flop(n, r) for r in FLOP_RULES}, "matrix products": made.flop().training * n}
    if isinstance(made, EncoderDecoder):
        return {r: made.training_flop(n, r) for r in PAIR_RULES}
    return {"matrix products": made.training_flop(n)}


def _cache(made: Shape) -> float | None:
    if isinstance(made, Transformer):
        return made.cache()
    return made.cache(1, context=0) if isinstance(made, EncoderDecoder) else None


def _sizes(sheet: ShapeSheet) -> Table:
    there = [(f.name, getattr(sheet.shape, f.name)) for f in fields(sheet.shape)]
    rows = [(k.replace("_", " "), _word(v)) for k, v in there if v not in (None, 0, False) or k == "tied"]
    return Table(f"{sheet.name}", ("size", Column("value", align="right")), rows, sheet.source)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value:,}"


def _parameters(sheet: ShapeSheet) -> Table:
    total = sheet.parameters["total"]
    rows = [(c, f"{n:,}", f"{n / total:.1%}") for c, n in sheet.parameters.items()]
    columns = ("convention", Column("parameters", align="right"), Column("share", align="right"))
    return Table("Parameters by counting convention", columns, rows)


def _flop(sheet: ShapeSheet) -> Table:
    each = "token" if sheet.unit == "example" else sheet.unit
    named = f"{format_quantity(sheet.amount)} {each}s" if sheet.amount else ""
    whole = f"training on {named}" if named else f"training, per {each}"
    passes = {f"{k}, per {sheet.unit}": v for k, v in sheet.flop.items() if v}
    rules = {f"{whole}, {k}": v for k, v in sheet.training.items()}
    rows = [(k, in_powers(format_number(v, "FLOP", show_unit=False))) for k, v in {**passes, **rules}.items()]
    note = (
        "Attention: in both passes, for sequences as long as the context." if sheet.flop["of which attention"] else ""
    )
    return Table("FLOP", ("what", Column("FLOP", align="right")), rows, note)


_KEPT = {"none": "all kept", "selective": "without scores", "full": "inputs of blocks only"}


def _memory(sheet: ShapeSheet) -> Table:
    rows = [
        ("weights", gb(sheet.state.weights)),
        ("gradients", gb(sheet.state.gradients)),
        ("optimiser", gb(sheet.state.optimizer)),
        ("together", gb(sheet.state.total)),
    ]
    held = f"{sheet.batch:g} {'image' if sheet.unit == 'image' else 'sequence'}{'s' if sheet.batch != 1 else ''}"
    rows += [(f"activations of {held}, {_KEPT[r]}", gb(b)) for r, b in sheet.activations.items()]
    if sheet.cache is not None:
        rows.append(("cache of keys and values, a token", gb(sheet.cache)))
    note = f"Training with {sheet.optimizer}; nothing is split among accelerators. Activations have 16 bits."
    return Table("Memory", ("what", Column("bytes", align="right")), rows, note)
