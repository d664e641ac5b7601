"""How a fit shows itself: tables, sentences and figures as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from similitude._digits import format_number
from similitude._view import Column, FirstScreen, Interval, Ruler, Table, Text

if TYPE_CHECKING:
    from similitude.fitting._fit import Fit

LONGEST = 100  # characters of a formula that still read well on one line

__all__ = [
    "evidence_tables",
    "fit_text",
    "main_figure",
    "parameter_rows",
    "parameter_table",
    "provenance_table",
    "ruler",
    "sample_size",
    "summary",
    "without_a_plan",
]

LEFT_OUT_IN_TURN = 1_000  # a refit for each run


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
        (name, _cell(fit, value, low, high, state), "" if state == "free" else state)
        for name, value, low, high, state in parameter_rows(fit)
    ]
    columns = ("parameter", Column(f"value, {fit.level:.0%} interval"), "state")
    if not any(row[2] for row in rows):
        rows, columns = [row[:2] for row in rows], columns[:2]
    formula = fit.law.text()
    return Table(
        f"{fit.law.title}: {formula}" if len(formula) <= LONGEST else "\n".join((fit.law.title, *fit.law.lines())),
        columns,
        rows,
        note=f"Intervals: {fit.method}{f', {fit.intervals.count} resamples' if fit.intervals.count else ''}.",
    )


def _cell(fit: Fit, value: float, low: float | None, high: float | None, state: str) -> Any:
    if state == "fixed":
        return value
    known = fit.identified and not (low is None and high is None)
    return Interval(value, low, high) if known else "not determined"


def summary(fit: Fit) -> Text:
    """What was minimised on what, and the proof of the optimum."""
    lines = [
        f"{_sample(fit)}; objective {fit.objective_value:.7g}.",
        f"{fit.convergence}; condition number {fit.condition:.0f}; residual sd {_noise(fit)}.",
    ]
    return Text("", lines, points=fit.warnings)


def _sample(fit: Fit) -> str:
    link = "of" if fit.solution.problem.clusters is None else "in"
    return f"{sample_size(fit)} {link} {fit.runs.source}; {objective_sentence(fit)}"


def sample_size(fit: Fit) -> str:
    """How many runs a fit rests on, and rows where a run has several."""
    clusters = fit.solution.problem.clusters
    if clusters is None:
        return f"{len(fit.observed)} runs"
    return f"{len(fit.observed)} rows of {len(clusters.sizes)} runs"


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


def evidence_tables(fit: Fit, *, runs: bool = True) -> tuple[Table, ...]:
    """What the fit hangs on: correlations of the estimates and, with `runs`, the most influential runs of a table small
    enough to leave each out in turn."""
    report = fit.identifiability()
    names = report.parameters
    tables = []
    if len(names) > 1 and fit.identified:
        rows = [(n, *(f"{v:.2f}" for v in row)) for n, row in zip(names, report.correlation)]
        note = f"Condition number of the scaled Jacobian: {report.condition:.0f} (good designs have 30 to 60)."
        columns = ("", *(Column(n, align="right") for n in names))
        tables.append(Table("Correlation of the estimates", columns, rows, note))
    if runs and len(fit.observed) <= LEFT_OUT_IN_TURN:
        columns = (Column("row", align="left"), "parameter it moves most", Column("by", "standard errors", "right"))
        note = "Each run left out in turn, all parameters fitted again."
        tables.append(
            Table(
                "Runs the fit hangs on",
                columns,
                [(row, name, f"{by:+.2f}") for row, name, by in fit.influence().largest()],
                note,
            )
        )
    return tuple(tables)


def provenance_table(fit: Fit) -> Table:
    """Where the runs came from and everything done to them, with the versions that made this fit."""
    import numpy

    from similitude import __version__

    runs = fit.runs
    rows: list[tuple[str, Any]] = [("table", runs.source), ("SHA-256 as read", runs.sha256)]
    rows += [("SHA-256 as fitted", runs.fingerprint), ("rows", len(runs)), ("rows fitted", len(fit.observed))]
    rows += [("done", step) for step in runs.provenance] + [("assumed", step) for step in runs.assumed]
    rows += [(k, v) for k, v in (("cite", runs.citation), ("licence", runs.licence)) if v]
    rows += [("parameters counted", runs.counts), ("FLOP rule", runs.flop_rule), ("seed", fit.seed)]
    rows += [("made by", f"similitude {__version__}, numpy {numpy.__version__}")]
    return Table("Runs and versions", ("what", "value"), rows)


def without_a_plan(fit: Fit) -> FirstScreen:
    """A report's first screen where no budget was given: how far the law reaches, and how surely."""
    from similitude.fitting._figures import predicted_ahead

    headline = _no_plan(fit)
    ahead = predicted_ahead(fit)
    if ahead is None:
        return FirstScreen(
            headline,
            "These runs do not say what a larger run would reach.",
            fit.warnings[0] if fit.warnings else str(fit.convergence),
            fit.warnings[1:4],
        )
    at, found = ahead
    where = ", ".join(f"{k} = {format_number(v, _unit_of(fit, k))}" for k, v in at.items())
    law = Interval(found.value, found.low, found.high, found.unit).text()
    return FirstScreen(
        headline,
        f"At {where}, ten times beyond the largest run; {found.level:.0%} interval of one new run. The law: {law}.",
        f"Fitted to {sample_size(fit)}; residual standard deviation {_noise(fit)}.",
        fit.warnings[:3],
        score=Interval(found.value, found.new_low, found.new_high, found.unit),
        ruler=ruler(fit, float(found.extrapolation)),
    )


def _no_plan(fit: Fit) -> str:
    """Why nothing is recommended: a plan divides compute between N and D, which not every law has."""
    free = [k for k, unit in fit.law.inputs.items() if k in ("N", "D", "C", "M") and unit.name != "PF-days"]
    if len(free) >= 2:
        return "No budget was asked for, so nothing is recommended: add a plan to this report."
    return f"Nothing is recommended: {fit.law.name} has no N and D to divide a budget between."


def ruler(fit: Fit, reach: float, tested: float | None = None) -> Ruler | None:
    """The ruler from the runs to a target `reach` times beyond the largest; None where size is not defined."""
    from similitude.fitting._figures import input_axis

    compute = fit.observed.compute()
    if compute is None:
        return None
    values, name = compute
    unit = _unit_of(fit, name) if name in fit.law.inputs else "FLOP"
    label = "Training compute" if unit == "FLOP" else input_axis(fit, name).label
    largest = float(values.max())
    return Ruler(label, float(values.min()), largest, reach * largest, unit, tested)


def _unit_of(fit: Fit, name: str) -> str:
    return fit.law.inputs[name].name
