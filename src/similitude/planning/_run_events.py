"""What went wrong along a running curve: readings that are no numbers, clocks that jump, spikes, jumps, divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from similitude._digits import format_number

__all__ = ["Cleaned", "RunEvent", "cleaned", "smoothed"]

WINDOW = 25  # readings of the running median that spikes are seen against
SPIKE = 8.0  # usual distances from it
SMALLEST = 0.02  # share of the loss below which no departure is worth a name
JUMP = 0.01  # share by which the level has to change at once
LATE = 20.0  # usual distances between readings that make a gap
Kind = Literal["not finite", "resumed", "gap", "spike", "jump", "diverging"]


@dataclass(frozen=True)
class RunEvent:
    """Something that happened at a step: its kind, the last step it lasts to, its height as a share of the loss, and
    whether the run recovered (None where that is no question)."""

    kind: Kind
    step: float
    until: float
    height: float | None = None
    recovered: bool | None = None
    readings: int = 1

    @property
    def sentence(self) -> str:
        """In words."""
        at = format_number(self.step, digits=6)
        if self.kind == "not finite":
            return f"{self.readings} readings from step {at} are not numbers; they are left out"
        if self.kind == "resumed":
            return f"the steps fall back to {at}: a run resumed; the later readings of the same steps are used"
        if self.kind == "gap":
            return f"no readings between steps {at} and {format_number(self.until, digits=6)}"
        height = f"{self.height:+.1%}"
        if self.kind == "jump":
            return (
                f"the level jumps by {height} at step {at} and stays: another evaluation, other data or other settings?"
            )
        if self.kind == "diverging":
            return f"diverging now: {height} since step {at} and not back"
        back = "recovered" if self.recovered else "not recovered yet"
        return f"spike at step {at}: {height} over {self.readings} readings, {back}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values fit for JSON."""
        names = ("kind", "step", "until", "height", "recovered", "readings", "sentence")
        return {k: getattr(self, k) for k in names}


@dataclass(frozen=True, eq=False)
class Cleaned:
    """Steps and log losses in order (readings,), which of them are `sound`, and the events found."""

    steps: np.ndarray
    log_loss: np.ndarray
    sound: np.ndarray
    events: tuple[RunEvent, ...]


def cleaned(steps: np.ndarray, loss: np.ndarray, *, settled: float = 0.0) -> Cleaned:
    """The readings in order and what happened along them; spikes are looked for beyond the step `settled`."""
    events: list[RunEvent] = []
    steps, loss = _without_gaps_in_numbers(steps, loss, events)
    steps, loss = _in_order(steps, loss, events)
    events += _gaps(steps)
    y = np.log(loss)
    sound = np.ones(len(y), bool)
    late = np.flatnonzero(steps > settled)
    if len(late) >= 9:
        found, marked = _departures(steps[late], y[late])
        events += found
        sound[late] = ~marked
    return Cleaned(steps, y, sound, tuple(sorted(events, key=lambda e: e.step)))


def smoothed(y: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """The running median (readings,), continued by reflection about the first reading and the median of the last five.

    The last reading alone would be its own median, and a spike there go unseen.
    """
    window = min(window, len(y) // 2 * 2 - 1)
    if window < 3:
        return y
    half = window // 2
    end = 2 * np.median(y[-5:]) - y[-2 : -half - 2 : -1]
    padded = np.concatenate([2 * y[0] - y[half:0:-1], y, end])
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, window), axis=1)


def _without_gaps_in_numbers(
    steps: np.ndarray, loss: np.ndarray, events: list[RunEvent]
) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(steps)
    steps, loss = steps[known], loss[known]
    bad = ~np.isfinite(loss)
    for first, last in _runs(bad):
        events.append(RunEvent("not finite", float(steps[first]), float(steps[last]), readings=last - first + 1))
    return steps[~bad], loss[~bad]


def _in_order(steps: np.ndarray, loss: np.ndarray, events: list[RunEvent]) -> tuple[np.ndarray, np.ndarray]:
    """Ascending steps: where they fall back, what had been read beyond is replaced by what follows."""
    falls = np.flatnonzero(np.diff(steps) < 0) + 1
    kept = np.ones(len(steps), bool)
    for place in falls:
        kept[:place] &= steps[:place] < steps[place]
        events.append(RunEvent("resumed", float(steps[place]), float(steps[place - 1])))
    steps, loss = steps[kept], loss[kept]
    last_of_equals = np.append(np.diff(steps) > 0, True) if len(steps) else kept[:0]
    return steps[last_of_equals], loss[last_of_equals]


def _gaps(steps: np.ndarray) -> list[RunEvent]:
    apart = np.diff(steps)
    if len(apart) < 8:
        return []
    # readings may be spread evenly or evenly in logarithms: only a gap that is long by both is one
    far = (apart > LATE * np.median(apart)) & (np.diff(np.log(np.maximum(steps, 1e-9))) > 0.1)
    return [RunEvent("gap", float(steps[i]), float(steps[i + 1])) for i in np.flatnonzero(far)]


def _departures(steps: np.ndarray, y: np.ndarray) -> tuple[list[RunEvent], np.ndarray]:
    """Spikes, jumps and a divergence at the end, and which readings (readings,) they spoil."""
    spoiled = np.zeros(len(y), bool)
    events: list[RunEvent] = []
    jumps = _jumps(y)
    for place, height in jumps:
        events.append(RunEvent("jump", float(steps[place]), float(steps[-1]), float(np.expm1(height))))
    level = y.copy()
    for place, height in jumps:
        level[:place] += height  # what lies before is brought to the level of what follows
    middle = smoothed(level)
    off = level - middle
    usual = 1.4826 * float(np.median(np.abs(off))) + 1e-12
    ending = _divergence(level, usual)
    if ending is not None:
        spoiled[ending:] = True
        height = float(np.expm1(np.median(level[-3:]) - np.median(level[max(0, ending - 9) : ending])))
        events.append(RunEvent("diverging", float(steps[ending]), float(steps[-1]), height, False, len(y) - ending))
    far = (off > max(SPIKE * usual, SMALLEST)) & ~spoiled
    for first, last in _runs(far):
        back = (last + 1 < len(y) and ending is None) or last + 3 < len(y)
        height = float(np.expm1(off[first : last + 1].max()))
        events.append(RunEvent("spike", float(steps[first]), float(steps[last]), height, back, last - first + 1))
    spoiled |= np.abs(off) > max(SPIKE * usual, SMALLEST)
    for place, _ in jumps:
        spoiled[:place] = True  # another level: not the curve that goes on
    return events, spoiled


def _jumps(y: np.ndarray, most: int = 3) -> list[tuple[int, float]]:
    """Places where the level changes at once and for good, with the changes: medians before and after, trend apart."""
    w = min(WINDOW, len(y) // 4)
    if w < 5:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(y, w)
    middle = np.median(windows, axis=1)
    change = middle[w:] - middle[:-w]  # between readings i..i+w-1 and i+w..i+2w-1
    inside = np.median(np.abs(windows - middle[:, None]), axis=1) * 1.4826
    usual = np.maximum(inside[w:], inside[:-w]) + 1e-12
    trend = np.median(change)
    score = np.where(np.abs(change) > JUMP, np.abs(change - trend) / usual, 0.0)
    found: list[tuple[int, float]] = []
    for i in np.argsort(-score):
        if score[i] < 2 * SPIKE or len(found) == most:
            break
        place = int(i + w)
        # at once: the step between two neighbours is most of the change
        near = y[place - 2 : place + 3]
        at = int(np.argmax(np.abs(np.diff(near)))) + place - 1
        step = float(np.median(y[at : at + w]) - np.median(y[max(0, at - w) : at]))
        if abs(y[at] - y[at - 1]) > 0.6 * abs(step) and abs(step) > JUMP and all(abs(at - p) > w for p, _ in found):
            found.append((at, step))
    return sorted(found)


def _divergence(y: np.ndarray, usual: float) -> int | None:
    """Where the last stretch leaves the lowest level reached for good and still rises; None where it does not."""
    w = min(WINDOW, max(len(y) // 8, 3))
    middle = smoothed(y, w // 2 * 2 + 1)
    lowest = int(np.argmin(middle))
    risen = float(np.median(y[-3:]) - middle[lowest])
    if lowest >= len(y) - 3 or risen < max(SPIKE * usual, 2 * SMALLEST):
        return None
    above = y > middle[lowest] + max(3 * usual, SMALLEST / 2)
    if not above[-3:].all():
        return None
    start = len(y) - int(np.argmin(above[::-1])) if not above.all() else 0
    start = max(start, lowest + 1)
    tail = y[start:]
    still = np.median(tail[-max(len(tail) // 3, 1) :]) >= np.max(tail) - max(6 * usual, 0.3 * risen)
    return start if still and start > len(y) // 2 else None


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last place of each run of true values, runs two apart or less taken together."""
    places = np.flatnonzero(flags)
    if not len(places):
        return []
    cuts = np.flatnonzero(np.diff(places) > 3)
    firsts, lasts = np.concatenate([[0], cuts + 1]), np.concatenate([cuts, [len(places) - 1]])
    return [(int(places[a]), int(places[b])) for a, b in zip(firsts, lasts, strict=True)]
