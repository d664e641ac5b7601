"""What a model costs over its life: training once, and serving every token of output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from similitude._architecture import Transformer
from similitude._digits import format_number, in_powers
from similitude._errors import ArgumentError
from similitude._known_shapes import Shape
from similitude._quantity import format_quantity
from similitude._result import Result
from similitude._view import Column, Section, Table, Text
from similitude.planning._budget import amount, budget
from similitude.planning._serving import Serving, serve
from similitude.planning._shape_sheet import resolve_shape

__all__ = ["LifetimeCost", "lifetime_cost"]


@dataclass(frozen=True)
class LifetimeCost(Result):
    """Accelerator hours and dollars of training and of serving. Made by `lifetime_cost`.

    `even` is the output tokens at which serving has taken as many accelerator hours as training. Dollars are None
    without a price.
    """

    name: str
    accelerator: str
    tokens: float
    output_tokens: float
    training_flop: float
    training_hours: float
    serving_hours: float
    even: float
    price: float | None
    serving: Serving
    assumptions: tuple[str, ...]

    @property
    def hours(self) -> float:
        """Accelerator hours of both."""
        return self.training_hours + self.serving_hours

    @property
    def dollars(self) -> float | None:
        """Dollars of both."""
        return None if self.price is None else self.hours * self.price

    def __repr__(self) -> str:
        cost = "" if self.dollars is None else f", {format_number(self.dollars, '$', 3)}"
        share = self.serving_hours / self.hours
        return f"LifetimeCost({self.name}: {self.hours:,.0f} {self.accelerator} hours{cost}; serving {share:.0%} of it)"

    def _cost(self, hours: float) -> str:
        return "…" if self.price is None else format_number(hours * self.price, "$", 3)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the sums."""
        return {**super().to_dict(), "hours": self.hours, "dollars": self.dollars}

    def view(self) -> Section:
        """Training, serving and both; where they are even; assumptions."""
        rows = [
            (what, f"{h:,.0f}", self._cost(h), f"{h / self.hours:.1%}")
            for what, h in (
                (f"training on {format_quantity(self.tokens)} tokens", self.training_hours),
                (f"serving {format_quantity(self.output_tokens)} output tokens", self.serving_hours),
                ("together", self.hours),
            )
        ]
        columns = ("what", Column("hours", self.accelerator, align="right"), Column("cost", align="right"),
                   Column("share", align="right"))  # fmt: skip
        note = (
            f"Training takes {in_powers(format_number(self.training_flop, 'FLOP'))}. Serving has cost as much once "
            f"{format_quantity(self.even)} tokens are put out."
        )
        views = (Table(f"Lifetime of {self.name}", columns, rows, note), Text("Assumed", points=self.assumptions))
        return Section(f"Lifetime of {self.name}", views)


def lifetime_cost(
    model: str | Shape,
    gpus: str,
    *,
    tokens: float | str,
    output_tokens: float | str,
    mfu: float = 0.4,
    precision: str = "bf16",
    price: float | None = None,
    serving: Serving | None = None,
    **served: Any,
) -> LifetimeCost:
    """Accelerator hours and dollars of training a decoder and of serving it, on one kind of accelerator ("H100").

    Training takes the matrix products of forward and backward pass at `mfu` of the peak. Serving goes at the best
    throughput of `serving`, or of the roofline `serve` with any of its arguments, which is an ideal. Raises as `serve`
    does, and ArgumentError where `serving` is on another kind of accelerator.

    >>> import similitude as sim
    >>> life = sim.lifetime_cost("llama-3-8b", "H100", tokens="15T", output_tokens="10T")
    >>> life.even > 0, life.hours == life.training_hours + life.serving_hours
    (True, True)
    """
    name, shape, _ = resolve_shape(model)
    if not isinstance(shape, Transformer):
        raise ArgumentError(f"{name} is no decoder-only transformer: serving is known for those only")
    trained, put_out = amount("tokens", tokens, "tokens"), amount("output_tokens", output_tokens, "tokens")
    assert trained is not None
    assert put_out is not None
    if serving is not None and served:
        raise ArgumentError(f"{', '.join(sorted(served))}: the serving given has these already")
    means = budget(gpus=gpus, mfu=mfu, price=price, precision=precision)
    chip = means.accelerator
    assert chip is not None
    made = serving or serve(shape, chip.key, price=price, precision=precision, **served)
    if made.accelerator != chip.name:
        raise ArgumentError(
            f"the serving given is on {made.accelerator}, not {chip.name}: hours of two kinds do not add"
        )
    flop = shape.flop().training * trained
    per_token = made.count / made.best.throughput / 3600
    said = (*means.assumptions, *(a for a in made.assumptions if "costs $" not in a))
    training = flop / means.flop_per_hour
    return LifetimeCost(
        name,
        chip.name,
        trained,
        put_out,
        flop,
        training,
        put_out * per_token,
        training / per_token,
        means.price,
        made,
        said,
    )
