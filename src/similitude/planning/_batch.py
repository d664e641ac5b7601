"""The critical batch from steps to a goal at several batches: steps against examples, three regions, time and money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, DataError, did_you_mean
from similitude._quantity import format_quantity
from similitude._result import Result
from similitude._view import Section
from similitude.planning._batch_choice import BatchChoice, BatchDecision, batch_choices, batch_decision, read_rates
from similitude.planning._batch_curve import BatchCurve, Measured, batch_curve
from similitude.planning._batch_growth import BatchGrowth, batch_growth
from similitude.runs import Runs

__all__ = ["CriticalBatch", "critical_batch"]

TRIED = "last"  # the column of `steps_to_goal` that says how many steps were tried


@dataclass(frozen=True)
class CriticalBatch(Result):
    """Critical batches of workloads and goals, how they grow as the goal gets harder, and what a batch costs.

    `choices` are batches with what they cost and `decision` the best of them where the seconds of a step are known,
    both for `target`, the goal of the first workload that takes most steps. `growth` has an entry for each workload
    with three goals or more that are losses. Made by `critical_batch`.

    >>> import similitude as sim
    >>> batch = [64, 128, 256, 512, 1024, 2048]
    >>> found = sim.critical_batch({"B": batch, "steps": [1000 * (1 + 400 / b) for b in batch]})
    >>> round(found.curves[0].critical.value)
    400
    """

    curves: tuple[BatchCurve, ...]
    choices: tuple[BatchChoice, ...]
    decision: BatchDecision | None
    growth: tuple[BatchGrowth, ...]
    unit: str
    level: float
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        said = ", ".join(f"{c.title or 'critical batch'} {c.critical.text()}" for c in self.curves[:4])
        more = f", {len(self.curves) - 4} more" if len(self.curves) > 4 else ""
        return f"CriticalBatch({said}{more})"

    @property
    def target(self) -> BatchCurve:
        """The curve that choices are for: of the first workload, the goal that takes most steps."""
        return max((c for c in self.curves if c.name == self.curves[0].name), key=lambda c: c.steps_min.value)

    def adjusted(self, batch: float, steps: float, curve: int = 0) -> dict[str, float]:
        """Steps and examples that a run of `steps` at `batch` would take far above and far below the critical batch.

        With k = 1, S_min = S / (1 + B_crit / B) and E_min = B S / (1 + B / B_crit); compute goes with examples, so
        C_min is the same share of C (Kaplan et al. 2020, eqs. 5.4 and 5.5).

        >>> import similitude as sim
        >>> found = sim.critical_batch({"B": [64, 256, 1024], "steps": [7250, 2562.5, 1390.625]})
        >>> round(found.adjusted(400, 2000)["steps"])
        1000
        """
        if not (batch > 0 and steps > 0):
            raise ArgumentError(f"batch = {batch:g} and steps = {steps:g}: expected positive numbers")
        made = self.curves[curve]
        least = float(steps / made.over_least(batch))
        return {"steps": least, "examples": least * made.critical.value}

    def view(self) -> Section:
        """Curves, regions, choices and figures."""
        from similitude.planning._batch_views import batch_section

        return batch_section(self)

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
    tried: str | None = None,
    bend: float | None = None,
    seconds: float | Mapping[float, float] | None = None,
    accelerators: float | Mapping[float, float] = 1.0,
    price: float | None = None,
    days: float | None = None,
    dollars: float | None = None,
    level: float = 0.9,
) -> CriticalBatch:
    """The critical batch from the steps that runs at several batches take to a goal.

    `runs` are Runs, a frame or a mapping of columns, such as `steps_to_goal` returns, with columns `batch` (in
    examples, sequences or tokens, the unit of the answer), `steps`, and, if there are several, the workload `by` and
    the `goal`. Where steps are missing the goal was not reached: it then takes more than the steps `tried` (a column;
    `last` where there is one), and the law may not lie below. For each workload and goal
    S = S_min (1 + (B_crit / B)^k)^(1/k) is fitted to log steps: k = 1 is McCandlish et al. 2018, eq. 2.11; from six
    batches on k is fitted, too, and taken where its interval excludes 1. `bend` holds k. Three goals or more that are
    losses give B_crit = B_star / L^(1 / alpha_B).

    `seconds` of a step and `accelerators` used are numbers or {batch: number}. Two numbers stand for the smallest
    batch: larger ones are spread over as many times the accelerators, at the same seconds. Measured seconds with one
    number of accelerators are of those accelerators. With `price`, dollars an hour of one, there is money; `days` asks
    for the cheapest batch that ends in time, `dollars` for the fastest that they pay for; with several goals, to the
    hardest of the first workload.

    Raises DataError for fewer than three batches that reach a goal, ArgumentError for columns that are not there and
    numbers that cannot be, QuestionError where no batch meets `days` and `dollars`.

    >>> import similitude as sim
    >>> table = {"B": [64, 256, 1024], "steps": [7250, 2562, 1391]}
    >>> sim.critical_batch(table, seconds={64: 0.2, 256: 0.4, 1024: 1.2}).decision.fastest.value
    256.0
    """
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g}; expected a number between 0 and 1, such as 0.9")
    if bend is not None and not bend > 0:
        raise ArgumentError(f"bend = {bend:g}; expected a positive number, 1 for the law of McCandlish et al.")
    source, groups = _groups(runs, batch, steps, by, goal, tried)
    made = [batch_curve(g, bend, level, source) for g in groups]
    curves = [c for c in made if isinstance(c, BatchCurve)]
    failed = [c for c in made if isinstance(c, str)]
    if not curves:
        raise DataError(failed[0] if failed else f"{source}: no batches with steps to a goal")
    names = dict.fromkeys(c.name for c in curves)
    growth = [g for n in names if (g := batch_growth([c for c in curves if c.name == n], level)) is not None]
    warnings = (*failed, *(w for c in curves for w in _warnings(c)))
    plain = CriticalBatch(tuple(curves), (), None, tuple(growth), batch, level, warnings)
    rates = read_rates(plain.target, seconds, accelerators, price)
    choices = batch_choices(plain.target, rates)
    decision = batch_decision(plain.target, rates, choices, days=days, dollars=dollars)
    return replace(plain, choices=choices, decision=decision)


def _groups(
    runs: Any, batch: str, steps: str, by: str | None, goal: str | None, tried: str | None
) -> tuple[str, list[Measured]]:
    """The measurements of each workload and goal, in the order of workloads and of falling goals."""
    table = runs.kept if isinstance(runs, Runs) else _Frame.of(runs)
    if tried is None and TRIED in table.names:
        tried = TRIED
    b, s = table.column(batch), table.column(steps)
    _check_positive(table.source, {batch: b, steps: s})
    last = np.full(len(b), np.nan) if tried is None else table.column(tried)
    goals = np.full(len(b), np.nan) if goal is None else table.column(goal)
    names = np.full(len(b), "") if by is None else table.labels(by)
    groups = []
    for name in dict.fromkeys(names.tolist()):
        for value in np.unique(goals[names == name])[::-1]:
            rows = (names == name) & ((goals == value) | (np.isnan(goals) & np.isnan(value)))
            groups.append(Measured(name, None if np.isnan(value) else float(value), b[rows], s[rows], last[rows]))
    return table.source, groups


def _check_positive(source: str, columns: Mapping[str, np.ndarray]) -> None:
    for name, values in columns.items():
        if (bad := np.flatnonzero(values <= 0)).size:
            raise DataError(
                f"{source}, column '{name}', row {bad[0] + 1}: {values[bad[0]]:g}; expected a positive number, or "
                "nothing where the goal was never reached"
            )


@dataclass(frozen=True)
class _Frame:
    """A frame read as Runs are, but rows without steps, which say that the goal was not reached, are kept."""

    frame: Any
    source: str = "the table"

    @classmethod
    def of(cls, given: Any) -> _Frame:
        import polars as pl

        try:
            frame = given.collect() if isinstance(given, pl.LazyFrame) else pl.DataFrame(given, strict=False)
        except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
            raise ArgumentError(
                f"steps to a goal are Runs, a frame or a mapping of columns, not these: {error}"
            ) from None
        return cls(frame)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.frame.columns)

    def _series(self, name: str) -> Any:
        if name not in self.frame.columns:
            known = ", ".join(self.names)
            raise ArgumentError(f"no column '{name}'{did_you_mean(name, self.names)}; the columns are: {known}")
        return self.frame[name]

    def column(self, name: str) -> np.ndarray:
        """Numbers, missing ones NaN; DataError for words that are none."""
        import polars as pl

        given = self._series(name)
        values = given.cast(pl.Float64, strict=False)
        lost = given.is_not_null() & values.is_null()
        if lost.any():
            i = int(lost.arg_max() or 0)
            raise DataError(f"row {i + 1}: {name} = {given[i]!r}; expected a number, or nothing where it is missing")
        return values.fill_null(float("nan")).to_numpy().astype(float)

    def labels(self, name: str) -> np.ndarray:
        """Words for grouping; missing is the empty string."""
        return np.array(["" if v is None else str(v) for v in self._series(name).to_list()], dtype=object)


def _warnings(curve: BatchCurve) -> Sequence[str]:
    where = curve.title or "These runs"
    said, top, bottom = [], max(curve.batches), min(curve.batches)
    if curve.lost:
        said.append(
            f"{where}: at {curve.lost} batches the goal was not reached and how long it was tried is not known; they "
            "are left out, which makes large batches look better than they are if they are large."
        )
    if curve.critical.value > top:
        said.append(
            f"{where}: the critical batch lies beyond the largest that reached the goal, {format_quantity(top)}."
        )
    if curve.critical.value < bottom:
        said.append(f"{where}: the critical batch lies below the smallest tried, {format_quantity(bottom)}.")
    if curve.bend is None:
        said.append(
            f"{where}: too few batches, or all on one side, to tell how sharply steps turn; regions and intervals "
            "assume k = 1."
        )
    said += [
        f"{where}: at batch {format_quantity(b)} steps are {over:.2f} times what the other batches say, more than "
        "their scatter explains; was the learning rate tuned there?"
        for b, over in curve.odd
    ]
    return said
