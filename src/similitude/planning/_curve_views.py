"""How fits of training curves, choices of a schedule and forecasts of a run show themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._digits import format_number
from similitude._view import Axis, Band, Column, Figure, Interval, Line, Marker, Points, Section, Table, Text
from similitude.planning._curves import CurveFit, _t
from similitude.planning._training_curve import TrainingCurve

if TYPE_CHECKING:
    from similitude.planning._in_run import RunForecast
    from similitude.planning._schedule_choice import ScheduleChoice

__all__ = ["choice_figure", "choice_section", "choice_table", "fit_figure", "fit_table", "rates_figure", "run_figure",
           "run_section", "run_table"]  # fmt: skip

DRAWN = 400  # readings of a curve that are drawn
SHOWN = 4  # schedules of a choice that are drawn
EARLY = 0.15  # share of a run above whose loss nothing is drawn, so that its end can be seen
STROKES = ("fitted", "extrapolated", "extrapolated", "extrapolated")
TITLES = {"multi_power": "multi-power law", "annealing": "annealing law"}


def fit_table(fit: CurveFit) -> Table:
    """Coefficients, misfit, and the other law's."""
    spread = np.sqrt(np.diag(fit.covariance)) * _t(fit.freedom, fit.level)
    rows: list[tuple[str, Any]] = [
        (k, Interval(v, float(v * np.exp(-s)), float(v * np.exp(s))))
        for (k, v), s in zip(fit.values.items(), spread, strict=True)
    ]
    rows += [(f"error of the {TITLES[k]} on {fit.tested}", f"{v:.2%}") for k, v in fit.evidence.items()]
    rows.append(("scatter of a reading", f"{fit.noise:.3%}"))
    names = ", ".join(f"{c.name} ({len(c)} readings)" for c in fit.curves)
    note = (
        f"Fitted to {names}. Intervals at {fit.level:.0%}, each curve's misfit counted as eight independent readings."
    )
    return Table(f"Training curves: {TITLES[fit.law]}", ("quantity", "value"), rows, note)


def fit_figure(fit: CurveFit, others: Sequence[TrainingCurve] = ()) -> Figure:
    """Curves and law."""
    series: list[Any] = []
    tops = []
    for curve, role in [*((c, "fitted") for c in fit.curves), *((c, "extrapolated") for c in others)]:
        whole = curve.schedule
        assert whole is not None
        told = fit.predict(whole)
        tops.append(float(np.interp(whole.warm_up + EARLY * (len(whole) - whole.warm_up), told.steps, told.loss)))
        series += [
            Band(f"{fit.level:.0%} band of the curve", told.steps, told.low, told.high),
            Line("law, fitted" if role == "fitted" else "law, predicted", told.steps, told.loss, role=role),
            _points(curve, whole.warm_up),
        ]
    axis = Axis("Loss", "nats/token", "linear", high=max(tops))
    return Figure("Training curves and the law", Axis("Step", "steps", "linear"), axis, series,
                  note="Solid: curves the law was fitted to; dashed: predicted.")  # fmt: skip


def _points(curve: TrainingCurve, warm_up: int) -> Points:
    kept = np.flatnonzero((curve.steps > warm_up) & np.isfinite(curve.loss))
    some = kept[np.unique(np.linspace(0, len(kept) - 1, DRAWN).astype(int))] if len(kept) else kept
    return Points("readings", curve.steps[some], curve.loss[some], labels=[curve.name] * len(some))


def choice_table(choice: ScheduleChoice) -> Table:
    """Ranked schedules."""
    rows = [
        (
            c.name,
            c.final,
            "best" if i == 0 else Interval(c.excess.value, c.excess.low, c.excess.high),
            "; ".join(c.notes),
        )
        for i, c in enumerate(choice.candidates)
    ]
    columns = ("schedule", Column("final loss", align="right"), Column("above the best", align="right"), "beware")
    note = (
        f"Intervals at {choice.level:.0%}. A difference whose interval holds zero is none that these curves can tell."
    )
    return Table(f"Schedules for {choice.steps} steps", columns, rows, note)


def choice_figure(choice: ScheduleChoice) -> Figure:
    """Predicted curves."""
    series: list[Any] = []
    for i, c in enumerate(_drawn(choice)):
        told = choice.fit.predict(c.schedule, level=choice.level)
        if i == 0:
            series.append(Band(f"{choice.level:.0%} band of {c.name}", told.steps, told.low, told.high))
        series.append(Line(c.name, told.steps, told.loss, role=STROKES[i], group=float(i)))
    late = choice.best.schedule.warm_up + EARLY * choice.steps
    tops = [float(np.interp(late, s.x, s.y)) for s in series if isinstance(s, Line)]
    axis = Axis("Loss", "nats/token", "linear", high=max(tops))
    axes, note = (Axis("Step", "steps", "linear"), axis), _drawn_note(choice)
    return Figure("Predicted curves", *axes, series, shade=_ranked(choice), name="schedule-curves", note=note)


def rates_figure(choice: ScheduleChoice) -> Figure:
    """Learning rates."""
    series = []
    for i, c in enumerate(_drawn(choice)):
        at = np.unique(np.linspace(1, choice.steps, DRAWN).astype(int))
        series.append(Line(c.name, at, c.schedule.rates[at - 1], role=STROKES[i], group=float(i)))
    axes = Axis("Step", "steps", "linear"), Axis("Learning rate", "", "linear")
    return Figure(
        "Their learning rates", *axes, series, shade=_ranked(choice), name="schedule-rates", note=_drawn_note(choice)
    )


def _ranked(choice: ScheduleChoice) -> Axis:
    """The schedules drawn, the best first, as what colours stand for."""
    return Axis("schedule", "", "linear", names={float(i): c.name for i, c in enumerate(_drawn(choice))})


def _drawn_note(choice: ScheduleChoice) -> str:
    return (
        "Solid: " + choice.best.name + ", predicted best; then " + ", ".join(c.name for c in _drawn(choice)[1:]) + "."
    )


def _drawn(choice: ScheduleChoice) -> list[Any]:
    """The best, the best of each other family, and the worst."""
    kinds: dict[str, Any] = {}
    for c in choice.candidates:
        kinds.setdefault(c.name.split(",")[0].split(" ")[0], c)
    return list(kinds.values())[:SHOWN]


def choice_section(choice: ScheduleChoice) -> Section:
    """Everything a report says of a choice."""
    items: list[Any] = [choice.table()]
    if choice.warnings:
        items.append(Text("Beware", points=choice.warnings, tone="warning"))
    return Section(
        f"The schedule: {choice.best.name}", (*items, choice.figure(), choice.rates_figure(), choice.fit.table())
    )


def run_table(found: RunForecast) -> Table:
    """The forecast, row by row."""
    rows: list[tuple[str, Any]] = [
        (
            "done",
            f"step {format_number(found.now, digits=6)} of {format_number(found.end, digits=6)} ({found.done:.0%})",
        ),
        ("loss now", f"{found.current:.4f}"),
        ("final loss", found.final),
        ("one reading there", found.reading),
        ("scatter of a reading", f"{found.scatter:.2%}"),
        ("events", str(len(found.events)) if found.events else "none"),
    ]
    note = f"Intervals at {found.level:.0%}. Rests on {found.basis}."
    return Table(f"Forecast of {found.curve.name}", ("quantity", "value"), rows, note)


def run_figure(found: RunForecast) -> Figure:
    """The curve so far and the cone."""
    seen, cone = found.seen, found.cone
    places = np.flatnonzero(seen.sound)
    places = places[np.unique(np.linspace(0, len(places) - 1, DRAWN).astype(int))]
    series: list[Any] = [
        Band(f"{found.level:.0%} of the curve", cone["steps"], cone["low"], cone["high"]),
        Line("forecast", cone["steps"], cone["loss"], role="extrapolated"),
        Points("readings", seen.steps[places], np.exp(seen.log_loss[places])),
    ]
    if (~seen.sound).any():
        out = np.flatnonzero(~seen.sound)[:DRAWN]
        series.append(Points("left out", seen.steps[out], np.exp(seen.log_loss[out]), role="outlier"))
    end = found.final
    series.append(Marker("final loss", found.end, end.value, role="target", y_low=end.low, y_high=end.high,
                         label=f"{end.value:.3f}"))  # fmt: skip
    top = float(np.exp(np.quantile(seen.log_loss[seen.sound], 0.97))) if len(places) else None
    return Figure("The run and where it is going", Axis("Progress", "", "linear", ticks="count"),
                  Axis("Loss", "nats/token", "linear", high=top), series, name="run-forecast")  # fmt: skip


def run_section(found: RunForecast) -> Section:
    """Everything a report says of a run under way."""
    items: list[Any] = [found.table()]
    if found.events:
        items.append(Text("What happened", points=[e.sentence for e in found.events]))
    if found.warnings:
        items.append(Text("Beware", points=found.warnings, tone="warning"))
    return Section(f"Forecast of {found.curve.name}", (*items, found.figure()))
