"""TFRecord files: length, its checksum, data, its checksum; read in blocks, verified many records at a time.

The checksum is CRC-32C, rotated and offset. Python has none built in, so records of one length are verified together,
a byte of all of them at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Cut", "crc32c", "records"]

BLOCK = 1 << 22
LARGEST = 1 << 28  # bytes of a record; a summary with pictures in it is a few MB
VERIFIED = 4096  # longer records are of pictures and the like, whose bytes are not used


class Cut(ValueError):
    """Where a file is cut off or damaged; records before it were whole."""


@cache
def _table() -> np.ndarray:
    """What each byte does to a remainder, for the polynomial of Castagnoli."""
    remainder = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        remainder = (remainder >> 1) ^ np.where(remainder & 1, np.uint32(0x82F63B78), np.uint32(0))
    return remainder


def crc32c(rows: np.ndarray) -> np.ndarray:
    """Checksums as TFRecord has them, of rows of bytes (records, length).

    >>> [hex(v) for v in crc32c(np.frombuffer(b"123456789", np.uint8)[None])]  # e3069283 before the masking
    ['0xc78ab0e5']
    """
    table = _table()
    found = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in np.ascontiguousarray(rows.T):
        found = table[(found ^ column) & 0xFF] ^ (found >> 8)
    found = ~found
    return ((found >> 15) | (found << 17)) + np.uint32(0xA282EAD8)


def records(path: Path) -> Iterator[tuple[bytes, list[tuple[int, int]]]]:
    """Blocks of bytes with the spans of the whole records in them, checked. Raises Cut at the end of what is whole."""
    with open(path, "rb") as stream:
        rest, offset = b"", 0
        while True:
            more = stream.read(BLOCK)
            data = rest + more
            spans, end, why = _spans(data)
            bad = _first_bad(data, spans)
            if bad is not None:
                yield data, spans[:bad]
                raise Cut(f"the record at byte {offset + spans[bad][0] - 12:,} is damaged; what comes before is read")
            yield data, spans
            if why:
                raise Cut(f"{why} at byte {offset + end:,}; what comes before is read")
            rest, offset = data[end:], offset + end
            if not more:
                break
        if rest:
            raise Cut(f"the file ends within a record at byte {offset:,}; what comes before is read")


def _spans(data: bytes) -> tuple[list[tuple[int, int]], int, str]:
    """Spans of whole records, where the first that is not whole begins, and what is wrong with its length, if it is."""
    spans: list[tuple[int, int]] = []
    at, size = 0, len(data)
    read = struct.Struct("<Q").unpack_from
    while size - at >= 12:
        length = read(data, at)[0]
        if length > LARGEST:
            return spans, at, f"a record says it has {length:,} bytes, more than can be"
        end = at + 16 + length
        if end > size:
            break
        spans.append((at + 12, at + 12 + length))
        at = end
    return spans, at, ""


def _first_bad(data: bytes, spans: list[tuple[int, int]]) -> int | None:
    """The first record whose checksum, or that of its length, is not right."""
    if not spans:
        return None
    whole = np.frombuffer(data, np.uint8)
    starts, ends = np.array(spans).T
    wrong = _wrong(whole, starts - 12, 8)
    lengths = ends - starts
    for length in np.unique(lengths[lengths <= VERIFIED]):
        which = np.flatnonzero(lengths == length)
        wrong[which] |= _wrong(whole, starts[which], int(length))
    found = np.flatnonzero(wrong)
    return int(found[0]) if found.size else None


def _wrong(whole: np.ndarray, starts: np.ndarray, length: int) -> Any:
    """Whether the four bytes behind `length` bytes at each start are not their checksum."""
    rows = whole[starts[:, None] + np.arange(length + 4)]
    stored = np.ascontiguousarray(rows[:, length:]).view("<u4")[:, 0]
    return crc32c(rows[:, :length]) != stored
