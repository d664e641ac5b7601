"""Logs of any kind, read by Similitude: every point, or every score of an item; and logs imported into a store."""

from __future__ import annotations

import numpy as np
import polars as pl

import similitude as sim
from similitude.runs.readers import all_readers

all_readers()  # imported before the clock is started, as the libraries of the peers are
METRICS = ("loss", "val_loss", "lr", "grad_norm")
PIECE = 100_000  # steps that are made at a time
LAYOUTS = ("one log", "a log each", "one table")


def read(folder):
    logs = sim.read_logs(folder)
    if logs.left_out:
        raise SystemExit(f"left out: {logs.left_out[0]}")
    return [(run, run.curves(), [] if run.samples is None else list(run.samples())) for run in logs]


def rows(found):
    for run, curves, samples in found:
        # in the export of a chart, a column is of a run and a metric
        prefix = f"{run.name} - " if "wandb_export" in run.source else ""
        for metric, step, _, value in curves.iter_rows():
            yield prefix + metric, step, value
        for frame in samples:
            for _, item, metric, score in frame.iter_rows():
                yield metric, item, score


# -- the store ------------------------------------------------------------------------------------------------------


def tables(points, runs):
    """Runs of as many steps each, in pieces: run, step, four metrics."""
    rng = np.random.default_rng(0)
    steps = points // runs // len(METRICS)
    for run in range(runs):
        for first in range(0, steps, PIECE):
            step = np.arange(first, min(first + PIECE, steps))
            loss = 1.5 + 20 / np.sqrt(step + 10) + 0.1 * rng.standard_normal(len(step))
            values = (loss, loss + 0.1, 3e-4 / (1 + step / 1e5), rng.lognormal(0, 0.5, len(step)))
            yield pl.DataFrame({"run": [f"run-{run}"] * len(step), "step": step, **dict(zip(METRICS, values))})


def write_logs(layout, folder, points, runs):
    """CSV files; how many values were written, and what they sum up to."""
    totals = {}
    for frame in tables(points, runs):
        path = folder / "sweep.csv" if layout == "one table" else folder / frame["run"][0] / "metrics.csv"
        path.parent.mkdir(exist_ok=True)
        with open(path, "ab") as stream:
            written = frame if layout == "one table" else frame.drop("run")
            written.write_csv(stream, include_header=not stream.tell())
        for metric in METRICS:
            _count(totals, metric, frame["step"], frame[metric])
    return totals


def import_logs(folder, store):
    """What `similitude runs import` does."""
    with sim.Store(store) as into:
        return len(into.add(sim.read_logs(folder)).new)


def held(store):
    """How many values a store has, and what they sum up to."""
    totals = {}
    with sim.Store(store, create=False) as found:
        for run in found.logged():
            for frame in run.points():
                for (metric,), part in frame.group_by("metric"):
                    _count(totals, metric, part["step"], part["value"])
    return totals


def _count(totals, metric, step, value):
    """The bits of values, mixed with their steps, as a sum that does not depend on the order."""
    mixed = (
        value.to_numpy().view(np.uint64) ^ (step.to_numpy().astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    ) >> 3
    count, total = totals.get(metric, (0, 0))
    totals[metric] = count + len(mixed), (total + int((mixed & 0xFFFFFFFF).sum()) + int((mixed >> 32).sum())) % 2**64


KINDS = dict.fromkeys(
    (
        *("tensorboard", "wandb", "mlflow-sqlite", "mlflow-files", "lightning", "huggingface", "csv", "csv-of-runs"),
        *("json-lines", "wandb-chart", "wandb-history", "lm-eval", "inspect"),
    ),
    ("similitude", None, read, rows),
)
