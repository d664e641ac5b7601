"""A ladder under kill -9 of its workers and of its driver: nothing that had finished is lost, none is there twice.

    python tests/stress/ladder.py --times 30 --seed 0

A ladder of runs of a few seconds is trained by two workers. At random moments one of the workers, or the driver, is
killed; a driver that was killed is started again. After each kill the store is looked through. In the end its table
must be that of the same ladder trained undisturbed, to the last bit. Exit code 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import similitude as sim
from similitude.lab import ladder_from

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lab.ladders import DRIVER, table_of, workers_of

SAID = "a ladder of small runs is trained again and again while its processes are killed one by one"
WORDS = SAID.split()


def values_of(folder: Path, runs: int, steps: int) -> dict[str, Any]:
    """A ladder of so many runs, half of them going on from another, on a text written into the folder."""
    text = folder / "text"
    text.mkdir()
    draw = np.random.default_rng(3)
    for i in range(40):
        (text / f"{i:02}.txt").write_text(" ".join(WORDS[k % len(WORDS)] for k in draw.zipf(1.6, 800)))
    return {
        "run": {
            "model": {"layers": 2, "width": 32, "heads": 2},
            "data": {"domains": {str(text): 1}, "sequence": 64, "held": 32},
            "train": {"batch": 8, "lr": 5e-3, "warm_up": 5, "evaluations": 4},
        },
        "sweep": [{"seed": list(range(runs // 2)), "train": {"steps": [steps, 2 * steps]}}],
    }


class Disturbed:
    """A driver that is killed and started again, and what is seen of its store meanwhile."""

    def __init__(self, command: list[str], store: Path) -> None:
        self.command, self.store = command, store
        self.kills: Counter[str] = Counter()
        self.seen: dict[str, Any] = {}
        self.wrong: list[str] = []
        self.opened: list[float] = []
        self.driver = subprocess.Popen(command)

    def look(self) -> None:
        """What had finished must be as it was."""
        begun = time.perf_counter()
        now = table_of(self.store) if self.store.is_file() else {}
        self.opened.append(1000 * (time.perf_counter() - begun))
        for key, said in self.seen.items():
            if now.get(key) != said:
                self.wrong.append(
                    f"{key} is {'changed' if key in now else 'lost'} after kill {sum(self.kills.values())}"
                )
        self.seen = now

    def kill(self, draw: random.Random) -> None:
        """One of the processes, by chance."""
        workers = workers_of(self.driver.pid)
        if workers and draw.random() < 0.6:
            os.kill(draw.choice(workers), signal.SIGKILL)
            self.kills["worker"] += 1
        else:
            self.driver.kill()
            self.driver.wait()
            self.kills["driver"] += 1
            self.driver = subprocess.Popen(self.command)

    def alive(self) -> bool:
        return self.driver.poll() is None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--steps", type=int, default=600)
    given = parser.parse_args()
    draw = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        values = values_of(folder, given.runs, given.steps)
        script = folder / "driver.py"
        script.write_text(DRIVER)
        disturbed = Disturbed(
            [sys.executable, str(script), json.dumps(values), str(folder / "runs.db")], folder / "runs.db"
        )
        while sum(disturbed.kills.values()) < given.times and disturbed.alive():
            time.sleep(draw.uniform(1.0, 9.0))
            disturbed.kill(draw)
            disturbed.look()
        ended = disturbed.driver.wait()
        disturbed.look()
        ladder = ladder_from(values, store=folder / "undisturbed.db")
        sim.lab.run(ladder, workers=2)
        same = disturbed.seen == table_of(ladder.store)
    if ended:
        disturbed.wrong.append(f"the last driver ended with {ended}")
    if not same:
        disturbed.wrong.append("the table is not that of the undisturbed ladder")
    kills = ", ".join(f"{n} of a {what}" for what, n in sorted(disturbed.kills.items()))
    print(f"{sum(disturbed.kills.values())} kills ({kills}); {len(disturbed.seen)} of {given.runs} runs finished")
    print(f"store opened {len(disturbed.opened)} times, read whole in {statistics.median(disturbed.opened):.0f} ms")
    print(f"table {'the same as' if same else 'OTHER than'} undisturbed; wrong: {len(disturbed.wrong)}")
    for sentence in disturbed.wrong[:20]:
        print(f"  {sentence}")
    return 1 if disturbed.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
