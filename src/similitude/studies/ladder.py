"""Bhagia et al. 2024: task losses of a 13-billion model from a ladder of sixteen small ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Column, Table
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import Runs, datasets, read_runs
from similitude.studies._claim import measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

# task, predicted and measured bits per byte of the 13-billion model after 5e12 tokens
PRINTED = {
    "hellaswag_val_rc_5shot": ("HellaSwag", "0.6532", "0.6609"),
    "arc_challenge_test_rc_5shot": ("ARC-Challenge", "0.7833", "0.7157"),
    "arc_easy_test_rc_5shot": ("ARC-Easy", "0.5931", "0.5114"),
    "piqa_val_rc_5shot": ("PIQA", "0.8748", None),
    "socialiqa_val_rc_5shot": ("Social IQa", "0.9916", None),
    "openbookqa_test_rc_5shot": ("OpenBookQA", "1.2750", None),
    "csqa_val_rc_5shot": ("CommonsenseQA", "0.6617", None),
}
WHERE = "released predictions, step 1"
SIZES, MULTIPLES = ("190M", "370M", "760M", "1B"), (1.0, 2.0, 5.0, 10.0)
LAST = 5  # evaluations averaged at the end of a run


def claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("olmo-ladder")
    rows = []
    for task, (name, printed, measured_) in PRINTED.items():
        mine = runs.where(task=task)
        ladder, target = _ladder(mine), _end(mine, _target(mine))
        found = fit(get("chinchilla"), read_runs(ladder, check=False), delta=1e-3, intervals="delta")
        told = float(found.predict(N=target[0], D=target[1]).value)
        yield measured(f"predicted bits per byte of the 13B model, {name}", printed, WHERE, told)
        if measured_ is not None:
            yield measured(f"measured bits per byte of the 13B model, {name}", measured_, WHERE, target[2])
        rows.append((name, f"{told:.4f}", printed, f"{target[2]:.4f}", f"{told / target[2] - 1:+.1%}"))
    heads = [Column(h, align="right") for h in ("ours", "theirs", "measured", "our error")]
    yield Table("Bits per byte of the right answer, 13B model after 5e12 tokens", ("task", *heads), rows)
    yield "Sixteen runs of 190M to 1.3B parameters, 20 to 200 tokens a parameter; Huber loss of logs, delta 1e-3."


def _end(runs: Runs, mine: np.ndarray) -> tuple[float, float, float]:
    """Parameters, tokens at the end, and the mean of the last evaluations of one run."""
    order = np.argsort(runs.column("tokens_so_far")[mine], kind="stable")
    n, d, y = (runs.column(k)[mine][order] for k in ("N", "tokens_so_far", "bpb"))
    return float(n[-1]), float(d[-1]), float(y[-LAST:].mean())


def _ladder(runs: Runs) -> dict[str, list[float]]:
    sizes, again = runs.labels("size"), np.char.lower(np.asarray(runs.labels("rerun"), str)) == "true"
    multiple = runs.column("chinchilla_mult")
    ends = [
        _end(runs, (sizes == s) & (multiple == m) & ~again) for s in SIZES for m in MULTIPLES
    ]  # fmt: skip
    return dict(zip(("N", "D", "loss"), map(list, zip(*ends, strict=True)), strict=True))


def _target(runs: Runs) -> np.ndarray:
    return np.asarray(runs.labels("size") == "13B")


STUDY = Declaration("bhagia2024", "Task scaling laws from model ladders", "bhagia2024", ("olmo-ladder",), claims)
