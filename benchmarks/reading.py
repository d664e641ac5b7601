"""What runs in a process and an environment of its own: a log written, or read, measured and summed up in a digest.

Called as `python reading.py write|read|logs|import SCRIPT KIND FOLDER MORE`; needs only what the script needs.
"""

from __future__ import annotations

import hashlib
import json
import random
import resource
import runpy
import struct
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

METRICS = ("train/loss", "val/loss", "lr", "grad_norm")


def records(points: int, seed: int = 0) -> list[tuple[int, dict[str, float]]]:
    """Steps of four metrics each: losses that fall with noise, a learning rate, a norm."""
    draw = random.Random(seed)
    found = []
    for step in range(points // len(METRICS)):
        loss = 1.5 + 20 / (step + 10) ** 0.5 + 0.1 * draw.gauss(0, 1)
        values = (loss, loss + abs(0.1 * draw.gauss(0, 1)), 3e-4 / (1 + step / 1e5), draw.lognormvariate(0, 0.5))
        found.append((step, dict(zip(METRICS, values, strict=True))))
    return found


def digest(rows: Iterable[tuple[Any, Any, Any]]) -> tuple[int, str]:
    """How many values there are, and a hash of all, whatever their order: name, step or item, the bits of the value."""
    lines = sorted(f"{name}\0{int(at)}\0".encode() + struct.pack("<d", float(value)) for name, at, value in rows)
    return len(lines), hashlib.sha256(b"\n".join(lines)).hexdigest()


def peak() -> float:
    """Megabytes at the most so far, of this process alone where the system tells it."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.is_file() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """The result; seconds of wall and of processor time, megabytes of the process and what of them the work took."""
    before, wall, processor = peak(), time.perf_counter(), time.process_time()
    found = work()
    wall, processor, most = time.perf_counter() - wall, time.process_time() - processor, peak()
    return found, {"wall": wall, "processor": processor, "peak": most, "more": most - before}


def main(what: str, script: str, kind: str, folder: str, more: str) -> None:
    """Write a log of so many points, or read one, or import logs into a store; print what was measured and found."""
    given = runpy.run_path(script)
    found: dict[str, Any] = {}
    if what == "import":
        found["runs"], times = measured(lambda: given["import_logs"](Path(folder), more))
        found = {**times, **found, "totals": given["held"](more)}
    elif what == "logs":
        points, runs = map(int, more.split(","))
        found["totals"] = given["write_logs"](kind, Path(folder), points, runs)
    elif what == "write":
        given["KINDS"][kind][1](Path(folder), records(int(more)))
    else:
        library, _, read, rows = given["KINDS"][kind]
        values, times = measured(lambda: read(Path(folder)))
        count, hashed = digest(rows(values))
        found = {"library": library, **times, "count": count, "hash": hashed}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
