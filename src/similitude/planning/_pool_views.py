"""How pools of data and the choice among them show themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from similitude._quantity import format_quantity
from similitude._view import Axis, Column, Figure, Line, Section, Table, Text

if TYPE_CHECKING:
    from similitude.planning._fit_pools import DataPools
    from similitude.planning._pools import PoolBudget, PoolChoice, PoolSet

__all__ = ["choice_section", "pools_section"]


def pools_section(found: DataPools) -> Section:
    """The pools and what is shared, and what to beware of."""
    items: list[Any] = [_pool_table(found)]
    if found.warnings:
        items.append(Text("Beware", points=found.warnings, tone="warning"))
    return Section("Data pools", tuple(items))


def choice_section(made: PoolChoice) -> Section:
    """The best union at each budget, where it changes, the unions at each budget and the picture."""
    items: list[Any] = [_best_table(made)]
    if made.changes:
        items.append(_change_table(made))
    if made.warnings:
        items.append(Text("Beware", points=made.warnings, tone="warning"))
    items += [_figure(made), _pool_table(made.data), *(_set_table(b) for b in made.budgets)]
    items.append(Text("What the answer takes for granted", points=made.assumptions))
    return Section("Which pools to keep", tuple(items))


def _pool_table(found: DataPools) -> Table:
    """The pools, the most useful first."""
    rows = []
    for p in found.pools:
        seen = "" if p.epochs is None else f"{p.epochs:.3g}"
        rows.append((p.name, format_quantity(p.unique), p.utility, p.half_life, "" if p.runs is None else p.runs, seen))
    columns = ("pool", Column("unique", align="right"), Column("utility"), Column("half-life", "passes"),
               Column("runs", align="right"), Column("most epochs", align="right"))  # fmt: skip
    level = f" Intervals at {found.level:.0%}." if found.level else ""
    note = (
        f"Error = a (n/{format_quantity(found.unit)})^-utility + d in the first pass, a = {found.a}, d = {found.d}; "
        f"the utility halves every half-life.{level}"
    )
    return Table("Pools", columns, rows, note)


def _named(union: Sequence[str]) -> str:
    return " + ".join(union)


def _set_rows(sets: Sequence[PoolSet]) -> list[tuple[Any, ...]]:
    return [
        (
            _named(s.pools), format_quantity(s.unique), f"{s.epochs:.3g}", s.error,
            "" if s.probability is None else f"{s.probability:.0%}", "" if s.regret is None else f"{s.regret:.2g}",
        )
        for s in sets
    ]  # fmt: skip


_HEADS = (
    Column("unique", align="right"), Column("epochs", align="right"), Column("error"),
    Column("best in", align="right"), Column("regret", align="right"),
)  # fmt: skip


def _best_table(made: PoolChoice) -> Table:
    rows = []
    for b, row in zip(made.budgets, _set_rows([b.best for b in made.budgets]), strict=True):
        everything = f"{b.kept[-1].error.value - b.best.error.value:+.2g}"
        spent = () if b.flop is None else (f"{b.flop:.3g}",)
        rows.append((format_quantity(b.samples), *spent, *row, everything))
    spent = () if made.budgets[0].flop is None else (Column("FLOP", align="right"),)
    level = "" if made.level is None else f" Intervals at {made.level:.0%}; the probability is over draws of the fit."
    note = (
        "Best in: the probability of the least error of all unions tried. Regret: the mean error above the best union "
        f"of each draw. No filter: the error with all pools, above that of the best.{level}"
    )
    columns = (Column("samples", align="right"), *spent, "keep", *_HEADS, Column("no filter", align="right"))
    return Table("Pools to keep", columns, rows, note)


def _change_table(made: PoolChoice) -> Table:
    rows = []
    for c in made.changes:
        ends = ("…" if e is None else format_quantity(e) for e in (c.samples.low, c.samples.high))
        told = "" if made.level is None else " to ".join(ends)
        rows.append((format_quantity(c.samples.value), told, _named(c.before), _named(c.after)))
    note = "Looked for within a decade of the budgets; … is an end beyond that."
    columns = (Column("samples", align="right"), Column("interval", align="right"), "until there", "from there on")
    return Table("Where the best pools change", columns, rows, note)


def _set_table(budget: PoolBudget) -> Table:
    note = "The least error first; all unions of the best pools by utility are among them."
    return Table(
        f"Unions at {format_quantity(budget.samples)} samples", ("pools", *_HEADS), _set_rows(budget.sets), note
    )


def _figure(made: PoolChoice) -> Figure:
    names = {float(i + 1): f"best {i + 1}" if i else "best pool" for i in range(len(made.unions))}
    lines: list[Any] = [
        Line(names[i + 1.0], made.along, made.errors[i], group=i + 1.0, label=names[i + 1.0])
        for i in range(len(made.unions))
    ]
    shade = Axis("pools kept", scale="linear", names=names)
    axes = Axis("Samples seen"), Axis("Error", ticks="plain")
    return Figure("Error on unions of the best pools", *axes, lines, shade, name="pools")
