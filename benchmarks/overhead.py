"""What tracking costs a training loop: `python benchmarks/overhead.py [--blocks 600] [lab numpy ...]`.

The lab's own step, a plain loop, the Hugging Face Trainer and Lightning's, of steps of a few milliseconds, the last two
in an environment made for them. Tracking goes on and off by turns, in blocks of 20 steps of one training. Printed is
the median of the differences in percent with an interval of at least 90 %: of the processor time of the thread that
trains, which other programs disturb least, and of wall time. "Calls" is what that thread spends in calls of the
tracking, with little noise but without what they do to the rest, such as to caches; it is found in a training of its
own, of a quarter as many blocks, since to take the time of a call costs about as much as the call. "Writing" is the
processor time of all other threads, those of the library's own included, from the first import to the last write, in
percent of the thread's time while it is tracked. A thread of JAX does the lab's work, so there all threads together are
taken for the one that trains, the writing with them.
Then it is seen that the store has every step, and that a store that cannot be written is said once and harms nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "golden"))
from make_all import environment  # noqa: E402

__all__ = ["blocks_of", "broken", "interval", "main", "overheads"]

NEEDS = ("torch==2.13.0", "transformers==4.57.1", "accelerate==1.11.0", "lightning==2.6.6")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
CLOCKS = ("thread", "wall")
BLOCK = 20  # steps, as in loops.py
TARGET = 0.5  # percent
BROKEN = """
import sys
import similitude as sim
with sim.track.run(sys.argv[1], name="mine") as run:
    for step in range(1000):
        run.log({"loss": 1 / (step + 1)}, step)
print("trained", step)
"""


def blocks_of(python: str | Path, kind: str, blocks: int, every: int, *what: str) -> dict[str, Any]:
    """What `loops.py` found in a process of its own; SystemExit where the store lacks a step."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), "-P", str(HERE / "loops.py"), kind, folder, str(blocks), str(every), *what]
        environ = {**os.environ, **dict.fromkeys(THREADS, "1")}
        ended = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environ)
    if ended.returncode:
        raise SystemExit(f"{kind} failed\n{ended.stderr[-2000:]}")
    found = json.loads(ended.stdout.splitlines()[-1])
    expected = sum(tracked for tracked, *_ in found["blocks"]) * BLOCK / every
    if found["logged"] < expected or found["state"] != "finished":
        raise SystemExit(f"{kind}: of {expected:.0f} steps the store has {found['logged']}, {found['state']}")
    return found


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, and the innermost pair of ordered values that holds that of all with a chance of 90 % at least."""
    ordered, n = sorted(values), len(values)
    outside, k = 0.0, 0
    while k < n // 2 and (outside := outside + math.comb(n, k) / 2**n) <= 0.05:
        k += 1
    return median(ordered), ordered[max(k - 1, 0)], ordered[n - max(k, 1)]


def overheads(blocks: Sequence[Sequence[float]]) -> dict[str, tuple[float, float, float]]:
    """By clock, percent that tracking adds: of fours of blocks, off, on, on, off, so that a drift cancels."""
    fours = [blocks[i : i + 4] for i in range(0, len(blocks) - 3, 4)]
    return {
        clock: interval([100 * ((b[k] + c[k]) / (a[k] + d[k]) - 1) for a, b, c, d in fours])
        for k, clock in enumerate(CLOCKS, 1)
    }


def broken() -> list[tuple[str, str]]:
    """What is said of stores that cannot be; SystemExit where the training suffers, or more than one line is said."""
    said = []
    with tempfile.TemporaryDirectory() as name:
        (folder := Path(name) / "folder").mkdir()
        (words := Path(name) / "words.db").write_text("no store\n")
        for what, store in (("no folder", folder / "gone" / "a.db"), ("a folder", folder), ("another file", words)):
            command = [sys.executable, "-c", BROKEN, str(store)]
            ended = subprocess.run(command, capture_output=True, text=True)
            lines = ended.stderr.splitlines()
            if ended.returncode or ended.stdout != "trained 999\n" or len(lines) != 1:
                raise SystemExit(f"store in {what}: the training was harmed, or it is not said once\n{ended.stderr}")
            said.append((what, lines[0].replace(name, ".")))
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="lab, numpy, huggingface, lightning")
    parser.add_argument("--blocks", type=int, default=600, help="of 20 steps each")
    chosen = parser.parse_args()
    clocks = "".join(f"{c + ' time, %':>26}" for c in CLOCKS)
    print(f"{'loop':<13}{'logs':<12}{'ms a step':>9}{clocks}{'calls, %':>10}{'writing, %':>12}{'us a log':>10}")
    for kind in chosen.names or ("lab", "numpy", "huggingface", "lightning"):
        python = sys.executable if kind in ("lab", "numpy") else environment("overhead", ["-e", HERE.parent, *NEEDS])
        for every in (1, 10):
            found = blocks_of(python, kind, chosen.blocks, every)
            timed = blocks_of(python, kind, chosen.blocks // 4, every, "calls")
            print(_line(kind, every, found, timed), flush=True)
    for what, line in broken():
        print(f"store in {what}: trained to the end; said once: {line}")
    print(f"the target is {TARGET} % at the most")


def _line(kind: str, every: int, found: dict[str, Any], timed: dict[str, Any]) -> str:
    plain = [thread for tracked, thread, _ in found["blocks"] if not tracked]
    tracked, watched = (sum(thread for on, thread, _ in f["blocks"] if on) for f in (found, timed))
    cells = "".join(f"{'{:+.2f} ({:+.2f} to {:+.2f})'.format(*v):>26}" for v in overheads(found["blocks"]).values())
    label = "every step" if every == 1 else f"every {every}"
    writing = 100 * found["others"] / tracked
    inside = 100 * timed["inside"] / (watched - timed["inside"])
    beside = "in thread" if kind == "lab" else f"{writing:.1f}"
    numbers = f"{cells}{inside:>10.2f}{beside:>12}{found['microseconds']:>10.1f}"
    return f"{kind:<13}{label:<12}{1000 * median(plain) / BLOCK:>9.2f}{numbers}"


if __name__ == "__main__":
    main()
