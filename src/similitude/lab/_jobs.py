"""Jobs: runs in the order in which they are trained, those that share the beginning of their schedule together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from similitude._errors import SimilitudeError

from ._settings import Config, evenly
from ._train import Outcome, checkpoints_of, run_into, stem_id
from .interventions import chosen

__all__ = ["Job", "jobs_of", "work"]

LEAST_SHARED = 0.2  # of a run's steps, for it to be worth beginning from another's state


class Job(msgspec.Struct, frozen=True):
    """Runs that one worker trains one after the other; from `begins[i]` > 0 on run i goes on from the first's state.

    One with a start goes on from there, from the state that its start keeps. Or runs that are trained `together`.
    """

    runs: tuple[Config, ...]
    names: tuple[str, ...]
    begins: tuple[int, ...]
    together: bool = False

    @property
    def stems(self) -> list[int]:
        """The steps whose state the first leaves for others."""
        return sorted({b for run, b in zip(self.runs, self.begins, strict=True) if b and run.start is None})

    @property
    def flop(self) -> float:
        """Training FLOP that are left to do, the shared ones once."""
        from ._train import training_flop

        return sum(training_flop(r) * (1 - b / r.steps) for r, b in zip(self.runs, self.begins, strict=True))


def jobs_of(runs: Sequence[Config], names: Sequence[str], *, together: int = 1) -> list[Job]:
    """All runs as jobs, the largest first.

    Runs that differ in length and in the end of their schedule alone are one job: the longest leaves its state at the
    step where another's learning rate parts from its own, and the other goes on from there. It would have been in the
    same state, to the last bit, had it been trained from the beginning. A run with a start is trained after the run
    that keeps it, where that is among them. Of runs that differ in rate, seed and weight decay alone so many are
    trained `together`, and share no beginning.
    """
    found, left = _in_step(runs, names, together)
    groups: dict[str, list[int]] = {}
    started = [i for i in left if runs[i].start is not None]
    for i in (i for i in left if runs[i].start is None):
        alone = runs[i].interventions or runs[i].train.noise or runs[i].train.norms
        groups.setdefault(runs[i].id if alone else stem_id(runs[i]), []).append(i)
    for group in groups.values():
        found += _job([runs[i] for i in group], [names[i] for i in group])
    return sorted(_after_their_start(found, runs, names, started), key=lambda j: -j.flop)


def _in_step(runs: Sequence[Config], names: Sequence[str], count: int) -> tuple[list[Job], list[int]]:
    """Jobs of at most so many runs that are trained together, and the places of the runs that are in none."""
    if count == 1:
        return [], list(range(len(runs)))
    groups: dict[bytes | str, list[int]] = {}
    for i, run in enumerate(runs):
        groups.setdefault(_step_of(run), []).append(i)
    jobs, left = [], []
    for group in groups.values():
        for part in (group[i : i + count] for i in range(0, len(group), count)):
            if len(part) > 1:
                jobs.append(Job(tuple(runs[i] for i in part), tuple(names[i] for i in part), (0,) * len(part), True))
            else:
                left += part
    return jobs, left


def _step_of(run: Config) -> bytes | str:
    """Equal for runs that may be trained together; a run that keeps states or begins from one is trained alone.

    So is one with an intervention that enters between two steps.
    """
    r = run.resolved()
    between = any(made.stages is not None or made.revises is not None for made, _ in chosen(r))
    if between or r.start is not None or r.kept:
        return run.id
    train = msgspec.structs.replace(r.train, lr=1.0, weight_decay=0.0)
    return msgspec.json.encode(msgspec.structs.replace(r, train=train, seed=0), order="deterministic")


def _after_their_start(jobs: list[Job], runs: Sequence[Config], names: Sequence[str], started: list[int]) -> list[Job]:
    """The jobs, each with the runs that begin from one of its own at its end, and those whose start is elsewhere."""
    found, starts = list(jobs), {runs[i].id: _start_of(runs[i]) for i in started}

    def depth(run: str) -> int:
        return 1 + depth(starts[run]) if run in starts else 0

    place = {run.id: k for k, job in enumerate(found) if not job.together for run in job.runs} if started else {}
    for i in sorted(started, key=lambda i: depth(runs[i].id)):
        k = place.setdefault(_start_of(runs[i]), len(found))
        if k == len(found):
            found.append(Job((), (), ()))
        job = found[k]
        found[k] = Job((*job.runs, runs[i]), (*job.names, names[i]), (*job.begins, runs[i].begin))
        place[runs[i].id] = k
    return found


def _start_of(run: Config) -> str:
    return run.start.run if run.start is not None else ""


def _job(runs: list[Config], names: list[str]) -> Iterator[Job]:
    order = sorted(range(len(runs)), key=lambda i: -runs[i].steps)
    first = runs[order[0]]
    rates = first.rates().rates
    together, begins = [order[0]], [0]
    for i in order[1:]:
        shared = _shared(rates, runs[i].rates().rates)
        if shared >= LEAST_SHARED * runs[i].steps and not any(step <= shared for step in runs[i].kept):
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
    if made.together:
        return _work_together(made, store, limit)
    stem = stem_id(made.runs[0])
    found: list[Outcome] = []
    for i, (run, name, begin) in enumerate(zip(made.runs, made.names, made.begins, strict=True)):
        if any(o.state == "busy" for o in found):  # whoever is at the first leaves the state for the others
            break
        if any(o.state == "stopped" and o.id == _start_of(run) for o in found):
            found.append(Outcome(run.id, "stopped", says="put aside, as the run that it begins from was"))
            continue
        try:
            found.append(
                run_into(
                    run,
                    store,
                    name=name,
                    limit=limit,
                    stems=made.stems if i == 0 else (),
                    stem=(stem, begin) if begin and run.start is None else None,
                    for_others=_marks(made) if i == 0 else (),
                )
            )
        except SimilitudeError as error:
            found.append(Outcome(run.id, "failed", says=str(error)))
    if all(o.state in ("finished", "diverged", "known") for o in found):
        _forget(store, stem)
    return found


def _work_together(job: Job, store: str, limit: float | None) -> list[Outcome]:
    """Train the runs of a job as one, but for those that were begun alone and go on so."""
    from ._together import run_together

    begun = [(checkpoints_of(store) / f"{run.id}.safetensors").is_file() for run in job.runs]
    both = list(zip(job.runs, job.names, begun, strict=True))
    rest = [(run, name) for run, name, alone in both if not alone]
    found = run_together([r for r, _ in rest], [n for _, n in rest], store, limit=limit) if rest else []
    found += [run_into(run, store, name=name, limit=limit) for run, name, alone in both if alone]
    by_id = {outcome.id: outcome for outcome in found}
    return [by_id[run.id] for run in job.runs]


def _marks(job: Job) -> list[int]:
    """Steps of the shared beginning at which one of the later runs would have measured."""
    steps = [(r, b) for r, b in zip(job.runs[1:], job.begins[1:], strict=True) if r.start is None]
    return sorted({m for run, begin in steps for m in evenly(run.steps, run.train.evaluations) if m <= begin})


def _forget(store: str, stem: str) -> None:
    """The states that were left for runs which have all ended."""
    for path in checkpoints_of(store).glob(f"{stem}-*.safetensors"):
        path.unlink(missing_ok=True)
