"""Training curves named on the command line: a table with a row a reading, and the schedule it follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from similitude._errors import ArgumentError, DataError, did_you_mean
from similitude.cli import _parse
from similitude.cli._sources import data_set_of

if TYPE_CHECKING:
    from similitude._schedule import Schedule
    from similitude.planning import TrainingCurve
    from similitude.runs import Runs

__all__ = ["curve_options", "read_curves", "schedule_of"]

EXAMPLE = "cosine:24000,peak=3e-4,end=3e-5,warm-up=2160"
_OPTIONS = (
    click.option("--step", "step_column", metavar="COLUMN", help="Column of steps.  [default: as it is called]"),
    click.option("--loss", "loss_column", metavar="COLUMN", help="Column of the loss.  [default: as it is called]"),
    click.option("--lr", "rate_column", metavar="COLUMN", help="Column of logged learning rates."),
    click.option("--where", metavar="CONDITION", help="Use only these readings, e.g. \"model == '25M'\"."),
)
_STEPS = ("tokens", "tokens_so_far", "D")


def curve_options(function: Any) -> Any:
    """Everything that says how a table of readings is to be read."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def schedule_of(option: str, text: str) -> Schedule:
    """The schedule of SHAPE:STEPS,peak=...,end=...,warm-up=...,cooldown=..."""
    from similitude._schedule import schedule

    head, _, rest = text.partition(",")
    shape, colon, steps = head.partition(":")
    if not colon:
        raise ArgumentError(f"{option} {text!r}: expected SHAPE:STEPS and rates, such as {EXAMPLE}")
    given = {k.replace("-", "_"): v for k, v in _parse.assignments(option, rest, "peak=3e-4").items()} if rest else {}
    known = ("peak", "end", "warm_up", "cooldown")
    for name in given:
        if name not in known:
            raise ArgumentError(
                f"{option} {text!r}: no '{name}'{did_you_mean(name, known)} (there are {', '.join(known)})"
            )
    if "peak" not in given:
        raise ArgumentError(f"{option} {text!r}: the peak rate is missing, such as peak=3e-4")
    read: dict[str, Any] = {k: _parse.number(f"{option} {k}", v) for k, v in given.items()}
    if "warm_up" in read:
        read["warm_up"] = _whole(f"{option} warm-up", read["warm_up"])
    return schedule(shape.strip(), _whole(option, _parse.number(option, steps)), **read)


def _whole(option: str, value: float) -> int:
    if value != round(value):
        raise ArgumentError(f"{option}: {value:g} is not a whole number of steps")
    return int(value)


def read_curves(
    source: str, options: dict[str, Any], plan: Schedule | None, *, by: str | None = None, whole: bool = True
) -> list[TrainingCurve]:
    """The curves of a table, one for each value of the column `by`; `plan` is their schedule, else the logged rates.

    `whole`: the logged rates are the whole schedule, as of a run that ended.
    """
    runs = _readings(source, options)
    name = runs.source if by is None else ""
    if by is None:
        return [_curve(runs, name, options, plan, whole)]
    if by not in runs.names:
        raise ArgumentError(f"--by {by}: {runs.source} has no such column{did_you_mean(by, runs.names)}")
    values = list(dict.fromkeys(str(v) for v in runs.labels(by)))
    return [_curve(runs.where(**{by: v}), v, options, plan, whole) for v in values]


def _readings(source: str, options: dict[str, Any]) -> Runs:
    from similitude.runs import datasets, read_runs

    published = data_set_of(source)
    if published is None:
        columns = {"loss": options["loss_column"]} if options["loss_column"] else {}
        return read_runs(source, columns=columns, check=False, not_finite="censored", where=options["where"])
    data_set, _, table = published.partition("/")
    runs = datasets.load(data_set, table or None, loss=options["loss_column"])
    return runs.where(options["where"]) if options["where"] else runs


def _curve(runs: Runs, name: str, options: dict[str, Any], plan: Schedule | None, whole: bool) -> TrainingCurve:
    from similitude.planning import TrainingCurve

    steps = _column(runs, options["step_column"], ("step", *_STEPS), "--step", "steps")
    loss = np.asarray(runs.column(runs.output), float)
    if plan is None and options["rate_column"]:
        rates = _column(runs, options["rate_column"], (), "--lr", "learning rates")
        plan = _logged(steps, rates, options.get("warm_up")) if whole else None
    return TrainingCurve(steps, loss, plan, name)


def _column(runs: Runs, given: str | None, usual: Sequence[str], option: str, what: str) -> np.ndarray:
    there = {old: new for new, old in runs.original_names.items()} | {n: n for n in runs.names}
    there |= runs.original_names
    if given is not None:
        if given not in there:
            raise ArgumentError(f"{option} {given}: {runs.source} has no such column{did_you_mean(given, there)}")
        return np.asarray(runs.column(there[given] if there[given] in runs.names else given), float)
    for name in usual:
        if name in runs.names:
            return np.asarray(runs.column(name), float)
    raise DataError(f"{runs.source} has no column of {what} by its usual names; say which with {option}")


def _logged(steps: np.ndarray, rates: np.ndarray, warm_up: str | None) -> Schedule:
    from similitude.planning import logged_schedule

    order = np.argsort(steps, kind="stable")
    steps, rates = steps[order], rates[order]
    kept = np.append(np.diff(steps) > 0, True) & (steps > 0)
    rise = None if warm_up is None else _whole("--warm-up", _parse.number("--warm-up", warm_up))
    return logged_schedule(steps[kept], rates[kept], warm_up=rise)
