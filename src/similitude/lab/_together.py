"""Runs of one shape trained as one: each step is one vectorised step of all, for devices that a small run leaves idle.

The arithmetic of a vectorised product need not be that of single ones to the last bit. Losses agree with those of the
run alone as they do with those of that run begun from weights changed in their last digit: to 1e-5 after 200 steps at a
calm rate, to 1e-2 near the edge of stability, where training enlarges any difference. The store therefore says of such
a run with how many it was trained (the setting `together`); its id, a hash of what was asked for, is the same.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from similitude._errors import DataError

from ._checkpoint import read_checkpoint, write_checkpoint
from ._ending import told_to_end
from ._settings import Config
from ._train import Memory, Outcome, advanced, checkpoints_of, described, final_of, run_into
from ._training import Training

__all__ = ["Together", "run_together", "together_path"]


class Together:
    """Trainings that differ in seed, rates and weight decay, a step of all at a time.

    States are stacked along a first axis (runs, ...); a member has its own at hand where it measures. `over` are the
    places of those that are no longer recorded, because they diverged or have ended: their rows are computed on, so
    that the others' arithmetic stays the same.
    """

    def __init__(self, members: Sequence[Training]) -> None:
        self.members = tuple(members)
        self.steps, self.step = self.members[0].steps, 0
        self.over: set[int] = set()
        self.state = jax.tree.map(lambda *rows: jnp.stack(rows), *(m.state for m in self.members))
        self._ema = self.members[0].arguments()[3]
        self._keys = jnp.stack([jax.random.key(m.config.seed) for m in self.members])
        self._decays = np.array([m.config.train.weight_decay for m in self.members], np.float32)
        for member in self.members:
            member.state = {}

    @property
    def live(self) -> list[tuple[int, Training]]:
        """The members that are recorded, with their places."""
        return [(place, m) for place, m in enumerate(self.members) if place not in self.over]

    def lend(self, place: int) -> Training:
        """A member with its state."""
        self.members[place].state = jax.tree.map(lambda rows: rows[place], self.state)
        return self.members[place]

    def advance(self) -> Iterator[int]:
        """Train all to the end; gives each step that is done. Its seconds are shared evenly."""
        together = self.members[0].functions.together
        begun = time.perf_counter()
        batches = self._batches()
        while self.step < self.steps and self.live:
            rates = np.array([m.rates[self.step] for m in self.members], np.float32)
            self.state, told = together(self.state, batches, rates, self._decays, self._ema, self.step, self._keys)
            self.step += 1
            batches = self._batches()  # of the next step, while this one is computed
            loss, norm, others = jax.tree.map(np.asarray, told)
            for place, member in self.live:
                if member.measures(self.step):
                    self.lend(place)
                member.passed((loss[place], norm[place], {k: v[place] for k, v in others.items()}))
                if member.diverged or self.step == self.steps:
                    self.lend(place).leave()
            for member in self.members:
                member.seconds += (time.perf_counter() - begun) / len(self.members)
            yield self.step
            begun = time.perf_counter()

    def _batches(self) -> Any:
        """The batches of the step to come, stacked (runs, batch, ...)."""
        return jax.tree.map(lambda *rows: np.stack(rows), *(m.batch(self.step) for m in self.members))

    def save(self, path: Path) -> None:
        """Write the states of all, at once or not at all."""
        members = [m.words() for m in self.members]
        words = {"ids": [m.config.id for m in self.members], "step": self.step, "members": members}
        write_checkpoint(path, self.state, words)

    def load(self, path: Path) -> None:
        """Take up states that were saved; DataError where the file is damaged or of others."""
        state, words = read_checkpoint(path, like=self.state)
        self.state, self.step = jax.tree.map(jnp.asarray, state), int(words["step"])
        for member, said in zip(self.members, words["members"], strict=True):
            member.recall(said)


def together_path(folder: Path, runs: Sequence[Config]) -> Path:
    """The file with the states of runs that are trained together."""
    ids = " ".join(run.id for run in runs)
    return folder / f"together-{hashlib.sha256(ids.encode()).hexdigest()[:12]}.safetensors"


def run_together(
    runs: Sequence[Config], names: Sequence[str], store: str | Path, *, limit: float | None = None
) -> list[Outcome]:
    """Train runs of one compiled shape and length into a store as one, from wherever they are; see `run_into`.

    Those that have ended are left; one that is the only one left is trained alone.
    """
    from similitude.runs.store._live import LiveWriter

    from ._process import prepare

    prepare()
    writer = LiveWriter(store)
    try:
        claims = [writer.claim(described(run, name)) for run, name in zip(runs, names, strict=True)]
        open_ = [i for i, (claimed, _) in enumerate(claims) if claimed in ("begun", "resumed")]
        if any(claimed == "busy" for claimed, _ in claims):
            for i in open_:
                writer.release(claims[i][1])
            return [
                Outcome(run.id, "known" if c[0] == "known" else "busy") for run, c in zip(runs, claims, strict=True)
            ]
        outcomes = {i: Outcome(run.id, "known") for i, run in enumerate(runs)}
        path = together_path(checkpoints_of(store), runs)
        if len(open_) == 1 and not path.is_file():
            i = open_[0]
            outcomes[i] = run_into(runs[i], store, name=names[i], limit=limit)
        elif open_:
            numbers = {runs[i].id: claims[i][1] for i in open_}
            with told_to_end() as ended:
                found = _Group(runs, numbers, writer, path).train(limit, ended)
            outcomes |= {i: found[runs[i].id] for i in open_}
        return [outcomes[i] for i in range(len(runs))]
    finally:
        writer.close()


class _Group:
    """Runs trained together, and the numbers by which the store knows those that it is told of."""

    def __init__(self, runs: Sequence[Config], numbers: dict[str, int], writer: Any, path: Path) -> None:
        self.runs, self.numbers, self.writer, self.path = runs, numbers, writer, path
        self.memories = {key: Memory() for key in numbers}
        self.losses: dict[str, list[Any]] = {key: [] for key in numbers}
        self.outcomes: dict[str, Outcome] = {}
        self.says = ""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.together = self._taken_up()
        for number in numbers.values():
            writer.rewind(number, self.together.step)
            writer.describe(number, {"together": len(self.together.members)})

    def _taken_up(self) -> Together:
        """All as their last state left them, else those that have not ended at their beginning."""
        try:
            if self.path.is_file():
                ids = read_checkpoint(self.path)[1]["ids"]
                made = self._made(ids)
                made.load(self.path)
                return made
        except (DataError, KeyError):
            self.path.unlink(missing_ok=True)
            self.says = f"its state {self.path} was damaged and is removed; it is trained from its beginning"
        return self._made(list(self.numbers))

    def _made(self, ids: Sequence[str]) -> Together:
        by_id = {run.id: run for run in self.runs}
        if not set(self.numbers) <= set(ids) <= set(by_id):
            raise DataError(f"{self.path} holds the states of other runs")
        members = [Training(by_id[key], self.memories[key].log if key in self.numbers else _unheard) for key in ids]
        made = Together(members)
        made.over = {place for place, key in enumerate(ids) if key not in self.numbers}
        return made

    def train(self, limit: float | None, ended: Callable[[], bool]) -> dict[str, Outcome]:
        """What became of each run, by its id."""
        together = self.together
        done = advanced(together, self.flush, lambda: together.save(self.path), self.settle, limit, ended, None)
        for _, member in together.live:
            self.writer.release(self.numbers[member.config.id])
            self.outcomes[member.config.id] = Outcome(
                member.config.id, "stopped", member.seconds, member.step, self.says
            )
        if done:
            self.path.unlink(missing_ok=True)
        return self.outcomes

    def flush(self) -> None:
        """Write the points so far."""
        for key, memory in self.memories.items():
            if memory.rows:
                self.writer.append(self.numbers[key], memory.rows)
                self.losses[key] += [row for row in memory.rows if row[0].startswith("val/")]
                memory.rows.clear()

    def settle(self, step: int) -> None:
        """Tell the store of those that diverged at this step, or have come to their end."""
        for place, member in self.together.live:
            if member.diverged or step == self.together.steps:
                self.flush()
                key, state = member.config.id, "diverged" if member.diverged else "finished"
                self.writer.finish(self.numbers[key], state, final_of(member, self.losses[key]))
                self.outcomes[key] = Outcome(key, state, member.seconds, member.step, self.says)
                self.together.over.add(place)


def _unheard(step: int, values: Any) -> None:
    """The measurements of a run that has ended go nowhere."""
