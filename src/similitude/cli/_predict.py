"""`similitude predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from similitude._errors import ArgumentError
from similitude.cli import _parse
from similitude.cli._options import json_option
from similitude.cli._output import print_json, print_text
from similitude.cli._sources import read_estimate, read_points

if TYPE_CHECKING:
    from similitude.laws import Estimate, Prediction

MANY = 200  # points beyond which the JSON document is not indented

_EPILOG = """\b
Examples:
  similitude predict fit.json --at N=70B,D=1.4T --at N=8B,D=15T
  similitude predict fit.json --points planned.csv --json
  similitude predict chinchilla:besiroglu2024 --at N=70B,D=1.4T
"""


@click.command("predict", epilog=_EPILOG)
@click.argument("fit")
@click.option(
    "--at", metavar="INPUT=VALUE,...", multiple=True, help="A point, e.g. N=70B,D=1.4T; may be given many times."
)
@click.option("--points", metavar="TABLE", help='A table with a point in each row ("-": standard input).')
@click.option("--reach", metavar="VALUE", help="Solve for the one input left out of --at, e.g. a loss of 2.1.")
@click.option("--level", type=float, help="Coverage of the intervals.  [default: that of the fit]")
@click.option("--group", metavar="VALUE", help="Which fit of those made --by a column.")
@json_option
def command(
    fit: str,
    at: tuple[str, ...],
    points: str | None,
    reach: str | None,
    level: float | None,
    group: str | None,
    as_json: bool,
) -> None:
    """Predict at inputs, with intervals.

    FIT is a file that 'similitude fit -o FIT' wrote ("-" for standard input), or a published set such as
    chinchilla:besiroglu2024, which has no runs and so no interval. With --reach the law is solved the other way round:
    for the input that --at leaves out.
    """
    if reach is not None:
        if points is not None or len(at) > 1:
            raise ArgumentError("--reach solves one question: give the other inputs with one --at, and no --points")
        _solve(read_estimate(fit, group), at, reach, level, as_json)
        return
    if bool(at) == (points is not None):
        raise ArgumentError("give points to predict at: either --at N=70B,D=1.4T or --points TABLE")
    if fit == "-" and points == "-":
        raise ArgumentError("the fit and the points cannot both come from standard input")
    estimate = read_estimate(fit, group)
    made = _at_table(estimate, points, level) if points is not None else _at_each(estimate, at, level)
    if as_json:
        document = [_entry(p) for p in made]
        print_json({"predictions": document}, compact=len(document) > MANY)
    else:
        print_text("\n".join([str(_table(estimate, made)), *_notes(estimate, made)]))


def _solve(estimate: Estimate, at: tuple[str, ...], reach: str, level: float | None, as_json: bool) -> None:
    """The input left out at which the law reaches a value."""
    given = _parse.points(at, estimate.law.inputs) if at else [{}]
    others = {_symbol(estimate, k): v for k, v in given[0].items()}
    found = estimate.inverse(_parse.number("--reach", reach), level=level, **others)
    name = next(k for k in estimate.law.inputs if k not in others)
    if as_json:
        print_json({"solved": {**_entry(found), "input": name}})
        return
    from similitude._view import Column, Interval, Table

    head = Column(name if found.level is None else f"{name}, {found.level:.0%} interval", found.unit)
    cell = found.value if found.level is None else Interval(found.value, found.low, found.high)
    target = found.at["output"]
    print_text(Table(f"{estimate.label} reaches {target:g}", (*others, head), [(*map(str, others.values()), cell)]))
    print_text("\n".join(found.notes)) if found.notes else None


def _at_each(estimate: Estimate, at: tuple[str, ...], level: float | None) -> list[Prediction]:
    given = [{_symbol(estimate, k): v for k, v in point.items()} for point in _parse.points(at, estimate.law.inputs)]
    return [estimate.predict(level=level, **point) for point in given]


def _symbol(estimate: Estimate, name: str) -> str:
    """The fit's own name of an input that is called as its column was, or as in the law of the catalogue."""
    from similitude.laws import catalogue

    law = estimate.law
    if name in law.inputs:
        return name
    listed = catalogue().get(law.name)
    symbols = dict(zip(listed.inputs, law.inputs)) if listed and len(listed.inputs) == len(law.inputs) else {}
    return (symbols | dict(getattr(getattr(estimate, "runs", None), "original_names", {}))).get(name, name)


def _at_table(estimate: Estimate, source: str, level: float | None) -> list[Prediction]:
    """One call for all rows, taken apart into a prediction each."""
    from dataclasses import replace

    inputs = read_points(source, estimate.law)
    many = estimate.predict(level=level, **inputs)
    columns = {k: getattr(many, k) for k in ("value", "low", "high", "extrapolation", "new_low", "new_high")}
    points = [{k: float(v[i]) for k, v in inputs.items()} for i in range(len(many.value))]
    of_all = _range_notes(estimate, points)
    shared = tuple(note for note in many.notes if note not in of_all)
    return [
        replace(
            many,
            at=point,
            notes=(*_range_notes(estimate, [point]), *shared),
            **{k: None if v is None else _known(v[i]) for k, v in columns.items()},
        )
        for i, point in enumerate(points)
    ]


def _range_notes(estimate: Estimate, points: list[dict[str, float]]) -> tuple[str, ...]:
    """What the inputs of these points are beside the range of the runs; nothing for an estimate without runs."""
    if not hasattr(estimate, "runs"):
        return ()
    import numpy as np

    from similitude.fitting._diagnose import range_notes

    return range_notes(estimate, {k: np.array([p[k] for p in points], float) for k in estimate.law.inputs})


def _known(value: float) -> float | None:
    return float(value) if value == value and abs(value) != float("inf") else None


def _entry(prediction: Prediction) -> dict[str, Any]:
    return {**prediction.to_dict(), "unit": prediction.unit}


def _table(estimate: Estimate, made: list[Prediction]) -> Any:
    from similitude._view import Column, Table

    first = made[0]
    if first.level is None:
        columns: list[Any] = [*estimate.law.inputs, Column("value", first.unit)]
        note = "A published set has no runs behind it, so there is no interval."
    else:
        interval = Column(f"value, {first.level:.0%} interval", first.unit)
        columns = [*estimate.law.inputs, interval, "a new run", "beyond the runs"]
        note = ""
    return Table(estimate.label, columns, [_row(estimate, p) for p in made], note=note)


def _notes(estimate: Estimate, made: list[Prediction]) -> tuple[str, ...]:
    """The notes of all points together: one for each input that leaves the runs, then what else was noted."""
    points = [{k: float(v) for k, v in p.at.items()} for p in made]
    each = {note for point in points for note in _range_notes(estimate, [point])}
    others = dict.fromkeys(note for p in made for note in p.notes if note not in each)
    return (*_range_notes(estimate, points), *others)


def _row(estimate: Estimate, p: Prediction) -> tuple[Any, ...]:
    from similitude._quantity import format_quantity
    from similitude._view import Interval

    at = tuple(format_quantity(p.at[name]) for name in estimate.law.inputs)
    if p.level is None:
        return (*at, p.value)
    new_run = Interval(p.value, p.new_low, p.new_high).text().partition(" ")[2]
    return (*at, Interval(p.value, p.low, p.high), new_run, _reach(estimate, p))


def _reach(estimate: Estimate, p: Prediction) -> str:
    """How far beyond the runs a point lies; never "within" where one of its inputs is not."""
    from similitude.fitting._diagnose import inputs_outside

    if p.extrapolation is not None and p.extrapolation > 1:
        return f"{p.extrapolation:.3g}x the largest"
    if outside := inputs_outside(estimate, p.at):
        return f"outside in {', '.join(outside)}"
    return "unknown" if p.extrapolation is None else "within"
