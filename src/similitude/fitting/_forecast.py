"""`fit("auto", runs)`: one learning curve carried on, by averaging over shapes instead of choosing a law."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._digits import format_number
from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._quantity import format_quantity
from similitude._view import Axis, Band, Column, Figure, Interval, Line, Points, Table, Text
from similitude.fitting._curve import Posterior, posterior
from similitude.fitting._diagnose import range_notes
from similitude.fitting._objective import HUBER_LOG
from similitude.fitting._options import Intervals
from similitude.fitting._prepare import Observed, bind, law_unit, observe
from similitude.laws import Estimate, Prediction, get
from similitude.laws._law import read_input
from similitude.runs import Runs

if TYPE_CHECKING:
    import polars as pl

__all__ = ["AUTO", "Forecast", "forecast"]

AUTO = "auto"
SCHEMA, VERSION = "similitude/forecast", 1
FEWEST = 5  # different sizes below which the prior alone would speak
TESTED = 2.2  # times the largest size: as far as the curves reach that the bands were checked on
REACH = 2.5  # times the largest size beyond which no interval is given
NARROW = 8.0  # a largest size below so many times the smallest shows little of a shape
RISING = 0.5  # a rank correlation of size and score that is no learning curve of a loss or an error
SMOOTH = 8  # points without a single rise that scores read one by one would not give
AHEAD = (1.25, 1.5, 2.0)
SPIKE = 10.0  # usual distances from its neighbours at which a score is called a spike
DOUBLED = float(np.log(2))


@dataclass(frozen=True, eq=False, repr=False)
class Forecast(Estimate):
    """A learning curve carried on to twice its length, without the choice of a law. Made by `fit("auto", runs)`.

    It averages over shapes (power laws above a floor that begin early or late) whose prior was learnt from published
    curves, with a slope that may wander, so that the last points count most. `predict` gives the score that would be
    read at a size, with the interval of one such reading, up to 2.5 times the largest size; `values` hold `slope` (the
    exponent over the next doubling), `floor` (share of the last score that more data would not remove; mostly the
    prior's) and `scatter` (relative standard deviation of a score about the curve), `ends` their intervals.

    Source: our own; the shapes are those of Alabdulmohsin et al. 2022, whose benchmark checks it.

    >>> import similitude as sim
    >>> sizes = [1e6, 2e6, 4e6, 8e6, 1.6e7, 3.2e7]
    >>> curve = sim.read_runs({"images": sizes, "error": [0.9, 0.79, 0.66, 0.54, 0.46, 0.39]}, loss="error")
    >>> found = sim.fit("auto", curve).predict(images=6.4e7)
    >>> found.low < found.value < found.high < 0.39
    True
    """

    runs: Runs = field(kw_only=True)
    observed: Observed = field(kw_only=True)
    posterior: Posterior = field(kw_only=True)
    ends: Mapping[str, tuple[float, float]] = field(kw_only=True)
    level: float = field(kw_only=True)
    warnings: tuple[str, ...] = field(kw_only=True)

    def __repr__(self) -> str:
        return f"Forecast(auto on {len(self.observed)} points of {self.runs.source})"

    def __str__(self) -> str:
        return "\n".join([f"{self.table()}", f"{self.summary()}"])

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    @property
    def input(self) -> str:
        """The column of sizes."""
        return next(iter(self.law.inputs))

    @property
    def largest(self) -> float:
        """The largest size on the curve."""
        return float(self.observed.inputs[self.input].max())

    def value(self, **inputs: Any) -> Any:
        """The score at sizes (scalars or arrays), without an interval."""
        ((name, x),) = self.law.check_inputs(inputs).items()
        flat = np.ravel(np.asarray(x, float))
        self._refuse_before(name, flat)
        out = np.exp(self.posterior.mean(np.log(flat))).reshape(np.shape(x))
        return float(out) if out.ndim == 0 else out

    def predict(self, *, level: float | None = None, **inputs: Any) -> Prediction:
        """The score that would be read at sizes, a scalar or an array, with the interval of one such reading.

        `low`, `high` and `new_low`, `new_high` are the same: no law is claimed whose own interval would be narrower.
        Beyond 2.5 times the largest size the ends are unknown. Raises ArgumentError for missing or unknown inputs and
        for sizes below the smallest on the curve.
        """
        level = self.level if level is None else Intervals(level=level).level
        ((name, x),) = self.law.check_inputs(inputs).items()
        shape, flat = np.shape(x), np.ravel(np.asarray(x, float))
        self._refuse_before(name, flat)
        value, low, high = self._read(flat, level)
        reach = flat / self.largest
        unit, notes = str(law_unit(self.law, self.runs)), self._notes(name, flat)
        at = {k: read_input(v) for k, v in inputs.items()}
        if shape == ():
            known = bool(np.isfinite(low[0]))
            ends = (float(low[0]), float(high[0])) if known else (None, None)
            return Prediction(at, float(value[0]), *ends, level, float(reach[0]), *ends, unit, notes)
        value, low, high, reach = (a.reshape(shape) for a in (value, low, high, reach))
        return Prediction(at, value, low, high, level, reach, low, high, unit, notes)

    def inverse(self, target: Any, *, level: float | None = None, **others: Any) -> Prediction:
        """Not answered: raises QuestionError. A forecast carries a curve on; fit a law to solve for a size."""
        raise QuestionError(
            f"{self.label} carries a curve on and is not solved for a size: fit a law, such as m3 or m4"
        )

    def _read(self, x: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        log_x = np.log(x)
        ends = np.exp(self.posterior.quantiles(log_x, ((1 - level) / 2, (1 + level) / 2)))
        ends[x > REACH * self.largest] = np.nan
        return np.exp(self.posterior.mean(log_x)), ends[:, 0], ends[:, 1]

    def _refuse_before(self, name: str, x: np.ndarray) -> None:
        smallest = float(self.observed.inputs[name].min())
        if (x < smallest * (1 - 1e-9)).any():
            raise ArgumentError(
                f"{name} = {x.min():g} lies before the curve's first point ({smallest:g}): --law auto carries a curve "
                "on, it does not lead back"
            )

    def _notes(self, name: str, x: np.ndarray) -> tuple[str, ...]:
        notes = list(range_notes(self, {name: x}))
        if (x > REACH * self.largest).any():
            notes.append(f"no interval beyond {REACH:g} times the largest {name}: nothing was measured there")
        elif (x > TESTED * self.largest).any():
            notes.append(f"intervals were checked up to {TESTED:g} times the largest {name} only")
        return tuple(notes)

    # -- how it shows itself --------------------------------------------------------------------------------------

    def table(self) -> Table:
        """The next sizes, each with the score and its interval."""
        x = np.array([self.largest * a for a in AHEAD])
        value, low, high = self._read(x, self.level)
        rows = [
            (f"{a:g}x", format_quantity(s), Interval(v, b, t))
            for a, s, v, b, t in zip(AHEAD, x, value, low, high, strict=True)
        ]
        unit = str(law_unit(self.law, self.runs))
        columns = ("beyond the last", self.input, Column(f"{self.runs.output}, {self.level:.0%} interval", unit))
        return Table(f"{self.runs.output} carried on along {self.input}", columns, rows)

    def summary(self) -> Text:
        """What the curve itself is like, and what to beware of."""
        slope, scatter = self.values["slope"], self.values["scatter"]
        low, high = self.ends["slope"]
        where = f"{len(self.observed)} points of {self.runs.source}"
        lines = [
            f"Averaged over {self.posterior.weights.size} shapes, on {where}.",
            f"Over the next doubling the score goes as {self.input}^{slope:.2g} [{low:.2g}, {high:.2g}].",
            f"A score scatters by {scatter:.2%} about the curve.",
        ]
        return Text("", lines, points=self.warnings)

    def figure(self) -> Figure:
        """The curve, what was measured, and the band of a new score."""
        x, name = self.observed.inputs[self.input], self.input
        at = np.geomspace(x.min(), AHEAD[-1] * self.largest, 120)
        value, low, high = self._read(at, self.level)
        seen, beyond = at <= self.largest, at >= self.largest
        words = (w[:1].upper() + w[1:].replace("_", " ") for w in (name, self.runs.output))
        across, up = words
        series = [
            Band(f"{self.level:.0%} of new scores", at, low, high),
            Line("averaged", at[seen], value[seen]),
            Line("carried on", at[beyond], value[beyond], role="extrapolated"),
            Points("scores", x, self.observed.y, labels=[f"row {i}" for i in self.observed.rows]),
        ]
        axes = Axis(across, self.law.inputs[name].name), Axis(up, str(law_unit(self.law, self.runs)))
        return Figure(f"{up} against {across.lower()}", *axes, series, note="Dashed: beyond the last point.")

    def view(self) -> tuple[Any, ...]:
        """The figure, the table and the sentences, for a report."""
        return self.figure(), self.table(), self.summary()

    def plot(self, ax: Any = None) -> Any:
        """Draw the curve and its band on matplotlib axes (new ones if None); returns the axes."""
        from importlib import import_module

        return import_module("similitude.reports").draw_axes(self.figure(), ax)

    def to_frame(self) -> pl.DataFrame:
        """`slope`, `floor` and `scatter` as a table: parameter, value, low, high."""
        import polars as pl

        rows = [(k, v, *self.ends[k]) for k, v in self.values.items()]
        return pl.DataFrame(rows, schema=["parameter", "value", "low", "high"], orient="row")

    def to_dict(self, *, runs: bool = True) -> dict[str, Any]:
        """Everything as plain values fit for JSON; `runs=False` leaves the runs out (nothing more from it then)."""
        from similitude import __version__

        x = [self.largest * a for a in AHEAD]
        document = {
            "schema": SCHEMA,
            "schema_version": VERSION,
            "similitude": __version__,
            "law": AUTO,
            "input": self.input,
            "converged": True,
            "parameters": {
                k: {"value": v, "low": self.ends[k][0], "high": self.ends[k][1], "unit": ""}
                for k, v in self.values.items()
            },
            "interval": {"level": self.level, "method": "posterior of a new score", "resamples": 0},
            "runs": len(self.observed),
            "warnings": list(self.warnings),
            "predictions": [self.predict(**{self.input: a}).to_dict() for a in x],
        }
        if runs:
            document["data"] = self.runs.to_dict()
        return document

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Forecast:
        """The forecast `to_dict` described; DataError when the document is not one."""
        if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
            raise DataError("not a forecast: expected a document that `similitude fit --law auto -o FIT` wrote")
        if "data" not in data:
            raise DataError(
                "this forecast was written without its runs, so nothing more can be said with it; fit again"
            )
        try:
            runs, level = Runs.from_dict(data["data"]), float(data["interval"]["level"])
            return forecast(runs, {"x": data["input"]}, level)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise DataError(f"this forecast is damaged ({type(error).__name__}: {error}); fit again") from None


def forecast(runs: Runs, inputs: Mapping[str, str] | None = None, level: float = 0.9) -> Forecast:
    """The curve of one input column and one score column carried on.

    Raises DataError for scores or sizes that are not positive, QuestionError for fewer than five different sizes and
    for scores that rise.
    """
    law = bind(get("m3"), runs, _as_x(inputs))
    observed, _ = observe(law, runs, HUBER_LOG, Intervals(cluster=None))
    ((name, sizes),) = observed.inputs.items()
    if observed.censored is not None:
        observed = observed.take(~observed.censored)
        sizes = observed.inputs[name]
    order = np.argsort(sizes, kind="stable")
    observed, sizes = observed.take(order), sizes[order]
    _refuse_unfit(observed, name, sizes, runs.output)
    found = posterior(np.log(sizes), np.log(observed.y))
    values, ends = _values(found, level)
    return Forecast(
        law,
        values,
        label=f"auto on {runs.source}",
        counts=runs.counts,
        within={name: (float(sizes[0]), float(sizes[-1]))},
        runs=runs,
        observed=observed,
        posterior=found,
        ends=ends,
        level=level,
        warnings=_warnings(observed, sizes, found, values["slope"]),
    )


def _as_x(inputs: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """`inputs` may name the size as it likes, as long as there is one."""
    if not inputs:
        return None
    if len(inputs) > 1:
        raise ArgumentError(f"--law auto takes one input; given: {', '.join(inputs)}")
    return {"x": next(iter(inputs.values()))}


def _refuse_unfit(observed: Observed, name: str, sizes: np.ndarray, output: str) -> None:
    different = np.unique(sizes).size
    if different < FEWEST:
        raise QuestionError(
            f"{observed.source}: {different} different values of {name} do not show a curve; --law auto needs {FEWEST}"
        )
    ranks = np.argsort(np.argsort(observed.y, kind="stable"), kind="stable").astype(float)
    if np.ptp(observed.y) > 0 and np.corrcoef(np.arange(len(ranks)), ranks)[0, 1] > RISING:
        raise QuestionError(
            f"{observed.source}: {output} rises with {name}, and --law auto carries on losses and errors, which fall: "
            "give what is missing instead, such as 1 - accuracy"
        )


def _values(found: Posterior, level: float) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Exponent over the next doubling, share that is floor, scatter of a score: means, and quantiles at the level."""
    chances = ((1 - level) / 2, (1 + level) / 2)
    here, there = found.mean(np.array([found.last, found.last + DOUBLED]))
    low, high = found.quantiles(np.array([found.last + DOUBLED]), chances, new=False)[0]
    values, ends = {"slope": (there - here) / DOUBLED}, {"slope": ((low - here) / DOUBLED, (high - here) / DOUBLED)}
    for key, each in (("floor", found.shares), ("scatter", np.sqrt(found.scatter2))):
        values[key] = each @ found.weights
        ends[key] = _weighted(each, found.weights, chances)
    return {k: float(v) for k, v in values.items()}, {k: (float(a), float(b)) for k, (a, b) in ends.items()}


def _weighted(values: np.ndarray, weights: np.ndarray, chances: tuple[float, float]) -> tuple[float, float]:
    """Quantiles of weighted values."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    low, high = (float(values[order][min(np.searchsorted(below, c), len(order) - 1)]) for c in chances)
    return low, high


def _warnings(observed: Observed, sizes: np.ndarray, found: Posterior, slope: float) -> tuple[str, ...]:
    said = [f"carried on with a prior learnt from published curves; checked up to {TESTED:g} times the last size"]
    ratio = float(sizes[-1] / sizes[0])
    if ratio < NARROW:
        said.append(f"the sizes span a factor of {format_number(ratio, digits=2)} only: the prior decides the bend")
    rises = int(np.sum(np.diff(observed.y) > 0))
    if len(sizes) >= SMOOTH and rises == 0 and np.unique(sizes).size == len(sizes):
        said.append(
            "no score rises along the curve, as in running bests or sorted scores: single new scores may scatter more "
            "than these"
        )
    if slope < -found.prior.decay:
        said.append("it falls more steeply than the curves the prior was learnt from: do not rely on the interval")
    said += [
        f"row {row} lies {format_number(factor, digits=2)} times off its neighbours; a spike widens the interval: "
        "leave it out if it is one"
        for row, factor in _spikes(observed)
    ]
    return tuple(said)


def _spikes(observed: Observed) -> list[tuple[int, float]]:
    """Rows whose score is far from the median of its five neighbours, by the measure of all such distances, and the
    ratio to it."""
    log_y = np.log(observed.y)
    padded = np.pad(log_y, 2, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    off = (log_y - middle)[1:-1]  # the ends have neighbours on one side only
    usual = 1.4826 * float(np.median(np.abs(off)))
    far = np.flatnonzero(np.abs(off) > max(SPIKE * usual, DOUBLED)) + 1
    return [(int(observed.rows[i]), float(np.exp(abs(log_y[i] - middle[i])))) for i in far[:3]]
