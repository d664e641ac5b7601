"""Curve: one metric of one run over steps, and what is commonly done with it, each step of it kept on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import ArgumentError, DataError

if TYPE_CHECKING:
    import polars as pl

    from ._logged import LoggedRun

__all__ = ["Curve", "curve_of", "on_grid"]

SMOOTHINGS = ("ema", "mean", "median")


@dataclass(frozen=True, eq=False)
class Curve:
    """A metric over the steps of a run.

    `step`, `value`, `time` (seconds since 1970) and `tokens` are arrays (points,); time and tokens are NaN where they
    are not known. Steps rise. `history` says what was done. Made by :func:`curve_of` or from arrays.

    >>> import similitude as sim
    >>> curve = sim.Curve("loss", [1, 2, 3, 4], [4.0, 3.0, 3.5, 2.5])
    >>> curve.last(2).value
    array([3.])
    """

    metric: str
    step: np.ndarray
    value: np.ndarray
    time: np.ndarray = field(default_factory=lambda: np.zeros(0))
    tokens: np.ndarray = field(default_factory=lambda: np.zeros(0))
    run: str = ""
    unit: str = ""
    history: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(np.atleast_1d(self.value))
        for name in ("step", "value", "time", "tokens"):
            given = np.asarray(getattr(self, name), float)
            given = given if given.size else np.full(n, np.nan)
            if given.shape != (n,):
                raise ArgumentError(f"{name} has {given.size} entries; expected {n}, one a point")
            object.__setattr__(self, name, given)
        if n > 1 and not (np.diff(self.step) > 0).all():
            raise ArgumentError(f"the steps of '{self.metric}' do not rise; read it with curve_of, which settles that")

    def __len__(self) -> int:
        return len(self.step)

    def __repr__(self) -> str:
        ends = f", step {self.step[0]:g} to {self.step[-1]:g}" if len(self) else ""
        return f"Curve({self.metric} of {self.run or 'a run'}, {len(self)} points{ends})"

    def finite(self) -> Curve:
        """Without points that are NaN or infinite."""
        kept = np.isfinite(self.value)
        gone = int((~kept).sum())
        return self._kept(kept, f"left out {gone} points that are no number") if gone else self

    def smooth(self, how: str = "ema", width: float = 10) -> Curve:
        """Smoothed over points: "ema", an exponential mean whose weights fall by half in `width` points, unbiased at
        the start; "mean" or "median" of the last `width` points, of fewer at the start. Missing points stay missing.

        Raises ArgumentError for another name or a width under one.
        """
        if how not in SMOOTHINGS:
            raise ArgumentError(f"how = {how!r}; expected one of: {', '.join(SMOOTHINGS)}")
        if not width >= 1:
            raise ArgumentError(f"width = {width:g}; expected 1 or more points")
        import polars as pl

        given = pl.Series(self.value).fill_nan(None)
        if how == "ema":
            found = given.ewm_mean(half_life=width, adjust=True, ignore_nulls=False)
        else:
            rolling = given.rolling_mean if how == "mean" else given.rolling_median
            found = rolling(int(width), min_samples=1)
        found = found.set(given.is_null(), None)
        said = f"{how} with half-life of {width:g} points" if how == "ema" else f"{how} of {int(width)} points"
        return replace(self, value=found.fill_null(np.nan).to_numpy(), history=(*self.history, said))

    def last(self, count: int) -> Curve:
        """One point: the mean of the last `count` values that are numbers, at the last step."""
        if count < 1:
            raise ArgumentError(f"count = {count}; expected 1 or more points")
        good = self.finite()
        if not len(good):
            raise DataError(f"'{self.metric}' of {self.run or 'the run'} has no value that is a number")
        end = good._kept(np.arange(len(good)) == len(good) - 1, f"mean of the last {min(count, len(good))} points")
        return replace(end, value=np.array([np.mean(good.value[-count:])]))

    def at(self, where: Any, *, by: str = "step") -> np.ndarray:
        """Values at steps, or `by` tokens, linear between points; NaN outside what was logged."""
        if by not in ("step", "tokens"):
            raise ArgumentError(f"by = {by!r}; expected step or tokens")
        good = self.finite()
        x = good.step if by == "step" else good.tokens
        known = np.isfinite(x)
        if by == "tokens" and not known.any():
            raise DataError(
                f"tokens of '{self.metric}' of {self.run or 'the run'} are not known; give them, or use steps"
            )
        return np.interp(np.asarray(where, float), x[known], good.value[known], left=np.nan, right=np.nan)

    def to_bits_per_byte(self, bytes_per_token: float) -> Curve:
        """Nats a token as bits a byte: divided by ln 2 and by the tokenizer's bytes a token on this text."""
        if not bytes_per_token > 0:
            raise ArgumentError(f"bytes_per_token = {bytes_per_token:g}; expected a positive number, such as 4.3")
        if self.unit not in ("", "nats/token"):
            raise ArgumentError(f"'{self.metric}' is in {self.unit}; expected nats/token")
        said = f"bits a byte from nats a token, {bytes_per_token:g} bytes a token"
        value = self.value / np.log(2) / bytes_per_token
        return replace(self, value=value, unit="bits/byte", history=(*self.history, said))

    def _kept(self, which: np.ndarray, said: str) -> Curve:
        arrays = {k: getattr(self, k)[which] for k in ("step", "value", "time", "tokens")}
        return replace(self, **arrays, history=(*self.history, said))


def curve_of(run: LoggedRun, metric: str, *, tokens_per_step: float | None = None) -> Curve:
    """A metric of a logged run: one value a step, the steps rising.

    Where steps go back, because the run was resumed from a checkpoint, what was logged later counts. Tokens are those
    of a counter the run logged, else `tokens_per_step` times the step.

    Raises ArgumentError for a metric the run does not have.

    >>> from similitude.runs import LoggedRun
    >>> from similitude.runs._logged import points_of
    >>> points = points_of([("loss", 1, None, 4.0), ("loss", 2, None, 3.0), ("loss", 2, None, 3.1)])
    >>> curve_of(LoggedRun("table", "a", "a", "a.csv", points=points), "loss", tokens_per_step=1024).tokens
    array([1024., 2048.])
    """
    import polars as pl

    from similitude._errors import did_you_mean

    points = run.curves()
    own = points.filter((pl.col("metric") == metric) & pl.col("step").is_not_null())
    if own.is_empty():
        known = points["metric"].unique().sort().to_list()
        raise ArgumentError(f"run '{run.name}' has no metric '{metric}'{did_you_mean(metric, known)}")
    step, kept = settled(own["step"].to_numpy())
    value, time = own["value"].to_numpy()[kept], own["time"].fill_null(np.nan).to_numpy()[kept]
    gone = own.height - kept.size
    said = (f"left out {gone} point{'s' if gone > 1 else ''} logged again later",) if gone else ()
    tokens = _tokens(points, step, tokens_per_step)
    from ._meanings import loss_metrics, unit_of

    losses = [n for part in loss_metrics([metric]) for n in part]
    return Curve(metric, step, value, time, tokens, run.name, unit_of(metric, run.config) if losses else "", said)


def settled(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps that rise, and the rows they are of: a row counts unless a later one has a step as small.

    >>> settled(np.array([1, 2, 3, 2, 3, 4]))
    (array([1, 2, 3, 4]), array([0, 3, 4, 5]))
    """
    least = np.minimum.accumulate(step[::-1])[::-1]  # of this row and all later ones
    later = np.append(least[1:], np.iinfo(np.int64).max)
    kept = np.flatnonzero(step < later)
    return step[kept], kept


def _tokens(points: pl.DataFrame, step: np.ndarray, per_step: float | None) -> np.ndarray:
    """Tokens seen at steps: a counter that rises, linear between its points and from zero at step 0."""
    import polars as pl

    from ._meanings import token_metrics

    for name in token_metrics(points["metric"].unique().to_list()):
        counter = points.filter((pl.col("metric") == name) & pl.col("step").is_not_null())
        at, kept = settled(counter["step"].to_numpy())
        seen = counter["value"].to_numpy()[kept]
        if len(at) and np.nanmax(seen) > 0 and (np.diff(seen) >= 0).all():
            start = ([0], [0.0]) if at[0] > 0 else ([], [])
            return np.interp(step, [*start[0], *at], [*start[1], *seen], right=np.nan)
    return step * per_step if per_step else np.full(len(step), np.nan)


def on_grid(curves: Sequence[Curve], grid: Any, *, by: str = "tokens") -> np.ndarray:
    """Values of several curves at common tokens (or steps), (curves, grid); NaN where a curve does not reach.

    >>> import numpy as np
    >>> a = Curve("loss", [0, 10], [4.0, 3.0])
    >>> on_grid([a], [5, 20], by="step")
    array([[3.5, nan]])
    """
    return np.array([c.at(grid, by=by) for c in curves])
