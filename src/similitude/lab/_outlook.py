"""What a ladder will take and how far it is: parameters, FLOP, expected time and memory of each run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, DataError
from similitude._result import Result
from similitude._view import Column, Section, Table, Text

from ._families import family_of
from ._jobs import jobs_of
from ._ladder import Ladder
from ._settings import Config
from ._train import checkpoints_of, n_of, training_flop
from .interventions import flop_of_token

__all__ = ["Clock", "Outlook", "outlook", "time_text"]

OVERHEAD = 5e-6  # seconds a token whatever the size: look-ups, norms, softmax
STEP, UPDATE, KEPT = 1e-3, 7e-9, 6e-9  # seconds a step on images; a parameter and step; a number kept of an image
EFFICIENCY = 0.75  # of a plain matrix product's speed that training's products reach
ENDED = ("finished", "diverged")
PROCESS = 250e6  # bytes of a worker before it trains
HEAP = 64e6  # bytes by which a worker's memory grows at a time
COPIES = 3  # of the numbers kept for the backward pass, those that it needs itself among them


def time_text(seconds: float) -> str:
    """A time as people say it.

    >>> time_text(42), time_text(3000), time_text(20000)
    ('42 s', '50 min', '5.6 h')
    """
    if seconds < 99.5:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


class Clock:
    """Expected seconds of runs: as fast as runs of the same shape were here, else by the speed of a matrix product."""

    def __init__(self, finished: Mapping[str, float] | None = None) -> None:
        self.known = dict(finished or {})  # shape -> tokens a second
        self._speed: float | None = None

    def learn(self, config: Config, seconds: float) -> None:
        """What a run took."""
        if seconds > 0:
            self.known[shape_key(config)] = config.tokens / seconds

    def seconds(self, config: Config) -> float:
        """Of one core, without compiling."""
        known = self.known.get(shape_key(config))
        if known:
            return config.tokens / known
        flop = training_flop(config)
        kept = kept_of(config)
        if kept is not None:
            each = STEP + UPDATE * n_of(config) + KEPT * kept * config.train.batch
            return config.steps * each + flop / (EFFICIENCY * self.speed)
        return config.tokens * (OVERHEAD + flop / config.tokens / (EFFICIENCY * self.speed))

    @property
    def speed(self) -> float:
        """FLOP a second of a product of matrices of 384, single precision, measured once."""
        if self._speed is None:
            a = np.ones((384, 384), np.float32)
            best = 1e9
            for _ in range(8):
                begun = time.thread_time()
                np.matmul(a, a)
                best = min(best, time.thread_time() - begun)
            self._speed = 2 * 384**3 / max(best, 1e-4)
        return self._speed


def shape_key(config: Config) -> str:
    """Runs of one key take the same time for a token, or an image."""
    m = config.model
    changes = dict(sorted(config.interventions.items()))
    images = config.data.images
    data = f"{config.data.sequence} {config.vocabulary}" if images is None else f"{images} {config.train.batch}"
    return f"{m} {data} {changes} {config.train.dtype}"


def kept_of(config: Config) -> float | None:
    """Numbers that training keeps of one image for the backward pass; None of a run on text."""
    kept = family_of(config).kept
    return None if kept is None else kept(config.shape)


@dataclass(frozen=True)
class Outlook(Result):
    """A ladder before or while it is trained: one row a run, and what is left.

    `rows` are dictionaries with id, name, N by convention, D and its unit, C, seconds expected, bytes, state and steps
    done. Times are of one core; `left` is that of all workers together. Made by `sim.lab.outlook`.
    """

    ladder: str
    store: str
    rows: tuple[Mapping[str, Any], ...]
    workers: int
    left: float
    shared: float
    failures: tuple[str, ...] = field(default=())

    @property
    def done(self) -> int:
        """Runs that have ended."""
        return sum(r["state"] in ENDED for r in self.rows)

    def __repr__(self) -> str:
        return f"Outlook({self.ladder}: {self.done} of {len(self.rows)} runs done, about {time_text(self.left)} left)"

    def view(self) -> Section:
        """The runs and what is left."""
        units = " or ".join(dict.fromkeys(r["unit"] for r in self.rows))
        columns = ("run", Column("N", "parameters"), Column("without embeddings", "parameters"), Column("D", units),
                   Column("C", "FLOP", digits=3), "time", "memory", "state")  # fmt: skip
        rows = [
            (r["name"], r["N"], r["N_without_embeddings"], r["D"], r["C"], time_text(r["seconds"]),
             f"{r['bytes'] / 1e6:.0f} MB", r["says"])
            for r in self.rows
        ]  # fmt: skip
        total = sum(r["seconds"] for r in self.rows)
        note = (
            "C counts all matrix products, forward and backward. Time is that of one core, as fast as runs of the same "
            "shape were here, else by the speed of a matrix product; compiling a new shape adds a few seconds."
        )
        points = [
            f"{self.done} of {len(self.rows)} runs are in {self.store}.",
            f"About {time_text(self.left)} left with {self.workers} worker{'s' if self.workers > 1 else ''}; the whole "
            f"ladder is {time_text(total)} of one core"
            + (f", of which {time_text(self.shared)} is saved by runs that go on from others." if self.shared else "."),
            *self.failures,
        ]
        return Section(f"Ladder {self.ladder}", (Table("Runs", columns, rows, note), Text("", points)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema_version": 1,
            "ladder": self.ladder,
            "store": self.store,
            "workers": self.workers,
            "seconds_left": self.left,
            "runs": [dict(r) for r in self.rows],
            "failures": list(self.failures),
        }


def outlook(
    ladder: Ladder, *, workers: int | None = None, failures: Sequence[str] = (), clock: Clock | None = None
) -> Outlook:
    """What a ladder will take on this machine, and how far its store is; nothing is trained.

    Raises ArgumentError for fewer than one worker.

    >>> import similitude as sim
    >>> found = sim.lab.outlook(sim.lab.ladder_from({"sweep": [{"seed": [0, 1]}]}), workers=1)
    >>> [row["N"] for row in found.rows]
    [117056, 117056]
    """
    from ._workers import workers_by_default

    count = workers_by_default() if workers is None else workers
    if count < 1:
        raise ArgumentError(f"workers = {count}; expected 1 or more")
    there = standing(ladder)
    clock = clock or Clock()
    for run, key in zip(ladder.runs, ladder.keys, strict=True):
        state = there.get(key)
        if state and state["state"] == "finished" and state.get("seconds"):
            clock.learn(run, state["seconds"])
    listed = zip(ladder.runs, ladder.names, ladder.keys, strict=True)
    rows = [_row(run, name, there.get(key), clock) for run, name, key in listed]
    by_id = {r["id"]: r for r in rows}
    left = shared = longest = 0.0
    for job in jobs_of(ladder.runs, ladder.names):
        whole = 0.0
        for run, begin in zip(job.runs, job.begins, strict=True):
            row = by_id[run.id]
            saved = row["seconds"] * begin / run.steps
            shared += saved
            if row["state"] not in ENDED:
                whole += max(row["seconds"] * (1 - row["step"] / run.steps) - (0 if row["step"] else saved), 0.0)
        left, longest = left + whole, max(longest, whole)
    return Outlook(ladder.name, str(ladder.store), tuple(rows), count, max(left / count, longest), shared,
                   tuple(failures))  # fmt: skip


def _row(run: Config, name: str, state: Mapping[str, Any] | None, clock: Clock) -> dict[str, Any]:
    shape, steps = run.shape, run.steps
    state = state or {"state": "to do", "step": 0}
    says = state["state"]
    if says in ("running", "stopped"):
        says = f"{says}, {100 * state['step'] / steps:.0f} %"
    return {
        "id": run.id,
        "name": name,
        "N": shape.parameters("total"),
        "N_without_embeddings": shape.parameters("without embeddings"),
        "D": run.tokens,
        "unit": run.unit,
        "C": training_flop(run),
        "steps": steps,
        "seconds": clock.seconds(run),
        "bytes": bytes_of(run),
        "state": state["state"],
        "says": says,
        "step": state["step"],
        "loss": state.get("loss"),
    }


def bytes_of(run: Config) -> float:
    """Memory of the worker that trains it: the process, weights with gradients and moments, activations of a batch.

    Activations grow as the FLOP of a pass do that an intervention makes longer or repeats.
    """
    shape, m, d = run.shape, run.model, run.data
    state = shape.state("adam, 32 bit").total * 1.5
    kept = kept_of(run)
    if kept is not None:
        return PROCESS + HEAP + state + COPIES * 4.0 * kept * run.train.batch
    longer = max(1.0, flop_of_token(run) / family_of(run).shape(run).flop(d.sequence).training)
    rows = run.train.batch * d.sequence
    layer = 20 * m.width if m.kind == "lstm" else 14 * m.width + 4 * m.inner() + 2.5 * m.heads * d.sequence
    return PROCESS + state + longer * 4.0 * rows * (m.layers * layer + 4 * run.vocabulary)


def standing(ladder: Ladder) -> dict[str, dict[str, Any]]:
    """State of each run that its store knows, by key: state, step, loss and seconds where it has ended."""
    if not ladder.store.is_file():
        return {}
    from similitude.runs.store import Store
    from similitude.runs.store._live import live_runs

    found: dict[str, dict[str, Any]] = {}
    with Store(ladder.store) as store:
        for run in store.logged():
            final = run.final
            found[run.key] = {"state": run.state, "step": int(final.get("steps", 0)), "loss": final.get("val/loss"),
                              "seconds": final.get("seconds")}  # fmt: skip
        steps = {r["run"]: r["step"] for r in store._all("select run, max(step) as step from live_point group by run")}
        for live in live_runs(store):
            state = "running" if live.alive else "stopped"
            found[live.run.key] = {"state": state, "step": int(steps.get(live.number) or 0)}
    return found


def ended(ladder: Ladder) -> set[str]:
    """Ids of the runs that have ended."""
    there = standing(ladder)
    return {r.id for r, k in zip(ladder.runs, ladder.keys, strict=True) if there.get(k, {}).get("state") in ENDED}


def leftovers(ladder: Ladder) -> None:
    """Remove states of runs that have ended."""
    done = ended(ladder)
    for path in checkpoints_of(ladder.store).glob("*.safetensors"):
        if path.stem in done or (path.stem.startswith("together-") and _of(path) <= done):
            path.unlink(missing_ok=True)


def _of(path: Path) -> set[str]:
    """Ids of the runs whose states are in one file; none where it is damaged."""
    from ._checkpoint import read_checkpoint

    try:
        return set(read_checkpoint(path)[1].get("ids", ()))
    except DataError:
        return set()
