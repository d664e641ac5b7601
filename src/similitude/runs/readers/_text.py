"""JSON of logs, read strictly enough to say where it is broken and loosely enough to take NaN as people write it."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from similitude._errors import DataError
from similitude.runs._logged import valid

from ._reader import document

__all__ = ["LARGEST", "lines_of", "number", "parse_document", "parse_json"]

LARGEST = 256 << 20  # bytes of one JSON document
_LONGEST = 16 << 20  # bytes of a line
_BLOCK = 1 << 18  # bytes, to the end of a line, that are read together
_HALF = re.compile(rb"\\u[dD]|\xed[\xa0-\xbf]|\x00")  # where halves of characters may stand: json takes them


def parse_document(path: Path, most: int = LARGEST) -> Any:
    """One JSON document; DataError names the file and the line."""
    return parse_json(document(path, most), path.name)


def lines_of(path: Path) -> Iterator[tuple[int, Any]]:
    """(line, value) of JSON lines; the last line may be cut off, as a killed writer leaves it: it is left out."""
    at = 1
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            block += stream.readline(_LONGEST)
            found = _together(block)
            yield from _one_by_one(block, at, path.name) if found is None else enumerate(found, at)
            at += block.count(b"\n")


def _together(block: bytes) -> list[Any] | None:
    """The values of many whole lines, quickly; None where one is blank, too long or no record of JSON by the letter."""
    import msgspec

    if len(block) >= _LONGEST:
        return None
    try:
        found = msgspec.json.Decoder().decode_lines(block)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    each = block.startswith(b"{") + block.count(b"\n{") == lines == len(found)
    return found if each else None  # a record may neither go on in the next line nor share its own


def _one_by_one(block: bytes, first: int, name: str) -> Iterator[tuple[int, Any]]:
    for number_, line in enumerate(io.BytesIO(block), first):  # splitlines would cut at other ends of lines too
        if len(line) >= _LONGEST:
            raise DataError(f"{name}, line {number_}: the line is longer than 16 MB; expected one record")
        if not line.strip():
            continue
        if (found := _strict(line)) is not _UNKNOWN:
            yield number_, found
            continue
        try:
            yield number_, _lenient(line, f"{name}, line {number_}")
        except DataError:
            if line.endswith(b"\n"):
                raise
            return


_UNKNOWN = object()


def _strict(data: bytes) -> Any:
    """JSON by the letter, quickly; `_UNKNOWN` where it is not, which Python may read all the same, or say why not."""
    import msgspec

    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _UNKNOWN


def parse_json(data: bytes, where: str) -> Any:
    """JSON of bytes; DataError says where it is broken. Halves of characters in its words are replaced."""
    found = _strict(data)
    return _lenient(data, where) if found is _UNKNOWN else found


def _lenient(data: bytes, where: str) -> Any:
    """What Python reads as JSON beyond its letter, such as NaN; DataError says where it is broken."""
    try:
        found = json.loads(data)
        return _whole(found) if _HALF.search(data) else found
    except UnicodeDecodeError:
        raise DataError(f"{where} is not UTF-8 text; expected JSON") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON: {error.msg} at line {error.lineno}; it may be cut off") from None
    except ValueError:
        raise DataError(f"{where} holds a number of thousands of digits; expected the numbers of a log") from None
    except RecursionError:
        raise DataError(f"{where} nests too deep to be a log; expected JSON as the library writes it") from None


def _whole(found: Any) -> Any:
    if isinstance(found, str):
        return valid(found)
    if isinstance(found, list):
        return [_whole(v) for v in found]
    if isinstance(found, dict):
        return {valid(k): _whole(v) for k, v in found.items()}
    return found


def number(value: Any) -> float | None:
    """A value as a float where it is a number, or text that is one; None otherwise. True and false are no numbers.

    >>> number("NaN"), number(True), number(3)
    (nan, None, 3.0)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str) and value.strip().casefold() in ("nan", "inf", "-inf", "infinity", "-infinity"):
        return float(value)
    return None
