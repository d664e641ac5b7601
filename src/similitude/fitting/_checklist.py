"""What a scaling study should say, after the checklist of (Mis)Fitting (Li et al. 2025), filled in by a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from similitude._digits import format_number
from similitude._view import Table

if TYPE_CHECKING:
    from similitude.fitting._fit import Fit

__all__ = ["checklist"]

UNRECORDED = "not recorded with these runs"


def checklist(fit: Fit, *, compared: bool = False) -> Table:
    """Form, runs, data and fitting of a study, question by question; what the runs do not say is said to be unknown.

    `compared` says that the same report compares laws on these runs, and so back-tests them.
    """
    rows = [*_form(fit), *_training(fit), *_data(fit), *_fitting(fit, compared)]
    return Table(
        "(Mis)Fitting checklist",
        ("part", "question", "answer"),
        rows,
        note="Questions after the checklist of Li, Kudugunta and Zettlemoyer, (Mis)Fitting, 2025, in our words.",
    )


def _form(fit: Fit) -> list[tuple[str, str, str]]:
    law = fit.law
    held = {**fit.constraints.fix}
    free = ", ".join(fit.free) + (f"; held: {', '.join(f'{k} = {v:g}' for k, v in held.items())}" if held else "")
    inputs = ", ".join(f"{k} ({u.name})" if u.name else k for k, u in law.inputs.items())
    return [
        ("form", "Which form is fitted?", f"{law.title}: {law.text()}"),
        ("form", "Which variables does it relate?", f"{inputs}, to {fit.runs.output}"),
        ("form", "Which parameters are fitted?", free),
        ("form", "Where does the form come from?", str(law.source) if law.source else "the user's own formula"),
        ("form", "What does it take for granted?", law.validity or "nothing declared"),
    ]


def _training(fit: Fit) -> list[tuple[str, str, str]]:
    from similitude.fitting._views import sample_size

    counts = fit.runs.counts
    counted = "undeclared: tokens per parameter depend on it" if counts == "undeclared" else counts
    spans = [f"{_range(v, fit.law.inputs[k].name)}" for k, v in fit.observed.inputs.items()]
    found = fit.observed.compute()
    if found is not None and found[1] not in fit.law.inputs:
        spans.append(_range(found[0], "FLOP"))
    sizes = np.unique(fit.observed.inputs["N"]).size if "N" in fit.observed.inputs else None
    how_many = sample_size(fit) + (f" of {sizes} model sizes" if sizes else "")
    return [
        ("runs", "How many models, how large, on how much data?", f"{how_many}; {'; '.join(spans)}"),
        ("runs", "How are parameters counted?", counted if "N" in fit.law.inputs else "the law has no parameter count"),
        ("runs", "How is compute counted?", f"by the rule {fit.runs.flop_rule}"),
        ("runs", "Is data repeated?", "the law tells unique tokens apart" if "U" in fit.law.inputs else UNRECORDED),
        ("runs", "Which architecture, data, tokenizer and schedule?", UNRECORDED),
        ("runs", "How were hyper-parameters chosen at each size?", UNRECORDED),
    ]


def _data(fit: Fit) -> list[tuple[str, str, str]]:
    runs = fit.runs
    clusters = fit.solution.problem.clusters
    points = "one point a run" if clusters is None else f"several checkpoints of each of {len(clusters.sizes)} runs"
    left = int(runs.outliers.sum())
    censored = "" if fit.observed.censored is None else f"; {int(np.sum(fit.observed.censored))} censored"
    dropped = f"{left} marked as outliers and left out{censored}" if left or censored else "none"
    open_to = runs.citation or f"table {runs.source}, SHA-256 {runs.sha256[:12]}"
    return [
        ("data", "Are the measurements open to others?", open_to),
        ("data", "How many points does a run give?", points),
        ("data", "Which measure is fitted?", f"{runs.output} [{runs.unit(runs.output).name or fit.law.output}]"),
        ("data", "Were points left out?", dropped),
    ]


def _fitting(fit: Fit, compared: bool) -> list[tuple[str, str, str]]:
    from similitude.fitting._views import objective_sentence

    c = fit.convergence
    ends = f"{fit.level:.0%} by {fit.method}" + (f", {fit.intervals.count} resamples" if fit.intervals.count else "")
    starts = f"{c.starts} starts, {c.agreed} agreed"
    beyond = "see the back-tests of the laws compared" if compared else "not checked"
    checked = f"gradient test {c.decrease:.1e}; condition number {fit.condition:.0f}"
    return [
        ("fitting", "Which objective?", objective_sentence(fit)),
        ("fitting", "Which optimiser, from where?", f"Levenberg-Marquardt, linear parameters projected out; {starts}"),
        ("fitting", "How was the optimum checked?", checked),
        ("fitting", "How uncertain are the parameters?", ends),
        ("fitting", "How far was the law checked beyond its runs?", beyond),
        ("fitting", "Can it be done again?", f"seed {fit.seed}; the JSON in this report holds every option"),
    ]  # fmt: skip


def _range(values: np.ndarray, unit: str) -> str:
    low, high = (format_number(float(v), unit, 3, show_unit=False) for v in (values.min(), values.max()))
    return f"{low} to {high} {unit}".rstrip()
