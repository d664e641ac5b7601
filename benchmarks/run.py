"""Measure Similitude against the recipes people use, side by side in one process: `python benchmarks/run.py`.

Options: --quick (a minute less and rougher), --full (all 4,500 starts of the grid search), --json (one document).
Times are seconds of one thread: BLAS is told so before NumPy is imported. On a machine shared with other programs wall
time means little, so ratios and targets go by the least processor time; wall time is printed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[_name] = "1"
_beside = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
if not os.environ.get("SIMILITUDE_DATA") and _beside.is_dir():
    os.environ["SIMILITUDE_DATA"] = str(_beside)

import numpy as np  # noqa: E402
from clock import Row, clock  # noqa: E402
from time_fitting import bootstrap_rows, fit_rows, interval_rows  # noqa: E402
from time_laws import law_rows  # noqa: E402
from time_planning import planning_rows  # noqa: E402
from time_processes import Growth, grow, process_rows, reading_rows  # noqa: E402

__all__ = ["main", "measure"]


def measure(folder: Path, quick: bool, full: bool) -> Iterator[Row]:
    """All rows of the table, one after the other."""
    yield from fit_rows(4500 if full else 15 if quick else 60, 5 if quick else 15)
    yield from bootstrap_rows(*((400, 100, 20) if quick else (4000, 1000, 100)))
    yield from interval_rows(3 if quick else 7, 10 if quick else 40)
    yield from law_rows(3 if quick else 15)
    yield from planning_rows(*((400, 3, 100) if quick else (4000, 7, 1000)))
    yield from process_rows(folder, 2 if quick else 10)
    yield from reading_rows(folder, 10_000 if quick else 1_000_000, 1 if quick else 3)


def main(arguments: list[str] | None = None) -> int:
    """Print the table, or the JSON document."""
    parser = argparse.ArgumentParser(description="Speed of Similitude beside the recipes people use.")
    parser.add_argument("--quick", action="store_true", help="smaller problems, fewer repeats")
    parser.add_argument("--full", action="store_true", help="every start of the grid search instead of a random part")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args(arguments)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not chosen.json:
            print(_header())
        for row in measure(folder, chosen.quick, chosen.full):
            rows.append(row)
            if not chosen.json:
                print(_line(row), flush=True)
        growth = grow(folder, [10**k for k in range(2, 5 if chosen.quick else 7)])
    print(
        json.dumps({"machine": machine(), "rows": [r.to_dict() for r in rows], "growth": growth}, indent=1)
        if chosen.json
        else _end(growth)
    )
    return 0


def _header() -> str:
    titles = f"{'task':<56} {'cpu':>9} {'wall':>9} {'median':>9}  {'peer':<26} {'cpu':>9} {'ratio':>8} {'target':>9}"
    return f"{machine()}\nleast cpu, least wall and median wall time; one thread; targets go by cpu time\n\n{titles}"


def machine() -> str:
    """What this machine does at the moment: a known piece of NumPy's work, so that runs can be told apart."""
    x = np.linspace(0, 1, 100_000)
    speed = clock(lambda: np.exp(x), 50)
    return (
        f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}; exp() of 100,000 numbers: cpu {seconds(speed.processor)}, median wall "
        f"{seconds(speed.median)}"
    )


def _line(row: Row) -> str:
    ours = row.ours
    peer = "" if row.theirs is None else seconds(row.theirs.processor) + ("*" if row.theirs.scaled != 1 else " ")
    ratio = "" if row.ratio is None else f"{row.ratio:,.1f}x"
    target = "" if row.target is None else seconds(row.target)
    verdict = {None: "", True: "reached", False: f"missed by {_excess(row)}"}[row.reached]
    text = (
        f"{row.task:<56} {seconds(ours.processor):>9} {seconds(ours.least):>9} {seconds(ours.median):>9}  "
        f"{row.peer:<26} {peer:>9} {ratio:>8} {target:>9} {verdict}"
    ).rstrip()
    return f"{text}\n    {row.note}" if row.note else text


def _excess(row: Row) -> str:
    return "" if row.target is None else f"{row.ours.processor / row.target - 1:.0%}"


def _end(growth: Growth) -> str:
    lines = ["* measured on a part and scaled to the whole", "", "cost of one fit against runs (processor seconds)"]
    lines.append(f"{'runs':>10} {'read':>9} {'fit':>9} {'us/run':>9} {'slope':>6}")
    for r in growth:
        each = 1e6 * (r["read"] + r["fit"]) / r["runs"]
        slope = f"{r['slope']:.2f}" if "slope" in r else ""
        lines.append(f"{r['runs']:>10,} {seconds(r['read']):>9} {seconds(r['fit']):>9} {each:>9.1f} {slope:>6}")
    return "\n".join(lines)


def seconds(x: float) -> str:
    """A duration with its unit, three digits."""
    return f"{x * 1e3:.3g} ms" if x < 1 else f"{x:.3g} s"


if __name__ == "__main__":
    sys.exit(main())
