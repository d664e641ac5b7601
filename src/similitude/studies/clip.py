"""Cherti et al. 2023: zero-shot error against compute, with two sets of pre-training data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Interval
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import Runs, datasets, read_runs
from similitude.studies._claim import measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY", "front"]

# task, measure, printed slopes of OpenCLIP and of CLIP
TASKS = (
    ("imagenet1k", "acc1", "-0.11", "-0.16"),
    ("imagenet_robustness", "acc1", "-0.13", "-0.24"),
    ("mscoco_captions", "image_retrieval_recall5", "-0.08", "-0.05"),
    ("flickr30k", "image_retrieval_recall5", "-0.19", "-0.10"),
)
REMARK = (
    "least squares on the runs that no cheaper run beats; the authors take the best of five bins, which moves slopes"
)


def claims(seed: int) -> Iterator[Item]:
    for task, measure, ours_printed, theirs in TASKS:
        mine = datasets.load("clip-scaling", loss=measure, downstream_dataset=task)
        for name, printed, keep in (("OpenCLIP", ours_printed, False), ("CLIP", theirs, True)):
            chosen = mine.where((mine.labels("upstream_dataset") == "CLIP-WIT") == keep)
            found = fit(get("clip_error"), front(chosen), objective="squares_log", intervals="delta")
            low, high = (None if end is None else -end for end in reversed(found.ends["c"]))
            ours = Interval(-found.values["c"], low, high)
            yield measured(f"slope of {name}, {task}", printed, "figure 1", ours, interval="90 %", remark=REMARK)
    yield "The order of the slopes turns between classification and retrieval; CLIP's rest on three models each."


def front(runs: Runs) -> Runs:
    """Compute and error of the runs that no run of less compute equals, one a compute."""
    c, error = runs.column("C"), 1 - runs.column(runs.output)
    usable = np.isfinite(c) & np.isfinite(error)
    c, error = c[usable], error[usable]
    order = np.lexsort((error, c))
    c, error = c[order], error[order]
    best = np.minimum.accumulate(error)
    keep = np.concatenate([[True], error[1:] < best[:-1]])
    return read_runs({"C": c[keep], "loss": error[keep]}, check=False)


STUDY = Declaration(
    "cherti2023", "Reproducible scaling laws for contrastive models", "cherti2023", ("clip-scaling",), claims
)
