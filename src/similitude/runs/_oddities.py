"""What is odd about a logged run: counters that counted nothing, scores that are placeholders, clocks that jump."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ._logged import LoggedRun
from ._meanings import is_placeholder_counter, token_metrics

__all__ = ["Oddity", "clock_jumps", "oddities_of"]

Arrays = Mapping[str, tuple[np.ndarray, np.ndarray]]
_LEAP = 3600.0  # seconds between two points, and
_TIMES = 100.0  # so many times the usual distance, for a leap of the clock


@dataclass(frozen=True, slots=True)
class Oddity:
    """Its kind, and a sentence that says what was made of it."""

    kind: str
    says: str


def oddities_of(run: LoggedRun, curves: Arrays) -> tuple[Oddity, ...]:
    """Oddities of one run; `curves` are steps and values of its metrics."""
    found = [*_counters(run, curves), *_scores(run)]
    if run.points is not None and (jump := clock_jumps(run)):
        found.append(Oddity("clock", jump))
    return tuple(found)


def _counters(run: LoggedRun, curves: Arrays) -> list[Oddity]:
    """Counts of tokens that are zero throughout were never counted."""
    zero = [n for n in token_metrics(curves) if len(curves[n][1]) and not np.nan_to_num(curves[n][1]).any()]
    zero += [
        n for n, v in run.config.items() if v in (0, "0") and not isinstance(v, bool) and is_placeholder_counter(n)
    ]
    return [
        Oddity("placeholder", f"'{n}' = 0 says that nothing was counted; it is not used") for n in dict.fromkeys(zero)
    ]


def _scores(run: LoggedRun) -> list[Oddity]:
    """A benchmark score of exactly zero is what a report holds before the benchmark has run."""
    found = [n for n, v in run.final.items() if v == 0 and "core" in n.casefold().split("/")[-1].split("_")]
    return [Oddity("placeholder", f"'{n}' = 0 is what stands there before the benchmark has run") for n in found]


def clock_jumps(run: LoggedRun) -> str:
    """A sentence where the clock of a log goes back or leaps, empty where it does not."""
    back = leaps = 0
    last = usual = None
    for chunk in run.points() if run.points is not None else ():
        time = chunk["time"].drop_nulls().to_numpy()
        if not len(time):
            continue
        gaps = np.diff(time if last is None else np.r_[last, time])
        last = time[-1]
        back += int((gaps < -1.0).sum())
        moved = gaps[gaps > 0]
        if len(moved):
            usual = float(np.median(moved)) if usual is None else usual
            leaps += int((gaps > max(_LEAP, _TIMES * usual)).sum())
    parts = [f"goes back {back} times" if back > 1 else "goes back once"] if back else []
    parts += (
        [f"leaps by more than an hour {leaps} times" if leaps > 1 else "leaps by more than an hour once"]
        if leaps
        else []
    )
    return f"its clock {' and '.join(parts)}: times and speeds across that are not to be trusted" if parts else ""
