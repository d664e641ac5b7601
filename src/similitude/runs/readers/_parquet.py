"""Parquet files of strangers: what a file says of itself is checked before polars reads it.

Polars makes room for as much as a file says it holds; where that is a lie the whole process ends, or the machine's
memory does. So the footer and the header of each page are read here first, a few bytes each: places and lengths must
lie within the file, counts must agree, and nothing may grow to more than honest files do. What is damaged within a page
is left to polars, which gives an error. Source: the specification of Apache Parquet and of Thrift's compact protocol.
"""

from __future__ import annotations

import base64
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from similitude._errors import DataError

from ._protobuf import Malformed, varint, zigzag

if TYPE_CHECKING:
    import polars as pl

__all__ = ["check", "frame_of", "frames_of", "names_of"]

LONGEST = 64 << 20  # bytes of a footer
DEEPEST = 30  # of a schema, and of what a footer says
USUAL = 1 << 29  # bytes that any file may grow to; beyond, honest ones grow less than so many times:
TABLE, CURVES, POINTS = 400, 5000, 1000  # held at once; in pieces, most of them empty cells; in pieces, without those
FEW, SHORT = 10_000_000, 100  # a file of more rows than this has less than so many a byte
ROWS, BYTES = 1 << 18, 512 << 20  # of a piece, at most
EMPTY = 100  # pages without values in a column of a group of rows
_WINDOW = 1 << 10  # bytes in which nearly any page's header ends

# what is known of a struct: its fields' kinds; a pair is a list, or a struct, of what stands second
_TRUE, _BYTE, _I32, _I64, _TEXT, _LIST, _STRUCT = 1, 3, 5, 6, 8, 9, 12
_NOTHING: dict[int, Any] = {}
_EMPTY = (_STRUCT, _NOTHING)
_TIME = (_STRUCT, {1: _TRUE, 2: (_STRUCT, dict.fromkeys((1, 2, 3), _EMPTY))})
_LOGICAL = dict.fromkeys((1, 2, 3, 4, 6, 11, 12, 13, 14, 15), _EMPTY) | {
    5: (_STRUCT, {1: _I32, 2: _I32}),
    7: _TIME,
    8: _TIME,
    10: (_STRUCT, {1: _BYTE, 2: _TRUE}),
}
_ELEMENT = dict.fromkeys((1, 2, 3, 5, 6, 7, 8, 9), _I32) | {4: _TEXT, 10: (_STRUCT, _LOGICAL)}
_STATISTICS = {1: _TEXT, 2: _TEXT, 3: _I64, 4: _I64, 5: _TEXT, 6: _TEXT, 7: _TRUE, 8: _TRUE}
_WORDS = {1: _TEXT, 2: _TEXT}
_SIZES = {1: _I64, 2: (_LIST, _I64), 3: (_LIST, _I64)}
_COUNTED = {1: _I32, 2: _I32, 3: _I32}
_CHUNK = dict.fromkeys((5, 6, 7, 9, 10, 11, 14), _I64) | {
    1: _I32,
    2: (_LIST, _I32),
    3: (_LIST, _TEXT),
    4: _I32,
    8: (_LIST, _WORDS),
    12: (_STRUCT, _STATISTICS),
    13: (_LIST, _COUNTED),
    15: _I32,
    16: (_STRUCT, _SIZES),
}
_COLUMN = {1: _TEXT, 2: _I64, 3: (_STRUCT, _CHUNK), 4: _I64, 5: _I32, 6: _I64, 7: _I32}
_SORTED = {1: _I32, 2: _TRUE, 3: _TRUE}
_GROUP = {1: (_LIST, _COLUMN), 2: _I64, 3: _I64, 4: (_LIST, _SORTED), 5: _I64, 6: _I64, 7: 4}
_ORDERS = {1: _EMPTY}
_FOOTER = {
    1: _I32,
    2: (_LIST, _ELEMENT),
    3: _I64,
    4: (_LIST, _GROUP),
    5: (_LIST, _WORDS),
    6: _TEXT,
    7: (_LIST, _ORDERS),
}
_DATA = dict.fromkeys((1, 2, 3, 4), _I32) | {5: (_STRUCT, _STATISTICS)}
_DATA_2 = dict.fromkeys((1, 2, 3, 4, 5, 6), _I32) | {7: _TRUE, 8: (_STRUCT, _STATISTICS)}
_DICTIONARY = {1: _I32, 2: _I32, 3: _TRUE}
_PAGE = dict.fromkeys((1, 2, 3, 4), _I32) | {
    5: (_STRUCT, _DATA),
    6: _EMPTY,
    7: (_STRUCT, _DICTIONARY),
    8: (_STRUCT, _DATA_2),
}

_BYTES, _FIXED = 6, 7  # kinds of columns: bytes of any length, and of one length
_WIDTHS = {0: 8, 1: 8, 2: 8, 3: 12, 4: 8, 5: 8, _BYTES: 16}  # bytes that a value takes in the end, without its text
_ENCODINGS = frozenset((0, 2, 3, 4, 5, 6, 7, 8, 9))
_LEAST = {0: 1, 1: 4, 4: 4, _BYTES: 4}  # bytes of an entry of a dictionary, where fewer
_GROWS = {0: 1, 1: 22, 2: 1033, 4: 1 << 20, 5: 255, 6: 1 << 15, 7: 255}  # times that bytes of a codec can grow, at most


# -- Thrift's compact protocol --------------------------------------------------------------------------------------


def _struct(
    data: bytes, at: int, known: dict[int, Any], deep: int = 0, last: int | None = None
) -> tuple[dict[int, Any], int]:
    """The fields of a struct, up to a last one, and where it ends.

    Malformed for what ends early, or is not of the kind it should be.
    """
    if deep > DEEPEST:
        raise Malformed("it nests too deep")
    found: dict[int, Any] = {}
    field, end = 0, len(data)
    while True:
        if at >= end:
            raise Malformed("it ends within what it says of itself")
        head = data[at]
        at += 1
        if head == 0:
            return found, at
        if head >> 4:
            field += head >> 4
        else:
            given, at = varint(data, at, end)
            field = zigzag(given)
        kind = head & 15
        if field in found:
            raise Malformed("it says the same twice")
        wanted = known.get(field)
        if isinstance(wanted, tuple):
            within, wanted = wanted[1], wanted[0]
        else:
            within = None
        if wanted is not None and wanted != (kind if kind != 2 else _TRUE):
            raise Malformed("what it says of itself is of another kind")
        found[field], at = _value(data, at, kind, within, deep)
        if field == last:
            return found, at


def _value(data: bytes, at: int, kind: int, within: Any, deep: int) -> tuple[Any, int]:
    """A value of a kind, and where it ends; `within` is what is known of what it holds."""
    end = len(data)
    if 4 <= kind <= 6:
        value, at = varint(data, at, end)
        return zigzag(value), at
    if kind == _TEXT:
        size, at = varint(data, at, end)
        if size > end - at:
            raise Malformed("a length leads out of it")
        return data[at : at + size], at + size
    if kind == _STRUCT:
        return _struct(data, at, within or _NOTHING, deep + 1)
    if kind in (_LIST, 10):
        return _list(data, at, within, deep)
    if kind in (1, 2):
        return kind == 1, at
    size = {3: 1, 7: 8}.get(kind, end + 1)
    if size > end - at:
        raise Malformed("it holds what is of no known kind")
    return data[at : at + size], at + size


def _list(data: bytes, at: int, within: Any, deep: int) -> tuple[list[Any], int]:
    if at >= len(data) or deep > DEEPEST:
        raise Malformed("it ends within a list")
    size, kind = data[at] >> 4, data[at] & 15
    at += 1
    if size == 15:
        size, at = varint(data, at, len(data))
    if size > len(data) - at:
        raise Malformed("a list is longer than it")
    if within is not None and size and kind != (_STRUCT if isinstance(within, dict) else within):
        raise Malformed("a list holds what is of another kind")
    found = []
    for _ in range(size):
        if kind in (1, 2):  # a byte each, in lists
            value, at = data[at : at + 1] == b"\1", at + 1
        else:
            value, at = _value(data, at, kind, within if isinstance(within, dict) else None, deep + 1)
        found.append(value)
    return found, at


# -- what a file says of itself -------------------------------------------------------------------------------------


class _Flat:
    """What Arrow says of the columns in a buffer of its own: FlatBuffers, tables that lead to each other by offsets.

    Polars follows them as deep as they go, and as often as they lead to one place: an honest writer's do neither.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.room = data, 16 * len(data)

    def number(self, at: int, form: str = "<I") -> int:
        """The number there; each costs of what there is room for."""
        self.room -= 4
        if not 0 <= at <= len(self.data) - 4 or self.room < 0:
            raise Malformed("what it says of Arrow leads out of it, or in circles")
        return struct.unpack_from(form, self.data, at)[0]

    def at(self, table: int, field: int) -> int:
        """Where a field of a table is; 0 for none."""
        if not table:
            return 0
        shape = table - self.number(table, "<i")
        place = 4 + 2 * field
        offset = self.number(shape + place, "<H") if place + 2 <= self.number(shape, "<H") else 0
        return table + offset if offset else 0

    def to(self, table: int, field: int) -> int:
        """Where a field of a table leads."""
        at = self.at(table, field)
        return at + self.number(at) if at else 0

    def length(self, at: int) -> int:
        """Of a text or a list, which costs as much."""
        size = self.number(at) if at else 0
        self.room -= size
        return size

    def each(self, at: int) -> list[int]:
        """Where the items of a list are."""
        places = range(at + 4, at + 4 + 4 * self.length(at), 4)
        return [p + self.number(p) for p in places]

    def check(self) -> None:
        """Malformed where it nests too deep or grows beyond bounds."""
        waiting = [(f, 1) for f in self.each(self.to(self.to(self.number(0), 2), 1))]
        while waiting:
            field, deep = waiting.pop()
            if deep > DEEPEST:
                raise Malformed("its columns nest too deep")
            waiting += [(f, deep + 1) for f in self.each(self.to(field, 5))]
            texts = [self.to(field, 0), *(self.to(pair, i) for pair in self.each(self.to(field, 6)) for i in (0, 1))]
            kind = self.at(field, 2)
            if kind and self.data[kind : kind + 1] in (b"\x0a", b"\x0e"):  # a time zone, a list of kinds
                texts.append(self.to(self.to(field, 3), 1))
            for text in texts:
                self.length(text)


def _check_arrow(footer: dict[int, Any]) -> None:
    for pair in footer.get(5) or []:
        if pair.get(1) == b"ARROW:schema":
            try:
                data = base64.b64decode(pair.get(2) or b"", validate=True)
            except ValueError:
                raise Malformed("what it says of Arrow is damaged") from None
            _Flat(data[8:] if data[:4] == b"\xff\xff\xff\xff" else data).check()


class _Leaf:
    """A column that holds values: its kind, the bytes a value takes, and whether a row may hold several."""

    def __init__(self, element: dict[int, Any], repeated: bool) -> None:
        self.kind, self.repeated = _of(element, 1), repeated
        width = _of(element, 2) if self.kind == _FIXED else _WIDTHS.get(self.kind, 0)
        if not 0 < width < 1 << 20:
            raise Malformed("a column is of no known kind")
        self.width = max(width, 8)
        self.least = _LEAST.get(self.kind, width)


def _of(found: dict[int, Any], field: int, least: int = 0) -> Any:
    """A number that has to be there, and be that much at least."""
    value = found.get(field)
    if value is None or value < least:
        raise Malformed("a number is missing, or is none that can be")
    return value


def _footer(stream: IO[bytes], size: int, last: int | None) -> tuple[dict[int, Any], int]:
    """What the footer says, up to a last field, and where it starts."""
    stream.seek(max(size - 8, 0))
    tail = stream.read(8)
    stream.seek(0)
    if size < 12 or stream.read(4) != b"PAR1" or tail[4:] != b"PAR1":
        raise Malformed("it may be cut off")
    length = int.from_bytes(tail[:4], "little")
    if length > min(size - 12, LONGEST):
        raise Malformed("its end is longer than can be")
    stream.seek(size - 8 - length)
    return _struct(stream.read(length), 0, _FOOTER, last=last)[0], size - 8 - length


def _schema(footer: dict[int, Any]) -> tuple[list[str], list[_Leaf]]:
    """Names of columns as they are read, and the columns within them that hold values."""
    elements = footer.get(2) or []
    names: list[str] = []
    leaves: list[_Leaf] = []
    open_: list[tuple[int, bool]] = []  # of each group that is not over: how many more it holds, and if it is repeated
    for i, element in enumerate(elements):
        if i and not open_:
            raise Malformed("it says more of columns than it has")
        if len(open_) == 1:
            names.append((element.get(4) or b"").decode("utf-8", "replace"))
        repeated = i > 0 and (open_[-1][1] or element.get(3) == 2)
        if i:
            open_[-1] = open_[-1][0] - 1, open_[-1][1]
        if i == 0 or (element.get(5) is not None and element.get(1) is None):
            if len(open_) >= DEEPEST:
                raise Malformed("its columns nest too deep")
            open_.append((_of(element, 5), repeated))
        else:
            leaves.append(_Leaf(element, repeated))
        while open_ and not open_[-1][0]:
            open_.pop()
    if open_ or not elements:
        raise Malformed("it says less of columns than it has")
    if len(set(names)) < len(names):
        raise Malformed("two columns are of one name")
    return names, leaves


def _grown(stream: IO[bytes], footer: dict[int, Any], leaves: list[_Leaf], end: int) -> int:
    """Bytes that the columns grow to, as what they say of themselves is found to agree with what is there."""
    groups = footer.get(4) or []
    grown = taken = 0
    if sum(_of(g, 3) for g in groups) != _of(footer, 3):
        raise Malformed("it is not of as many rows as it says")
    for group in groups:
        columns = group.get(1) or []
        if len(columns) != len(leaves):
            raise Malformed("it has not as many columns as it says")
        for column, leaf in zip(columns, leaves, strict=True):
            chunk = column.get(3)
            if chunk is None or column.get(1) is not None:
                raise Malformed("a column is encrypted, or in another file")
            values, rows = _of(chunk, 5), group[3]
            if _of(chunk, 1) != leaf.kind or (values != rows and not leaf.repeated):
                raise Malformed("a column is not as the file says")
            start, size = chunk[11] if chunk.get(11) is not None else _of(chunk, 9), _of(chunk, 7)
            if not values and start + size <= end:  # no place is said then that means anything
                continue
            if start < 4 or start + size > end or chunk.get(9, 0) < start:
                raise Malformed("a column leads out of it")
            taken += size
            pages = _pages(stream, start, start + size, chunk, leaf, rows)
            grown += pages + values * leaf.width if leaf.kind == _BYTES else max(pages, values * leaf.width)
    if taken > end:
        raise Malformed("its columns overlap")
    return grown


def _pages(stream: IO[bytes], at: int, end: int, chunk: dict[int, Any], leaf: _Leaf, rows: int) -> int:
    """Bytes that the pages of a column grow to within a group of rows."""
    grows, values = _GROWS.get(_of(chunk, 4)), chunk[5]
    if grows is None:
        raise Malformed("it is compressed in a way that is not read")
    grown = seen = empty = 0
    first = True
    while seen < values:
        page, body = _page(stream, at, end)
        kind, large, small = _of(page, 1), _of(page, 2), _of(page, 3)
        at = body + small
        if at > end or large > grows * small + (64 if grows > 1 else 0):
            raise Malformed("a page is larger than can be")
        grown += large
        if kind == 2:
            held = page.get(7) or {}
            if not first or _of(held, 1) * leaf.least > large or held.get(2) not in (0, 2):
                raise Malformed("a dictionary is not as it says")
        elif kind in (0, 3):
            held = page.get(5 if kind == 0 else 8) or {}
            here = _of(held, 1)
            ways = (held.get(2), held.get(3), held.get(4)) if kind == 0 else (held.get(4),)
            if not _ENCODINGS.issuperset(ways):
                raise Malformed("a page is written in a way that is not read")
            if kind == 3:
                levels = _of(held, 5) + _of(held, 6)
                if levels > min(small, large) or _of(held, 2) > here or _of(held, 3) > min(here, rows):
                    raise Malformed("a page is not as it says")
            empty += here == 0
            if here > values - seen or empty > EMPTY:
                raise Malformed("a page is not of as many values as it says")
            seen += here
        else:
            raise Malformed("a page is of no known kind")
        first = False
    return grown


def _page(stream: IO[bytes], at: int, end: int) -> tuple[dict[int, Any], int]:
    """The header of the page there, and where it ends."""
    for window in (_WINDOW, end - at):
        stream.seek(at)
        data = stream.read(min(window, end - at))
        try:
            page, size = _struct(data, 0, _PAGE)
        except Malformed:
            if window < end - at:
                continue
            raise
        return page, at + size
    raise AssertionError


# -- reading --------------------------------------------------------------------------------------------------------


def _told(source: Path | bytes, name: str, *, whole: bool = True, growth: int = CURVES) -> tuple[list[str], int, int]:
    """Names of columns, rows, and bytes that a row takes; without `whole`, names only.

    DataError where what the file says of itself cannot be.
    """
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as stream:
            size = len(source) if isinstance(source, bytes) else os.fstat(stream.fileno()).st_size
            footer, end = _footer(stream, size, None if whole else 2)
            names, leaves = _schema(footer)
            if not whole:
                return names, 0, 0
            _check_arrow(footer)
            grown, rows = _grown(stream, footer, leaves, end), footer[3]
    except Malformed as error:
        raise DataError(f"{name} is not a complete Parquet file; {error}: copy or write it again") from None
    if rows > max(FEW, SHORT * size) or grown > max(USUAL, growth * size):
        raise DataError(
            f"{name} says it has {rows:,} rows, too many for its size: {size:,} bytes that grow to {grown >> 20:,} MB; "
            "it is damaged, or made to harm"
        )
    return names, rows, sum(leaf.width for leaf in leaves)


def names_of(path: Path) -> list[str]:
    """Names of a file's columns; DataError where it is no Parquet file."""
    return _told(path, path.name, whole=False)[0]


def check(path: Path) -> None:
    """DataError where a file is none that polars can be given to read."""
    _told(path, path.name)


def frame_of(source: Path | bytes, name: str) -> pl.DataFrame:
    """A whole file as a frame; DataError where it is damaged, or grows beyond bounds."""
    import polars as pl

    _told(source, name, growth=TABLE)
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    try:
        frame = _dated(pl.read_parquet(io.BytesIO(source) if isinstance(source, bytes) else source))
        weight = _weight(frame)
    except (Exception, pl.exceptions.PanicException) as error:  # polars panics on some damaged files
        raise DataError(_damaged(name, error)) from None
    if weight > max(USUAL, TABLE * size):
        raise DataError(_swollen(name))
    return frame


def frames_of(path: Path) -> Iterator[pl.DataFrame]:
    """A file in pieces of bounded size; DataError where it is damaged, or grows beyond bounds."""
    import polars as pl

    _, rows, width = _told(path, path.name)
    piece, room = max(min(ROWS, BYTES // max(width, 1)), 1), max(USUAL, POINTS * path.stat().st_size)
    try:
        whole = pl.scan_parquet(path)
        for start in range(0, rows, piece):
            frame = _dated(whole.slice(start, piece).collect())
            room -= _weight(frame)
            if room < 0:
                raise DataError(_swollen(path.name))
            yield frame
    except DataError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        raise DataError(_damaged(path.name, error)) from None


def _dated(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without times that no calendar of four digits holds, on which polars panics when it writes them out."""
    import polars as pl

    units = {"ms": 10**3, "us": 10**6, "ns": 10**9}
    kept = []
    for name, kind in frame.schema.items():
        if isinstance(kind, pl.Datetime):
            unit = units[kind.time_unit]
            low, high = max(-62135596800 * unit, -(1 << 63)), min(253402300800 * unit, 1 << 63) - 1
        elif kind == pl.Date:
            low, high = -719162, 2932896
        else:
            continue
        kept.append(pl.when(pl.col(name).to_physical().is_between(low, high)).then(pl.col(name)))
    return frame.with_columns(kept) if kept else frame


def _weight(frame: pl.DataFrame) -> int:
    """Bytes of cells that are not empty, where each has a text of its own: in the frame, cells may share one."""
    import polars as pl

    weight = 0
    for column in frame:
        held = len(column) - column.null_count()
        weight += 8 * held
        if column.dtype == pl.String:
            weight += int(column.str.len_bytes().sum())
        elif column.dtype == pl.Binary:
            weight += int(column.bin.size().sum())
        elif column.dtype in (pl.Categorical, pl.Enum) and held:
            words, times = column.drop_nulls().rename("word").value_counts(name="times")
            weight += int((words.cast(pl.String).str.len_bytes() * times.cast(pl.UInt64)).sum())
    return weight


def _swollen(name: str) -> str:
    return f"{name} holds more than its size can; it is damaged, or made to harm"


def _damaged(name: str, error: BaseException) -> str:
    said = "".join(c if c.isprintable() else " " for c in str(error).split("\n", 1)[0][:60])
    return f"{name} is not a complete Parquet file; it is damaged ({said}): copy or write it again"
