"""A sign of life on a terminal for anything that takes more than a moment; nothing where nobody looks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Bar", "counted", "working"]

PATIENCE = 0.8  # seconds before anything is shown
LONGEST = 60  # characters of a description


def _console() -> Any:
    from rich.console import Console

    return Console(stderr=True, no_color="NO_COLOR" in os.environ or None)


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner with `what` beside it while the block runs, from 0.8 s on, when standard error is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_spin, args=(what, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _spin(what: str, done: threading.Event) -> None:
    if done.wait(PATIENCE):
        return
    from rich.live import Live
    from rich.spinner import Spinner

    # not redirecting: what is printed meanwhile must reach standard output, not the console on standard error
    with Live(Spinner("dots", what), console=_console(), transient=True, redirect_stdout=False, redirect_stderr=False):
        done.wait()


class Bar:
    """A progress bar on standard error, or nothing at all."""

    def __init__(self, progress: Any = None, task: Any = None) -> None:
        self._progress, self._task, self._begun = progress, task, 0

    def begin(self, name: str) -> None:
        """The next step begins."""
        if self._progress is not None:
            self._progress.update(self._task, description=name[:LONGEST], completed=self._begun)
        self._begun += 1

    def within(self, sentence: str) -> None:
        """Something happened within the step."""
        if self._progress is not None:
            self._progress.update(self._task, description=sentence[:LONGEST])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Out of the way while something is printed."""
        if self._progress is not None:
            self._progress.stop()
        yield
        if self._progress is not None:
            self._progress.start()


@contextmanager
def counted(what: str, total: int) -> Iterator[Bar]:
    """A bar of `total` steps when standard error is a terminal."""
    if not sys.stderr.isatty():
        yield Bar()
        return
    from rich.progress import Progress

    with Progress(console=_console(), transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        yield Bar(progress, progress.add_task(what, total=total))
