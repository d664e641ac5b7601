"""Published totals of public architectures, recomputed from their published shapes: fixtures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log
from typing import Any

from similitude._counted import State
from similitude._known_shapes import KnownShape, architectures, shape
from similitude._view import Column, Interval, Table
from similitude.planning import Runtime, compound_scaling
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


def _frontier(seed: int) -> Iterator[Item]:
    """Memory of mixed-precision training and compute of a trillion parameters."""
    kept = State(2, 0, 12)  # of the 14 bytes a parameter only the sum is known
    for n, printed, where in (
        (22e9, "308e9", "table of memory"),
        (175e9, "2.45e12", "table of memory"),
        (1e12, "14e12", "table of memory"),
    ):
        yield checked(f"bytes of training {n:.3g} parameters", printed, where, n * kept.total)
    yield checked("FLOP of 1e12 parameters on 20e12 tokens", "1.2e26", "abstract", 6 * 1e12 * 20e12)
    yield "Measured throughput and scaling (32 to 38 % of peak, 87 to 100 %) are not recomputed: no times are given."


def _compound(seed: int) -> Iterator[Item]:
    """Fast compound scaling at twice the FLOP."""
    fast = compound_scaling(2)["fast"]
    for what, printed in (("depth", "1.07177"), ("width", "1.31951"), ("resolution", "1.03527")):
        yield checked(
            f"fast compound scaling, {what} at twice the FLOP", printed, "worked example", getattr(fast, what)
        )
    large = compound_scaling(16)["fast"]
    yield checked(
        "growth of activations, exponent of the FLOP", "0.6", "derived from the rule", log(large.activations) / log(16)
    )


def _runtime(seed: int) -> Iterator[Item]:
    """The runtime of the largest model as profiled, at a request that was not."""
    made = Runtime((1, 512, 1024, 1920), (0.084, 0.178, 0.323, 0.597), Interval(0.081), None, 0, False)
    where = "profile of a model of davinci's size, in the released data"
    yield checked("seconds of 512 prompt and 100 output tokens", "8.197", where, float(made.predict(512, 100)))


STUDIES = (
    Declaration(
        "architectures",
        "Parameters, FLOP and memory of public architectures",
        "korthikanti2022",
        (),
        _totals,
        fixture=True,
    ),
    Declaration("dash2023", "Training on Frontier", "dash2023", (), _frontier, fixture=True),
    Declaration("dollar2021", "Fast compound scaling", "dollr2021", (), _compound, fixture=True),
    Declaration("narayanan2023", "Idealised runtime", "narayanan2023", (), _runtime, fixture=True),
)
