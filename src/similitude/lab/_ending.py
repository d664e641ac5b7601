"""Being told to end: a signal is noted, what is under way is written down, then the signal does what it does."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["LONGEST", "told_to_end"]

LONGEST = 10.0  # seconds after SIGTERM at which the process ends whatever it is at
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def told_to_end() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM or Ctrl-C has come, which take effect when the block is left; a second Ctrl-C does at once.

    A step of compiled code cannot be broken off: after SIGTERM the process ends within `LONGEST` seconds even so.
    Signals that are ignored stay so, those with handlers of other libraries are left to these, and outside the main
    thread, where a process cannot be told, there is nothing to hear.
    """
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    usual = {number: signal.getsignal(number) for number in _SIGNALS}
    ours = [n for n, handler in usual.items() if handler in (signal.SIG_DFL, signal.default_int_handler)]

    def hear(number: int, frame: object) -> None:
        if number == signal.SIGINT and number in heard:
            raise KeyboardInterrupt
        heard.append(number)

    with _bounded(signal.SIGTERM in ours):
        for number in ours:
            signal.signal(number, hear)
        try:
            yield lambda: bool(heard)
        finally:
            for number in ours:
                signal.signal(number, usual[number])
    if heard:
        os.kill(os.getpid(), heard[0])


@contextmanager
def _bounded(heeded: bool) -> Iterator[None]:
    """A thread that hears SIGTERM even while the main thread is in compiled code, and bounds the time it takes."""
    if not heeded:
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    left = threading.Event()

    def watch() -> None:
        while numbers := reader.recv(16):
            if signal.SIGTERM in numbers:
                if not left.wait(LONGEST):
                    os._exit(128 + signal.SIGTERM)
                return

    thread = threading.Thread(target=watch, daemon=True)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        left.set()
        writer.close()
        thread.join()
        reader.close()
