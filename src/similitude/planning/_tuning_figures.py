"""Figures of a tuning: bowls with their optima, and optima against an input with the law and published rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from similitude._quantity import format_quantity
from similitude._view import Axis, Band, Figure, Interval, Line, Marker, Points
from similitude.planning._rules import tuning_rules
from similitude.planning._tuning import Optimum, SettingLaw, TunedSettings, Tuning

__all__ = ["bowl_figures", "law_figures"]

SHOWN = 6  # bowls in one figure
HIGH = 3.0  # % above the best: as high as a bowl is drawn


def bowl_figures(tuning: Tuning) -> list[Figure]:
    """One figure a setting: the lowest loss at each of its values, and the bowl, for groups spread over the sweep."""
    count = len(tuning.optima)
    shown = np.unique(np.linspace(0, count - 1, min(count, SHOWN)).round().astype(int))
    return [_bowls(tuning, axis, name, shown) for axis, name in enumerate(tuning.settings)]


def _bowls(tuning: Tuning, axis: int, name: str, shown: np.ndarray) -> Figure:
    series: list[Any] = []
    colour = _shade(tuning)
    for g in shown:
        optimum, label = tuning.optima[g], _label(tuning.optima[g])
        group = optimum.group[colour] if colour else None
        x, excess = _lowest(tuning, int(g), axis)
        series.append(Points("lowest run at each value", x, excess, group=group, labels=[label] * len(x)))
        at, curve = _parabola(tuning, int(g), axis)
        series.append(Line("bowl", at, curve, group=group))
        if not optimum.side[name]:
            series.append(_bottom(optimum, name, label, group))
    other = "" if len(tuning.settings) == 1 else f"; at each value the best {tuning.settings[1 - axis]}"
    note = (
        f"{len(shown)} of {len(tuning.optima)} groups{other}. Points above {HIGH:g} % and crashed runs are not drawn."
    )
    shade = None if colour is None else Axis(colour, {"N": "parameters", "D": "tokens"}.get(colour, ""))
    return Figure(
        f"Bowls in {name}",
        _axis(tuning, axis),
        Axis("Loss above the bottom", "%", "linear", low=-0.3, high=HIGH),
        series,
        shade,
        note=note,
        alt=f"Loss above each group's bottom against {name}, with parabolas through the lowest runs.",
        name=f"bowls-{axis}",
    )


def _axis(tuning: Tuning, axis: int) -> Axis:
    return Axis("Peak learning rate") if axis == 0 else Axis("Batch", "tokens" if tuning.batch_in_tokens else "")


def _shade(tuning: Tuning) -> str | None:
    """The input that colours stand for: the last that varies."""
    varying = [n for i, n in enumerate(tuning.sweep.by) if np.ptp(tuning.sweep.values[:, i]) > 0]
    return varying[-1] if varying else None


def _label(optimum: Optimum) -> str:
    return ", ".join(f"{k} {format_quantity(v)}" for k, v in optimum.group.items())


def _lowest(tuning: Tuning, g: int, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest loss at each value of the setting, in % above the bottom of the bowl."""
    cells, bowl = tuning.sweep.cells[g], tuning.bowls.groups[g]
    known = ~cells.censored
    values = np.unique(cells.z[known, axis])
    least = np.array([cells.y[known & (cells.z[:, axis] == v)].min() for v in values])
    excess = 100 * np.expm1(least - bowl.height)
    low = excess <= HIGH
    return np.exp(values[low]), excess[low]


def _parabola(tuning: Tuning, g: int, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The bowl along one setting, the other one at its best for it, up to its ceiling."""
    bowl = tuning.bowls.groups[g]
    hessian, other = bowl.hessian, 1 - axis
    curvature = hessian[axis, axis]
    if hessian.shape[0] == 2 and hessian[other, other] > 0:
        curvature -= hessian[0, 1] ** 2 / hessian[other, other]
    reach = np.sqrt(2 * max(bowl.ceiling - bowl.height, 1e-6) / max(curvature, 1e-9))
    low, high = bowl.box[:, axis]
    x = np.linspace(max(bowl.best[axis] - reach, low), min(bowl.best[axis] + reach, high), 41)
    slope = 0.0
    if bowl.side[axis]:
        step = bowl.best - bowl.centre
        slope = float((bowl.slopes + hessian @ step)[axis])
    away = x - bowl.best[axis]
    return np.exp(x), 100 * np.expm1(slope * away + curvature * away**2 / 2)


def _bottom(optimum: Optimum, name: str, label: str, group: float | None) -> Marker:
    best = optimum.settings[name]
    return Marker("optimum of the bowl", best.value, 0.0, x_low=best.low, x_high=best.high, group=group)


def law_figures(tuning: Tuning, target: TunedSettings | None = None) -> list[Figure]:
    """One figure a setting that has a law: optima against its last input, the law with its band, published rules."""
    laws = [(axis, law) for axis, law in enumerate((tuning.lr_law, tuning.batch_law)) if law is not None]
    return [_against(tuning, axis, law, target) for axis, law in laws]


def _against(tuning: Tuning, axis: int, law: SettingLaw, target: TunedSettings | None) -> Figure:
    along = law.law.inputs[-1]
    others = [n for n in law.law.inputs if n != along]
    values = {n: tuning.sweep.values[:, i] for i, n in enumerate(tuning.sweep.by)}
    ends = (float(values[along].min()), float(values[along].max()))
    far = ends if target is None else (min(ends[0], target.at[along]), max(ends[1], target.at[along]))
    series: list[Any] = [_optima(tuning, axis, along, others)]
    series += [m for o in tuning.optima if (m := _open(tuning, o, axis, along)) is not None]
    for held in _held(values, others, target):
        inside = all(values[n].min() <= v <= values[n].max() for n, v in held.items())
        series += _law_lines(law, along, held, ends, far, tuning.level, inside)
    if {"N", "D"} <= values.keys() and (axis == 0 or tuning.batch_in_tokens):
        series += list(_rules(tuning, axis, along, target, far))
    if target is not None:
        series.append(_target(target, axis, along))
    shade = Axis(others[0], {"N": "parameters", "D": "tokens"}.get(others[0], "")) if others else None
    unit = {"N": "parameters", "D": "tokens"}.get(along, "")
    return Figure(
        f"Best {law.setting} against {along}",
        Axis({"N": "Parameters", "D": "Tokens"}.get(along, along), unit),
        _axis(tuning, axis),
        series,
        shade,
        note=f"Bands: {tuning.level:.0%} interval of the law. Rules are those published, at the same sizes.",
        alt=f"Best {law.setting} of each group against {along} with the fitted law and published rules.",
        name=f"law-{axis}",
    )


def _optima(tuning: Tuning, axis: int, along: str, others: Sequence[str]) -> Points:
    name = tuning.settings[axis]
    inside = [o for o in tuning.optima if not o.side[name]]
    best = [o.settings[name] for o in inside]
    shade = [o.group[others[0]] for o in inside] if others else None
    return Points(
        "optima by their bowls",
        [o.group[along] for o in inside],
        [b.value for b in best],
        shade=shade,
        low=[_end(b.low, b) for b in best],
        high=[_end(b.high, b) for b in best],
        labels=[_label(o) for o in inside],
    )


def _end(end: float | None, best: Interval) -> float:
    return best.value if end is None else end


def _open(tuning: Tuning, optimum: Optimum, axis: int, along: str) -> Marker | None:
    """An optimum at an end of its sweep, with its open side in words."""
    name = tuning.settings[axis]
    if not optimum.side[name]:
        return None
    words = "at least" if optimum.side[name] > 0 else "at most"
    return Marker(f"{words}, {_label(optimum)}", optimum.group[along], optimum.settings[name].value, label=words)


def _held(values: dict[str, np.ndarray], others: Sequence[str], target: TunedSettings | None) -> list[dict[str, float]]:
    """Values of the other inputs that lines are drawn for: the smallest and the largest group's, and the target's."""
    if not others:
        return [{}]
    unique = np.unique(np.stack([values[n] for n in others], axis=1), axis=0)
    rows = [unique[0], unique[-1]] if len(unique) > 1 else [unique[0]]
    held = [dict(zip(others, map(float, row), strict=True)) for row in rows]
    return held if target is None else [held[0], {n: target.at[n] for n in others}]


def _law_lines(
    law: SettingLaw,
    along: str,
    held: dict[str, float],
    ends: tuple[float, float],
    far: tuple[float, float],
    level: float,
    inside: bool,
) -> list[Any]:
    """The law with its band, dashed beyond the sweep."""
    grid = np.geomspace(*far, 41)
    inputs = np.log(np.stack([np.full(grid.size, held.get(n, 1.0)) if n != along else grid for n in law.law.inputs], 1))
    low, mid, high = np.exp(np.quantile(law.law.mean(inputs), [(1 - level) / 2, 0.5, (1 + level) / 2], axis=0))
    said = ", ".join(f"{k} {format_quantity(v)}" for k, v in held.items())
    name = f"law{', ' if said else ''}{said}"
    seen = inside & (grid >= ends[0] * 0.999) & (grid <= ends[1] * 1.001)
    made: list[Any] = [Band(f"{level:.0%} band, {name}", grid, low, high)]
    after = grid >= ends[1] * 0.999 if inside else np.ones(grid.size, bool)
    ahead = bool(after.sum() > 1)
    if seen.any():
        made.append(Line(name, grid[seen], mid[seen], "fitted", label="" if ahead else said or "law"))
    if ahead:
        made.append(Line(f"{name}, extrapolated", grid[after], mid[after], "extrapolated", label=said or "law"))
    return made


def _rules(
    tuning: Tuning, axis: int, along: str, target: TunedSettings | None, far: tuple[float, float]
) -> Iterator[Line]:
    """Published rules along the same input, the other one as at the target, or in the middle of the sweep."""
    grid = np.geomspace(*far, 21)
    other = "N" if along == "D" else "D"
    column = tuning.sweep.values[:, tuning.sweep.by.index(other)]
    held = (
        float(np.exp(np.median(np.log(column)))) if target is None else target.at.get(other, float(np.median(column)))
    )
    lines: dict[str, list[tuple[float, float]]] = {}
    for x in grid:
        for rule in tuning_rules(*((x, held) if along == "N" else (held, x))).rules:
            value = rule.lr if axis == 0 else None if rule.batch_held else rule.batch
            if value is not None:
                lines.setdefault(rule.name, []).append((float(x), value))
    for name, points in lines.items():
        x, y = zip(*points, strict=True)
        yield Line(f"{name}, {other} {format_quantity(held)}", x, y, "reference", label=name)


def _target(target: TunedSettings, axis: int, along: str) -> Marker:
    value = target.lr if axis == 0 else target.batch
    assert value is not None
    return Marker("target", target.at[along], value.value, role="target", y_low=value.low, y_high=value.high,
                  label="target")  # fmt: skip
