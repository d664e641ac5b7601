"""Members of zip archives, read one at a time into memory within bounds; nothing is unpacked to disk.

Python before 3.14 does not read members compressed with Zstandard; those are taken apart here as far as their blocks'
headers, which bounds what they can grow to, and decompressed by polars, which reads compressed text.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from similitude._errors import DataError

__all__ = ["LARGEST", "MOST_MEMBERS", "Archive"]

LARGEST = 256 << 20  # bytes of a member
MOST_MEMBERS = 1_000_000
UNUSUAL, RATIO = 16 << 20, 200  # members larger than this that shrank to less than a 200th are no log
ZSTANDARD = 93
_MAGIC = 0xFD2FB528
_BLOCK = 1 << 17  # bytes that a block of Zstandard can grow to at most


class Archive:
    """A zip archive: names of its members, and their bytes. Raises DataError for what is none, or is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, IndexError) as error:
            raise DataError(f"{path.name} is no complete zip archive ({str(error)[:60]}); copy it again") from None
        members = self._zip.infolist()
        if len(members) > MOST_MEMBERS:
            raise DataError(f"{path.name} has {len(members):,} members; expected a log of an evaluation")
        if sum(m.compress_size for m in members) > path.stat().st_size:
            raise DataError(f"{path.name} has members that overlap; it is damaged, or made to harm")
        self.members = {m.filename: m for m in members}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def read(self, name: str) -> bytes:
        """The bytes of a member; DataError where it is not there, too large or damaged."""
        member = self.members.get(name)
        if member is None:
            raise DataError(f"{self.path.name} has no member {name}")
        if member.file_size > LARGEST:
            raise DataError(
                f"{self.path.name}, {name}: {member.file_size >> 20} MB; expected at most {LARGEST >> 20} MB"
            )
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, ZSTANDARD):
            raise DataError(f"{self.path.name}, {name}: compressed in a way that no log of an evaluation is")
        if member.file_size > max(UNUSUAL, RATIO * member.compress_size):
            raise DataError(
                f"{self.path.name}, {name}: {member.compress_size:,} bytes that say they grow to "
                f"{member.file_size >> 20} MB; expected a log, which shrinks less"
            )
        try:
            data = _zstandard(self._raw(member)) if member.compress_type == ZSTANDARD else self._plain(member)
        except (
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
            RuntimeError,
            ValueError,
            OSError,
            EOFError,
            struct.error,
        ) as error:
            raise DataError(f"{self.path.name}, {name}: damaged ({str(error)[:60]})") from None
        return data

    def _plain(self, member: zipfile.ZipInfo) -> bytes:
        """No further than the size that the archive states: a member that is larger is damaged or made to harm."""
        with self._zip.open(member) as stream:
            data = stream.read(member.file_size + 1)
        if len(data) != member.file_size:
            raise ValueError("its size is not the one stated")
        return data

    def _raw(self, member: zipfile.ZipInfo) -> bytes:
        """The compressed bytes behind the member's own header."""
        if member.compress_size > LARGEST:
            raise ValueError("its compressed size is more than can be")
        with open(self.path, "rb") as stream:
            stream.seek(member.header_offset)
            head = stream.read(30)
            if len(head) < 30 or head[:4] != b"PK\x03\x04":
                raise ValueError("no header where one should be")
            name, extra = struct.unpack_from("<HH", head, 26)
            stream.seek(name + extra, 1)
            return stream.read(member.compress_size)


def _zstandard(data: bytes) -> bytes:
    """Text that was compressed with Zstandard, once its blocks are known to be within bounds."""
    import polars as pl

    if not data:
        return b""
    if sum(_BLOCK for _ in _blocks(data)) > LARGEST:
        raise ValueError("it can grow to more than can be")
    try:
        # one column without separators or quotes: the lines as they are
        lines = pl.read_csv(data, has_header=False, separator="\x01", quote_char=None, infer_schema=False)
    except pl.exceptions.NoDataError:
        return b""
    except (Exception, pl.exceptions.PanicException) as error:
        raise ValueError(str(error)) from None
    return "\n".join("" if v is None else v for v in lines.to_series(0).to_list()).encode()


def _blocks(data: bytes) -> Iterator[int]:
    """Headers of the blocks of all frames; ValueError where they lead out of the data. RFC 8878, section 3.1.1."""
    at = 0
    while at < len(data):
        if at + 6 > len(data) or struct.unpack_from("<I", data, at)[0] != _MAGIC:
            raise ValueError("no frame of Zstandard")
        flags = data[at + 4]
        single, size, dictionary = flags >> 5 & 1, flags >> 6, flags & 3
        at += 5 + (not single) + (0, 1, 2, 4)[dictionary] + ((1 if single else 0), 2, 4, 8)[size]
        last = False
        while not last:
            if at + 3 > len(data):
                raise ValueError("a frame that ends within a block")
            header = int.from_bytes(data[at : at + 3], "little")
            last, kind, length = bool(header & 1), header >> 1 & 3, header >> 3
            if kind == 3:
                raise ValueError("a block of no known kind")
            at += 3 + (1 if kind == 1 else length)
            yield length
        at += 4 * (flags >> 2 & 1)
        if at > len(data):
            raise ValueError("a frame that ends within a block")
