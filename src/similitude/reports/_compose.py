"""`report`: fits, plans and comparisons put together as one report, in the order a reader asks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import comb
from pathlib import Path
from typing import Any

from similitude._digits import format_number
from similitude._errors import ArgumentError
from similitude._files import replace_whole
from similitude._view import Figure, FirstScreen, Report, Section, Text, View
from similitude.fitting import Fit, Grouped
from similitude.fitting._checklist import checklist
from similitude.fitting._compare import LawComparison, LawScore
from similitude.fitting._figures import contour_figure, isoflop_figure, law_figure, residual_figure
from similitude.fitting._views import (
    evidence_tables,
    parameter_table,
    provenance_table,
    sample_size,
    summary,
    without_a_plan,
)
from similitude.planning import Plan
from similitude.planning._views import first_screen, target
from similitude.reports._page import page
from similitude.reports._paper import save_figure

__all__ = ["report", "save_figures"]

TOO_UNLIKELY = 0.01  # chance under sound intervals below which those that held too few runs are called too narrow
EMBEDDED = 2_000  # runs up to which a report carries the table itself


def report(
    results: Any,
    path: str | Path | None = None,
    *,
    title: str | None = None,
    runs: bool = True,
    simulated: bool | None = None,
) -> Report:
    """One report of fits, plans, comparisons and anything else with a `view`; written to `path` as HTML when given.

    The first plan answers the first screen; its fit is added when it is not among the results. `runs=False` leaves
    every single run out: points, residuals, influence and the table in the JSON. `simulated` is found out from the
    runs' provenance unless said. The report's `to_dict` is plain data, in a notebook it shows itself, `page` gives the
    HTML and `save_figures` its figures for paper.

    Raises ArgumentError for nothing to report, for a result that cannot show itself, and for results that count N by
    different conventions.

    >>> import similitude as sim
    >>> made = sim.simulate(sim.laws.chinchilla.published["besiroglu2024"], seed=0)
    >>> report(sim.fit(sim.laws.chinchilla, made)).simulated
    True
    """
    groups = _group_names(results)
    given = _flattened(results)
    if not given:
        raise ArgumentError("there is nothing to report: give at least one fit, plan or comparison")
    fits, plans, comparisons, others = _sorted(given)
    _refuse_two_countings([*fits, *plans, *(s.fit for c in comparisons for s in c.scores if s.fit is not None)])
    sections = [
        s for fit in fits for s in _fit_sections(fit, _plan_of(fit, plans), runs, _told_apart(fit, fits, groups))
    ]
    sections[1:1] = [Section(_named("Plan", p, plans), p.view().items) for p in plans]
    sections += [Section(_named("Laws compared", c, comparisons), c.view()) for c in comparisons]
    sections += [Section("Checklist", (checklist(fits[0], compared=bool(comparisons)),))] if fits else []
    sections += [Section(*_titled(o)) for o in others]
    made = Report(
        title or _title(fits, plans, given),
        _subtitle(fits, plans),
        _is_simulated(fits) if simulated is None else simulated,
        _first(fits, plans, comparisons),
        sections,
        provenance_table(fits[0]) if fits else None,
        _document(given, runs),
    )
    if path is not None:
        replace_whole(str(path), page(made).encode("utf-8"))
    return made


def save_figures(made: Report, folder: str | Path, *, kind: str = "pdf") -> list[Path]:
    """Save every figure of a report into a folder, as "svg", "pdf" or "png"; returns the paths in order.

    Raises ArgumentError for another kind.
    """
    if kind not in ("svg", "pdf", "png"):
        raise ArgumentError(f"kind = {kind!r}: figures are saved as svg, pdf or png")
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    names: dict[str, int] = {}
    saved = []
    for figure in (v for s in made.sections for v in s.items if isinstance(v, Figure)):
        names[figure.name] = names.get(figure.name, 0) + 1
        again = f"-{names[figure.name]}" if names[figure.name] > 1 else ""
        saved.append(save_figure(figure, home / f"{figure.name}{again}.{kind}"))
    return saved


def _flattened(results: Any) -> list[Any]:
    if isinstance(results, Grouped):
        return list(results.values())
    if isinstance(results, Iterable) and not isinstance(results, (str, Mapping)):
        return [r for item in results for r in _flattened(item)]
    return [results]


def _sorted(given: Sequence[Any]) -> tuple[list[Fit], list[Plan], list[LawComparison], list[Any]]:
    plans = [r for r in given if isinstance(r, Plan)]
    comparisons = [r for r in given if isinstance(r, LawComparison)]
    fits = [r for r in given if isinstance(r, Fit)]
    for plan in plans:
        if isinstance(plan.estimate, Fit) and not any(plan.estimate is f for f in fits):
            fits.append(plan.estimate)
    if not fits and comparisons and comparisons[0].best.fit is not None:
        fits.append(comparisons[0].best.fit)
    others = [r for r in given if not isinstance(r, (Plan, LawComparison, Fit))]
    return fits, plans, comparisons, others


def _refuse_two_countings(results: Sequence[Fit | Plan]) -> None:
    """One report, one meaning of N; what is undeclared is said elsewhere."""
    known = {r.counts: r.label for r in reversed(results) if r.counts != "undeclared"}
    if len(known) > 1:
        said = "; ".join(f"{counts} in '{label}'" for counts, label in sorted(known.items()))
        raise ArgumentError(
            f"these results count the parameters N by different conventions ({said}): "
            "write a report of each, or fit runs that count alike"
        )


def _titled(result: Any) -> tuple[str, tuple[View, ...]]:
    """A result's own section where it has one, else its views under its kind."""
    section = getattr(result, "section", None)
    found = section() if section is not None else None
    if not isinstance(found, Section):
        shown = _views(result)
        found = (
            shown[0]
            if len(shown) == 1 and isinstance(shown[0], Section)
            else Section(_in_words(type(result).__name__), shown)
        )
    return found.title, tuple(found.items)


def _in_words(name: str) -> str:
    """ "Critical batch" of "CriticalBatch"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def _views(result: Any) -> tuple[View, ...]:
    if isinstance(result, View):
        return (result,)
    view = getattr(result, "view", None)
    if view is None:
        raise ArgumentError(f"a report cannot show {type(result).__name__}: give fits, plans, comparisons or views")
    found = view()
    return tuple(found) if isinstance(found, (tuple, list)) else (found,)


def _group_names(results: Any) -> dict[int, str]:
    """What each fit of a fit by groups is called, by the fit's identity."""
    if isinstance(results, Grouped):
        return {id(f): f"{results.by} {key}" for key, f in results.items()}
    if isinstance(results, Iterable) and not isinstance(results, (str, Mapping)):
        return {k: v for item in results for k, v in _group_names(item).items()}
    return {}


def _told_apart(fit: Fit, fits: Sequence[Fit], groups: Mapping[int, str]) -> str:
    return "" if len(fits) == 1 else f" ({groups.get(id(fit), fit.label)})"


def _fit_sections(fit: Fit, plan: Plan | None, runs: bool, of: str) -> list[Section]:
    """The law and its diagnostics; `of` says which fit it is where there are several, which are shown in short."""
    mark = None if plan is None else target(plan)
    at = None if plan is None else (plan.N.value, plan.D.value)
    figures = [law_figure(fit, target=mark, runs=runs)]
    figures += [] if of else [isoflop_figure(fit, runs=runs), contour_figure(fit, target=at, runs=runs)]
    formula = Text("", (fit.law.mathml(),), markup="mathml")
    said = () if plan is None else plan.warnings
    warnings = Text("Worth knowing", points=[w for w in fit.warnings if w not in said], tone="warning")
    diagnosis = [Text("The optimum", summary(fit).paragraphs), *([warnings] if warnings.points else [])]
    evidence = (
        [*([] if of else [residual_figure(fit)]), *evidence_tables(fit)]
        if runs
        else list(evidence_tables(fit, runs=False))
    )
    law = [formula, *(f for f in figures if f is not None), parameter_table(fit)]
    return [Section(f"The law{of}", law), Section(f"Diagnostics{of}", [*diagnosis, *evidence])]


def _plan_of(fit: Fit, plans: Sequence[Plan]) -> Plan | None:
    return next((p for p in plans if p.estimate is fit or p.label == fit.label), None)


def _named(name: str, item: Any, items: Sequence[Any]) -> str:
    return name if len(items) == 1 else f"{name} {1 + next(i for i, x in enumerate(items) if x is item)}"


def _first(fits: Sequence[Fit], plans: Sequence[Plan], comparisons: Sequence[LawComparison]) -> FirstScreen | None:
    if not plans:
        return without_a_plan(fits[0]) if fits else None
    plan = plans[0]
    words, reach = _back_tested(plan.law, comparisons)
    if not words and fits:
        words = "No back-test on these runs was asked for: compare laws to see how they would have forecast."
    return first_screen(plan, tested=words, reach=reach)


def _back_tested(law: str, comparisons: Sequence[LawComparison]) -> tuple[str, float | None]:
    """How the law fared in back-tests, in words, and the furthest one that could be made."""
    for comparison in comparisons:
        score = next((s for s in comparison.scores if s.law == law), None)
        done = [] if score is None else [c[3] for c, e in zip(comparison.cuts, score.back_tests) if e == e]
        if score is not None and done:
            far = max(done)
            missed = f"missed the larger ones by a median of {score.median_back_test:.2%}"
            beyond = f"up to {format_number(far, digits=2)} times beyond"
            return f"Fitted below cut-offs on these runs, the law {missed}, {beyond}.{_held(score)}", far
    return "", None


def _held(score: LawScore) -> str:
    """What the intervals were worth on the runs held out; said loudly where they were too narrow."""
    if not score.judged or score.inside != score.inside:
        return ""
    inside = round(score.inside * score.judged)
    text = f" Its 90 % intervals for new runs held {inside} of the {score.judged} largest, left out"
    if _chance_of_at_most(inside, score.judged) >= TOO_UNLIKELY:
        return f"{text}."
    return f"{text}: too narrow there, because the law is not exactly right, so take the interval above as the least."


def _chance_of_at_most(inside: int, judged: int, level: float = 0.9) -> float:
    """The chance that sound intervals hold no more runs than these did."""
    return sum(comb(judged, k) * level**k * (1 - level) ** (judged - k) for k in range(inside + 1))


def _title(fits: Sequence[Fit], plans: Sequence[Plan], given: Sequence[Any]) -> str:
    if plans:
        question = plans[0].question
        return question[:1].upper() + question[1:]
    if fits:
        name = fits[0].law.title or fits[0].law.name
        return f"{name[:1].upper()}{name[1:]} on {fits[0].runs.source}"
    return "; ".join(dict.fromkeys(_titled(r)[0] for r in given))


def _subtitle(fits: Sequence[Fit], plans: Sequence[Plan]) -> str:
    if fits:
        name = fits[0].law.title or fits[0].law.name
        return f"{name[:1].upper()}{name[1:]} fitted to {sample_size(fits[0])} of {fits[0].runs.source}"
    return plans[0].label if plans else ""


def _is_simulated(fits: Sequence[Fit]) -> bool:
    said = [text for f in fits for text in (f.runs.source, *f.runs.provenance)]
    return any(text.startswith("simulated") for text in said)


def _document(given: Sequence[Any], runs: bool) -> dict[str, Any]:
    from similitude import __version__

    embedded = runs and sum(len(r.runs) for r in given if isinstance(r, Fit)) <= EMBEDDED
    return {
        "schema": "similitude/report",
        "schema_version": 1,
        "similitude": __version__,
        "results": [{"kind": type(r).__name__, **_plain(r, embedded)} for r in given],
    }


def _plain(result: Any, runs: bool) -> dict[str, Any]:
    if isinstance(result, Fit):
        return result.to_dict(runs=runs)
    written = getattr(result, "to_dict", None)
    return written() if written else {"shown": repr(result)}
