# /// script
# dependencies = ["pandas==3.1.1", "polars==2.1.0", "pyarrow==26.0.1"]
# ///
"""Tables that pandas and Polars write: CSV, JSON lines and Parquet; gaps, values that are no numbers, runs in a column.

pandas writes nothing for nan, and ten decimals in JSON lines unless told otherwise; there nobody writes the infinite.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl

out = Path(sys.argv[1])
files = out / "files"
STEPS = [*range(0, 40, 10), 1 << 40]
ORDER = [3, 1, 4, 0, 2]
COLUMNS: dict[str, list[Any]] = {
    "step": STEPS,
    "train/loss": [4.0 / (1 + i) + 1 / 3 for i in range(5)],
    "lr": [0.0, 3e-4, 1e-300, -2.5e-17, 0.1],
    'val, "loss"': [2 / 3, None, math.nan, None, 1 / 7],
    "tokens": [i * (1 << 33) for i in range(5)],
    "spike": [1.0, math.inf, -math.inf, 2.0, 3.0],
    "note": ["start", None, 'a, "b"\nc', "", "end"],
}


def points(has: Callable[[float], bool] = lambda value: True) -> dict[str, list[list[float]]]:
    """The numbers that were given, less those the library has no value for."""
    given = {name: zip(STEPS, COLUMNS[name], strict=True) for name in COLUMNS if name not in ("step", "note")}
    return {n: [[s, float(v)] for s, v in pairs if v is not None and has(v)] for n, pairs in given.items()}


def printed(path: Path) -> dict[str, list[list[float]]]:
    """The numbers in JSON lines as they are written, which is no further from those given than the library rounds."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    found = {n: [[r["step"], float(r[n])] for r in records if r[n] is not None] for n in points()}
    for name, held in points(math.isfinite).items():
        assert [p[0] for p in held] == [p[0] for p in found[name]]
        assert all(abs(a[1] - b[1]) <= 1e-10 for a, b in zip(held, found[name], strict=True))
    return found


runs: list[dict[str, Any]] = []


def keep(name: str, held: dict[str, list[list[float]]]) -> None:
    runs.append({"name": name, "state": "unknown", "points": held})


there = points(lambda value: not math.isnan(value))
frame = pd.DataFrame(COLUMNS)
frame.to_csv(files / "pandas.csv", index=False)
keep("pandas", there)
frame.to_csv(files / "pandas-numbered.csv")
keep("pandas-numbered", there)
pd.read_csv(files / "pandas-numbered.csv").to_csv(files / "pandas-again.csv", index=False)
keep("pandas-again", there)
frame.set_index("step").to_csv(files / "pandas-indexed.tsv", sep="\t")
keep("pandas-indexed", there)
frame.to_parquet(files / "pandas-plain.parquet")
keep("pandas-plain", there)
frame.set_index("step").to_parquet(files / "pandas-by-step.parquet")
keep("pandas-by-step", there)
frame.loc[ORDER].to_parquet(files / "pandas-shuffled.parquet")
place = {step: ORDER.index(i) for i, step in enumerate(STEPS)}
keep("pandas-shuffled", {n: sorted(p, key=lambda point: place[point[0]]) for n, p in there.items()})
frame.to_json(files / "pandas-ten.jsonl", orient="records", lines=True)
keep("pandas-ten", printed(files / "pandas-ten.jsonl"))
frame.to_json(files / "pandas-fifteen.jsonl", orient="records", lines=True, double_precision=15)
keep("pandas-fifteen", printed(files / "pandas-fifteen.jsonl"))
pd.concat([frame.assign(run="one"), frame.assign(run=2)]).to_csv(files / "pandas-runs.csv", index=False)
keep("one", there)
keep("2", there)

table = pl.DataFrame(COLUMNS, strict=False)
table.write_csv(files / "polars.csv")
keep("polars", points())
table.write_parquet(files / "polars-plain.parquet")
keep("polars-plain", points())
table.write_ndjson(files / "polars-lines.ndjson")
keep("polars-lines", points(math.isfinite))
single = table.select("step", pl.col("train/loss", "lr").cast(pl.Float32))
single.write_parquet(files / "polars-single.parquet")
keep("polars-single", {n: [[s, v] for s, v in single.select("step", n).rows()] for n in single.columns[1:]})

libraries = {name: version(name) for name in ("pandas", "polars")}
kept = {"libraries": libraries, "reader": "table", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
