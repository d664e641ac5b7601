"""Units, and numbers as people write them: "1.3B", "6e21", "20T tokens", "3 PF-days", "$2M", "500 H100-hours"."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COUNT", "EPOCHS", "FLOP", "NATS_PER_TOKEN", "PARAMETERS", "RATIO", "SCORE", "TOKENS", "Unit"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure: `name` as printed after a number, `kind` the quantity it measures."""

    name: str
    kind: str

    def __str__(self) -> str:
        return self.name


PARAMETERS = Unit("parameters", "parameters")
TOKENS = Unit("tokens", "tokens")
FLOP = Unit("FLOP", "compute")
NATS_PER_TOKEN = Unit("nats/token", "loss")
BITS_PER_BYTE = Unit("bits/byte", "loss")
RATIO = Unit("", "ratio")
TOKENS_PER_PARAMETER = Unit("tokens/parameter", "ratio")
EPOCHS = Unit("epochs", "ratio")
COUNT = Unit("", "count")
SCORE = Unit("", "score")
