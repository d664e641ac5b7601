"""`similitude watch`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from similitude._errors import SimilitudeError
from similitude.cli._options import json_option
from similitude.cli._output import print_json, print_text

if TYPE_CHECKING:
    from similitude._view import View
    from similitude.runs import Curve
    from similitude.runs.store._live import Live

_EPILOG = """\b
Examples:
  similitude watch
  similitude watch runs/similitude.db --metric "val/loss"
  similitude watch --once --json

The forecast takes the last step from the run's settings (max_steps, total_steps, num_iterations ...), and its schedule
from a setting "schedule" such as cosine:10000,peak=3e-4, where there is one.
"""
BARS = "▁▂▃▄▅▆▇█"
WIDTH = 24  # of a curve in characters


@click.command("watch", epilog=_EPILOG)
@click.argument("store", default="similitude.db")
@click.option("--metric", metavar="NAME", help="The curve to show and forecast.  [default: the loss]")
@click.option("--every", type=float, default=5.0, show_default=True, help="Seconds between two looks.")
@click.option("--once", is_flag=True, help="Look once and end.")
@click.option("--level", type=float, default=0.9, show_default=True, help="Coverage of the forecast.")
@json_option
def command(store: str, metric: str | None, every: float, once: bool, level: float, as_json: bool) -> None:
    """Watch runs that are under way, and where they will end.

    Runs are those tracked with similitude.track. A run whose process has gone without a word is shown as stopped.
    """
    from similitude._errors import ArgumentError
    from similitude.runs.store import Store
    from similitude.runs.store._live import live_runs

    if not every > 0:
        raise ArgumentError(f"--every {every:g}: expected a number of seconds above zero")
    with Store(store, create=False) as opened:
        if as_json or once or not sys.stdout.isatty():
            told = [_told(live, metric, level) for live in live_runs(opened)]
            return print_json({"schema_version": 1, "runs": told}) if as_json else print_text(_view(told, store))
        _refresh(lambda: _view([_told(live, metric, level) for live in live_runs(opened)], store), every)
    return None


def _refresh(view: Any, every: float) -> None:
    """Draw again and again, until interrupted."""
    from rich.console import Console
    from rich.live import Live as Screen
    from rich.text import Text

    from similitude.reports import draw_text

    console = Console()
    with Screen(console=console, screen=True, auto_refresh=False) as screen:
        while True:
            screen.update(Text(draw_text(view(), width=console.width)), refresh=True)
            time.sleep(every)


def _told(live: Live, metric: str | None, level: float) -> dict[str, Any]:
    """All that is said of one run."""
    from similitude.runs._meanings import setting

    found: dict[str, Any] = {
        "number": live.number,
        "name": live.run.name,
        "state": "running" if live.alive else "stopped",
        "started": live.run.started,
        "heard": live.beat,
        "metric": None,
        "step": None,
        "planned": None,
        "value": None,
        "forecast": None,
        "why": None,
        "seconds_per_step": None,
        "seconds_left": None,
        "curve": [],
    }
    curve = _curve(live, metric)
    if curve is None or not len(curve):
        return {**found, "why": "no loss has been logged"}
    planned = setting(live.run.config, "steps")
    end = planned[1] if planned else None
    found |= {"metric": curve.metric, "step": int(curve.step[-1]), "planned": end, "value": float(curve.value[-1])}
    found["curve"] = _thinned(curve)
    found |= _speed(curve, end)
    found |= _forecast(live, curve, end, level)
    return found


def _curve(live: Live, metric: str | None) -> Curve | None:
    """The metric asked for, else the loss that has most points; None where there is none."""
    from similitude._errors import ArgumentError
    from similitude.runs import curve_of
    from similitude.runs._meanings import loss_metrics

    counts = dict(live.run.curves()["metric"].value_counts().iter_rows())
    if metric is None:
        validation, training = loss_metrics(counts)
        losses = training or validation
        if not losses:
            return None
        metric = max(losses, key=lambda n: counts[n])
    try:
        return curve_of(live.run, metric)
    except ArgumentError:
        return None


def _thinned(curve: Curve) -> list[float]:
    """The mean of the values in each of a few equal stretches."""
    import numpy as np

    good = curve.finite()
    parts = np.array_split(good.value, min(WIDTH, max(len(good), 1)))
    return [float(np.mean(p)) for p in parts if len(p)]


def _speed(curve: Curve, end: float | None) -> dict[str, Any]:
    """Seconds a step over the last half of the points, and what is left at that pace."""
    import numpy as np

    half = slice(len(curve) // 2, None)
    steps, times = curve.step[half], curve.time[half]
    if len(steps) < 2 or not np.isfinite(times).all() or times[-1] <= times[0]:
        return {}
    pace = float((times[-1] - times[0]) / (steps[-1] - steps[0]))
    left = None if end is None else max(end - float(curve.step[-1]), 0.0) * pace
    return {"seconds_per_step": pace, "seconds_left": left}


def _forecast(live: Live, curve: Curve, end: float | None, level: float) -> dict[str, Any]:
    """The final value with its interval, or why there is none."""
    from similitude.cli._training_curves import schedule_of
    from similitude.planning import TrainingCurve, forecast_run

    text = live.run.config.get("schedule")
    try:
        plan = schedule_of("schedule", text) if isinstance(text, str) and ":" in text else None
        if end is None and plan is None:
            return {"why": "the settings do not say how many steps are planned"}
        good = curve.finite()
        rows = good.step >= 1
        readings = TrainingCurve(good.step[rows], good.value[rows], plan, name=live.run.name)
        found = forecast_run(readings, end, level=level)
    except SimilitudeError as error:
        return {"why": str(error)}
    final = {k: getattr(found.final, k) for k in ("value", "low", "high")}
    return {"forecast": {**final, "level": level, "events": [str(e) for e in found.events]}}


def _view(told: list[dict[str, Any]], store: str) -> View:
    from similitude._view import Column, Section, Table, Text

    if not told:
        return Text(store, ["No run is under way."])
    heads = (
        Column("run"),
        Column("state"),
        Column("step", align="right"),
        Column("curve"),
        Column("now", align="right"),
        Column("at the end", align="right"),
        Column("left", align="right"),
    )
    table = Table(store, heads, [_line(t) for t in told])
    notes = [f"{t['name']}: {t['why']}" for t in told if t["why"]]
    notes += [f"{t['name']}: {e}" for t in told for e in (t["forecast"] or {}).get("events", [])]
    return Section(
        f"{len(told)} runs" if len(told) > 1 else "1 run", (table, Text("", points=notes)) if notes else (table,)
    )


def _line(told: dict[str, Any]) -> tuple[str, ...]:
    forecast = told["forecast"]
    step = "" if told["step"] is None else f"{told['step']:,}" + (f"/{told['planned']:,.0f}" if told["planned"] else "")
    at_end = ""
    if forecast:
        ends = [f"{v:.3f}" if v is not None else "?" for v in (forecast["low"], forecast["high"])]
        at_end = f"{forecast['value']:.3f} [{', '.join(ends)}]"
    now = "" if told["value"] is None else f"{told['value']:.4g}"
    return told["name"], told["state"], step, _bars(told["curve"]), now, at_end, _time(told["seconds_left"])


def _bars(values: list[float]) -> str:
    """A curve of blocks."""
    if not values:
        return ""
    low, high = min(values), max(values)
    return "".join(BARS[round((len(BARS) - 1) * (v - low) / (high - low))] if high > low else BARS[0] for v in values)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
