"""Jha and Reagen 2026: how effective rank grows with width depends on the optimiser."""

from __future__ import annotations

from collections.abc import Iterator

from similitude._view import Column, Interval, Table
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import Runs, datasets, read_runs
from similitude.studies._claim import measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

# exponents of soft and hard rank in the width, GPT-2 of 160M
PRINTED = {
    "AdamW": ("0.6606", "0.2887"),
    "Dion (1/2)": ("0.9199", "0.7870"),
    "Dion (1/16)": ("0.7444", "0.5003"),
    "Muon": ("0.9581", "0.8206"),
    "NorMuon": ("1.0067", "0.7984"),
}
WHERE = "released table of exponents"
RARE = {"AdamW": "0.44", "Muon": "1.02"}  # exponents of the hard rank on rare tokens


def claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("spectral-scaling").where(model_scale="160m")
    rows = []
    for optimiser, printed in PRINTED.items():
        cells, widths = [], 0
        for metric, digits in zip(("soft_rank", "hard_rank"), printed, strict=True):
            mine = runs.where(optimizer_display_name=optimiser, metric=metric)
            ours = _exponent(mine)
            yield measured(
                f"exponent of the {metric.replace('_', ' ')}, {optimiser}", digits, WHERE, ours, interval="90 % profile"
            )
            cells.append(ours)
            widths = len(mine)
        rows.append((optimiser, str(widths), *cells))
    rare = datasets.load("spectral-scaling", "buckets").where(model_scale="160m", bucket="tail", metric="hard_rank")
    for optimiser, digits in RARE.items():
        ours = _exponent(rare.where(optimizer=optimiser))
        sentence = f"exponent of the hard rank on rare tokens, {optimiser}"
        yield measured(sentence, digits, "abstract", ours, interval="90 % profile")
    heads = (Column("widths", align="right"), "soft rank", "hard rank")
    yield Table("Exponents of effective rank in feed-forward width, 90 % intervals", ("optimiser", *heads), rows)
    yield "Eight widths of one seed each: the intervals are those of scatter about the line, not of seeds."


def _exponent(runs: Runs) -> Interval:
    """The exponent of rank in width; one over a rank that grows is a falling power law."""
    table = {"x": runs.column("ffn_hidden_dim"), "loss": 1 / runs.column("value")}
    found = fit(get("power"), read_runs(table, check=False), objective="squares_log", inputs={"x": "x"})
    return Interval(found.values["c"], *found.ends["c"])


STUDY = Declaration("jha2026", "Optimizer-induced spectral scaling laws", "jha2026", ("spectral-scaling",), claims)
