"""How a critical batch shows itself: the law's numbers, the three regions, what a batch costs, and the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._digits import format_number
from similitude._quantity import format_quantity
from similitude._view import Axis, Band, Column, Figure, Interval, Line, Marker, Points, Rule, Section, Table, Text
from similitude.planning._batch_choice import BatchChoice
from similitude.planning._batch_curve import PERFECT, WASTED, BatchCurve
from similitude.planning._batch_growth import BatchGrowth

if TYPE_CHECKING:
    from similitude.planning._batch import CriticalBatch

__all__ = ["batch_section"]

DRAWN = 8  # curves of a figure


def batch_section(made: CriticalBatch) -> Section:
    """Tables and figures, the decision first where there is one."""
    items: list[Any] = [_decision_text(made)] if made.decision is not None else []
    items += [_curve_table(made), _region_table(made)]
    if made.warnings:
        items.append(Text("Beware", points=made.warnings, tone="warning"))
    items += [t for g in made.growth for t in (_growth_table(g), _growth_figure(g, made.unit))]
    items += [_choice_table(made), _steps_figure(made), _slope_figure(made), _front_figure(made)]
    if made.decision is not None:
        items.append(_money_figure(made))
    return Section("Critical batch", tuple(items))


def _decision_text(made: CriticalBatch) -> Text:
    d, priced = made.decision, made.choices[0].dollars is not None
    assert d is not None
    what = "money" if priced else "accelerator hours"
    said = []
    if d.chosen is not None:
        c = d.chosen
        asked = " and ".join(f"{v:g} days" if k == "days" else f"${v:,.0f}" for k, v in d.limits.items())
        cost = "" if c.dollars is None else f" and {format_number(c.dollars, '$', 3)}"
        mark = ", beyond the batches measured" if c.beyond else ""
        said.append(
            f"Within {asked}: a batch of {format_quantity(c.batch)}{mark}, {(c.hours or 0) / 24:.3g} days{cost}, "
            f"{c.steps:,.0f} steps on {_count(c.accelerators)} accelerators."
        )
    if len(d.front) == len(made.choices) > 2:
        said.append(
            f"Every larger batch is faster and takes more {what}: none is best for both. Ask for the cheapest within "
            "some days, or the fastest for some dollars."
        )
    else:
        both = (("Fastest", d.fastest, d.slower, "longer"), (f"Least {what}", d.cheapest, d.dearer, "more"))
        if d.fastest == d.cheapest:
            both = ((f"Fastest, and least {what}", d.fastest, d.slower, "longer"),)
        for name, best, regret, worse in both:
            sure = (
                "" if regret is None else f"; at most {regret:.1%} {worse} than the best within the interval of B_crit"
            )
            said.append(f"{name}: a batch of {_batch(best)}{sure}.")
    return Text("Which batch", said, tone="headline")


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def _batch(value: Interval) -> str:
    """With its interval, where it has one to speak of."""
    if value.low is None or value.high is None or value.high < 1.001 * value.low:
        return format_quantity(value.value)
    return value.text()


def _goals(made: CriticalBatch) -> bool:
    return any(c.goal is not None for c in made.curves)


def _named(made: CriticalBatch, c: BatchCurve) -> tuple[str, ...]:
    return (c.name or "all runs", *(("" if c.goal is None else f"{c.goal:g}",) if _goals(made) else ()))


def _heads(made: CriticalBatch) -> tuple[Any, ...]:
    return ("workload", *((Column("goal", align="right"),) if _goals(made) else ()))


def _curve_table(made: CriticalBatch) -> Table:
    rows = []
    for c in made.curves:
        least = Interval(c.steps_min.value, c.steps_min.low, c.steps_min.high)
        bend = "1, assumed" if c.bend is None else Interval(c.bend.value, c.bend.low, c.bend.high)
        rows.append((*_named(made, c), c.critical, least, c.examples_min, bend, f"{c.k:.3g}"))
    columns = (
        *_heads(made),
        "critical batch",
        "least steps",
        "least examples",
        "bend k",
        Column("k taken", align="right"),
    )
    note = (
        f"S = S_min (1 + (B_crit/B)^k)^(1/k), intervals at {made.level:.0%} by profile likelihood; batches in the unit "
        f"of {made.unit}. k = 1, steps and examples both twice their least at the critical batch, is taken unless the "
        "interval of k excludes it; the other intervals then hold a free k, too."
    )
    return Table("Critical batch", columns, rows, note)


def _region_table(made: CriticalBatch) -> Table:
    rows = [(*_named(made, c), c.perfect, _seen(c.perfect_seen), c.wasted, _seen(c.wasted_seen)) for c in made.curves]
    columns = (*_heads(made), "perfect up to", "seen", "wasted from", "seen")
    note = (
        f"Perfect: doubling the batch saves {PERFECT:.0%} of an ideal halving of steps or more; wasted: {WASTED:.0%} "
        "or less; between them returns diminish. Seen: where measured slopes, made monotone, cross that."
    )
    return Table("Three regions", columns, rows, note)


def _seen(ends: tuple[float | None, float | None]) -> str:
    low, high = (None if v is None else format_quantity(v) for v in ends)
    if low is None:
        return f"below {high}"
    return f"above {low}" if high is None else f"{low} to {high}"


def _growth_table(growth: BatchGrowth) -> Table:
    rows: list[Any] = [("B_star", growth.B_star), ("alpha_B", growth.alpha_B)]
    rows += [(f"critical batch at {loss:.3g}", growth.at(loss)) for loss in _spread(growth.losses)]
    note = (
        f"B_crit = B_star / L^(1/alpha_B); intervals at {growth.level:.0%} allow for goals read off the same runs. "
        "B_star is the batch at a loss of 1, which is far from these."
    )
    title = f"Growth as the loss falls{f', {growth.name}' if growth.name else ''}"
    return Table(title, ("quantity", "value"), rows, note)


def _spread(losses: tuple[float, ...]) -> list[float]:
    """The largest, a middle and the smallest loss, and one a tenth smaller."""
    ordered = sorted(losses, reverse=True)
    return list(dict.fromkeys([ordered[0], ordered[len(ordered) // 2], ordered[-1], 0.9 * ordered[-1]]))


def _growth_figure(growth: BatchGrowth, unit: str) -> Figure:
    lowest, highest = min(growth.losses), max(growth.losses)
    series: list[Any] = []
    for low, high, role in ((lowest, highest, "fitted"), (0.9 * lowest, lowest, "extrapolated")):
        x = np.geomspace(low, high, 30)
        made = [growth.at(v) for v in x]
        series.append(Band(f"{growth.level:.0%}", x, [m.low or 0 for m in made], [m.high or 0 for m in made]))
        series.append(Line("B_star / L^(1/alpha_B)", x, [m.value for m in made], role))
    series.append(Points("critical batch of a goal", growth.losses, growth.critical))
    title = f"Critical batch against loss{f', {growth.name}' if growth.name else ''}"
    return Figure(title, Axis("Loss"), Axis("Critical batch", unit, ticks="count"), series)


def _choice_table(made: CriticalBatch) -> Table:
    first, rows = made.choices[0], []
    for c in made.choices:
        more = () if c.hours is None else (_count(c.accelerators), f"{c.hours:.3g}")
        more += () if c.dollars is None else (format_number(c.dollars, "$", 3),)
        rows.append((format_quantity(c.batch), f"{c.steps:,.0f}", format_quantity(c.examples), f"{c.steps_over:.2f}×",
                     f"{c.examples_over:.2f}×", *more, _mark(made, c)))  # fmt: skip
    heads = ["batch", "steps", "examples", "steps over least", "examples over least"]
    heads += [] if first.hours is None else ["accelerators", "hours"]
    heads += [] if first.dollars is None else ["cost"]
    note = "Time goes with steps and money with examples, as long as a larger batch is spread over more accelerators."
    if made.decision is not None:
        note = "Steps by the law, time and cost by the seconds and accelerators given. Beaten: another is "
        note += "no slower and no dearer, and better in one."
    title = f"What a batch costs{f', {made.target.title}' if made.target.title else ''}"
    return Table(title, (*(Column(h, align="right") for h in heads), ""), rows, note)


def _mark(made: CriticalBatch, c: BatchChoice) -> str:
    said = ["extrapolated"] if c.beyond else []
    if made.decision is not None and c not in made.decision.front:
        said.append("beaten")
    return ", ".join(said)


def _drawn(made: CriticalBatch) -> list[tuple[float | None, str, BatchCurve]]:
    """Curves with the number that stands for their colour, and their name."""
    shown = made.curves[:DRAWN]
    if len(shown) == 1:
        return [(None, shown[0].title or "runs", shown[0])]
    return [(float(i + 1), c.title or "runs", c) for i, c in enumerate(shown)]


def _shade(drawn: list[tuple[float | None, str, BatchCurve]]) -> Axis | None:
    names = {g: name for g, name, _ in drawn if g is not None}
    return Axis("workload", scale="linear", names=names) if names else None


def _note(made: CriticalBatch) -> str:
    return f"The first {DRAWN} of {len(made.curves)}." if len(made.curves) > DRAWN else ""


def _steps_figure(made: CriticalBatch) -> Figure:
    series: list[Any] = []
    drawn = _drawn(made)
    for group, _, c in drawn:
        series.append(Points("runs", c.batches, c.steps, group=group))
        if c.unreached:
            b, tried = zip(*c.unreached, strict=True)
            series.append(Points("goal not reached by then", b, tried, role="outlier", group=group))
        inside = np.geomspace(min(c.batches), max(c.batches), 60)
        series.append(Line("law", inside, c.steps_at(inside), group=group))
        if 4 * c.critical.value > max(c.batches):
            beyond = np.geomspace(max(c.batches), 4 * c.critical.value, 30)
            series.append(Line("law, extrapolated", beyond, c.steps_at(beyond), "extrapolated", group=group))
        at = float(c.steps_at(c.critical.value))
        low, high = c.critical.low, c.critical.high
        series.append(Marker("critical batch", c.critical.value, at, x_low=low, x_high=high, group=group))
    axes = Axis("Batch", made.unit, ticks="count"), Axis("Steps to the goal")
    return Figure("Steps against batch", *axes, series, _shade(drawn), name="steps", note=_note(made))


def _slope_figure(made: CriticalBatch) -> Figure:
    series: list[Any] = [Rule("perfect", PERFECT, "y"), Rule("wasted", WASTED, "y")]
    drawn = _drawn(made)
    for group, _, c in drawn:
        x = [float(np.sqrt(s.low * s.high)) for s in c.slopes]
        values = [s.measured.value for s in c.slopes]
        # error bars of several curves would hide each other
        low, high = ([getattr(s.measured, k) for s in c.slopes] if len(drawn) == 1 else None for k in ("low", "high"))
        series.append(Points("runs", x, values, group=group, low=low, high=high))
        b = np.geomspace(min(c.batches), max(c.batches), 60)
        ratio = (c.critical.value / b) ** c.k
        series.append(Line("law", b, ratio / (1 + ratio), group=group))
    axes = Axis("Batch", made.unit, ticks="count"), Axis("Share of ideal scaling", scale="linear")
    note = f"Between neighbouring batches; 1 halves the steps of a doubled batch. {_note(made)}".strip()
    return Figure("Local slopes", *axes, series, _shade(drawn), name="slopes", note=note)


def _front_figure(made: CriticalBatch) -> Figure:
    """Steps against examples, of several curves both over their least."""
    series: list[Any] = []
    drawn = _drawn(made)
    single = len(drawn) == 1
    for group, _, c in drawn:
        least = (1.0, 1.0) if single else (c.examples_min.value, c.steps_min.value)
        batch, steps = np.array(c.batches), np.array(c.steps)
        series.append(Points("runs", batch * steps / least[0], steps / least[1], group=group))
        b = np.geomspace(min(c.batches), max(*c.batches, 4 * c.critical.value), 60)
        series.append(Line("law", b * c.steps_at(b) / least[0], c.steps_at(b) / least[1], group=group))
        b, s = c.critical.value, float(c.steps_at(c.critical.value))
        series.append(Marker("critical batch", b * s / least[0], s / least[1], group=group))
    over = "" if single else " over the least"
    axes = Axis(f"Examples{over}"), Axis(f"Steps{over}")
    return Figure("Steps against examples", *axes, series, _shade(drawn), name="pareto", note=_note(made))


def _money_figure(made: CriticalBatch) -> Figure:
    priced = made.choices[0].dollars is not None
    assert made.decision is not None

    def paid(choices: Any) -> list[float]:
        return [c.dollars if priced else (c.hours or 0) * (c.accelerators or 0) for c in choices]

    front = sorted(made.decision.front, key=lambda c: c.hours or 0)
    labels = [format_quantity(c.batch) for c in made.choices]
    series: list[Any] = [Points("batch", [c.hours or 0 for c in made.choices], paid(made.choices), labels=labels)]
    if len(front) > 1:
        series.append(Line("best of both", [c.hours or 0 for c in front], paid(front), "frontier"))
    if made.decision.chosen is not None:
        c = made.decision.chosen
        series.append(Marker("chosen", c.hours or 0, paid([c])[0], role="target", label=format_quantity(c.batch)))
    axes = Axis("Hours to the goal"), Axis("Cost", "$") if priced else Axis("Accelerator hours")
    return Figure("Money against time", *axes, series, name="money-time")
