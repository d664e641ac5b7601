"""Points and scores that were read once, given again: from memory while they are few, else from a temporary file."""

from __future__ import annotations

import io
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ROOM", "Kept", "kept"]

ROOM = 96 << 20  # bytes of all logs together that stay in memory, some 2 million points


class _Pool:
    """What is kept of all logs that are in use: a file for what is too much, gone when nobody needs it."""

    def __init__(self) -> None:
        self.held, self._lock = 0, threading.Lock()
        self._file: IO[bytes] | None = None

    def put(self, frame: pl.DataFrame) -> tuple[int, int]:
        """Where a frame lies in the file."""
        buffer = io.BytesIO()
        frame.write_ipc(buffer, compression="lz4")
        data = buffer.getvalue()
        with self._lock:
            stream = self._file or self._made()
            start = stream.seek(0, io.SEEK_END)
            stream.write(data)
            stream.flush()
        return start, len(data)

    def get(self, start: int, size: int) -> pl.DataFrame:
        """The frame that lies there."""
        import polars as pl

        with self._lock:
            stream = self._file or self._made()
            stream.seek(start)
            data = stream.read(size)
        return pl.read_ipc(io.BytesIO(data))

    def _made(self) -> IO[bytes]:
        import tempfile

        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as something in it may be asked for
        weakref.finalize(self, self._file.close)
        return self._file


_current: Callable[[], _Pool | None] = lambda: None  # noqa: E731 - a weak reference once there is one


def _pool() -> _Pool:
    global _current
    found = _current()
    if found is None:
        found = _Pool()
        _current = weakref.ref(found)
    return found


class Kept:
    """Frames in the order they were added, anew at each call; those of `again` where the disk had no room for them."""

    def __init__(self, again: Callable[[], Iterator[pl.DataFrame]]) -> None:
        self._pool, self._again, self._size = _pool(), again, 0
        self._frames: list[pl.DataFrame | tuple[int, int]] | None = []

    def add(self, frame: pl.DataFrame) -> None:
        """The next frame."""
        if self._frames is None:
            return
        size = int(frame.estimated_size())
        if self._pool.held + size > ROOM:
            try:
                self._frames.append(self._pool.put(frame))
            except OSError:
                self._frames = None
            return
        self._pool.held += size
        self._size += size
        self._frames.append(frame)

    def __call__(self) -> Iterator[pl.DataFrame]:
        if self._frames is None:
            yield from self._again()
            return
        for frame in self._frames:
            yield self._pool.get(*frame) if isinstance(frame, tuple) else frame

    def __del__(self) -> None:
        self._pool.held -= self._size


def kept(chunks: Iterable[pl.DataFrame], again: Callable[[], Iterator[pl.DataFrame]]) -> Kept:
    """All chunks, read now."""
    found = Kept(again)
    for chunk in chunks:
        found.add(chunk)
    return found
