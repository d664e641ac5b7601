"""Where the lab's files are: the folder SIMILITUDE_DATA, the cache, else the network; each known by its SHA-256."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from similitude._errors import DataError
from similitude.runs._provider import cache_folder, retrieve, verified

__all__ = ["Source", "find_source"]

SNAPSHOT = "https://snapshot.debian.org/archive/debian"
APT = Path("/etc/apt")


@dataclass(frozen=True, slots=True)
class Source:
    """A file with a fixed hash: a package of Debian by its place in the archive (`pool`), or addresses of its own.

    `name` is the file's where its address ends in one that says nothing.
    """

    sha256: str
    pool: str = ""
    snapshot: str = ""
    urls: tuple[str, ...] = ()
    name: str = ""

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.name or (self.pool or self.urls[0]).rsplit("/", 1)[-1]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it can be had, in the order of trying.

        A mirror drops a package when a newer one comes, the snapshot never does: on a Debian machine the mirror this
        machine is set up to use is near and comes first, the snapshot is for everybody.
        """
        if not self.pool:
            return self.urls
        return (*(f"{mirror}/{self.pool}" for mirror in debian_mirrors()), f"{SNAPSHOT}/{self.snapshot}/{self.pool}")


def find_source(source: Source, *, download: bool = True) -> Path:
    """The path of a source: ``$SIMILITUDE_DATA/lab/``, then the cache, then a download.

    Raises DataError when none of them has it (nothing is fetched with ``download=False``), or its hash is another.
    """
    folders = [cache_folder() / "lab" / "sources"]
    if given := os.environ.get("SIMILITUDE_DATA"):
        folders.insert(0, Path(given) / "lab")
    for folder in folders:
        if (path := folder / source.file).is_file():
            return verified(path, source.sha256, what="declared")
    if not download:
        raise DataError(f"{source.file} is not there and nothing was to be fetched; {_remedy(source)}")
    return _fetch(source, folders[-1] / source.file)


def debian_mirrors(folder: Path = APT) -> tuple[str, ...]:
    """The mirrors of Debian this machine is set up to use, read from apt's sources; none on other machines."""
    found: dict[str, None] = {}
    for path in _source_lists(folder):
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
        found |= dict.fromkeys(url for line in lines for url in re.findall(r"https?://\S+?/debian(?=/?(?:\s|$))", line))
    return tuple(found)


def _source_lists(folder: Path) -> Iterator[Path]:
    yield from (p for p in (folder / "sources.list",) if p.is_file())
    if (parts := folder / "sources.list.d").is_dir():
        yield from sorted(p for p in parts.iterdir() if p.suffix in (".list", ".sources"))


def _fetch(source: Source, path: Path) -> Path:
    """Try each address in turn; the first file with the right hash is kept."""
    failures = []
    for url in source.addresses:
        failure = retrieve(url, path, source.sha256)
        if not failure:
            return path
        failures.append(f"{urlsplit(url).hostname}: {failure}")
    raise DataError(f"{source.file} cannot be fetched ({'; '.join(failures)}); {_remedy(source)}")


def _remedy(source: Source) -> str:
    return f"connect to the network once, or put the file in the folder SIMILITUDE_DATA as lab/{source.file}"
