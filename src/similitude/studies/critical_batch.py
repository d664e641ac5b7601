"""Zhang et al. 2024: the batch above which more of it stops saving steps, over model size."""

from __future__ import annotations

from collections.abc import Iterator

from similitude._view import Interval
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import datasets, read_runs
from similitude.studies._claim import measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

# a and b of steps = a + b / B, and the critical batch by the authors' rule, of each size
PRINTED = {
    "85M": ("1293.83", "2834258", "745.32"),
    "151M": ("1752.42", "5677479", "955.16"),
    "302M": ("2095.35", "11383270", "1393.73"),
    "604M": ("2459.93", "19449689", "1888.52"),
    "1.2B": ("3897.31", "43381130", "2533.41"),
}
NOTEBOOK = "authors' notebook, cell 5"
SMALLEST = 256.0  # sequences: the batch from which the authors count perfect scaling


def claims(seed: int) -> Iterator[Item]:
    law, runs = get("batch_steps"), datasets.load("critical-batch-size")
    sizes, critical = [], []
    for model, (a, b, rule) in PRINTED.items():
        mine = runs.where(model=model)
        found = fit(law, mine, objective="squares_log")
        least, scale = found.values["S_min"], found.values["B_crit"]
        yield measured(
            f"least steps, {model}", a, NOTEBOOK, Interval(least, *found.ends["S_min"]), interval="90 % profile"
        )
        yield measured(f"steps times batch, {model}", b, NOTEBOOK, least * scale)
        batch = scale / 5 + 1.2 * SMALLEST
        yield measured(f"critical batch by the rule of 20 % more steps, sequences, {model}", rule, NOTEBOOK, batch)
        sizes.append(float(mine.column("N")[0]) / 1e6)
        critical.append(batch)
    power = fit(get("power"), read_runs({"x": sizes, "loss": critical}, check=False), objective="squares_log")
    low, high = (None if end is None else -end for end in reversed(power.ends["c"]))
    yield measured(
        "exponent of the critical batch in size",
        "0.46828",
        NOTEBOOK,
        Interval(-power.values["c"], low, high),
        interval="90 % profile",
    )
    yield measured("amplitude, sequences, size in millions", "93.197", NOTEBOOK, power.values["a"])
    yield "Tokens grew with size here; the paper shows that the batch follows the data and not the size."


STUDY = Declaration(
    "zhang2024critical",
    "How the critical batch grows in pre-training",
    "zhang2024critical",
    ("critical-batch-size",),
    claims,
)
