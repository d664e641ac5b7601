"""Timing: wall and processor time of repeated calls and of whole processes, and the rows of the table they fill."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

__all__ = ["Row", "Timing", "clock", "clock_once", "clock_process"]


@dataclass(frozen=True)
class Timing:
    """Seconds of repeated runs: least and median wall time, least processor time. `scaled` > 1: from a part."""

    least: float
    median: float
    processor: float
    repeats: int
    scaled: float = 1.0

    def times(self, factor: float) -> Timing:
        """The same work `factor` times over."""
        return Timing(
            self.least * factor, self.median * factor, self.processor * factor, self.repeats, self.scaled * factor
        )


@dataclass(frozen=True)
class Row:
    """One line of the table: what was done, by whom, how long each took, the target in seconds, what else was seen."""

    task: str
    ours: Timing
    target: float | None = None
    peer: str = ""
    theirs: Timing | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times longer the peer takes, by processor time."""
        return None if self.theirs is None else self.theirs.processor / self.ours.processor

    @property
    def reached(self) -> bool | None:
        """Whether the least processor time is within the target; it does not count time given to other programs."""
        return None if self.target is None else self.ours.processor <= self.target

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "ratio": self.ratio, "reached": self.reached}


def clock(work: Callable[[], Any], repeats: int) -> Timing:
    """Time a call `repeats` times, after one call that is not counted."""
    work()
    return _collect(lambda: _in_process(work), repeats)


def clock_once(work: Callable[[], Any]) -> tuple[Timing, Any]:
    """Time a single call and keep its result: for long work that needs no warming up."""
    out: list[Any] = []
    return _collect(lambda: _in_process(lambda: out.append(work())), 1), out[0]


def clock_process(command: Sequence[str], repeats: int) -> Timing:
    """Time whole processes from start to exit, with compiled modules cached as in any installed package."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment.setdefault("PYTHONPYCACHEPREFIX", cache)
        run = [sys.executable, *command]
        _process(run, environment)
        return _collect(lambda: _process(run, environment), repeats)


def _collect(measure: Callable[[], tuple[float, float]], repeats: int) -> Timing:
    walls, processors = zip(*(measure() for _ in range(repeats)), strict=True)
    return Timing(min(walls), median(walls), min(processors), repeats)


def _in_process(work: Callable[[], Any]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def _process(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    before, wall = _children(), time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - wall, _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
