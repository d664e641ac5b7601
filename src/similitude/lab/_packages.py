"""Reading a Debian package in memory: an ar archive that holds a tar archive. Nothing is unpacked or executed."""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from similitude._errors import DataError

__all__ = ["read_members"]

AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60  # bytes: name 16, date 12, owner 6, group 6, mode 8, size 10, end 2


def read_members(path: Path, inside: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of every regular file of a .deb whose name matches the regex `inside`; links are ignored.

    Raises DataError for a file that is no such package.
    """
    wanted = re.compile(inside)
    try:
        with tarfile.open(fileobj=io.BytesIO(_data_archive(path)), mode="r:*") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if member.isreg() and wanted.search(name) and (stream := archive.extractfile(member)):
                    yield name, stream.read()
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise DataError(f"{path} is damaged ({error}); remove it, so that it is fetched again") from None


def _data_archive(path: Path) -> bytes:
    """The part of a .deb that holds its files, data.tar.xz (or .gz)."""
    raw = path.read_bytes()
    if not raw.startswith(AR_MAGIC):
        raise DataError(f"{path} is not a Debian package; expected a .deb file")
    at = len(AR_MAGIC)
    while at + AR_HEADER <= len(raw):
        name, size = raw[at : at + 16].decode("ascii", "replace").strip().rstrip("/"), int(raw[at + 48 : at + 58])
        at += AR_HEADER
        if name in ("data.tar.xz", "data.tar.gz", "data.tar"):
            return raw[at : at + size]
        at += size + size % 2  # members begin at even offsets
    raise DataError(f"{path} holds no data.tar.xz; expected a Debian package")
