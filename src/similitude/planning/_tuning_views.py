"""How a tuning shows itself: optima by group, their law, a target with the published rules, and as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from similitude._digits import format_number
from similitude._quantity import format_quantity
from similitude._view import Column, Figure, Interval, Section, Table, Text, View
from similitude.planning._tuning import Optimum, RuleCost, SettingLaw, TunedSettings, Tuning
from similitude.planning._tuning_figures import bowl_figures, law_figures

__all__ = ["printed", "target_document", "target_view", "tuning_document", "tuning_view"]

SCHEMA_VERSION = 1
SIDES = {-1: "at most", 0: "", 1: "at least"}


def printed(section: Section) -> str:
    """A section as text, without its figures."""
    return "\n\n".join(str(v).rstrip() for v in section.items if not isinstance(v, Figure))


def tuning_view(tuning: Tuning) -> Section:
    """Law, figures and optima of a sweep."""
    views: list[View] = [v for v in (law_table(tuning), _beware(tuning.warnings)) if v is not None]
    views += [*law_figures(tuning), *bowl_figures(tuning), optima_table(tuning)]
    aside = [f"{_group(group)}: {reason}." for group, reason in tuning.set_aside]
    views += [Text("Groups set aside", points=aside)] if aside else []
    views.append(Text("How it was found", points=_method(tuning)))
    return Section("Learning rate and batch" if len(tuning.settings) > 1 else "Learning rate", views)


def target_view(found: TunedSettings) -> Section:
    """The recommendation at a target and everything beside it."""
    tuning = found.tuning
    views: list[View] = [
        v for v in (target_table(found), _beware((*found.warnings, *tuning.warnings))) if v is not None
    ]
    views += [rules_table(found)] if found.rules else []
    views += list(law_figures(tuning, found))
    if found.rules:
        views.append(Text("What the rules were measured for", points=[_rule_words(c) for c in found.rules]))
    views.append(Text("How it was found", points=_method(tuning)))
    return Section(f"Learning rate{' and batch' if found.batch else ''} at {_group(found.at)}", views)


def _beware(warnings: tuple[str, ...]) -> Text | None:
    return Text("Beware", points=warnings, tone="warning") if warnings else None


def law_table(tuning: Tuning) -> Table | Text | None:
    """The coefficients of the laws."""
    laws = [law for law in (tuning.lr_law, tuning.batch_law) if law is not None]
    if not laws:
        return Text("No law of these optima", [f"{tuning.no_law}."], tone="warning")
    rows: list[tuple[Any, ...]] = []
    for law in laws:
        rows.append((_formula(law), "amplitude", law.amplitude))
        rows += [("", f"exponent of {k}", v) for k, v in law.exponents.items()]
        rows.append(("", "scatter of optima, ln", law.scatter))
    groups = "; ".join(_basis(law) for law in laws)
    note = f"Intervals at {tuning.level:.0%}. {groups}."
    return Table(
        "The law of the best settings", ("law", "coefficient", Column("value", align="right")), rows, note=note
    )


def _formula(law: SettingLaw) -> str:
    return f"{law.setting} = a · " + " · ".join(f"{k}^{v.value:.2f}" for k, v in law.exponents.items())


def _basis(law: SettingLaw) -> str:
    ends = f", {law.inequalities} of them only as inequalities" if law.inequalities else ""
    return f"{law.setting} from {law.groups} groups{ends}"


def optima_table(tuning: Tuning) -> Table:
    """The best settings of every group."""
    columns = [
        *(Column(n, digits=4) for n in tuning.by),
        *(Column(f"best {n}", align="right") for n in tuning.settings),
    ]
    columns += [Column("loss there", digits=5), Column("best run's", digits=5), Column("cells", align="right")]
    rows = []
    for o in tuning.optima:
        values = [format_quantity(o.group[n], digits=4) for n in tuning.by]
        best = [_placed(o, n) for n in tuning.settings]
        rows.append((*values, *best, o.loss, o.measured["loss"], f"{o.cells} + {o.bounds}"))
    note = (
        f"Bottoms of the bowls with {tuning.level:.0%} intervals; cells: measurements + bounds. Scatter of the loss "
        f"around the bowls {100 * tuning.noise:.2g} %."
    )
    return Table("Best settings by group", columns, rows, note=note)


def _placed(optimum: Optimum, name: str) -> Interval | str:
    side, value = optimum.side[name], optimum.settings[name]
    return f"{SIDES[side]} {format_number(value.value, digits=3)}" if side else _short(value)


def _short(value: Interval) -> Interval | str:
    """Counts above ten thousand with their letters."""
    if value.value < 1e4:
        return value
    return Interval(value.value, value.low, value.high, "tokens").text().removesuffix(" tokens")


def target_table(found: TunedSettings) -> Table:
    """The recommendation."""
    names = found.tuning.settings
    rows: list[tuple[Any, ...]] = [(f"best {names[0]}", found.lr, found.lr_law)]
    if found.batch is not None and found.batch_law is not None:
        rows.append((f"best {names[1]}", found.batch, found.batch_law))
    rows.append(("expected excess loss of these values", found.regret, ""))
    reach = ", ".join(f"{k} {_times(v)}" for k, v in found.reach.items())
    note = (
        f"{found.level:.0%} intervals. Against the sweep: {reach}. "
        "The excess takes the sweep's typical curvature and counts only not knowing the optimum."
    )
    columns = ("quantity", Column("optimum at the target", align="right"), Column("the law alone", align="right"))
    return Table(f"Settings at {_group(found.at)}", columns, rows, note=note)


def _times(ratio: float) -> str:
    if ratio == 1:
        return "within"
    return f"{format_number(max(ratio, 1 / ratio), digits=3)}× {'beyond' if ratio > 1 else 'below'}"


def rules_table(found: TunedSettings) -> Table:
    """Published rules beside the sweep's own law."""
    batch = found.batch is not None
    rows: list[tuple[Any, ...]] = [
        ("this sweep", f"{found.lr.value:.2e}", _tokens(found.batch), "", found.regret, "", "")
    ]
    for c in found.rules:
        ratio = ", ".join(_ratio(v) for v in (c.lr_ratio, c.batch_ratio) if v is not None)
        held = " (held)" if c.rule.batch_held else ""
        tokens = "" if c.rule.batch is None else f"{format_quantity(c.rule.batch)}{held}"
        level = "" if c.scaled_lr is None else f"{c.scaled_lr:.2e}"
        rate = "" if c.rule.lr is None else f"{c.rule.lr:.2e}"
        rows.append((c.rule.name, rate, tokens, ratio, c.excess, level, "; ".join(c.rule.outside)))
    columns = (
        "rule",
        Column("lr", align="right"),
        Column("batch", align="right"),
        Column("rule ÷ sweep: lr" + (", batch" if batch else ""), align="right"),
        Column("excess loss", "%", align="right"),
        Column("lr at your level", align="right"),
        "outside its range",
    )
    note = (
        "Excess: expected loss above the sweep's own optimum at the target by the bowl of a typical group; a parabola, "
        "so that far off it is rough, and too low at rates far above the optimum. A rule without a batch is given the "
        "best one for its rate. At your level: the rule's slope through the sweep's own optima."
    )
    return Table("Published rules at the target", columns, rows, note=note)


def _tokens(value: Interval | None) -> str:
    return "" if value is None else format_quantity(value.value)


def _ratio(value: Interval) -> str:
    return f"{value.value:.2g}"


def _rule_words(cost: RuleCost) -> str:
    note = f" Beware: {cost.rule.note}." if cost.rule.note else ""
    return f"{cost.rule.name}: {cost.rule.conditions}; N counted: {cost.rule.counts}.{note}"


def _method(tuning: Tuning) -> list[str]:
    axes = "ln lr and ln batch" if len(tuning.settings) > 1 else "ln lr"
    bowls = (
        f"In each group log loss is a quadratic in {axes} near its bottom; cells far above it, and crashed ones, only "
        "say that the loss is no lower there."
    )
    law = (
        "The law is a regression of ln optima whose scatter beyond their errors is estimated; optima at an end of "
        "their sweep enter as inequalities."
    )
    shared = ["Curvatures are shared between groups as far as they agree."] if len(tuning.optima) > 2 else []
    return [bowls, *shared, law, f"N counts parameters: {tuning.counts}."]


def _group(values: Mapping[str, float]) -> str:
    return ", ".join(f"{k} = {format_quantity(v, digits=3)}" for k, v in values.items())


def tuning_document(tuning: Tuning) -> dict[str, Any]:
    """A tuning as plain values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "source": tuning.source,
        "by": list(tuning.by),
        "settings": list(tuning.settings),
        "laws": [_law_document(law) for law in (tuning.lr_law, tuning.batch_law) if law is not None],
        "no_law": tuning.no_law or None,
        "optima": [
            {
                "group": dict(o.group),
                "settings": {k: _plain(v) for k, v in o.settings.items()},
                "side": dict(o.side),
                "loss": o.loss,
                "measured": dict(o.measured),
                "cells": o.cells,
                "bounds": o.bounds,
            }
            for o in tuning.optima
        ],
        "set_aside": [{"group": dict(group), "reason": reason} for group, reason in tuning.set_aside],
        "noise": tuning.noise,
        "correlation": tuning.correlation,
        "level": tuning.level,
        "seed": tuning.seed,
        "counts": tuning.counts,
        "warnings": list(tuning.warnings),
    }


def target_document(found: TunedSettings) -> dict[str, Any]:
    """Settings at a target as plain values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "at": dict(found.at),
        "lr": _plain(found.lr),
        "lr_law": _plain(found.lr_law),
        "batch": _plain(found.batch),
        "batch_law": _plain(found.batch_law),
        "regret": _plain(found.regret),
        "reach": dict(found.reach),
        "rules": [
            c.rule.to_dict()
            | {
                "lr_ratio": _plain(c.lr_ratio),
                "batch_ratio": _plain(c.batch_ratio),
                "excess": _plain(c.excess),
                "scaled_lr": c.scaled_lr,
                "scaled_batch": c.scaled_batch,
            }
            for c in found.rules
        ],
        "level": found.level,
        "warnings": list(found.warnings),
        "tuning": tuning_document(found.tuning),
    }


def _law_document(law: SettingLaw) -> dict[str, Any]:
    return {
        "setting": law.setting,
        "amplitude": _plain(law.amplitude),
        "exponents": {k: _plain(v) for k, v in law.exponents.items()},
        "scatter": _plain(law.scatter),
        "groups": law.groups,
        "inequalities": law.inequalities,
    }


def _plain(value: Interval | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"value": value.value, "low": value.low, "high": value.high, "unit": value.unit}
