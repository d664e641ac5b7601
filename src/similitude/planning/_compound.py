"""Compound scaling of convolution nets: depth, width and resolution that multiply FLOP by a factor, rule by rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from similitude._digits import format_number
from similitude._errors import ArgumentError
from similitude._known_shapes import Shape
from similitude._result import Result
from similitude._view import Axis, Column, Figure, Line, Section, Table, Text
from similitude._vision import ConvolutionNet
from similitude.planning._shape_sheet import resolve_shape

__all__ = ["CompoundScaling", "Scaled", "compound_scaling"]

EFFICIENTNET = (1.2, 1.1, 1.15)  # depth, width, resolution of one doubling: Tan and Le 2019
ADVICE = (
    (
        "Fast compound scaling (Dollár et al. 2021) puts the share alpha of the FLOP into width, the rest into depth "
        "and resolution evenly: activations, which set the time on real hardware, grow little faster than the square "
        "root of the FLOP."
    ),
    (
        "ResNet-RS (Bello et al. 2021): where training is long enough to overfit, over about 100 epochs, scale depth; "
        "where it is short, width; and let resolution grow more slowly than EfficientNet does. A direction, without "
        "exponents."
    ),
    "FLOP go as depth × width² × resolution², parameters as depth × width², activations as depth × width × resolution²",
)


@dataclass(frozen=True)
class Scaled:
    """One rule at the factor asked for: multipliers, what they multiply, and the net that comes of it, if one is given.

    `flop`, `parameters` and `activations` are exact for the continuous multipliers; `net_flop`, `net_parameters` and
    `net_activations` are ratios of the rounded net to the given one.
    """

    rule: str
    depth: float
    width: float
    resolution: float
    net: ConvolutionNet | None = None
    net_flop: float | None = None
    net_parameters: float | None = None
    net_activations: float | None = None

    @property
    def flop(self) -> float:
        """Factor of the FLOP."""
        return self.depth * self.width**2 * self.resolution**2

    @property
    def parameters(self) -> float:
        """Factor of the parameters."""
        return self.depth * self.width**2

    @property
    def activations(self) -> float:
        """Factor of the activations."""
        return self.depth * self.width * self.resolution**2


@dataclass(frozen=True)
class CompoundScaling(Result):
    """A net scaled to `factor` times its FLOP by each published rule. Made by `compound_scaling`."""

    factor: float
    alpha: float
    rules: tuple[Scaled, ...]
    name: str = ""

    def __repr__(self) -> str:
        fast = self.rules[0]
        return (
            f"CompoundScaling({self.factor:g}x FLOP; fast: depth {fast.depth:.3f}, width {fast.width:.3f}, resolution "
            f"{fast.resolution:.3f}, activations {fast.activations:.3g}x)"
        )

    def __getitem__(self, rule: str) -> Scaled:
        """One rule by name; ArgumentError when there is none."""
        for scaled in self.rules:
            if scaled.rule == rule:
                return scaled
        raise ArgumentError(f"no rule '{rule}'; the rules are: {', '.join(s.rule for s in self.rules)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, each rule with what it multiplies."""
        document = super().to_dict()
        for plain, scaled in zip(document["rules"], self.rules, strict=True):
            plain |= {k: getattr(scaled, k) for k in ("flop", "parameters", "activations")}
        return document

    def view(self) -> Section:
        """The rules side by side, activations against FLOP, and the nets."""
        views: list[Any] = [_multipliers(self), _figure(self)]
        if self.rules[0].net is not None:
            views.append(_nets(self))
        return Section("Compound scaling", (*views, Text("What the rules say", points=ADVICE)))


def compound_scaling(
    factor: float, net: str | Shape | None = None, *, alpha: float = 0.8, divisor: int = 8
) -> CompoundScaling:
    """Depth, width and resolution for `factor` times the FLOP, by every published rule; applied to a net, if given.

    Fast compound scaling (Dollár et al. 2021): with the share `alpha` of the FLOP put into width, d = s^((1-alpha)/2),
    w = s^(alpha/2), r = s^((1-alpha)/4). EfficientNet (Tan and Le 2019): 1.2, 1.1 and 1.15 to one power, here the one
    that reaches the factor exactly, as their product is 1.92 and not 2. Each of the three alone, and all alike.
    `net` is a convolution net or the name of one; its channels become multiples of `divisor`.

    Raises ArgumentError for a factor that is not positive, a share outside 0 to 1 or a shape that is no such net.

    >>> import similitude as sim
    >>> fast = sim.compound_scaling(2)["fast"]
    >>> round(fast.depth, 5), round(fast.width, 5), round(fast.resolution, 5)
    (1.07177, 1.31951, 1.03526)
    """
    if not factor > 0 or factor == float("inf"):
        raise ArgumentError(f"factor = {factor}; expected how many times the FLOP, such as 4")
    if not 0 <= alpha <= 1:
        raise ArgumentError(f"alpha = {alpha}; expected the share of the FLOP for width, from 0 to 1")
    rules = _rules(factor, alpha)
    if net is None:
        return CompoundScaling(factor, alpha, rules)
    name, made, _ = resolve_shape(net)
    if not isinstance(made, ConvolutionNet):
        raise ArgumentError(f"{name} is no convolution net: compound scaling is of depth, width and resolution of one")
    return CompoundScaling(factor, alpha, tuple(_applied(s, made, divisor) for s in rules), name)


def _rules(s: float, alpha: float) -> tuple[Scaled, ...]:
    from math import log

    def spread(d: float, w: float, r: float) -> tuple[float, float, float]:
        """Multipliers that give depth, width and resolution these shares of the FLOP."""
        return s**d, s ** (w / 2), s ** (r / 2)

    d, w, r = EFFICIENTNET
    power = log(s) / log(d * w**2 * r**2)
    rest = (1 - alpha) / 2
    return (
        Scaled("fast", *spread(rest, alpha, rest)),
        Scaled("efficientnet", d**power, w**power, r**power),
        Scaled("uniform", *spread(1 / 3, 1 / 3, 1 / 3)),
        Scaled("width", *spread(0, 1, 0)),
        Scaled("depth", *spread(1, 0, 0)),
        Scaled("resolution", *spread(0, 0, 1)),
    )


def _applied(scaled: Scaled, net: ConvolutionNet, divisor: int) -> Scaled:
    from dataclasses import replace

    new = net.scaled(depth=scaled.depth, width=scaled.width, resolution=scaled.resolution, divisor=divisor)
    return replace(
        scaled,
        net=new,
        net_flop=new.flop().forward / net.flop().forward,
        net_parameters=new.parameters() / net.parameters(),
        net_activations=new.outputs / net.outputs,
    )


def _multipliers(made: CompoundScaling) -> Table:
    names = ("depth", "width", "resolution", "flop", "parameters", "activations")
    rows = [(s.rule, *(f"{getattr(s, n):.4g}" for n in names)) for s in made.rules]
    columns = ("rule", *(Column(n.replace("flop", "FLOP"), "×", align="right") for n in names))
    note = f"Fast with alpha = {made.alpha:g}; efficientnet at the power that reaches the factor exactly."
    return Table(f"{made.factor:g} times the FLOP", columns, rows, note)


def _figure(made: CompoundScaling) -> Figure:
    """Activations against FLOP up to the factor, rule by rule: straight lines on logarithmic axes."""
    ends = (1.0, made.factor)
    labels = {"depth": "depth, resolution", "resolution": ""}  # one line
    series = [Line(s.rule, ends, (1.0, s.activations), label=labels.get(s.rule, s.rule)) for s in made.rules]
    return Figure("Activations against FLOP", Axis("FLOP", "×"), Axis("Activations", "×"), series, name="compound")


def _nets(made: CompoundScaling) -> Table:
    rows = [
        (s.rule, ", ".join(map(str, s.net.depths)), ", ".join(map(str, s.net.widths)), s.net.image,
         f"{s.net_flop:.3g}", f"{s.net_parameters:.3g}", f"{s.net_activations:.3g}",
         format_number(s.net.parameters(), "parameters", show_unit=False))
        for s in made.rules if s.net is not None
    ]  # fmt: skip
    right = (Column(n, "×", align="right") for n in ("FLOP", "parameters", "activations"))
    columns = ("rule", "depths", "channels", Column("pixels", digits=6), *right, Column("parameters", align="right"))
    return Table(f"{made.name}, in whole blocks and channels", columns, rows)
