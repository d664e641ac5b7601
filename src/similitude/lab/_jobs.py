"""Jobs: runs in the order in which they are trained, those that share the beginning of their schedule together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from ._settings import Config
from ._train import Outcome, run_into, stem_id

__all__ = ["Job", "jobs_of", "work"]

LEAST_SHARED = 0.2  # of a run's steps, for it to be worth beginning from another's state


class Job(msgspec.Struct, frozen=True):
    """Runs that one worker trains one after the other; from `begins[i]` > 0 on run i goes on from the first's state."""

    runs: tuple[Config, ...]
    names: tuple[str, ...]
    begins: tuple[int, ...]

    @property
    def flop(self) -> float:
        """Training FLOP that are left to do, the shared ones once."""
        from ._train import training_flop

        return sum(training_flop(r) * (1 - b / r.steps) for r, b in zip(self.runs, self.begins, strict=True))


def jobs_of(runs: Sequence[Config], names: Sequence[str]) -> list[Job]:
    """All runs as jobs, the largest first.

    Runs that differ in length and in the end of their schedule alone are one job: the longest leaves its state at the
    step where another's learning rate parts from its own, and the other goes on from there. It would have been in the
    same state, to the last bit, had it been trained from the beginning.
    """
    groups: dict[str, list[int]] = {}
    for i, run in enumerate(runs):
        alone = run.interventions or run.train.noise or run.train.norms
        groups.setdefault(run.id if alone else stem_id(run), []).append(i)
    found = [_job([runs[i] for i in g], [names[i] for i in g]) for g in groups.values()]
    return sorted((j for js in found for j in js), key=lambda j: -j.flop)


def _job(runs: list[Config], names: list[str]) -> Iterator[Job]:
    order = sorted(range(len(runs)), key=lambda i: -runs[i].steps)
    first = runs[order[0]]
    rates = first.rates().rates
    together, begins = [order[0]], [0]
    for i in order[1:]:
        shared = _shared(rates, runs[i].rates().rates)
        if shared >= LEAST_SHARED * runs[i].steps:
            together.append(i)
            begins.append(shared)
        else:
            yield Job((runs[i],), (names[i],), (0,))
    yield Job(tuple(runs[i] for i in together), tuple(names[i] for i in together), tuple(begins))


def _shared(a: np.ndarray, b: np.ndarray) -> int:
    """Steps for which two schedules are the same, at least one of either being left to train."""
    n = min(len(a), len(b)) - 1
    differ = np.flatnonzero(a[:n] != b[:n])
    return int(differ[0]) if differ.size else n


def work(job: bytes, store: str, limit: float | None = None) -> list[Outcome]:
    """Train the runs of a job, a JSON document, into a store; what became of each. Runs in a worker process."""
    made = msgspec.json.decode(job, type=Job)
    stem = stem_id(made.runs[0])
    found = []
    for i, (run, name, begin) in enumerate(zip(made.runs, made.names, made.begins, strict=True)):
        stems = sorted({b for b in made.begins if b}) if i == 0 else ()
        if any(o.state == "busy" for o in found):  # whoever is at the first leaves the state for the others
            break
        found.append(
            run_into(
                run,
                store,
                name=name,
                limit=limit,
                stems=stems,
                stem=(stem, begin) if begin else None,
                for_others=_marks(made) if i == 0 else (),
            )
        )
    if all(o.state in ("finished", "diverged", "known") for o in found):
        _forget(store, stem)
    return found


def _marks(job: Job) -> list[int]:
    """Steps of the shared beginning at which one of the later runs would have measured."""
    from ._training import evenly

    steps = zip(job.runs[1:], job.begins[1:], strict=True)
    return sorted({m for run, begin in steps for m in evenly(run.steps, run.train.evaluations) if m <= begin})


def _forget(store: str, stem: str) -> None:
    """The states that were left for runs which have all ended."""
    from ._train import checkpoints_of

    for path in checkpoints_of(store).glob(f"{stem}-*.safetensors"):
        path.unlink(missing_ok=True)
