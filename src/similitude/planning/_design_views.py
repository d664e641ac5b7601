"""How designs show themselves: tables of runs and outlooks, a map of where a run pays, certainty against spending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._quantity import DOLLARS, FLOP, format_quantity
from similitude._view import Axis, Band, Column, Figure, Line, Marker, Points, Section, Table, Text, View

if TYPE_CHECKING:
    from similitude.planning._ladder import Ladder, Simulated
    from similitude.planning._next_runs import NewRuns, NextRuns, Outlook
    from similitude.planning._seeds import Seeds

__all__ = ["ladder_headline", "ladder_view", "next_runs_view", "seeds_view", "simulated_view"]

AIMS = {"regret": "the expected regret of the decision", "value": "the value at the target", "both": "regret and value"}
UNITS = {FLOP.name: FLOP, DOLLARS.name: DOLLARS}


def next_runs_view(found: NextRuns) -> Section:
    """Everything of a `NextRuns`."""
    what = AIMS.get(found.aim, f"the interval of {found.aim}")
    return Section(
        "Next runs",
        (
            _headline(found),
            design_table(found.design, found.unit, f"Runs that narrow {what} most"),
            outlook_table("What they are expected to do", [found.now, found.after], found.unit, found.level),
            outlook_table(
                "Other budgets, each with its own best runs", found.budgets, found.unit, found.level, brief=True
            ),
            *_map(found),
            *_narrowing("Certainty of the decision against spending", [found.now, *found.budgets], found.unit),
            *_notes(found),
        ),
    )


def _headline(found: NextRuns) -> Text:
    target = _cost(found.target, found.unit)
    configurations = f"{len(found.design)} configuration{'s' if len(found.design) > 1 else ''}"
    first = (
        f"For the decision at {target}: {found.runs} runs of {configurations}, {_cost(found.cost, found.unit)} "
        f"altogether, {100 * found.cost / found.target:.2g} % of the target."
    )
    name, before = next(iter(found.now.inputs.items()))
    after = found.after.inputs[name]
    narrower = f"{name} is now known to a factor of {_factor(before):.3g}, then of {_factor(after):.3g}"
    regret = f"the expected waste falls from {found.now.wasted:.2%} of the target's cost to {found.after.wasted:.2%}"
    sure = (
        f"In the linearised problem the design has at least {np.floor(100 * found.efficiency):.0f} % of the precision "
        "that any within the same limits could have."
        if found.efficiency > 0
        else "No bound on better designs was found."
    )
    said = (
        f"{narrower}; {regret}." if found.now.regret > 0 else "The budget alone decides; what is learnt is the value."
    )
    return Text("", [first, said, sure], tone="plain")


def _factor(interval: Any) -> float:
    return float(np.sqrt(interval.high / interval.low))


def _cost(value: float, unit: str) -> str:
    return format_quantity(value, UNITS[unit]) if unit in UNITS else f"{format_quantity(value)} {unit}".rstrip()


def design_table(design: Sequence[NewRuns], unit: str, title: str) -> Table:
    """A row a configuration."""
    names = list(design[0].inputs) if design else []
    ratio = {"N", "D"} <= set(names)
    columns: list[Any] = [Column(k, align="right") for k in names]
    columns += [Column("tokens/parameter", digits=3)] if ratio else []
    columns += ["seeds", Column("each", unit), Column("all", unit), Column("without them, interval x", digits=3)]
    rows = []
    for run in design:
        row: list[Any] = [format_quantity(v) for v in run.inputs.values()]
        row += [run.inputs["D"] / run.inputs["N"]] if ratio else []
        row += [run.seeds, *(_number(v, unit) for v in (run.cost, run.cost * run.seeds)), run.weight]
        rows.append(row)
    return Table(
        title,
        columns,
        rows,
        note="Last column: how many times wider the decision's interval would be without the configuration.",
    )


def _number(value: float, unit: str) -> str:
    return _cost(value, unit).removesuffix(unit).strip() if unit else format_quantity(value)


def outlook_table(title: str, rows: Sequence[Outlook], unit: str, level: float, *, brief: bool = False) -> Table:
    """A row an outlook: the decision with the intervals expected; `brief` shows one input, which settles the other."""
    names = list(rows[0].inputs)[: 1 if brief else None]
    columns: list[Any] = ["", "runs", Column("cost", unit)]
    columns += [Column(f"{k} at the target", str(rows[0].inputs[k].unit)) for k in names]
    columns += [
        Column("value there", str(rows[0].value.unit)),
        Column("expected regret", digits=2),
        Column("waste", align="right"),
    ]
    told = [
        [
            r.what,
            r.runs,
            _number(r.cost, unit) if r.cost else "0",
            *(r.inputs[k].text().removesuffix(str(r.inputs[k].unit)).strip() for k in names),
            r.value.text().removesuffix(str(r.value.unit)).strip(),
            r.regret,
            f"{r.wasted:.2%}",
        ]
        for r in rows
    ]
    note = f"{level:.0%} intervals expected by the linearised law; waste: share of the target's cost that the expected "
    return Table(title, columns, told, note=note + "regret stands for.")


def _map(found: NextRuns) -> list[View]:
    names = list(found.map.inputs)
    if len(names) < 2:
        return []
    x, y = ("D", "N") if {"N", "D"} <= set(names) else (names[1], names[0])
    inputs = found.map.inputs
    gain = np.array(found.map.gain)
    shown = np.flatnonzero(gain > 0)
    candidates = Points(
        "candidates",
        np.array(inputs[x])[shown],
        np.array(inputs[y])[shown],
        role="measured",
        shade=np.log10(np.maximum(gain[shown], 1e-4)),
        values={"gain for its cost": [f"{g:.2g}" for g in gain[shown]]},
    )
    so_far = Points("runs so far", found.map.so_far[x], found.map.so_far[y], role="optimum")
    chosen = [
        Marker("chosen", r.inputs[x], r.inputs[y], role="target", label=f"x{r.seeds}" if r.seeds > 1 else "")
        for r in found.design
    ]
    return [
        Figure(
            "Where one run brings most for its cost",
            _axis(x),
            _axis(y),
            [candidates, so_far, *chosen],
            shade=Axis("log10 gain for cost, best = 0", scale="linear"),
            note="Colour: what one first run would bring for its cost. The chosen runs also count what others bring.",
            name="gain-map",
        )
    ]


def _axis(name: str) -> Axis:
    return Axis(name, {"N": "parameters", "D": "tokens", "C": "FLOP"}.get(name, ""))


def _narrowing(title: str, outlooks: Sequence[Outlook], unit: str) -> list[View]:
    name = next(iter(outlooks[0].inputs))
    spent = [o for o in outlooks if o.cost > 0]
    if len(spent) < 3:
        return []
    x = [o.cost for o in spent]
    ends = [o.inputs[name] for o in spent]
    series: list[Any] = [
        Band("expected interval", x, [e.low or 0 for e in ends], [e.high or 0 for e in ends]),
        Line(f"best {name}", x, [e.value for e in ends]),
    ]
    now = outlooks[0].inputs[name]
    if outlooks[0].cost == 0 and now.low and now.high:
        series += [Line("ends now", x, [end] * len(x), role="reference") for end in (now.low, now.high)]
    return [Figure(title, Axis("Spent", unit), _axis(name), series, name="certainty-against-spending")]


def _notes(found: Any) -> list[View]:
    notes: list[View] = [Text("Assumptions", points=found.assumptions)] if found.assumptions else []
    return [*notes, Text("Warnings", points=found.warnings, tone="warning")] if found.warnings else notes


def ladder_view(found: Ladder) -> Section:
    """Everything of a `Ladder`."""
    return Section(
        "Designs before any run",
        (
            Text("", found.headline()),
            outlook_table("Designs of equal cost", [d.outlook for d in found.designs], found.unit, found.level,
                          brief=True),
            design_table(found.best.runs, found.unit, f"The best of them: {found.best.name}"),
            *([design_table(found.steps.runs, found.unit, f"The best ladder: {found.steps.name}")]
              if found.steps is not None and found.steps is not found.best else []),
            outlook_table("Before spending anything: certainty against the share spent", found.shares, found.unit,
                          found.level, brief=True),
            outlook_table("Seeds at equal cost, the best ladder made smaller to pay for them", found.seeds,
                          found.unit, found.level, brief=True),
            _places(found),
            *_narrowing("Certainty of the decision against spending", found.shares, found.unit),
            *_notes(found),
        ),
    )  # fmt: skip


def ladder_headline(found: Ladder) -> list[str]:
    """The comparison in sentences."""
    best = found.best
    whole = _cost(found.target, found.unit)
    spent = f"{_cost(best.outlook.cost, found.unit)}, {100 * found.share:.3g} % of the target's {whole}"
    known = f"N at the target would be known to a factor of {_factor(best.outlook.inputs['N']):.3g}"
    waste = f"the expected waste is {best.outlook.wasted:.2%} of the target's cost"
    said = [f"{spent}, in {best.outlook.runs} runs ({best.name}): {known}; {waste}."]
    others = [d for d in found.shown() if d is not best]
    if others:
        told = "; ".join(
            f"{d.name}: a factor of {_factor(d.outlook.inputs['N']):.3g}, waste {d.outlook.wasted:.2%}" for d in others
        )
        said.append(f"The best of other kinds at equal cost: {told}.")
    return said


def simulated_view(found: Simulated) -> Section:
    """Expected beside measured."""
    names = {"N": "log N at the target, sd", "value": "log value at the target, sd", "regret": "regret, mean"}
    rows = [
        [said, found.expected[k], found.measured[k], f"{found.covered[k]:.1%}" if k in found.covered else ""]
        for k, said in names.items()
    ]
    note = f"{found.repeats} repeats, {found.failed} of them without a fit."
    columns = ("", Column("expected", digits=3), Column("measured", digits=3), f"{found.level:.0%} interval covered")
    return Section("Simulated", (Table(f"The design carried out: {found.design}", columns, rows, note=note),))


def _places(found: Ladder) -> Figure:
    """Where the runs of each design lie."""
    series: list[Any] = []
    for role, design in zip(("target", "measured", "optimum"), found.shown(), strict=False):
        runs = design.runs
        series.append(Points(design.name, [r.inputs["D"] for r in runs], [r.inputs["N"] for r in runs], role=role))
    return Figure("Where the runs of each design lie", _axis("D"), _axis("N"), series, name="designs")


def seeds_view(found: Seeds) -> Section:
    """Everything of a `Seeds`."""
    rows: list[Mapping[str, Any]] = [*found.table]
    columns = ("seeds a procedure", Column("power", align="right"), Column("difference told with the power asked for"))
    table = Table(
        "Seeds against what they can tell",
        columns,
        [[r["seeds"], f"{r['power']:.1%}", f"{r['told']:.3%}"] for r in rows],
    )
    return Section("Seeds", (Text("", found.headline()), table))
