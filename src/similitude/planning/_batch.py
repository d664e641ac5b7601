"""The critical batch from steps to a goal at several batches: steps against examples, three regions, time and money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from similitude._digits import format_number
from similitude._errors import ArgumentError, DataError, SimilitudeError
from similitude._quantity import format_quantity
from similitude._view import Axis, Column, Figure, Interval, Line, Marker, Points, Section, Table, Text
from similitude.fitting import Fit, Intervals, fit
from similitude.laws import get
from similitude.planning._result import Result
from similitude.runs import Runs, read_runs

__all__ = ["BatchChoice", "BatchCurve", "CriticalBatch", "critical_batch"]

PERFECT, WASTED = 0.9, 0.1  # of ideal scaling, -d log steps / d log batch: above is perfect, below is wasted
LEAST = 3  # batches of a curve


@dataclass(frozen=True)
class BatchCurve:
    """One workload and goal: the fewest steps and examples, the critical batch, and where the three regions end.

    `perfect` is the batch up to which doubling it saves nine tenths of an ideal halving of steps, `wasted` that from
    which it saves less than a tenth. `sharper` says whether corners with a power between explain the steps better, by
    AICc. `steps` and `batches` are the data; `lost` counts batches at which the goal was never reached.
    """

    name: str
    goal: float | None
    steps_min: Interval
    examples_min: Interval
    critical: Interval
    perfect: Interval
    wasted: Interval
    sharper: str
    batches: tuple[float, ...]
    steps: tuple[float, ...]
    lost: int
    fit: Fit | None = field(default=None, repr=False)


@dataclass(frozen=True)
class BatchChoice:
    """One batch as a decision: steps, examples, both against their least; hours and dollars where rates are known."""

    batch: float
    steps: float
    examples: float
    steps_over: float
    examples_over: float
    hours: float | None = None
    dollars: float | None = None


@dataclass(frozen=True)
class CriticalBatch(Result):
    """Critical batches of workloads and goals, how they grow as the goal gets harder, and what a batch costs.

    `growth` is B_crit = B_star / L^(1 / alpha_B) over goals that are losses, its parameters with intervals; None with
    fewer than three goals. Made by `critical_batch`.

    >>> import similitude as sim
    >>> batch = [64, 128, 256, 512, 1024, 2048]
    >>> found = sim.critical_batch(
    ...     sim.read_runs({"B": batch, "steps": [1000 * (1 + 400 / b) for b in batch]}, loss="steps")
    ... )
    >>> round(found.curves[0].critical.value)
    400
    """

    curves: tuple[BatchCurve, ...]
    choices: tuple[BatchChoice, ...]
    growth: Mapping[str, Interval] | None
    unit: str
    level: float
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        said = ", ".join(f"{c.name or 'critical batch'} {c.critical.text()}" for c in self.curves[:4])
        return f"CriticalBatch({said})"

    def adjusted(self, batch: float, steps: float, curve: int = 0) -> dict[str, float]:
        """Steps and examples that a run of `steps` at `batch` would take far above and far below the critical batch.

        S_min = S / (1 + B_crit / B) and E_min = B S / (1 + B / B_crit) (Kaplan et al. 2020, eqs. 5.4 and 5.5).

        >>> import similitude as sim
        >>> runs = sim.read_runs(
        ...     {"B": [64, 256, 1024], "steps": [1000 * (1 + 400 / b) for b in (64, 256, 1024)]}, loss="steps"
        ... )
        >>> round(sim.critical_batch(runs).adjusted(400, 2000)["steps"])
        1000
        """
        critical = self.curves[curve].critical.value
        return {"steps": steps / (1 + critical / batch), "examples": batch * steps / (1 + batch / critical)}

    def view(self) -> Section:
        """Curves, regions, choices and figures."""
        items: list[Any] = [_curve_table(self)]
        if self.warnings:
            items.append(Text("Beware", points=self.warnings, tone="warning"))
        if self.growth is not None:
            rows = list(self.growth.items())
            items.append(Table("Growth as the goal gets harder", ("B_crit = B_star / L^(1/alpha_B)", "value"), rows))
        items += [_choice_table(self), _steps_figure(self), _front_figure(self)]
        return Section("Critical batch", tuple(items))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the fits."""
        bare = replace(self, curves=tuple(replace(c, fit=None) for c in self.curves))
        return Result.to_dict(bare)


def critical_batch(
    runs: Any,
    *,
    batch: str = "B",
    steps: str = "steps",
    by: str | None = None,
    goal: str | None = None,
    seconds: float | None = None,
    accelerators: float = 1.0,
    price: float | None = None,
    level: float = 0.9,
) -> CriticalBatch:
    """The critical batch from the steps that runs at several batches take to a goal.

    `runs` are Runs or a frame, such as `steps_to_goal` returns, with columns `batch` (in examples, sequences or tokens,
    the unit of the answer), `steps`, and, if there are several, the workload `by` and the `goal` (a loss). For each
    workload and goal S = S_min (1 + B_crit / B) is fitted to log steps (McCandlish et al. 2018, eq. 2.11), and a law
    with corners beside it. With `seconds` a step takes at the smallest batch, `accelerators` used there and `price`
    dollars an hour of one, batches are weighed by time and money, as many times the accelerators as the batch.

    Raises DataError for fewer than three batches that reach a goal, ArgumentError for columns that are not there.

    >>> import similitude as sim
    >>> runs = sim.read_runs({"B": [64, 256, 1024], "steps": [7250, 2562, 1391]}, loss="steps")
    >>> sim.critical_batch(runs, seconds=0.5, price=2).choices[0].hours is not None
    True
    """
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g}; expected a number between 0 and 1, such as 0.9")
    _check_rates(seconds, accelerators, price)
    table = runs if isinstance(runs, Runs) else read_runs(runs, loss=steps, check=False)
    b, s = table.column(batch), table.column(steps)
    _check_positive(table.source, {batch: b, steps: s})
    groups = table.labels(by) if by is not None else np.full(len(b), "")
    goals = table.column(goal) if goal is not None else np.full(len(b), np.nan)
    curves, warnings = [], []
    for name in dict.fromkeys(groups.tolist()):
        for value in np.unique(goals[groups == name]):
            rows = (groups == name) & ((goals == value) | (np.isnan(goals) & np.isnan(value)))
            found = _curve(str(name), float(value), b[rows], s[rows], level, table.source)
            if isinstance(found, str):
                warnings.append(found)
            else:
                curves.append(found)
    if not curves:
        raise DataError(warnings[0] if warnings else f"{table.source}: no batches with steps to a goal")
    made = CriticalBatch(tuple(curves), _choices(curves[0], seconds, accelerators, price), None, batch, level)
    growth = _growth(curves, level)
    return CriticalBatch(made.curves, made.choices, growth, batch, level, (*warnings, *_warnings(curves)))


def _check_rates(seconds: float | None, accelerators: float, price: float | None) -> None:
    if seconds is not None and not 0 < seconds < np.inf:
        raise ArgumentError(f"seconds = {seconds:g}; expected the time of a step at the smallest batch, above zero")
    if not 0 < accelerators < np.inf:
        raise ArgumentError(f"accelerators = {accelerators:g}; expected how many work on the smallest batch")
    if price is not None and not 0 < price < np.inf:
        raise ArgumentError(f"price = {price:g}; expected dollars for an accelerator and hour, above zero")


def _check_positive(source: str, columns: Mapping[str, np.ndarray]) -> None:
    for name, values in columns.items():
        if (bad := np.flatnonzero(values <= 0)).size:
            raise DataError(
                f"{source}, column '{name}', row {bad[0] + 1}: {values[bad[0]]:g}; expected a positive number, or "
                "nothing where the goal was never reached"
            )


def _without_bend(b: np.ndarray, s: np.ndarray) -> str:
    """Why steps show no critical batch: they do not fall as the batch grows, or fall in proportion throughout."""
    batches = np.unique(b)
    least = np.array([s[b == v].min() for v in batches])
    if not least.min() < least[0]:
        return f"steps do not fall from the smallest batch, {format_quantity(batches[0])}, on: try smaller batches"
    examples = np.log(least) + np.log(batches)
    if np.all(examples <= examples[0] + 1e-6):
        return (
            f"steps fall in proportion to the batch, or faster, up to {format_quantity(batches[-1])}: the critical "
            "batch lies beyond; try larger batches"
        )
    return ""


def _curve(name: str, goal: float, b: np.ndarray, s: np.ndarray, level: float, source: str) -> BatchCurve | str:
    known = np.isfinite(b) & np.isfinite(s) & (b > 0) & (s > 0)
    where = " ".join(filter(None, (name, f"to {goal:g}" if np.isfinite(goal) else "")))
    if len(np.unique(b[known])) < LEAST:
        count = len(np.unique(b[known]))
        reach = "1 batch reaches" if count == 1 else f"{count} batches reach"
        return f"{source}{', ' if where else ''}{where}: {reach} the goal; a curve takes {LEAST}"
    if why := _without_bend(b[known], s[known]):
        return f"{where or source}: {why}"
    table = read_runs({"B": b[known], "loss": s[known]}, check=False)
    try:
        made = fit(get("batch_steps"), table, objective="squares_log", intervals=Intervals(level=level))
    except SimilitudeError as error:
        return f"{where or source}: {error}"
    least, critical = (Interval(made.values[k], *made.ends[k], unit=u) for k, u in (("S_min", "steps"), ("B_crit", "")))
    examples = made.interval_of(lambda p: p["S_min"] * p["B_crit"])
    return BatchCurve(
        name=name,
        goal=goal if np.isfinite(goal) else None,
        steps_min=least,
        examples_min=Interval(*examples),
        critical=critical,
        perfect=_times(critical, (1 - PERFECT) / PERFECT),
        wasted=_times(critical, (1 - WASTED) / WASTED),
        sharper=_sharper(table, made),
        batches=tuple(b[known].tolist()),
        steps=tuple(s[known].tolist()),
        lost=int((~known).sum()),
        fit=made,
    )


def _times(value: Interval, factor: float) -> Interval:
    return Interval(*(None if v is None else v * factor for v in (value.value, value.low, value.high)))  # pyright: ignore[reportArgumentType]


def _sharper(table: Runs, smooth: Fit) -> str:
    """What corners with a power between say, where they explain the steps better by AICc; else nothing."""
    from similitude.fitting._compare import akaike

    law = get("batch_regions")
    if len(table) < len(law.params) + 3:
        return ""
    try:
        made = fit(law, table, objective="squares_log", intervals="delta")
    except SimilitudeError:
        return ""
    if akaike(made) > akaike(smooth) - 2:
        return ""
    p = made.values
    if not p["B_1"] < p["B_2"]:
        return ""
    ends = f"{format_quantity(p['B_1'])} and {format_quantity(p['B_2'])}"
    return f"corners at {ends} fit better (power {p['p']:.2f} between)"


def _choices(
    curve: BatchCurve, seconds: float | None, accelerators: float, price: float | None
) -> tuple[BatchChoice, ...]:
    """Batches from the smallest to ten critical batches, each a power of two times the smallest."""
    smallest = min(curve.batches)
    count = int(np.clip(np.ceil(np.log2(10 * curve.critical.value / smallest)), 1, 24)) + 1
    out = []
    for b in smallest * 2.0 ** np.arange(count):
        steps = curve.steps_min.value * (1 + curve.critical.value / b)
        more = b / smallest
        hours = None if seconds is None else steps * seconds / 3600
        dollars = None if hours is None or price is None else hours * accelerators * more * price
        out.append(
            BatchChoice(float(b), float(steps), float(b * steps), steps / curve.steps_min.value,
                        b * steps / curve.examples_min.value, hours, dollars)
        )  # fmt: skip
    return tuple(out)


def _growth(curves: Sequence[BatchCurve], level: float) -> dict[str, Interval] | None:
    """B_star and alpha_B of the critical batch over losses, from goals of one workload."""
    rows = [(c.goal, c.critical.value) for c in curves if c.goal is not None and c.name == curves[0].name]
    if len({g for g, _ in rows}) < 3:
        return None
    loss, critical = (np.array(v, float) for v in zip(*rows, strict=True))
    try:
        table = read_runs({"L": loss, "critical": critical}, loss="critical", check=False)
        options: Any = {"objective": "squares_log", "intervals": Intervals(level=level)}
        made = fit(get("critical_batch"), table, inputs={"L": "L"}, **options)
    except SimilitudeError:
        return None
    return {k: Interval(made.values[k], *made.ends[k]) for k in made.law.params}


def _warnings(curves: Sequence[BatchCurve]) -> list[str]:
    said = []
    for c in curves:
        where = c.name or "These runs"
        if c.lost:
            said.append(
                f"{where}: at {c.lost} batches the goal was never reached; they are left out, not counted as slow."
            )
        if c.critical.value > max(c.batches):
            said.append(
                f"{where}: the critical batch lies beyond the largest tried, {format_quantity(max(c.batches))}."
            )
        if c.critical.value < min(c.batches):
            said.append(
                f"{where}: the critical batch lies below the smallest tried, {format_quantity(min(c.batches))}."
            )
        if c.sharper:
            said.append(f"{where}: {c.sharper}; the smooth curve's regions are then too wide.")
    return said


def _curve_table(made: CriticalBatch) -> Table:
    rows = []
    for c in made.curves:
        goal = () if all(k.goal is None for k in made.curves) else (f"{c.goal:g}" if c.goal is not None else "",)
        least = Interval(c.steps_min.value, c.steps_min.low, c.steps_min.high)
        rows.append((c.name or "all runs", *goal, c.critical, least, c.examples_min, c.perfect, c.wasted))
    goals = () if all(k.goal is None for k in made.curves) else (Column("goal", align="right"),)
    columns = ("workload", *goals, "critical batch", "least steps", "least examples", "perfect up to", "wasted from")
    note = (
        f"Intervals at {made.level:.0%} by profile likelihood; batches in the unit of {made.unit}. At the critical "
        "batch steps and examples are twice their least. Perfect: doubling the batch saves nine tenths of an ideal "
        "halving of steps; wasted: less than a tenth."
    )
    return Table("Critical batch", columns, rows, note)


def _choice_table(made: CriticalBatch) -> Table:
    rows = []
    for c in made.choices:
        more = () if c.hours is None else (f"{c.hours:.3g}",)
        more += () if c.dollars is None else (format_number(c.dollars, "$", 3),)
        size = f"{c.batch:,.0f}" if c.batch < 1e6 else format_quantity(c.batch)
        rows.append((size, f"{c.steps:,.0f}", format_quantity(c.examples), f"{c.steps_over:.2f}×",
                     f"{c.examples_over:.2f}×", *more))  # fmt: skip
    heads = ["batch", "steps", "examples", "steps over least", "examples over least"]
    heads += [] if made.choices[0].hours is None else ["hours"]
    heads += [] if made.choices[0].dollars is None else ["cost"]
    note = "Time goes with steps and money with examples, as long as a larger batch is spread over more accelerators."
    name = made.curves[0].name
    title = f"What a batch costs{f', {name}' if name else ''}"
    return Table(title, tuple(Column(h, align="right") for h in heads), rows, note)


def _called(curve: BatchCurve) -> str:
    return " to ".join(filter(None, (curve.name, "" if curve.goal is None else f"{curve.goal:g}"))) or "runs"


def _steps_figure(made: CriticalBatch) -> Figure:
    series: list[Any] = []
    for i, c in enumerate(made.curves[:8]):
        group = float(i + 1)
        x = np.geomspace(min(c.batches), max(*c.batches, 4 * c.critical.value), 40)
        series.append(Points("runs", c.batches, c.steps, group=group))
        series.append(Line("the law", x, c.steps_min.value * (1 + c.critical.value / x), group=group))
        at = 2 * c.steps_min.value
        series.append(Marker("critical batch", c.critical.value, at, x_low=c.critical.low, x_high=c.critical.high))
    axes = Axis("Batch", made.unit, ticks="count"), Axis("Steps to the goal")
    names = {float(i + 1): _called(c) for i, c in enumerate(made.curves[:8])}
    shade = Axis("workload and goal", scale="linear", names=names) if len(names) > 1 else None
    return Figure("Steps against batch", *axes, series, shade, name="steps")


def _front_figure(made: CriticalBatch) -> Figure:
    c = made.curves[0]
    x = np.geomspace(1.02, 40, 60)
    front = Line("the law", c.examples_min.value * x, c.steps_min.value * (1 + 1 / (x - 1)))
    measured = Points("runs", np.array(c.batches) * np.array(c.steps), c.steps)
    twice = Marker("critical batch", 2 * c.examples_min.value, 2 * c.steps_min.value)
    return Figure("Steps against examples", Axis("Examples"), Axis("Steps"), [front, measured, twice], name="pareto")
