"""A run that is tracked: `log` puts values into a queue and returns; a thread writes them into the store.

Nothing here may fail or slow the training: whatever goes wrong is said once on standard error, and the run goes on.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - cannot be imported any more while the process ends, but is needed
import os
import signal
import sys
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from similitude._errors import SimilitudeError
from similitude.runs import LoggedRun
from similitude.runs._logged import flat

__all__ = ["Run", "run"]

EVERY = 2.0  # seconds between two visits to the disk
LONGEST = 200_000  # entries that wait at most, of a few values each: should the disk be gone for long
PATIENCE = 30.0  # seconds that the end of a run waits for the last points to be written
AGAIN = 0.5  # seconds between its attempts where the disk is full
BEAT = 20.0  # seconds between signs of life where nothing is logged

_alive: weakref.WeakSet[Run] = weakref.WeakSet()


def run(
    store: str | Path = "similitude.db",
    config: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    resume: int | None = None,
    every_process: bool = False,
) -> Run:
    """Begin to track a run in a store, which is made where it is not there.

    `config` are settings, nested ones with dotted names; `name` is a random one where it is not given; `resume` is the
    number of a run that stopped, to go on with it. Of several processes of one job only the first tracks, by RANK,
    unless `every_process`. Use it in a `with` statement, or call `finish`.

    >>> import similitude as sim, tempfile
    >>> run = sim.track.run(tempfile.mkdtemp() + "/similitude.db", name="second")
    >>> run.log({"loss": 2.0}, step=10)
    >>> run.finish()
    """
    ours = every_process or _rank() == 0
    return Run(Path(store), dict(config or {}), name or f"run-{uuid.uuid4().hex[:8]}", resume, ours)


def _rank() -> int:
    """The number of this process in its job, as torchrun, SLURM and MPI say it."""
    for variable in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        text = os.environ.get(variable, "")
        if text.isdigit():
            return int(text)
    return 0


class Run:
    """A run under way; made by :func:`run`. `number` is its number in the store, None until it is known."""

    def __init__(self, store: Path, config: dict[str, Any], name: str, resume: int | None, ours: bool) -> None:
        self.name, self.number, self.store = name, resume, store
        self._config, self._ours = config, ours
        self._queue: deque[tuple[float, int, dict[str, Any]]] = deque()
        self._dropped, self._step, self._said = 0, -1, set[str]()
        self._final: dict[str, float] = {}
        self._state, self._wake, self._written = "", threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        if ours:
            self._guarded(self._begin)

    # -- what a training loop calls -----------------------------------------------------------------------------

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Values of a step, by default the one after the last; numbers, or tensors and arrays of one number.

        Returns at once: a tensor of an accelerator is copied where it is and read later by another thread, so that the
        accelerator is not waited for. What is no number is left out.
        """
        if self._thread is None:
            return
        try:
            self._step = self._step + 1 if step is None else int(step)
            if len(self._queue) >= LONGEST:
                self._dropped += 1
                return
            kept = dict(values)
            for name, value in values.items():
                if type(value) is not float:
                    kept[name] = _kept(value)
            self._queue.append((time.time(), self._step, kept))
        except Exception as error:
            self._say(f"could not log a step ({error})")

    def summary(self, values: Mapping[str, Any]) -> None:
        """Values of the run as a whole, such as a benchmark's score."""
        self._guarded(lambda: self._final.update({k: float(v) for k, v in values.items()}))

    def finish(self, state: str = "finished") -> None:
        """The run has ended, "finished" or "crashed"; its last points are waited for, half a minute at most."""
        if self._thread is None:
            return
        self._state = self._state or state
        self._wake.set()
        if threading.current_thread() is not self._thread and not self._written.wait(PATIENCE):
            self._say("the last points could not be written in time")
        self._thread = None

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self._config["error"] = kind.__name__
        self.finish("finished" if kind is None or kind is SystemExit else "crashed")

    # -- the thread ---------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._work, name="similitude", daemon=True)
        self._thread.start()
        _alive.add(self)
        _hold_on()

    def _work(self) -> None:
        """Write what waits every two seconds; try again where the disk or the store would not have it."""
        writer: Any = None
        waiting: list[tuple[str, int, float, float]] = []
        beat, until = time.monotonic(), 0.0
        while True:
            self._wake.wait(EVERY)
            if ending := bool(self._state):
                until = until or time.monotonic() + PATIENCE
            try:
                writer = writer or self._opened()
                waiting += self._taken()
                if waiting:
                    writer.append(self.number, waiting)
                    waiting, beat = [], time.monotonic()
                elif time.monotonic() - beat > BEAT:
                    writer.heartbeat(self.number)
                    beat = time.monotonic()
                if ending and not self._queue:
                    self._ended(writer)
                    break
            except Exception as error:
                passing = _passes(error)
                full = f"{self.store}: the disk is full; what waits is written once there is room"
                self._say(full if passing else _sentence(error))
                if ending and not (passing and time.monotonic() < until):
                    break
                if ending:
                    time.sleep(AGAIN)
                if len(waiting) > 10 * LONGEST:
                    self._dropped, waiting = self._dropped + len(waiting), []
        self._written.set()

    def _opened(self) -> Any:
        import polars  # noqa: F401

        from similitude.runs.store._live import LiveWriter

        writer = LiveWriter(self.store)
        config = flat(self._config)
        if self.number is None:
            key = f"track:{uuid.uuid4().hex}"
            self.number = writer.begin(LoggedRun("track", key, self.name, str(self.store.name), config))
        else:
            self._step = max(self._step, writer.resume(self.number))
        return writer

    def _ended(self, writer: Any) -> None:
        if self._dropped:
            self._say(f"{self._dropped} steps were not kept, as they could not be written for too long")
        if "error" in self._config:
            writer.describe(self.number, {"error": self._config["error"]})
        writer.finish(self.number, self._state, self._final)
        writer.close()

    def _taken(self) -> list[tuple[str, int, float, float]]:
        """All that waits, as points."""
        found = []
        with suppress(IndexError):
            while True:
                when, step, values = self._queue.popleft()
                for name, raw in values.items():
                    value = raw if type(raw) is float else _number(raw)
                    if value is None:
                        self._say(f"'{name}' is no number ({type(raw).__name__}) and is left out")
                    else:
                        found.append((str(name), step, when, value))
        return found

    # -- safety -------------------------------------------------------------------------------------------------

    def _guarded(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except Exception as error:
            self._say(_sentence(error))

    def _say(self, sentence: str) -> None:
        """Each thing once."""
        if sentence in self._said or len(self._said) > 20:
            return
        self._said.add(sentence)
        with suppress(Exception):
            print(f"similitude: tracking of {self.name}: {sentence}", file=sys.stderr)


def _sentence(error: Exception) -> str:
    """What is said of an error."""
    return f"{error}" if isinstance(error, SimilitudeError) else f"{type(error).__name__}: {error}"


def _passes(error: Exception) -> bool:
    """Whether it is worth to try again although the run ends: somebody may make room on the disk."""
    from similitude.runs.store._schema import FullDisk

    return isinstance(error, FullDisk)


def _kept(value: Any) -> Any:
    """A value that nobody changes: a number, that of a tensor on the processor, the copy of any other tensor."""
    if not (hasattr(value, "detach") and hasattr(value, "clone")):
        return value
    if getattr(value, "is_cpu", False) and value.numel() == 1:
        return value.item()
    return value.detach().clone()


def _number(value: Any) -> float | None:
    """A number, or the one number of a tensor or an array; None for anything else."""
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, (str, bytes)):
        return None
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except Exception:  # whatever a library raises for values of its own, such as an array of several
        return None


# -- the end of the process -----------------------------------------------------------------------------------------

_held = False


def _hold_on() -> None:
    """Finish what is open when the process ends; on SIGTERM too, unless somebody handles that already."""
    global _held
    if _held:
        return
    _held = True
    atexit.register(_finish_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_let_go)
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def _open_runs() -> Iterator[Run]:
    yield from list(_alive)


def _let_go() -> None:
    """A process that was forked, such as one that loads data, does not track: its threads are not there."""
    for tracked in _open_runs():
        tracked._thread = None


def _finish_all() -> None:
    """Runs that nobody finished: crashed where the process ends by an error."""
    failed = getattr(sys, "last_type", None) is not None or getattr(sys, "last_exc", None) is not None
    for tracked in _open_runs():
        tracked.finish("crashed" if failed else "finished")


def _terminated(number: int, frame: Any) -> None:
    for tracked in _open_runs():
        tracked.finish("crashed")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
