"""The figures of a fit as plain values: loss against compute, IsoFLOP valleys, loss over N and D, residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._digits import format_number
from similitude._errors import QuestionError, SimilitudeError
from similitude._view import Axis, Band, Figure, Line, Marker, Points, Rule
from similitude.fitting._approaches import optimum_on_slice

if TYPE_CHECKING:
    from similitude.fitting._fit import Fit

__all__ = ["contour_figure", "frontier", "isoflop_figure", "law_figure", "residual_figure"]

SIZES = 7  # curves of one model size; more cannot be told apart
BUDGETS = 9
GATHERED = 0.1  # runs of one nominal budget lie this close to it in log compute
LEAST = 5  # runs that make a budget
STEPS = 28
AHEAD = 10.0  # a law is drawn this far beyond the largest run when no target asks for more
ALLOCATED = {"N", "D"}


def law_figure(fit: Fit, *, target: Marker | None = None, runs: bool = True) -> Figure:
    """The figure people know from the papers: for laws in N and D loss against compute with the frontier; for laws of
    one input the curve; else measured against fitted. `target` is marked and reached for; `runs=False` leaves runs out.
    """
    if set(fit.law.inputs) == ALLOCATED:
        return _compute_figure(fit, target, runs)
    if len(fit.law.inputs) == 1:
        return _curve_figure(fit, target, runs)
    return _agreement_figure(fit)


def frontier(fit: Fit, flop: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(compute, N, D) of the fitted law's optimum under 6 N D = compute; budgets without a minimum are left out."""
    best = np.array([optimum_on_slice(fit.law, fit.values, c / 6) for c in flop])
    inside = np.abs(np.log(best) - 0.5 * np.log(flop / 6)) < 11.5  # the search spans 12
    flop, best = flop[inside], best[inside]
    return flop, best, flop / 6 / best


def output_axis(fit: Fit) -> Axis:
    """The axis of what the law predicts."""
    unit = fit.runs.unit(fit.runs.output).name or str(fit.law.output)
    return Axis(_worded(fit.runs.output), unit, "log" if fit.objective.log else "linear")


def input_axis(fit: Fit, name: str) -> Axis:
    """The axis of one input."""
    words = {"N": "Parameters", "D": "Training tokens", "C": "Training compute", "U": "Unique tokens", "step": "Steps"}
    unit = fit.law.inputs[name].name if name in fit.law.inputs else ""
    return Axis(words.get(name, _worded(name)), unit)


def _worded(name: str) -> str:
    return name[:1].upper() + name[1:].replace("_", " ")


def _compute_figure(fit: Fit, target: Marker | None, runs: bool) -> Figure:
    n, d = fit.observed.inputs["N"], fit.observed.inputs["D"]
    compute = 6 * n * d
    series: list[Any] = _size_curves(fit, n, d)
    if fit.identified:
        end = max(compute.max() * AHEAD, target.x if target else 0)
        series = [*_frontier_series(fit, compute, end), *series]
    if runs:
        series += [_measured(fit, compute, shade=n, extra={"D": d}), *_left_out(fit)]
    if target is not None:
        series.append(target)
    note = "Solid: within the measured range of compute; dashed: beyond it. Compute is 6 N D."
    return Figure("Loss against compute", Axis("Training compute", "FLOP"), output_axis(fit), series,
                  shade=Axis("Parameters", "parameters"), note=note, name="loss-against-compute")  # fmt: skip


def _frontier_series(fit: Fit, compute: np.ndarray, end: float) -> list[Any]:
    largest = float(compute.max())
    inside = np.geomspace(compute.min(), largest, STEPS)
    c, n, d = frontier(fit, np.concatenate([inside, np.geomspace(largest, end, STEPS)[1:]]))
    if c.size < 3:
        return []
    found = fit.predict(N=n, D=d)
    seen, beyond = c <= largest * (1 + 1e-9), c >= largest * (1 - 1e-9)
    value = np.asarray(found.value)
    lines: list[Any] = [
        Line("compute-optimal, fitted", c[seen], value[seen], role="frontier"),
        Line("compute-optimal, extrapolated", c[beyond], value[beyond], role="extrapolated"),
    ]
    return [*_bands(f"{found.level:.0%} confidence band", c, found.low, found.high), *lines]


def _bands(name: str, x: np.ndarray, low: Any, high: Any) -> list[Any]:
    known = np.isfinite(low) & np.isfinite(high)
    return [Band(name, x[known], np.asarray(low)[known], np.asarray(high)[known])] if known.sum() > 1 else []


def _size_curves(fit: Fit, n: np.ndarray, d: np.ndarray) -> list[Any]:
    """One curve for each of a few model sizes, over the tokens its neighbours in size were trained on."""
    sizes = np.unique(n)
    chosen = sizes[np.unique(np.linspace(0, sizes.size - 1, SIZES).round().astype(int))]
    out: list[Any] = []
    for size in chosen:
        near = np.abs(np.log(n / size)) < np.log(1.5)
        low, high = d[near].min(), d[near].max()
        if high > 1.05 * low:
            tokens = np.geomspace(low, high, STEPS)
            value = np.asarray(fit.law.evaluate({"N": size, "D": tokens}, fit.values), float)
            out.append(Line("the law at one model size", 6 * size * tokens, value, role="contour", group=float(size)))
    return out


def _measured(fit: Fit, x: np.ndarray, *, shade: np.ndarray | None = None, extra: dict[str, Any] | None = None,
              y: np.ndarray | None = None) -> Points:  # fmt: skip
    labels = [f"row {i}" for i in fit.observed.rows]
    return Points("runs", x, fit.observed.y if y is None else y, shade=shade, labels=labels, values=extra or {})


def _left_out(fit: Fit) -> list[Any]:
    marked = fit.runs.outliers
    if not marked.any():
        return []
    try:
        table = fit.runs.with_inputs(list(fit.law.inputs))
        columns = {k: table.column(k)[table.outliers] for k in (*fit.law.inputs, table.output)}
    except SimilitudeError:
        return []
    x = 6 * columns["N"] * columns["D"] if set(fit.law.inputs) == ALLOCATED else columns[next(iter(fit.law.inputs))]
    rows = [f"row {i}" for i in table.row_numbers[table.outliers]]
    return [Points("runs left out", x, columns[table.output], role="outlier", labels=rows)]


def _curve_figure(fit: Fit, target: Marker | None, runs: bool) -> Figure:
    ((name, x),) = fit.observed.inputs.items()
    largest = float(x.max())
    end = max(largest * AHEAD, target.x if target else 0) if fit.identified else largest
    at = np.concatenate([np.geomspace(x.min(), largest, STEPS), np.geomspace(largest, end, STEPS)[1:]])
    point: dict[str, Any] = {name: at}
    found = fit.predict(**point)
    value, seen, beyond = np.asarray(found.value), at <= largest * (1 + 1e-9), at >= largest * (1 - 1e-9)
    series: list[Any] = [
        *_bands(f"{found.level:.0%} confidence band", at, found.low, found.high),
        Line("fitted", at[seen], value[seen]),
        Line("extrapolated", at[beyond], value[beyond], role="extrapolated"),
    ]
    series += [_measured(fit, x), *_left_out(fit)] if runs else []
    series += [target] if target is not None else []
    axis, out = input_axis(fit, name), output_axis(fit)
    note = "Solid: within the measured range; dashed: beyond it."
    return Figure(f"{out.label} against {axis.label.lower()}", axis, out, series, note=note)


def _agreement_figure(fit: Fit) -> Figure:
    y, fitted = fit.observed.y, fit.fitted()
    ends = np.array([min(y.min(), fitted.min()), max(y.max(), fitted.max())])
    out = output_axis(fit)
    series = [Line("equal", ends, ends, role="reference"), _measured(fit, fitted, extra=dict(fit.observed.inputs))]
    return Figure("Measured against fitted", Axis(f"Fitted {out.label.lower()}", out.unit, out.scale), out, series)


def isoflop_figure(fit: Fit, *, runs: bool = True) -> Figure | None:
    """Loss against parameters at several budgets, with the law's valleys and their minima; None for other laws, for
    laws without an optimum and for runs that do not gather at a few budgets."""
    if set(fit.law.inputs) != ALLOCATED or not fit.identified:
        return None
    n, d = fit.observed.inputs["N"], fit.observed.inputs["D"]
    budgets = _budgets(6 * n * d)
    if budgets is None:
        return None
    c, best_n, best_d = frontier(fit, budgets)
    if c.size < 2:
        return None
    nearest = np.argmin(np.abs(np.log(6 * n * d)[:, None] - np.log(c)), axis=1)
    close = np.abs(np.log(6 * n * d / c[nearest])) < min(GATHERED, 0.5 * np.diff(np.log(c)).min())
    best = np.asarray(fit.law.evaluate({"N": best_n, "D": best_d}, fit.values), float)
    valleys, points, minima = [], [], []
    for i, flop in enumerate(c):
        mine = close & (nearest == i)
        spread = max(8.0, *(np.exp(np.abs(np.log(n[mine] / best_n[i])))).tolist(), 0.0) * 1.2
        along = np.geomspace(best_n[i] / spread, best_n[i] * spread, STEPS)
        value = np.asarray(fit.law.evaluate({"N": along, "D": flop / 6 / along}, fit.values), float)
        kept = value < best[i] * (fit.observed.y.max() / best[i] if mine.any() else 1.3) * 1.05
        valleys.append(
            Line(
                "the law at one budget",
                along[kept],
                value[kept],
                group=float(flop),
                label=format_number(flop, digits=2),
            )
        )
        if runs and mine.any():
            rows = [f"row {r}" for r in fit.observed.rows[mine]]
            points.append(
                Points(
                    "runs",
                    n[mine],
                    fit.observed.y[mine],
                    group=float(flop),
                    labels=rows,
                    values={"D": d[mine].tolist()},
                )
            )
        minima.append(Marker("minimum", float(best_n[i]), float(best[i]), group=float(flop)))
    through = Line("through the minima", best_n, best, role="reference")
    note = f"Runs within {np.expm1(GATHERED):.0%} of a budget's compute are shown on its valley."
    series = [*valleys, through, *points, *minima]
    return Figure("IsoFLOP valleys", Axis("Parameters", "parameters"), output_axis(fit), series,
                  shade=Axis("Compute budget", "FLOP"), note=note if runs else "", name="isoflop-valleys")  # fmt: skip


def _budgets(compute: np.ndarray) -> np.ndarray | None:
    """The budgets that most runs gather at; None where they do not: runs beside a valley would look as if on it."""
    logs = np.sort(np.log(compute))
    left, gathered = logs, []
    while left.size:
        counts = np.searchsorted(left, left + GATHERED, "right") - np.searchsorted(left, left - GATHERED)
        if counts.max() < LEAST:
            break
        centre = left[np.abs(left - left[np.argmax(counts)]) <= GATHERED].mean()
        gathered.append((centre, counts.max()))
        left = left[np.abs(left - centre) > 2 * GATHERED]
    if len(gathered) < 3 or sum(k for _, k in gathered) <= 0.5 * logs.size:
        return None
    return np.exp(np.sort([c for c, _ in sorted(gathered, key=lambda g: -g[1])[:BUDGETS]]))


def contour_figure(fit: Fit, *, target: tuple[float, float] | None = None, runs: bool = True) -> Figure | None:
    """Lines of equal loss over parameters and tokens with the compute-optimal path; None for other laws."""
    if set(fit.law.inputs) != ALLOCATED or not fit.identified:
        return None
    n, d = fit.observed.inputs["N"], fit.observed.inputs["D"]
    far_n, far_d = (max(v.max(), t) for v, t in zip((n, d), target or (0.0, 0.0)))
    ns, ds = np.geomspace(n.min() / 1.5, far_n * 2, 60), np.geomspace(d.min() / 1.5, far_d * 2, 400)
    loss = np.asarray(fit.law.evaluate({"N": ns[:, None], "D": ds[None, :]}, fit.values), float)
    series: list[Any] = [_level_line(v, ns, ds, loss) for v in _levels(loss)]
    c, best_n, best_d = frontier(fit, np.geomspace((6 * n * d).min(), 6 * far_n * far_d, STEPS))
    if c.size > 1:
        series.append(Line("compute-optimal", best_n, best_d, role="frontier"))
    series += [_measured(fit, n, y=d, extra={fit.runs.output: fit.observed.y})] if runs else []
    series += [Marker("plan", *target, role="target")] if target else []
    axes = Axis("Parameters", "parameters"), Axis("Training tokens", "tokens")
    shade = Axis("Loss", output_axis(fit).unit)
    drawn = [s for s in series if s is not None]
    return Figure("Loss over parameters and tokens", *axes, drawn, shade=shade, name="loss-contours")


def _levels(loss: np.ndarray) -> np.ndarray:
    low, high = np.nanquantile(loss, [0.02, 0.9])
    step = next((s for s in (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0) if (high - low) / s <= 8), (high - low) / 6)
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step


def _level_line(level: float, ns: np.ndarray, ds: np.ndarray, loss: np.ndarray) -> Line | None:
    """Tokens at which each size reaches the level, by interpolation in log D along falling loss."""
    x, y = [], []
    for size, row in zip(ns, loss):
        if row.min() <= level <= row.max() and np.all(np.diff(row) < 0):
            x.append(size)
            y.append(float(np.exp(np.interp(-level, -row, np.log(ds)))))
    if len(x) < 2:
        return None
    return Line("equal loss", x, y, role="contour", group=float(level), label=f"{level:.4g}")


def residual_figure(fit: Fit) -> Figure:
    """Measured over fitted against compute, or against the only input; against fitted values where neither exists."""
    found = fit.observed.compute()
    x, axis = (fit.fitted(), output_axis(fit)) if found is None else (found[0], _residual_axis(fit, found[1]))
    r = 100 * np.expm1(-fit.residuals()) if fit.objective.log else -fit.residuals()
    unit = "%" if fit.objective.log else output_axis(fit).unit
    series = [Rule("the law", 0.0, axis="y"), _measured(fit, x, y=r)]
    return Figure("Residuals", axis, Axis("Measured above fitted", unit, "linear"), series, name="residuals")


def _residual_axis(fit: Fit, name: str) -> Axis:
    return input_axis(fit, name) if name in fit.law.inputs else Axis("Training compute", "FLOP")


def predicted_ahead(fit: Fit) -> tuple[dict[str, float], Any] | None:
    """A point ten times the largest run's compute at that run's own proportions, and the prediction there."""
    found = fit.observed.compute()
    if found is None or not fit.identified:
        return None
    largest = int(np.argmax(found[0]))
    step = AHEAD ** (1 / len(fit.law.inputs))
    at = {k: float(v[largest] * step) for k, v in fit.observed.inputs.items()}
    try:
        return at, fit.predict(**at)
    except QuestionError:
        return None
