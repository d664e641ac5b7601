"""Worker processes of one thread each; whoever dies is replaced, and what it was at is taken up by another."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any

import msgspec

from similitude._errors import DataError, SimilitudeError

from ._ending import LONGEST
from ._jobs import Job, work
from ._train import Outcome, checkpoints_of

__all__ = ["carry_out", "workers_by_default"]

BUSY = 1.0  # seconds until a run that another process is at is asked for again
TICK = 0.25
DEATHS = 12  # of workers, in a row
GRACE = 0.8  # seconds that Ctrl-C leaves a worker to write its state in


def workers_by_default() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def carry_out(
    jobs: list[Job],
    store: str,
    *,
    workers: int,
    executor: Executor | None = None,
    retries: int = 3,
    limit: float | None = None,
    told: Callable[[Job, list[Outcome] | str], None] = lambda job, outcomes: None,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Have all jobs done; `told` hears what became of each, `tick` is called a few times a second.

    A job whose worker dies is given to another, `retries` times for the same reason; one that raises an error of ours
    is told of once. With an `executor` of one's own (Dask's, say) its workers are used.
    """
    waiting = list(jobs)
    tries: dict[int, int] = {}
    running: dict[Future[Any], Job] = {}
    pool = executor or _pool(workers)
    resting: list[tuple[float, Job]] = []
    breaks, reached = 0, _reached(store)
    try:
        while waiting or running or resting:
            now = time.monotonic()
            waiting += [job for when, job in resting if when <= now]
            resting = [(when, job) for when, job in resting if when > now]
            broken = False
            while waiting and (executor is not None or len(running) < workers):
                job = waiting.pop(0)
                try:
                    running[pool.submit(work, msgspec.json.encode(job), store, limit)] = job
                except (BrokenProcessPool, RuntimeError):
                    waiting.insert(0, job)
                    broken = True
                    break
            done, _ = wait(running, timeout=TICK)
            if not running:
                time.sleep(TICK)
            for future in done:
                job = running.pop(future)
                try:
                    outcomes = future.result()
                except SimilitudeError as error:
                    told(job, str(error))
                    continue
                except BaseException as error:
                    if isinstance(error, (KeyboardInterrupt, SystemExit)):
                        raise
                    broken = broken or isinstance(error, BrokenProcessPool)
                    tries[id(job)] = tries.get(id(job), 0) + 1
                    if not isinstance(error, BrokenProcessPool) and tries[id(job)] > retries:
                        told(job, f"{type(error).__name__}: {error}")
                    else:
                        waiting.insert(0, job)
                    continue
                if any(o.state == "busy" for o in outcomes):
                    resting.append((time.monotonic() + BUSY, job))
                else:
                    told(job, outcomes)
            if broken and executor is None:
                breaks, reached = _breaks(breaks, reached, store)
                waiting = [*running.values(), *waiting]
                running.clear()
                pool.shutdown(wait=True, cancel_futures=True)
                pool = _pool(workers)
            tick()
    except BaseException:
        if executor is None:
            _end(pool)
        for future in running:
            future.cancel()
        raise
    if executor is None:
        pool.shutdown(wait=True)


class _Worker(SpawnProcess):
    """A new process that does not run the caller's script again, as none of what it does is defined there.

    So a script may call the lab without the usual `if __name__ == "__main__"`.
    """

    _starting = threading.Lock()

    def start(self) -> None:
        with self._starting:
            script = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")  # a new process is told what is found here
            try:
                super().start()
            finally:
                sys.modules["__main__"] = script


class _Context(SpawnContext):
    Process = _Worker


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=_Context(), initializer=_ready, initargs=(os.getpid(),))


def _reached(store: str) -> tuple[int, float]:
    """How far all runs are: those that ended, and when a state was last written."""
    from similitude.runs.store import Store

    with Store(store) as kept:
        ended = len(kept)
    states = [p.stat().st_mtime for p in checkpoints_of(store).glob("*.safetensors") if p.is_file()]
    return ended, max(states, default=0.0)


def _breaks(breaks: int, before: tuple[int, float], store: str) -> tuple[int, tuple[int, float]]:
    """Counts deaths of workers with nothing reached between them; DataError after a dozen."""
    now = _reached(store)
    if now != before:
        return 0, now
    if breaks + 1 >= DEATHS:
        raise DataError(
            f"worker processes ended {DEATHS} times before they got anywhere, most likely for want of memory; train "
            "with fewer workers, a smaller batch or a smaller model"
        )
    return breaks + 1, before


def _end(pool: Any) -> None:
    """Tell the workers to end, and end those that have not written their state within `GRACE` seconds."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    for process in processes:
        process.terminate()
    until = time.monotonic() + GRACE
    for process in processes:
        process.join(max(until - time.monotonic(), 0))
    for process in processes:
        process.kill()
    pool.shutdown(wait=True, cancel_futures=True)


def _ready(parent: int) -> None:
    """A worker begins: it leaves Ctrl-C to its parent, and does not outlive it."""
    from ._process import prepare

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    prepare()


def _follow(parent: int) -> None:
    """Once the parent is gone, end as if told to."""
    while os.getppid() == parent:
        time.sleep(TICK)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(2 * LONGEST)
    os._exit(1)
