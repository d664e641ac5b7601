"""What a reader is: a function from files of one log to runs, with a declared way to recognise them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from similitude._errors import DataError
from similitude.runs._logged import LoggedRun
from similitude.runs._peek import peek, peek_end

__all__ = ["HEAD", "Claim", "Place", "Reader", "head_of", "named", "reader"]

HEAD = 1 << 16  # bytes at either end of a file that sniffing may look at


@dataclass(frozen=True, slots=True)
class Claim:
    """The files of one log; `folder`, when all of a folder is that log and nobody else is to look into it."""

    files: tuple[Path, ...]
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One folder as sniffing sees it: the names of its files that nobody has claimed, and of its folders."""

    path: Path
    files: tuple[str, ...]
    folders: tuple[str, ...] = ()
    unreadable: dict[str, str] = field(default_factory=dict)
    _heads: dict[str, bytes] = field(default_factory=dict)

    def head(self, name: str) -> bytes:
        """The first 64 KB of a file; empty where it cannot be read, and why in `unreadable`."""
        if name not in self._heads:
            try:
                self._heads[name] = peek(self.path / name, HEAD)
            except OSError as error:
                self._heads[name] = b""
                self.unreadable[name] = error.strerror or str(error)
        return self._heads[name]

    def tail(self, name: str) -> bytes:
        """The last 64 KB of a file that is longer; empty where it is not, or cannot be read."""
        try:
            return peek_end(self.path / name, HEAD)
        except OSError:
            return b""

    def without(self, names: Container[str]) -> Place:
        """The same folder less some of its files; heads that were read are not read again."""
        kept = tuple(n for n in self.files if n not in names)
        return Place(self.path, kept, self.folders, self.unreadable, self._heads)

    def claim(self, *names: str) -> Claim:
        """A claim of files of this folder."""
        return Claim(tuple(self.path / n for n in names))


@dataclass(frozen=True, slots=True)
class Reader:
    """A kind of log. `verified` names the library's version whose files it is tested on, empty where there is none.

    Where it reads what several write, `unverified` names those whose documented layout alone was followed. `whole` says
    that reading a log has passed over all its points, so that what is damaged among them is known.
    """

    name: str
    title: str
    sniff: Callable[[Place], Iterable[Claim]]
    read: Callable[[Claim], Iterator[LoggedRun]]
    verified: str = ""
    whole: bool = False
    unverified: str = ""

    @property
    def tested_on(self) -> str:
        """What is verified and what is not, in words."""
        if self.verified and self.unverified:
            return f"{self.verified}; unverified: {self.unverified}"
        return self.verified or "unverified"


def reader(
    name: str,
    *,
    title: str,
    sniff: Callable[[Place], Iterable[Claim]],
    verified: str = "",
    whole: bool = False,
    unverified: str = "",
) -> Callable[[Callable[[Claim], Iterator[LoggedRun]]], Reader]:
    """The decorator that makes a function, Claim -> runs, a reader.

    `sniff` is asked for each folder; it gives the logs it recognises, without reading more than the ends of files. The
    function raises DataError with one sentence for files it cannot read; runs it gave before stay.
    """

    def made(read: Callable[[Claim], Iterator[LoggedRun]]) -> Reader:
        return Reader(name, title, sniff, read, verified, whole, unverified)

    return made


def named(*endings: str, has: Sequence[bytes] = ()) -> Callable[[Place], Iterator[Claim]]:
    """A sniff for single files: names that end so, their head with all of these bytes in it."""

    def sniff(place: Place) -> Iterator[Claim]:
        for name in place.files:
            if name.casefold().endswith(endings) and all(part in place.head(name) for part in has):
                yield place.claim(name)

    return sniff


def head_of(path: Path, size: int = HEAD) -> bytes:
    """The first bytes of a file; empty where it cannot be read."""
    try:
        return peek(path, size)
    except OSError:
        return b""


def document(path: Path, most: int) -> bytes:
    """A whole small file; DataError where it is larger than `most` bytes or cannot be read."""
    try:
        size = path.stat().st_size
        if size > most:
            raise DataError(f"{path.name} has {size >> 20} MB; expected at most {most >> 20} MB")
        with open(path, "rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}") from None
