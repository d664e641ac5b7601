"""Curves and samples as Parquet files named by their content, in a folder beside the database."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import DataError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Digest", "Part", "folder_of", "path_of", "read_parts", "write_parts"]

ROWS = 1 << 20  # of a part; more is cut, so that a run of any length is written and read in bounded memory


@dataclass(frozen=True, slots=True)
class Part:
    """A file: the hash of its bytes, and how many rows it has."""

    sha256: str
    rows: int


def folder_of(database: Path) -> Path:
    """``similitude.curves`` beside ``similitude.db``."""
    return database.with_name(f"{database.stem}.curves")


def path_of(folder: Path, sha256: str) -> Path:
    """Where a part lies."""
    return folder / sha256[:2] / f"{sha256}.parquet"


@dataclass(slots=True)
class Digest:
    """A hash of the rows of frames that does not depend on how they are cut into chunks."""

    columns: dict[str, Any] = field(default_factory=dict)
    rows: int = 0

    def add(self, frame: pl.DataFrame) -> None:
        """The next rows."""
        self.rows += frame.height
        for series in frame:
            if series.dtype.is_numeric():
                self._of(f"{series.name} there").update(series.is_null().to_numpy().astype("u1").tobytes())
                self._of(series.name).update(series.fill_null(0).to_numpy().tobytes())
            elif series.len():
                words = (series.fill_null("") + "\x1f").str.join("")
                self._of(series.name).update(words.item().encode())

    def _of(self, name: str) -> Any:
        """A hash of its own for each column, and for which of its values are there: they come in chunks."""
        return self.columns.setdefault(name, hashlib.sha256())

    def hexdigest(self) -> str:
        """Of all rows so far."""
        whole = hashlib.sha256(str(self.rows).encode())
        for name in sorted(self.columns):
            whole.update(f"{name}\0".encode() + self.columns[name].digest())
        return whole.hexdigest()


def write_parts(chunks: Iterable[pl.DataFrame], folder: Path, seen: Callable[[pl.DataFrame], None]) -> Iterator[Part]:
    """Write chunks as parts; `seen` gets each chunk as it passes. What a failure leaves behind nobody refers to."""
    import polars as pl

    waiting: list[pl.DataFrame] = []
    for chunk in chunks:
        seen(chunk)
        waiting.append(chunk)
        if sum(c.height for c in waiting) >= ROWS:
            yield _write(pl.concat(waiting), folder)
            waiting = []
    if any(c.height for c in waiting):
        yield _write(pl.concat(waiting), folder)


def _write(frame: pl.DataFrame, folder: Path) -> Part:
    """One file: written beside, synced, renamed, the folder synced, before anybody is told of it."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=True)
    data = buffer.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    target = path_of(folder, sha256)
    if not target.is_file() or target.stat().st_size != len(data):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _replace(target, data)
        except FileNotFoundError:  # tidied away while it was written
            _replace(target, data)
    return Part(sha256, frame.height)


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    for directory in (target.parent, target.parent.parent):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_parts(folder: Path, parts: Iterable[Part]) -> Callable[[], Iterator[pl.DataFrame]]:
    """The frames of parts, one at a time, anew at each call; DataError where a file is gone or damaged."""
    known = tuple(parts)

    def chunks() -> Iterator[pl.DataFrame]:
        import polars as pl

        for part in known:
            path = path_of(folder, part.sha256)
            try:
                frame = pl.read_parquet(path)
            except FileNotFoundError:
                raise DataError(f"{path} is gone; restore it from a copy, or import the logs again") from None
            except (pl.exceptions.PolarsError, OSError) as error:
                raise DataError(f"{path} is damaged ({str(error)[:80]}); import the logs again") from None
            if frame.height != part.rows:
                raise DataError(f"{path} has {frame.height} rows; expected {part.rows}: import the logs again")
            yield frame

    return chunks
