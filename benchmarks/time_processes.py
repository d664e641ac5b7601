"""Rows about whole processes, reading, and how one fit's cost grows with its runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from clock import Row, clock, clock_once, clock_process
from time_fitting import published_runs

import similitude as sim

__all__ = ["Growth", "grow", "process_rows", "reading_rows"]

SEED = 20240415
Growth = list[dict[str, Any]]


def process_rows(folder: Path, repeats: int) -> Iterator[Row]:
    """Processes from start to exit: an import, the help, a fit of 245 runs with its default intervals."""
    runs = published_runs("unmarked")
    table = folder / "runs.csv"
    _write(table, {k: runs.column(k) for k in ("N", "D", runs.output)}, runs.output)
    floor = clock_process(["-c", "import numpy, polars"], repeats)
    yield Row("python -c 'import similitude'", clock_process(["-c", "import similitude"], repeats), None)
    command = ["-m", "similitude.cli"]
    yield Row("similitude --help", clock_process([*command, "--help"], repeats), 0.15)
    fit = [*command, "fit", str(table), "--law", "chinchilla", "-o", str(folder / "fit.json")]
    yield Row(
        f"similitude fit, {len(runs)} runs",
        clock_process(fit, repeats),
        0.6,
        note=f"of which numpy and polars take {floor.processor:.2f} s to import",
    )


def reading_rows(folder: Path, count: int, repeats: int) -> Iterator[Row]:
    """A long CSV read and checked, against polars reading it unchecked."""
    import polars as pl

    table = folder / "long.csv"
    _write(table, _points(count), "loss")
    yield Row(
        f"read_runs of a CSV of {count:,} rows",
        clock(lambda: sim.read_runs(table), repeats),
        None,
        "polars.read_csv, unchecked",
        clock(lambda: pl.read_csv(table), repeats),
    )


def grow(folder: Path, sizes: Sequence[int]) -> Growth:
    """Reading and fitting (default objective and intervals) of ever more runs: seconds of processor time."""
    rows = []
    for count in sizes:
        table = folder / f"runs{count}.csv"
        _write(table, _points(count), "loss")
        once = clock if count <= 10_000 else lambda work, _: clock_once(work)[0]
        read = once(lambda table=table: sim.read_runs(table), 3)
        runs = sim.read_runs(table)
        fit = once(lambda runs=runs: sim.fit(sim.laws.chinchilla, runs), 3)
        rows.append({"runs": count, "read": read.processor, "fit": fit.processor})
    for before, after in pairwise(rows):
        total = [r["read"] + r["fit"] for r in (before, after)]
        after["slope"] = float(np.log(total[1] / total[0]) / np.log(after["runs"] / before["runs"]))
    return rows


def _points(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(SEED)
    n, d = 10 ** rng.uniform(7.5, 10.5, count), 10 ** rng.uniform(9, 12, count)
    law = sim.laws.chinchilla
    loss = law.evaluate({"N": n, "D": d}, law.published["besiroglu2024"].values)
    return {"N": n, "D": d, "loss": loss * np.exp(rng.normal(0, 0.01, count))}


def _write(path: Path, columns: dict[str, np.ndarray], output: str) -> None:
    import polars as pl

    pl.DataFrame({("loss" if k == output else k): v for k, v in columns.items()}).write_csv(path)
