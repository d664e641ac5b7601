"""Ye et al. 2024: losses of unseen mixtures from an exponential law in the shares of domains."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Column, Interval, Table
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import datasets, read_runs
from similitude.studies._claim import measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

# c, k and t in the share of Github, of two domains at step 30,000, by a fit elsewhere on the same five mixtures
ELSEWHERE = {
    ("70M", "Github"): ("1.11001", "0.50531", "-1.64331"),
    ("160M", "Github"): ("0.92271", "0.45122", "-1.76661"),
}
WHERE = "recomputed elsewhere, not printed"


def claims(seed: int) -> Iterator[Item]:
    law, runs = get("data_mixture").sized(domain=1), datasets.load("data-mixing-laws", mixture_set="2Mix", step=30000)
    rows = []
    for (model, domain), printed in ELSEWHERE.items():
        mine = runs.where(model=model, valid_domain=domain)
        table = read_runs({"r_1": mine.column("w1"), "loss": mine.column("loss")}, check=False)
        found = fit(law, table, objective="squares", inputs={"r_1": "r_1"})
        for name, digits in zip(("c", "k", "t_1"), printed):
            ours = Interval(found.values[name], *found.ends[name])
            label = f"{name[0]}, {model} model, loss on {domain}"
            yield measured(label, digits, WHERE, ours, interval="90 % profile")
        rows.append((model, domain, str(len(table)), f"{float(np.std(found.residuals())):.4f}"))
    columns = ("model", "loss on", Column("mixtures", align="right"), Column("residual", "nats/token"))
    yield Table("Two domains, five mixtures", columns, rows)
    yield "With two domains the shares sum to one, so one coefficient is left: t is that of Github's share."


STUDY = Declaration("ye2024", "Data mixing laws", "ye2024", ("data-mixing-laws",), claims)
