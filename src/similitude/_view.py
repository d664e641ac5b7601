"""The plain values results show themselves with: Text, Table, Figure, Ruler, Report.

They hold numbers and words, compute no statistics and draw nothing; `similitude.reports` draws them as terminal text,
HTML and figures for paper, so that every form shows the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np

from similitude._digits import format_interval
from similitude._errors import ArgumentError

__all__ = [
    "Axis",
    "Band",
    "Column",
    "Figure",
    "FirstScreen",
    "Interval",
    "Line",
    "Marker",
    "Points",
    "Report",
    "Rule",
    "Ruler",
    "Section",
    "Table",
    "Text",
    "View",
]

ROLES = (
    "measured",
    "outlier",
    "binned",
    "fitted",
    "extrapolated",
    "band",
    "frontier",
    "optimum",
    "target",
    "contour",
    "reference",
)
SCHEMA_VERSION = 1


class View:
    """What every view value can do: print itself, show itself in a notebook, become plain data."""

    def __str__(self) -> str:
        return _draw("draw_text", self)

    def _repr_html_(self) -> str:
        return _draw("draw_notebook", self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data fit for JSON; numbers that are not finite become None."""
        return {"view": type(self).__name__, "schema_version": SCHEMA_VERSION, **_plain_fields(self)}


def _draw(drawing: str, view: View) -> str:
    # The room that draws lies above this file, so its name is looked up when a drawing is asked for.
    from importlib import import_module

    return getattr(import_module("similitude.reports"), drawing)(view)


def _plain_fields(value: Any) -> dict[str, Any]:
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {"view": type(value).__name__, **_plain_fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@dataclass(frozen=True)
class Interval(View):
    """A number with the ends of its interval; an end that is not known is None and prints as "…".

    >>> Interval(0.34781, 0.3174, 0.3732).text()
    '0.348 [0.317, 0.373]'
    >>> Interval(1.8172, None, 1.8712, "nats/token").text()
    '1.817 […, 1.871] nats/token'
    """

    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""

    def text(self) -> str:
        """Digits follow the error: two figures of it, the value to match."""
        return format_interval(self.value, self.low, self.high, str(self.unit))

    def __str__(self) -> str:
        return self.text()


Numbers = Sequence[float] | np.ndarray
Cell = str | int | float | bool | None | Interval


@dataclass(frozen=True)
class Text(View):
    """Paragraphs, and points below them. `markup="mathml"` marks paragraphs that are formulas in MathML.

    Only the package's own formula writer may use that markup: it is the one text that is not escaped.
    """

    title: str = ""
    paragraphs: Sequence[str] = ()
    points: Sequence[str] = ()
    tone: Literal["plain", "warning", "headline"] = "plain"
    markup: Literal["text", "mathml"] = "text"

    def __post_init__(self) -> None:
        _one_of("tone", self.tone, ("plain", "warning", "headline"))
        _one_of("markup", self.markup, ("text", "mathml"))
        _set(self, paragraphs=_words(self.paragraphs), points=_words(self.points))


@dataclass(frozen=True)
class Column:
    """A column's name, unit, alignment (None: numbers to the right) and significant digits of bare numbers."""

    name: str
    unit: str = ""
    align: Literal["left", "right"] | None = None
    digits: int = 4


@dataclass(frozen=True)
class Table(View):
    """Rows of text, numbers and intervals under named columns.

    >>> table = Table("Parameters", ("name", Column("value", "nats/token")), [("E", Interval(1.817, 1.77, 1.87))])
    >>> print(table)
    Parameters
    name  value [nats/token]
    ────  ────────────────────
    E     1.817 [1.770, 1.870]
    """

    title: str
    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def __post_init__(self) -> None:
        columns = tuple(c if isinstance(c, Column) else Column(str(c)) for c in self.columns)
        rows = tuple(tuple(_cell(v) for v in row) for row in self.rows)
        for i, row in enumerate(rows, 1):
            if len(row) != len(columns):
                raise ArgumentError(f"table '{self.title}' row {i} has {len(row)} cells; expected {len(columns)}")
        _set(self, columns=columns, rows=rows)

    @property
    def heads(self) -> tuple[Column, ...]:
        """The columns, each a `Column`."""
        return tuple(c for c in self.columns if isinstance(c, Column))


@dataclass(frozen=True)
class Axis:
    """An axis: what it measures, its unit, log or linear, and how ticks are written.

    `ticks`: "count" is 1B and 10B, "power" is 10^21, "plain" is 2.5; None follows the unit.
    """

    label: str
    unit: str = ""
    scale: Literal["log", "linear"] = "log"
    ticks: Literal["count", "power", "plain"] | None = None
    low: float | None = None
    high: float | None = None
    names: Mapping[float, str] = field(default_factory=dict)  # of groups that stand for names, not numbers

    def __post_init__(self) -> None:
        _one_of("scale", self.scale, ("log", "linear"))
        if self.ticks is None:
            by_unit = {"parameters": "count", "tokens": "count", "runs": "count", "FLOP": "power"}
            _set(self, ticks=by_unit.get(str(self.unit), "plain"))

    @property
    def title(self) -> str:
        """Label and unit as printed along the axis."""
        same = not self.unit or str(self.unit).casefold() == self.label.casefold()
        return self.label if same else f"{self.label} [{self.unit}]"


@dataclass(frozen=True)
class Points:
    """Measured things. `group` colours the whole series, `shade` each point, both on the figure's `shade` axis.

    `values` are further columns (name -> one value a point) for the tooltip and the CSV; `low`, `high` error bars in y.
    """

    name: str
    x: Numbers
    y: Numbers
    role: str = "measured"
    group: float | None = None
    shade: Numbers | None = None
    low: Numbers | None = None
    high: Numbers | None = None
    labels: Sequence[str] | None = None
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _series(self, "x", "y", "shade", "low", "high")
        labels = None if self.labels is None else _words(self.labels)
        values = {str(k): tuple(_cell(v) for v in _listed(column)) for k, column in self.values.items()}
        _set(self, labels=labels, values=values)
        _same_length(self, {"labels": labels, **values})


@dataclass(frozen=True)
class Line:
    """A curve; role "extrapolated" is drawn dashed. `label` is written at its end."""

    name: str
    x: Numbers
    y: Numbers
    role: str = "fitted"
    group: float | None = None
    label: str = ""

    def __post_init__(self) -> None:
        _series(self, "x", "y")


@dataclass(frozen=True)
class Band:
    """The region between `low` and `high`; the name says what it is, e.g. "90 % confidence band"."""

    name: str
    x: Numbers
    low: Numbers
    high: Numbers
    role: str = "band"
    group: float | None = None

    def __post_init__(self) -> None:
        _series(self, "x", "low", "high")


@dataclass(frozen=True)
class Marker:
    """One place worth a name: an optimum, a target; with the ends of its intervals where they are known."""

    name: str
    x: float
    y: float
    role: str = "optimum"
    x_low: float | None = None
    x_high: float | None = None
    y_low: float | None = None
    y_high: float | None = None
    group: float | None = None
    label: str = ""

    def __post_init__(self) -> None:
        _one_of("role", self.role, ROLES)
        _set(self, x=float(self.x), y=float(self.y))


@dataclass(frozen=True)
class Rule:
    """A straight line across the figure at one value of `axis`."""

    name: str
    at: float
    axis: Literal["x", "y"] = "x"
    role: str = "reference"

    def __post_init__(self) -> None:
        _one_of("role", self.role, ROLES)
        _one_of("axis", self.axis, ("x", "y"))


Series = Points | Line | Band | Marker | Rule


@dataclass(frozen=True)
class Figure(View):
    """Series over two axes. `shade` is the quantity colours stand for; `alt` describes the figure to those who cannot
    see it; `note` is printed below it; `name` is its file name when saved or downloaded."""

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    shade: Axis | None = None
    note: str = ""
    alt: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        _set(self, series=tuple(self.series), name=self.name or _file_name(self.title))


@dataclass(frozen=True)
class Ruler(View):
    """How far the target lies from anything measured, on one quantity: smallest and largest run, target.

    `tested` is the largest value a back-test on these runs reached from its own cut-off, as a ratio: a law fitted up
    to some compute was checked `tested` times beyond it.
    """

    label: str
    smallest: float
    largest: float
    target: float
    unit: str = ""
    tested: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.smallest <= self.largest or not self.target > 0:
            raise ArgumentError(f"ruler '{self.label}': expected 0 < smallest <= largest and a positive target")


@dataclass(frozen=True)
class FirstScreen(View):
    """The four answers of a report's first screen, a sentence each; `change` holds what would move them most."""

    run: str
    get: str
    sure: str
    change: Sequence[str] = ()
    score: Interval | None = None
    ruler: Ruler | None = None

    def __post_init__(self) -> None:
        _set(self, change=_words(self.change))


@dataclass(frozen=True)
class Section(View):
    """A titled run of views."""

    title: str
    items: Sequence[View] = ()

    def __post_init__(self) -> None:
        _set(self, items=tuple(self.items))


@dataclass(frozen=True)
class Report(View):
    """A whole report. `document` is the JSON that reproduces it; `simulated` marks every page of it."""

    title: str
    subtitle: str = ""
    simulated: bool = False
    first: FirstScreen | None = None
    sections: Sequence[Section] = ()
    provenance: Table | Text | None = None
    document: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _set(self, sections=tuple(self.sections))


def _set(value: Any, **changes: Any) -> None:
    for name, change in changes.items():
        object.__setattr__(value, name, change)


def _one_of(what: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise ArgumentError(f"{what} = {value!r}; expected one of {', '.join(known)}")


def _words(values: Iterable[Any]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(str(v) for v in values)


def _listed(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _cell(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, (str, int, float, type(None), Interval)) else str(value)


def _series(series: Any, *names: str) -> None:
    _one_of("role", series.role, ROLES)
    columns = {n: getattr(series, n) for n in names}
    columns = {n: None if v is None else tuple(np.ravel(np.asarray(v, float)).tolist()) for n, v in columns.items()}
    _set(series, **columns)
    _same_length(series, columns)


def _same_length(series: Any, columns: Mapping[str, Sequence[Any] | None]) -> None:
    for name, column in columns.items():
        if column is not None and len(column) != len(series.x):
            raise ArgumentError(f"series '{series.name}': {name} has {len(column)} values; expected {len(series.x)}")


def _file_name(title: str) -> str:
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in title.lower()).split()) or "figure"
