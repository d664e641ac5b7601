"""A sign of life on a terminal for anything that takes more than a moment; nothing where nobody looks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["counted", "working"]

PATIENCE = 0.8  # seconds before anything is shown


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
    with _console().status(what):
        done.wait()


@contextmanager
def counted(what: str, total: int) -> Iterator[Callable[..., None]]:
    """A bar of `total` steps; yields a function to call with a name when a step begins (`step=False`: within one)."""
    if not sys.stderr.isatty():
        yield lambda name, step=True: None
        return
    from rich.progress import Progress

    begun = 0
    with Progress(console=_console(), transient=True) as progress:
        task = progress.add_task(what, total=total)

        def begin(name: str, step: bool = True) -> None:
            nonlocal begun
            progress.update(task, description=name[:60], completed=begun if step else None)
            begun += step

        yield begin
