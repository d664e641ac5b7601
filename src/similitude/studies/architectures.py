"""Published totals of public architectures, recomputed from their published shapes: fixtures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from similitude._known_shapes import KnownShape, architectures, shape
from similitude._view import Column, Table
from similitude.studies._claim import Claim, checked
from similitude.studies._study import Declaration, Item

__all__ = ["STUDIES"]


def _totals(seed: int) -> Iterator[Item]:
    """Every total published of a known shape, then what the paper says of activations, then all conventions."""
    for known in architectures().values():
        yield from (_claim(known, entry) for entry in known.published)
    yield from _activations()
    yield _conventions()
    yield (
        "Totals of weights are exact integers wherever a checkpoint exists. Multiply-adds are half the FLOP here; FLOP "
        "of training follow the rule each source used."
    )


def _claim(known: KnownShape, entry: Mapping[str, Any]) -> Claim:
    what = entry["what"]
    name = f"{known.name}, {f'parameters, {what}' if what in _CONVENTIONS else what}"
    return checked(name, entry["value"], entry["where"], recomputed(known, entry), remark=entry.get("why", ""))


_CONVENTIONS = ("total", "without embeddings", "without embeddings and head", "active")


def recomputed(known: KnownShape, entry: Mapping[str, Any]) -> float:
    """Our value of a published total."""
    made: Any = known.shape
    match entry["what"]:
        case "multiply-adds":
            return made.flop().forward / 2
        case "training FLOP":
            return made.training_flop(entry["tokens"], entry["rule"])
        case "cache":
            return made.cache()
        case counts:
            return float(made.parameters(counts))


def _activations() -> Iterator[Item]:
    """What keeping no attention scores saves and costs GPT-3."""
    gpt3: Any = shape("gpt-3-175b", vocabulary=51200)
    kept = {r: gpt3.layer_activations(recompute=r) for r in ("none", "selective")}
    scores = kept["none"] - kept["selective"]
    where = "section 5"
    yield checked("gpt-3-175b, 5as/h", "80", where, scores / gpt3.width)
    yield checked("gpt-3-175b, activations saved without scores, %", "70", where, 100 * scores / kept["none"])
    flop = gpt3.flop()
    more = 100 * flop.attention / flop.training
    why = (
        "the paper's count of 1 + s/3h has the scores' products once more with their backward pass; one more forward "
        "pass of them alone is a third of that"
    )
    yield checked("gpt-3-175b, FLOP that computing scores again adds, %", "2.7", where, more, remark=why)
    yield checked("gpt-3-175b, the same with the backward pass, %", "2.7", where, 3 * more)


def _conventions() -> Table:
    columns = (
        "model",
        *(Column(c, "parameters", digits=6) for c in _CONVENTIONS),
        Column("forward pass", "FLOP"),
        "per",
    )
    rows = [
        (k.name, *(k.shape.parameters(c) for c in _CONVENTIONS), k.shape.flop().forward, k.shape.flop().unit)
        for k in architectures().values()
    ]
    return Table("Parameters by convention", columns, rows, "A table shared with the head is left out with embeddings.")


STUDIES = (
    Declaration(
        "architectures",
        "Parameters, FLOP and memory of public architectures",
        "korthikanti2022",
        (),
        _totals,
        fixture=True,
    ),
)
