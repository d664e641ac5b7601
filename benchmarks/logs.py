"""Reading logs beside the usual libraries: `python benchmarks/logs.py [--points 500_000] [names...]`.

For every kind of log its own library, in an environment made for it, writes a log of a seeded run. Then Similitude and
the library people read such logs with take all points of it, each in a process of its own, on one thread. Printed are
wall and processor seconds and the peak of memory of both (imports are not timed, but take memory), and how many times
as long and how much the other takes. Names, steps and values must agree to the last bit, or the program ends.

At last, logs of ten million points are imported into a store: one long run, 1,000 runs of a file each, and 1,000 runs
in one table. Values in the store must be those written. Names are those of the first column, "store" for this part.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "golden"))
from make_all import environment, needs  # noqa: E402

__all__ = ["PEERS", "compare", "import_rows", "main"]

PEERS = {
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow-sqlite", "mlflow-files"),
    "trainers": ("lightning", "huggingface", "csv", "csv-of-runs", "json-lines", "wandb-chart", "wandb-history"),
    "lm_eval": ("lm-eval",),
    "inspect": ("inspect",),
}
SHARE = {"inspect": 10, "lm-eval": 2}  # how many times fewer steps: each is a sample of two scores, with its texts
OURS = HERE / "peers" / "ours.py"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def child(python: str | Path, what: str, script: Path, kind: str, folder: Path, more: str = "") -> dict[str, Any]:
    """What `reading.py` found in a process of its own."""
    command = [str(python), "-P", str(HERE / "reading.py"), what, str(script), kind, str(folder), more]
    environ = {**os.environ, **dict.fromkeys(THREADS, "1")}
    ended = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=folder)
    if ended.returncode:
        raise SystemExit(f"{kind}: {script.stem} failed to {what}\n{ended.stderr[-2000:]}")
    return json.loads(ended.stdout.splitlines()[-1])


def least(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of repeated measurements the least of each."""
    return {**found[0], **{k: min(f[k] for f in found) for k in ("wall", "processor", "peak", "more")}}


def compare(kind: str, peer: str, points: int, repeats: int, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ours and theirs on one log; SystemExit where what they read is not the same."""
    script = HERE / "peers" / f"{peer}.py"
    python = environment(f"peer-{peer}", *needs(script))
    child(python, "write", script, kind, folder, str(points // SHARE.get(kind, 1)))
    ours, theirs = (
        least([child(p, "read", s, kind, folder) for _ in range(repeats)])
        for p, s in ((sys.executable, OURS), (python, script))
    )
    if (ours["count"], ours["hash"]) != (theirs["count"], theirs["hash"]):
        raise SystemExit(f"{kind}: values read differ, {ours['count']:,} by us and {theirs['count']:,} by the library")
    return ours, theirs


def import_rows(points: int, runs: int, repeats: int = 1) -> Iterator[tuple[str, dict[str, Any]]]:
    """Logs of so many points imported into a store; SystemExit where it does not hold what was written."""
    for layout, count in (("one log", 1), ("a log each", runs), ("one table", runs)):
        found = []
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "logs"
            folder.mkdir()
            written = child(sys.executable, "logs", OURS, layout, folder, f"{points},{count}")["totals"]
            for i in range(repeats):
                found.append(child(sys.executable, "import", OURS, layout, folder, f"{name}/store-{i}.db"))
                if found[-1]["totals"] != written or found[-1]["runs"] != count:
                    raise SystemExit(f"{layout}: the store does not hold what was logged")
        yield f"{count:,} run{'s' if count > 1 else ''}, {layout}", least(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--points", type=int, default=500_000)
    parser.add_argument("--store-points", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    chosen_kinds = [(k, p) for p, kinds in PEERS.items() for k in kinds if not chosen.names or k in chosen.names]
    if chosen_kinds:
        print(f"{'log':<14}{'values':>9}{'MB':>6}{'ours':>21}{'theirs':>22}   they take   by")
        print(f"{'':<29}{'wall    cpu    peak':>21}{'wall    cpu    peak':>22}   time memory")
    for kind, peer in chosen_kinds:
        with tempfile.TemporaryDirectory() as name:
            ours, theirs = compare(kind, peer, chosen.points, chosen.repeats, Path(name))
            size = sum(p.stat().st_size for p in Path(name).rglob("*") if p.is_file()) / 1e6
        print(f"{kind:<14}{ours['count']:>9,}{size:>6.0f}{_cells(ours):>21}{_cells(theirs):>22}", end="")
        ratios = (theirs[k] / ours[k] for k in ("processor", "peak"))
        print("{:>6.1f}x{:>6.1f}x   {}".format(*ratios, theirs["library"]), flush=True)
    if not chosen.names or "store" in chosen.names:
        print(f"\nimport of {chosen.store_points:,} points into a store{'':<4}wall    cpu    peak")
        for label, found in import_rows(chosen.store_points, 1000, chosen.repeats):
            print(f"{label:<42}{_cells(found):>21}", flush=True)


def _cells(found: dict[str, Any]) -> str:
    return f"{found['wall']:.2f} s {found['processor']:.2f} s {found['peak']:.0f} MB"


if __name__ == "__main__":
    main()
