"""How a fit shows itself: tables, sentences and figures as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from similitude._view import Column, Interval, Table, Text

if TYPE_CHECKING:
    from similitude.fitting._fit import Fit

__all__ = ["fit_text", "parameter_rows", "parameter_table"]


def parameter_rows(fit: Fit) -> list[tuple[str, float, float | None, float | None, str]]:
    """(parameter, value, low, high, state) in declared order; the state is fixed, tied, at a bound or free."""
    coordinates = fit.solution.problem.coordinates
    tied = {n: "=".join(g) for g in coordinates.groups if len(g) > 1 for n in g}
    return [
        (k, v, *fit.ends[k], "fixed" if k in coordinates.fixed else f"tied {tied[k]}" if k in tied else "free")
        for k, v in fit.values.items()
    ]


def parameter_table(fit: Fit) -> Table:
    """The parameters with their intervals."""
    rows = [
        (name, value if state == "fixed" else Interval(value, low, high), "" if state == "free" else state)
        for name, value, low, high, state in parameter_rows(fit)
    ]
    return Table(
        f"{fit.law.title}: {fit.law.text()}",
        ("parameter", Column(f"value, {fit.level:.0%} interval"), "state"),
        rows,
        note=f"Intervals: {fit.method}{f', {fit.intervals.count} resamples' if fit.intervals.count else ''}.",
    )


def summary(fit: Fit) -> Text:
    """What was minimised on what, and the proof of the optimum."""
    lines = [
        f"{len(fit.observed)} runs of {fit.runs.source}; {objective_sentence(fit)}; "
        f"objective {fit.objective_value:.7g}.",
        f"{fit.convergence}; condition number {fit.condition:.0f}; residual sd {_noise(fit)}.",
    ]
    return Text("", lines, points=fit.warnings)


def objective_sentence(fit: Fit) -> str:
    """What was minimised, in words."""
    clusters = fit.solution.problem.clusters
    if clusters is None:
        return fit.objective.describe(fit.delta or 0.0)
    where = "log residuals" if fit.objective.log else "raw residuals"
    return (
        f"least squares of {where} with an error shared by the rows of each of {len(clusters.sizes)} runs "
        f"(shared sd {fit.offset:.2g}, own sd {fit._within_noise():.2g}, by restricted likelihood)"
    )


def _noise(fit: Fit) -> str:
    return f"{fit.noise:.2%} of the output" if fit.objective.log else f"{fit.noise:.3g} {fit.law.output}"


def fit_text(fit: Fit) -> str:
    """The fit as terminal text."""
    return f"{parameter_table(fit)}\n{summary(fit)}"


def main_figure(fit: Fit) -> Any:
    """The figure people know from the papers; composed with the reports."""
    from similitude.fitting._figures import law_figure

    return law_figure(fit)
