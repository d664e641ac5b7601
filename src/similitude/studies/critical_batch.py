"""Zhang et al. 2024: the batch above which more of it stops saving steps, over model size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Column, Interval, Table
from similitude.fitting import fit
from similitude.laws import get
from similitude.planning import tuning_rules
from similitude.runs import Runs, datasets, read_runs
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
SEQUENCE = 512  # tokens


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
        batch = _critical(scale)
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
    yield left_out(runs)
    yield (
        "Only the law fitted without the size aims at 20 % more tokens: the others aim at the lowest loss (Step law, "
        "DeepSeek, Porian), at twice the tokens (Kaplan) or state no such aim; their batches are shown for scale."
    )
    yield "Tokens grew with size here; the paper shows that the batch follows the data and not the size."


def _critical(scale: float) -> float:
    """The authors' rule of 20 % more steps than perfect scaling from their smallest batch, in sequences."""
    return scale / 5 + 1.2 * SMALLEST


def left_out(runs: Runs) -> Table:
    """Batches for each size by the law of the other sizes and by published rules, with the tokens they really took."""
    sizes = {m: runs.where(model=m) for m in PRINTED}
    fits = {m: fit(get("batch_steps"), r, objective="squares_log", intervals="delta") for m, r in sizes.items()}
    critical = {m: _critical(f.values["B_crit"]) for m, f in fits.items()}
    rows: list[tuple[str | float, ...]] = []
    for model, mine in sizes.items():
        n, tokens = float(mine.column("N")[0]), SMALLEST * SEQUENCE * float(mine.column("chinchilla_steps_at_256")[0])
        x, y = (np.log([v for m, v in found if m != model]) for found in (_sizes(sizes), critical.items()))
        slope, level = np.polyfit(x, y, 1)
        cells: list[str | float] = [_paid(mine, float(np.exp(level + slope * np.log(n))))]
        rules = tuning_rules(n, tokens, loss=float(mine.column("target_loss")[0])).rules
        for name in RULES:
            rule = next(r for r in rules if r.name == name)
            assert rule.batch is not None
            cells.append(_paid(mine, rule.batch / SEQUENCE))
        rows.append((model, *cells))
    columns = ("size", *(Column(c, align="right") for c in ("ours, size left out", *RULES)))
    note = (
        "Batch in sequences of 512 tokens, and tokens beyond those at a batch of 256 to the same loss, read off the "
        "measured steps by interpolation in logs; beyond the largest batch measured, its own. Aim of the first: +20 %."
    )
    return Table("Batches against the tokens they take", columns, rows, note=note)


RULES = ("Step law", "DeepSeek", "Porian et al.", "Kaplan et al.", "MiniCPM")


def _sizes(sizes: dict[str, Runs]) -> list[tuple[str, float]]:
    return [(m, float(r.column("N")[0])) for m, r in sizes.items()]


def _paid(runs: Runs, batch: float) -> str:
    """A batch, and how many more tokens it takes than the smallest one."""
    return f"{batch:,.0f}: {100 * overhead(runs, batch):+.0f} %"


def overhead(runs: Runs, batch: float) -> float:
    """Tokens to the target at a batch over those at the smallest, less one."""
    order = np.argsort(runs.column("B"))
    b, steps = runs.column("B")[order], runs.column(runs.output)[order]
    at = float(np.clip(batch, b[0], b[-1]))
    needed = float(np.exp(np.interp(np.log(at), np.log(b), np.log(steps))))
    start = float(steps[b == SMALLEST][0]) * SMALLEST
    return needed * at / start - 1


STUDY = Declaration(
    "zhang2024critical",
    "How the critical batch grows in pre-training",
    "zhang2024critical",
    ("critical-batch-size",),
    claims,
)
