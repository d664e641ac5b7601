"""The wire format of protocol buffers: fields of a message, without its schema and without trust in its lengths.

Source: the encoding page of the Protocol Buffers documentation.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["Malformed", "double", "fields", "float32", "signed", "text", "varint", "zigzag"]

_DEEPEST = 64


class Malformed(ValueError):
    """Bytes that are no message."""


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number of up to 64 bits and where it ends."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise Malformed("a number that does not end")


def fields(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """(field, kind, value or start, end) of a message within bytes `start` to `end`.

    Kind 0 gives its number and where it ended; kinds 1 and 5 (8 and 4 bytes) and 2 (any length) the span of bytes.
    Raises Malformed for lengths that lead out of the message and for kinds that are none.
    """
    at, end = start, len(data) if end is None else end
    while at < end:
        key, at = varint(data, at, end)
        field, kind = key >> 3, key & 7
        if kind == 0:
            value, at = varint(data, at, end)
            yield field, kind, value, at
            continue
        if kind == 2:
            size, at = varint(data, at, end)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise Malformed(f"a field of kind {kind}")
        if field == 0 or size > end - at:
            raise Malformed("a length that leads out of its message")
        yield field, kind, at, at + size
        at += size


def signed(value: int) -> int:
    """A number of 64 bits with its sign."""
    return value - (1 << 64) if value >> 63 else value


def zigzag(value: int) -> int:
    """A number of the kinds sint32 and sint64."""
    return (value >> 1) ^ -(value & 1)


def double(data: bytes, at: int) -> float:
    """The eight bytes there."""
    return struct.unpack_from("<d", data, at)[0]


def float32(data: bytes, at: int) -> float:
    """The four bytes there."""
    return struct.unpack_from("<f", data, at)[0]


def text(data: bytes, start: int, end: int) -> str:
    """Words; what is not UTF-8 in them is replaced."""
    return data[start:end].decode("utf-8", "replace")
