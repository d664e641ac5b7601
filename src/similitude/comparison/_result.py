"""What a comparison of procedures says: models, crossings, gaps, multiples; plain and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from similitude._digits import format_number, in_powers
from similitude._result import SCHEMA_VERSION, Result
from similitude._view import Axis, Band, Column, Figure, Interval, Line, Marker, Points, Rule, Section, Table, Text
from similitude.fitting import Fit

__all__ = ["Comparison", "Crossing", "Gap", "Pair", "Score", "SharedModel"]

MOST = 1e5  # a multiple beyond which a floor, not a rate, decides


@dataclass(frozen=True)
class SharedModel:
    """Both procedures under one law with some parameters in common: AICc, and how it forecasts the largest fifth.

    `held_out` is the root mean square of log residuals; NaN where the smaller runs do not fit. `p` is that of the F
    test against the freest model; NaN for that itself, and where runs share errors.
    """

    sharing: str
    says: str
    free: int
    aicc: float
    held_out: float
    p: float = float("nan")


@dataclass(frozen=True)
class Score:
    """One procedure at one scale by its own law: its score, and what twice the scale adds to it."""

    at: float
    value: Interval
    doubling: Interval


@dataclass(frozen=True)
class Gap:
    """The second procedure against the first at one scale.

    `difference` is of the score, second less first; `multiple` how many times more of the scale the first needs for the
    score of the second (below one: the second needs more); `wins` the probability that the second is better, `wins_new`
    that one new run of it is.
    """

    at: float
    reach: float
    difference: Interval
    multiple: Interval
    wins: float
    wins_new: float


@dataclass(frozen=True)
class Crossing:
    """Where two curves change places: the scale with the ends of its interval, None where the runs leave one open.

    `ahead` names the procedure that is better beyond; `reach` is the scale over the largest run's.
    """

    at: Interval
    ahead: str
    reach: float


@dataclass(frozen=True)
class Pair:
    """Two procedures: what they share, where their curves cross and what lies between them at scale."""

    first: str
    second: str
    models: tuple[SharedModel, ...]
    chosen: str
    crossings: tuple[Crossing, ...]
    verdict: str
    undecided: tuple[tuple[float | None, float | None], ...]
    gaps: tuple[Gap, ...]
    paired: str = ""
    fit: Fit | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Comparison(Result):
    """Procedures compared from their runs, by their laws. Made by `compare`.

    `fits` holds each procedure's own law. `undecided` of a pair are the stretches of the scale in which neither is told
    to be ahead at `level`: they are the confidence set of the crossing.

    >>> import similitude as sim
    >>> table = {
    ...     "C": [1e18, 1e19, 1e20, 1e21] * 2,
    ...     "loss": [3.5, 3.1, 2.8, 2.6, 3.7, 3.15, 2.72, 2.41],
    ...     "model": ["a"] * 4 + ["b"] * 4,
    ... }
    >>> found = sim.compare(sim.read_runs(table), by="model", law=sim.laws.power)
    >>> found.pairs[0].crossings[0].ahead, 1e19 < found.pairs[0].crossings[0].at.value < 1e20
    ('b', True)
    """

    by: str
    law: str
    scale: str
    unit: str
    names: tuple[str, ...]
    fits: Mapping[str, Fit] = field(repr=False)
    pairs: tuple[Pair, ...]
    level: float
    range: tuple[float, float]
    reach: float
    higher_is_better: bool = False
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    scores: Mapping[str, tuple[Score, ...]] = field(default_factory=dict, repr=False)
    curves: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict, repr=False)
    points: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        said = "; ".join(f"{p.first} against {p.second}: {p.verdict}" for p in self.pairs)
        return f"Comparison({said})"

    def view(self) -> Section:
        """Verdict, figure, gaps and models, then what was assumed."""
        items: list[Any] = [
            Text("Which wins", points=[f"{p.second} against {p.first}: {p.verdict}" for p in self.pairs])
        ]
        if self.warnings:
            items.append(Text("Beware", points=self.warnings, tone="warning"))
        items.append(_figure(self))
        for pair in self.pairs:
            items.append(_gap_table(self, pair))
            items += [Text("", [pair.paired])] if pair.paired else []
            items.append(_model_table(pair))
        items += [_score_table(self), _law_table(self)]
        items.append(Text("What the comparison takes for granted", points=self.assumptions))
        return Section(f"Procedures compared by {self.by}", tuple(items))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: laws, models, crossings, gaps."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "comparison",
            "by": self.by,
            "law": self.law,
            "scale": self.scale,
            "unit": self.unit,
            "level": self.level,
            "range": list(self.range),
            "reach": self.reach,
            "higher_is_better": self.higher_is_better,
            "procedures": {k: {"runs": len(f.observed), "values": dict(f.values), "ends": dict(f.ends)}
                           for k, f in self.fits.items()},
            "scores": {k: [_plain(s) for s in v] for k, v in self.scores.items()},
            "pairs": [_plain(p) for p in self.pairs],
            "assumptions": list(self.assumptions),
            "warnings": list(self.warnings),
        }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return {"value": value.value, "low": value.low, "high": value.high, "unit": str(value.unit)}
    if isinstance(value, Fit):
        return None
    if hasattr(value, "__dataclass_fields__"):
        return {k: _plain(getattr(value, k)) for k in value.__dataclass_fields__ if k != "fit"}
    if isinstance(value, float) and value != value:
        return None
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _gap_table(made: Comparison, pair: Pair) -> Table:
    rows = []
    for gap in pair.gaps:
        multiple: Any = gap.multiple if gap.multiple.value <= MOST else "out of reach"
        rows.append((in_powers(format_number(gap.at, made.unit, 3)), f"{gap.reach:.3g}×", gap.difference, multiple,
                     _share(gap.wins), _share(gap.wins_new)))  # fmt: skip
    heads = ("difference", f"multiple of {made.scale}")
    shares = (Column("wins", align="right"), Column("a new run", align="right"))
    columns = (made.scale, Column("of the largest run", align="right"), *(Column(h) for h in heads), *shares)
    note = (
        f"Difference: {pair.second} less {pair.first}. Multiple: how many times the scale {pair.first} needs for the "
        f"score of {pair.second}. Wins: the probability that {pair.second} is ahead; a new run: that one run of it is."
    )
    return Table(f"{pair.second} against {pair.first}", columns, rows, note)


def _share(p: float) -> str:
    return "more than 99%" if p > 0.995 else "less than 1%" if p < 0.005 else f"{p:.0%}"


def _model_table(pair: Pair) -> Table:
    rows = [
        (m.says + (" (favoured)" if m.sharing == pair.chosen else ""), str(m.free), _told(m.aicc, ".1f"),
         _told(m.p, ".2g"), _told(m.held_out, ".2%"))
        for m in pair.models
    ]  # fmt: skip
    columns = ("shared", *(Column(c, align="right") for c in ("free", "AICc", "F test p", "held out")))
    note = (
        "Favoured: least AICc. F test: against the freest model; a small p says that it shares too much. Held out: "
        "error on the largest fifth of the log scale, fitted on the rest. Differences and crossings above are those of "
        "the freest."
    )
    return Table("What the two share", columns, rows, note)


def _told(value: float, form: str) -> str:
    return format(value, form) if value == value else "…"


def _score_table(made: Comparison) -> Table:
    """What the scale buys each procedure."""
    rows = [
        (name, in_powers(format_number(s.at, made.unit, 3)), s.value, s.doubling)
        for name, scores in made.scores.items()
        for s in scores
    ]
    columns = (made.by, made.scale, Column("score"), Column("gain from twice the scale"))
    return Table("What the scale buys", columns, rows, f"By each procedure's own law; intervals at {made.level:.0%}.")


def _law_table(made: Comparison) -> Table:
    first = next(iter(made.fits.values()))
    rows = [
        (name, str(len(f.observed)), *(Interval(f.values[k], *f.ends[k]) for k in first.law.params))
        for name, f in made.fits.items()
    ]
    columns = (made.by, Column("runs", align="right"), *(Column(k) for k in first.law.params))
    return Table(f"Each by itself: {made.law}", columns, rows)


def _figure(made: Comparison) -> Figure:
    series: list[Any] = []
    top = made.range[1]
    for i, name in enumerate(made.names):
        curve, points = made.curves[name], made.points[name]
        group = float(i + 1)
        series.append(Points("runs", points["x"], points["y"], group=group))
        inside = [j for j, x in enumerate(curve["x"]) if x <= top * 1.0001]
        beyond = [j for j, x in enumerate(curve["x"]) if x >= top * 0.9999]
        for rows, role in ((inside, "fitted"), (beyond, "extrapolated")):
            if len(rows) > 1:
                x, y = ([curve[k][j] for j in rows] for k in ("x", "y"))
                series.append(Line(role, x, y, role, group=group, label=name if role != "fitted" else ""))
        series.append(Band(f"{made.level:.0%} band", curve["x"], curve["low"], curve["high"], group=group))
    for pair in made.pairs:
        for crossing in pair.crossings:
            at = crossing.at
            y = _height(made, pair.first, at.value)
            series.append(Marker(f"{pair.first} and {pair.second} cross", at.value, y, "optimum", at.low, at.high))
    series.append(Rule("largest run", top))
    score = Axis("Score" if made.higher_is_better else "Loss")
    shade = Axis(made.by, scale="linear", names={float(i + 1): n for i, n in enumerate(made.names)})
    return Figure("Procedures against scale", Axis(made.scale, made.unit), score, series, shade, name="procedures")


def _height(made: Comparison, name: str, x: float) -> float:
    import numpy as np

    curve = made.curves[name]
    return float(np.exp(np.interp(np.log(x), np.log(curve["x"]), np.log(curve["y"]))))
