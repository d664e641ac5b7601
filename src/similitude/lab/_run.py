"""run: a whole ladder, from wherever it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

from similitude._errors import ArgumentError, DataError

from ._jobs import Job, jobs_of
from ._ladder import Ladder, ladder_from, read_ladder
from ._outlook import Clock, Outlook, ended, leftovers, outlook
from ._train import Outcome, needs_jax
from ._workers import carry_out, workers_by_default

__all__ = ["run"]

LOOK = 2.0  # seconds between two looks at the store, for whoever watches


def run(
    ladder: Ladder | Mapping[str, Any] | str | Path,
    *,
    store: str | Path | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    retries: int = 3,
    limit: float | None = None,
    together: int = 1,
    told: Callable[[str], None] = lambda sentence: None,
    tick: Callable[[Outlook], None] | None = None,
) -> Outlook:
    """Train all runs of a ladder that are not in its store yet.

    Parameters
    ----------
    ladder, store
        The ladder, its file or its values; where its runs are kept, by default where the ladder says.
    workers
        Processes of one thread each; all cores by default.
    executor
        A `concurrent.futures.Executor` to use instead, such as Dask's `Client.get_executor()`; the store must be on a
        disk its workers share. It is the caller's to shut down.
    retries, limit
        How often a run is tried again after an error; seconds a run may take, after which it is put aside and can be
        gone on with.
    together
        So many runs that differ in learning rate, seed and weight decay alone are trained as one, in vectorised steps:
        for a device that one of them leaves idle. Losses are those of the runs alone up to rounding; the store says of
        each with how many it was trained. Their memory adds up.
    told, tick
        Hear a sentence about each run that ended; the outlook now and then.

    A worker that dies is replaced, and what it was training is taken up from its last checkpoint; so is everything when
    the whole program was killed and is started again. Raises DataError where runs are left, after all others are done.

    >>> import similitude as sim
    >>> sim.lab.run("ladder.toml")  # doctest: +SKIP
    Outlook(ladder: 12 of 12 runs done, about 0 s left)
    """
    needs_jax()
    if isinstance(ladder, Ladder):
        made = ladder if store is None else replace(ladder, store=Path(store))
    else:
        made = (ladder_from if isinstance(ladder, Mapping) else read_ladder)(ladder, store=store)  # type: ignore[arg-type]
    count = workers_by_default() if workers is None else workers
    if together < 1:
        raise ArgumentError(f"together = {together}; expected 1 or more runs")
    if count < 1 or retries < 0 or (limit is not None and limit <= 0):
        raise ArgumentError(f"workers = {count}, retries = {retries}, limit = {limit}: expected at least 1, 0 and 0")
    _data(made)
    clock, stopped = Clock(), []
    failures: list[tuple[str, str]] = []

    def heard(job: Job, outcomes: list[Outcome] | str) -> None:
        if isinstance(outcomes, str):
            failures.extend((name, outcomes) for name in job.names)
            told(f"{', '.join(job.names)}: {outcomes}")
            return
        for name, outcome in zip(job.names, outcomes, strict=True):
            if outcome.state == "failed":
                failures.append((name, outcome.says))
            elif outcome.state == "stopped" and not outcome.steps:
                stopped.append(f"{name}: {outcome.says}")
            elif outcome.state == "stopped":
                stopped.append(f"{name}: put aside at step {outcome.steps}, at its time limit")
            if outcome.state != "known":
                told(f"{name}: {outcome.says if outcome.state == 'failed' else outcome.state}")
            if outcome.says and outcome.state != "failed":
                told(f"{name}: {outcome.says}")

    looked = 0.0

    def ticked() -> None:
        nonlocal looked
        if tick is not None and time.monotonic() - looked > LOOK:
            looked = time.monotonic()
            tick(outlook(made, workers=count, clock=clock))

    from similitude.runs.store import Store

    Store(made.store).close()  # made, or refused, before anything is trained
    open_jobs = _left(made, together)
    carry_out(open_jobs, str(made.store), workers=min(count, max(len(open_jobs), 1)), executor=executor,
              retries=retries, limit=limit, told=heard, tick=ticked)  # fmt: skip
    leftovers(made)
    if failures:
        name, said = failures[0]
        raise DataError(f"{len(failures)} of {len(made)} runs failed: {name}: {said}")
    return outlook(made, workers=count, failures=stopped, clock=clock)


def _data(ladder: Ladder) -> None:
    """Fetch and prepare what the runs read, once, before the workers begin."""
    from ._training import prepare_data

    seen = set()
    for run in ladder.runs:
        what = (tuple(run.data.domains), run.data.tokenizer, run.data.images)
        if what not in seen:
            seen.add(what)
            prepare_data(run)


def _left(ladder: Ladder, together: int) -> list[Job]:
    """Jobs with a run that has not ended."""
    done = ended(ladder)
    return [
        job for job in jobs_of(ladder.runs, ladder.names, together=together) if any(r.id not in done for r in job.runs)
    ]
