"""How fast the lab trains: `python benchmarks/lab.py [--rounds 7] [--python PYTHON]`.

Tokens per core-second of one training step (forward, backward, clipping, AdamW), against the same decoder in PyTorch,
eager, on one thread, at four sizes of byte-level models. Both processes live at once and train by turns, a second each,
so that what else the machine does meets both alike; printed are medians over rounds, of processor time, and the median
of the rounds' ratios. PyTorch is given the better of its two AdamW loops, and, in the last column, the same setting of
the allocator that the lab makes for itself. Then one worker against two on a ladder of equal runs, by wall time.
The peer's environment is made where no `--python` that has torch is given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "golden"))
from make_all import environment  # noqa: E402

__all__ = ["SIZES", "Peer", "main", "ratios", "scaling"]

SIZES = (
    {"layers": 2, "width": 32, "heads": 2, "batch": 16},
    {"layers": 4, "width": 64, "heads": 4, "batch": 16},
    {"layers": 4, "width": 128, "heads": 4, "batch": 8},
    {"layers": 6, "width": 256, "heads": 4, "batch": 8},
)
NEEDS = ("torch==2.13.0", "numpy==2.2.6")
SPAN = 1.0  # seconds of a turn
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2000000000", "MALLOC_TOP_PAD_": "67108864"}


class Peer:
    """A process that trains so many steps when told, pinned to one core where that can be done."""

    def __init__(self, python: str, script: str, settings: dict[str, Any], kept: bool = False) -> None:
        environ = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **(KEPT if kept else {})}
        command = [python, "-P", str(HERE / "peers" / script), json.dumps(settings)]  # a script there is named inspect
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
        self.parameters = self._read()["parameters"]
        self.train(2)
        self.steps = max(1, round(SPAN / max(self.train(2) / 2, 1e-4)))

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a peer ended: {self.process.args}")
        return json.loads(line)

    def train(self, steps: int) -> float:
        """Processor seconds of so many steps."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return self._read()["seconds"]

    def turn(self) -> float:
        """Processor seconds of a step, over a turn."""
        return self.train(self.steps) / self.steps

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def ratios(python: str, size: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Tokens per core-second of the lab and its peers at one size."""
    inner = -(-8 * size["width"] // 24) * 8
    settings = {"sequence": 128, "inner": inner, **size}
    peers = {
        "ours": Peer(sys.executable, "lab_decoder.py", settings),
        "loop": Peer(python, "torch_decoder.py", {**settings, "fused": False}),
        "fused": Peer(python, "torch_decoder.py", {**settings, "fused": True}),
        "kept": Peer(python, "torch_decoder.py", {**settings, "fused": True}, kept=True),
    }
    if len({p.parameters for p in peers.values()}) != 1:
        raise SystemExit(f"the models differ: { ({k: p.parameters for k, p in peers.items()}) }")
    seconds = [{k: p.turn() for k, p in peers.items()} for _ in range(rounds)]
    for peer in peers.values():
        peer.end()
    tokens = size["batch"] * 128
    best = [min(s["loop"], s["fused"]) for s in seconds]
    return {
        "parameters": peers["ours"].parameters,
        "ours": tokens / median(s["ours"] for s in seconds),
        "torch": tokens / median(best),
        "ratio": median(b / s["ours"] for b, s in zip(best, seconds, strict=True)),
        "kept": median(s["kept"] / s["ours"] for s in seconds),
    }


def scaling(tokens: float) -> tuple[float, float]:
    """Wall seconds of a ladder of four equal runs with one worker and with two, programs compiled before."""
    import similitude as sim

    values = {"run": {"model": {"layers": 3, "width": 64, "heads": 4}, "train": {"tokens": tokens, "evaluations": 1}},
              "sweep": [{"seed": [0, 1, 2, 3]}]}  # fmt: skip
    found = []
    for workers in (1, 1, 2):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            sim.lab.run(values, store=Path(folder) / "runs.db", workers=workers)
            found.append(time.perf_counter() - begun)
    return found[1], found[2]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--python", help="A Python that has torch.")
    parser.add_argument(
        "--tokens", type=float, default=4e5, help="Of each run by workers; 0: none."
    )
    given = parser.parse_args(arguments)
    python = given.python or str(environment("torch", NEEDS))
    print("parameters  ours [tokens/core-s]  torch eager  ratio  ratio, torch's memory kept")
    for size in SIZES:
        r = ratios(python, size, given.rounds)
        print(f"{r['parameters']:10,d}  {r['ours']:20,.0f}  {r['torch']:11,.0f}  {r['ratio']:5.2f}  {r['kept']:5.2f}",
              flush=True)  # fmt: skip
    if given.tokens:
        one, two = scaling(given.tokens)
        print(f"four runs with one worker {one:.1f} s, with two {two:.1f} s: {one / two:.2f}x")


if __name__ == "__main__":
    main()
