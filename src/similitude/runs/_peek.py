"""The first and the last bytes of a file, looked at so that no database loses its locks.

A process that closes a file loses all locks it has on it, whichever handle it closes: so POSIX has it. Were a database
that this process has open in SQLite opened, read and closed as plain bytes beside, another process could take it for
one that nobody uses, and remove the log in which our transactions are. A database in use has that log beside it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

__all__ = ["SQLITE", "in_use", "peek", "peek_end", "peeking"]

SQLITE = b"SQLite format 3\x00"
peeking = threading.RLock()  # held while a store is opened, too: its locks are there before its log is


def in_use(path: Path) -> bool:
    """Whether a database has its log beside it, as one has that is open, or whose process was killed."""
    return any(path.with_name(f"{path.name}-{end}").exists() for end in ("wal", "shm"))


def peek(path: Path, size: int) -> bytes:
    """The first bytes; of a database in use only the mark of all databases. Raises OSError."""
    with peeking:
        if in_use(path):
            return SQLITE[:size]
        with open(path, "rb") as stream:
            return stream.read(size)


def peek_end(path: Path, size: int) -> bytes:
    """The last bytes of a file that is longer than that; nothing of a shorter one, which `peek` sees whole."""
    with peeking:
        if in_use(path):
            return b""
        with open(path, "rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            if end <= size:
                return b""
            stream.seek(end - size)
            return stream.read(size)
