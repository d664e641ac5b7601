"""Jha and Reagen 2026: how effective rank grows with width depends on the optimiser."""

from __future__ import annotations

from collections.abc import Iterator

from similitude._view import Column, Interval, Table
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import datasets, read_runs
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


def claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("spectral-scaling").where(model_scale="160m")
    rows = []
    for optimiser, printed in PRINTED.items():
        cells, widths = [], 0
        for metric, digits in zip(("soft_rank", "hard_rank"), printed, strict=True):
            mine = runs.where(optimizer_display_name=optimiser, metric=metric)
            table = read_runs(
                {"x": mine.column("ffn_hidden_dim"), "rank": mine.column("value")}, loss="rank", check=False
            )
            # a rank that grows: one over it is the falling power law
            falling = read_runs({"x": table.column("x"), "loss": 1 / table.column("rank")}, check=False)
            found = fit(get("power"), falling, objective="squares_log", inputs={"x": "x"})
            ours = Interval(found.values["c"], *found.ends["c"])
            yield measured(
                f"exponent of the {metric.replace('_', ' ')}, {optimiser}", digits, WHERE, ours, interval="90 % profile"
            )
            cells.append(ours)
            widths = len(table)
        rows.append((optimiser, str(widths), *cells))
    heads = (Column("widths", align="right"), "soft rank", "hard rank")
    yield Table("Exponents of effective rank in feed-forward width, 90 % intervals", ("optimiser", *heads), rows)
    yield "Eight widths of one seed each: the intervals are those of scatter about the line, not of seeds."


STUDY = Declaration("jha2026", "Optimizer-induced spectral scaling laws", "jha2026", ("spectral-scaling",), claims)
