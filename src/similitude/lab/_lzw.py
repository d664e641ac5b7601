"""Decoding of LZW as the Unix program compress writes it (.Z), the only form in which one of the texts comes."""

from __future__ import annotations

from similitude._errors import DataError

__all__ = ["decode_lzw"]

CLEAR = 256  # the code that empties the table
NARROW = 9  # bits of the first codes


def decode_lzw(data: bytes, *, bits: int = 16) -> bytes:
    """The text behind a stream of codes of 9 to `bits` bits, given without its header of three bytes.

    Codes lie least significant bit first, in groups of eight of one width; where the width changes, and after CLEAR,
    the rest of a group is padding. Raises DataError for a code that is not defined at its place.
    """
    table, out, previous = _letters(), [], b""
    width, at, group = NARROW, 0, 0  # bits of a code, the next code's first bit, its group's first bit
    while True:
        if len(table) > (1 << width) - 1 and width < bits:
            at = group = _group_end(at, group, width)
            width += 1
        if at + width > 8 * len(data):
            return b"".join(out)
        code = int.from_bytes(data[at >> 3 : (at >> 3) + 3], "little") >> (at & 7) & ((1 << width) - 1)
        at += width
        if code == CLEAR:
            at = group = _group_end(at, group, width)
            table, width, previous = _letters(), NARROW, b""
            continue
        text = _text(code, table, previous)
        out.append(text)
        if previous and len(table) < 1 << bits:
            table.append(previous + text[:1])
        previous = text


def _text(code: int, table: list[bytes], previous: bytes) -> bytes:
    if code < len(table):
        return table[code]
    if code > len(table) or not previous:
        raise DataError("the compressed text is damaged: it uses a code before defining it")
    return previous + previous[:1]  # the entry that this very code completes


def _letters() -> list[bytes]:
    return [bytes([value]) for value in range(256)] + [b""]


def _group_end(at: int, group: int, width: int) -> int:
    """The first bit after the group of eight codes that bit `at` ends or lies in."""
    return group + -(-(at - group) // (8 * width)) * 8 * width
