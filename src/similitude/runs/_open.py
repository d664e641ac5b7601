"""The door: a path, standard input, any data frame or a mapping of arrays, to one polars frame of raw columns."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from similitude._errors import DataError

from ._peek import SQLITE, peek

if TYPE_CHECKING:
    import polars as pl

    from ._table import Runs

_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 20
_LARGEST_JSON = 64 << 20
_KINDS = "CSV, TSV, JSON, JSONL, Parquet or Arrow"

_NOT_READ = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x89HDF", "an HDF5 file"),
    (SQLITE, "an SQLite database"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\x28\xb5\x2f\xfd", "a zstandard archive"),
    (b"%PDF", "a PDF"),
    (b"\x93NUMPY", "a NumPy file"),
)


@dataclass(frozen=True, slots=True)
class Raw:
    """Columns as they were found, the name and content hash of where, and the row number of each."""

    frame: pl.DataFrame
    source: str
    sha256: str
    kind: str
    notes: tuple[str, ...] = ()
    logs: Runs | None = None  # the same as a table of runs, where it was read from logs


def open_source(source: Any, name: str | None = None) -> Raw:
    """Read whatever `source` is; DataError, one sentence, for anything that is no table."""
    if isinstance(source, (str, Path)):
        return _open_path(str(source), name)
    if isinstance(source, Mapping):
        return _from_frame(_frame_of_arrays(source, name or "table"), name or "table")
    if isinstance(source, Sequence) and any(isinstance(row, Mapping) for row in source[:1] or [{}]):
        from ._json import frame_of_records

        return _from_frame(frame_of_records(list(source), name or "records"), name or "records")
    return _from_frame(_frame_of_native(source, name or "data frame"), name or "data frame")


def _open_path(path: str, name: str | None) -> Raw:
    if path == "-":
        label = name or "standard input"
        return _from_stream(sys.stdin.buffer, label, "")
    label = name or Path(path).name
    try:
        if _is_log(Path(path)):
            return _from_logs(Path(path), name or Path(path).resolve().name)
        with open(path, "rb") as stream:
            return _from_stream(stream, label, Path(path).name.casefold())
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; expected a {_KINDS} file") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def _is_log(path: Path) -> bool:
    """Whether a path is a folder, a database or a file that only a reader of logs understands."""
    if path.is_dir() or path.name.casefold().endswith((".wandb", ".eval", "trainer_state.json")):
        return True
    if ".tfevents." in path.name:
        return True
    return peek(path, 16) == SQLITE


def _from_logs(path: Path, label: str) -> Raw:
    """A store, or logs of any kind, as a table of their runs."""
    from ._answers import answers_in
    from ._hash import hash_frame
    from ._logs import read_logs
    from ._rows import rows_of, table_or_error
    from .store import Store, is_store

    logged = Store(path, create=False).logged() if is_store(path) else read_logs(path).runs
    rows = rows_of(logged, answers_in([path if path.is_dir() else path.parent]), source=label)
    table = table_or_error(rows, label)
    notes = (*(f"left out {s}" for s in rows.left_out), *table.assumed)
    return Raw(table.frame, label, hash_frame(table.frame), "logs", notes, replace(table, assumed=notes))


def _from_stream(stream: IO[bytes], label: str, filename: str) -> Raw:
    start = stream.read(_BLOCK)
    digest = hashlib.sha256()
    if start[:2] == b"\x1f\x8b":
        return _from_stream(_unzip(stream, start, label), label, filename.removesuffix(".gz"))
    _refuse_other_kinds(start, label, filename)
    kind = _sniff(start, filename)
    blocks = _blocks(stream, start)
    data = bytearray()
    for block in _checked(blocks, label) if kind == "text" or kind == "jsonl" else blocks:
        digest.update(block)
        data += block
        if kind == "json" and len(data) > _LARGEST_JSON:
            raise DataError(f"{label} is one JSON document of more than 64 MB; expected JSONL or Parquet at this size")
    frame, notes = _parse(bytes(data), kind, label, filename)
    return Raw(frame, label, digest.hexdigest(), kind, notes)


def _unzip(stream: IO[bytes], start: bytes, label: str) -> IO[bytes]:
    class Checked(io.RawIOBase):
        inner = gzip.GzipFile(fileobj=_Chained(start, stream))

        def read(self, size: int = -1) -> bytes:
            try:
                return self.inner.read(size)
            except (EOFError, OSError, zlib.error):
                raise DataError(f"{label} is not a complete gzip file; copy or compress it again") from None

    return Checked()  # type: ignore[return-value]


class _Chained(io.RawIOBase):
    """The bytes already read, then the rest of the stream."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self.start, self.rest = start, rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self.start:
            size = len(self.start) if size < 0 else size
            taken, self.start = self.start[:size], self.start[size:]
            return taken
        return self.rest.read(size)


def _blocks(stream: IO[bytes], start: bytes) -> Iterator[bytes]:
    block = start
    while block:
        yield block
        block = stream.read(_BLOCK)


def _refuse_other_kinds(start: bytes, label: str, filename: str) -> None:
    if (start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")) or filename.endswith(
        (".pkl", ".pickle")
    ):
        raise DataError(f"{label} is a Python pickle, which can run code and is not read; save it as CSV or Parquet")
    for magic, what in _NOT_READ:
        if start.startswith(magic):
            raise DataError(f"{label} is {what}, which is not read; save the table as CSV or Parquet")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{label} is UTF-16 text; expected UTF-8: save it again as 'CSV UTF-8'")


def _sniff(start: bytes, filename: str) -> str:
    if start.startswith(b"PAR1") or filename.endswith((".parquet", ".pq")):
        return "parquet"
    if start.startswith(b"ARROW1") or filename.endswith((".arrow", ".feather", ".ipc")):
        return "arrow"
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    if text[:1] == b"{":
        return "jsonl"
    if text[:1] == b"[" and not filename.endswith((".csv", ".tsv")):
        return "json"
    return "jsonl" if filename.endswith((".jsonl", ".ndjson")) else "text"


def _checked(blocks: Iterator[bytes], label: str) -> Iterator[bytes]:
    """The blocks of a text file, refusing at once a line that never ends or bytes that are not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, since_break = 1, 0
    for block in blocks:
        head = block.find(b"\n")
        since_break += len(block) if head < 0 else head
        if since_break > _LONGEST_LINE:
            raise DataError(f"{label}, line {line}: the line is longer than 1 MB; expected one run a line")
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            at = line + error.object[: error.start].count(b"\n")
            raise DataError(
                f"{label}, line {at}: byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
            ) from None
        if head >= 0:
            line += block.count(b"\n")
            since_break = len(block) - block.rfind(b"\n") - 1
        yield block
    if decoder.getstate()[0]:
        raise DataError(f"{label}, line {line}: the file ends within a character; expected UTF-8 text")


def _parse(data: bytes, kind: str, label: str, filename: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    if kind in ("parquet", "arrow"):
        return _parse_binary(data, kind, label), ()
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError(f"{label} is empty; expected a header line and one run a line")
    if kind in ("json", "jsonl"):
        from ._json import parse_json, parse_lines

        return (parse_json if kind == "json" else parse_lines)(data.removeprefix(codecs.BOM_UTF8), label), ()
    return _parse_csv(data.removeprefix(codecs.BOM_UTF8), label)


def _parse_binary(data: bytes, kind: str, label: str) -> pl.DataFrame:
    import polars as pl

    if not data:
        raise DataError(f"{label} is empty; expected a {kind} file")
    if kind == "parquet":
        from .readers._parquet import frame_of

        frame = frame_of(data, label)
    else:
        try:
            frame = pl.read_ipc(io.BytesIO(data))
        except (Exception, pl.exceptions.PanicException):  # polars panics on some damaged files
            raise DataError(
                f"{label} is not a complete Arrow file; it may be cut off: copy or write it again"
            ) from None
    if frame.height == 0:
        raise DataError(f"{label} has columns and no rows; expected one run a row")
    return frame


def _parse_csv(data: bytes, label: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    import polars as pl

    data = data.lstrip(b"\r\n")
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    separator = _separator(data)
    header, notes = _header(data, separator, label)
    try:
        frame = pl.read_csv(data, separator=separator, infer_schema=False, has_header=False)
    except pl.exceptions.PolarsError:
        frame = pl.DataFrame()
    if frame.width != len(header):
        _refuse_ragged(data, separator, label)
        raise DataError(f"{label} cannot be read as a table with separator {separator!r}; expected CSV or TSV")
    if frame.height > 1 and frame.to_series(-1).null_count():
        _refuse_ragged(data, separator, label)
    frame = frame.slice(1)
    frame.columns = header
    if frame.height == 0:
        raise DataError(f"{label} has a header and no rows; expected one run a line")
    return frame, notes


def _separator(data: bytes) -> str:
    line = b"".join(data.split(b"\n", 1)[0].split(b'"')[::2])  # what stands in quotes separates nothing
    counts = {s: line.count(s.encode()) for s in "\t,;|"}
    return max(counts, key=lambda s: counts[s]) if any(counts.values()) else ","


def _header(data: bytes, separator: str, label: str) -> tuple[list[str], tuple[str, ...]]:
    line = data.split(b"\n", 1)[0].decode().rstrip("\r")
    try:
        names = [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error as error:
        raise DataError(f"{label}, line 1: {error}; expected the names of the columns") from None
    if names and all(_is_number(n) for n in names):
        raise DataError(
            f"{label}, line 1: {', '.join(names)[:60]}; expected the names of the columns in the first line"
        )
    notes = tuple(f"column {i + 1} has no name; called column_{i + 1}" for i, n in enumerate(names) if not n)
    names = [n or f"column_{i + 1}" for i, n in enumerate(names)]
    refuse_duplicates(names, label)
    return names, notes


def refuse_duplicates(names: Sequence[str], label: str) -> None:
    """DataError when two columns have one name."""
    for i, name in enumerate(names):
        if name in names[:i]:
            raise DataError(
                f"{label}: columns {names.index(name) + 1} and {i + 1} are both named '{name}'; expected a name each"
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.casefold() not in ("nan", "inf", "infinity")


def _refuse_ragged(data: bytes, separator: str, label: str) -> None:
    """Find the first line whose number of fields is not the header's, and say so."""
    reader = csv.reader(io.StringIO(data.decode(), newline=""), delimiter=separator)
    row = 0
    try:
        header = next(reader)
        for row, fields in enumerate(reader, 1):
            if fields and len(fields) != len(header):
                raise DataError(
                    f"{label}, row {row}: {len(fields)} fields where the header has {len(header)}; "
                    "expected the same number"
                )
    except csv.Error as error:
        raise DataError(f"{label}, row {row + 1}: {error}; expected one run a line") from None


def _frame_of_arrays(arrays: Mapping[Any, Any], label: str) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    lengths = {}
    columns = []
    for name, values in arrays.items():
        if isinstance(values, (str, bytes)) or np.ndim(values) != 1:
            raise DataError(f"{label}, column '{name}': {values!r:.60}; expected one value a run, a list or 1-d array")
        columns.append(series_of(str(name), values))
        lengths[str(name)] = len(columns[-1])
    if len(set(lengths.values())) > 1:
        (a, i), (b, j) = sorted(lengths.items(), key=lambda item: item[1])[:: max(1, len(lengths) - 1)]
        raise DataError(f"{label}: column '{a}' has {i} values and '{b}' has {j}; expected as many in each")
    return pl.DataFrame(columns)


def series_of(name: str, values: Any) -> pl.Series:
    """A column from any list or array; numbers and text mixed become text, to be read as people write them."""
    import polars as pl

    if hasattr(values, "dtype") and values.dtype != object:
        return pl.Series(name, values)
    values = [v.item() if hasattr(v, "item") else v for v in values]
    kinds = {type(v) for v in values if v is not None}
    if str in kinds and len(kinds) > 1:
        values = [v if v is None or isinstance(v, str) else repr(v) for v in values]
    elif float in kinds and int in kinds:
        values = [v if v is None else float(v) for v in values]
    return pl.Series(name, values, strict=False)


def _frame_of_native(native: Any, label: str) -> pl.DataFrame:
    import narwhals as nw
    import polars as pl

    try:
        frame = nw.from_native(native)
    except TypeError:
        raise DataError(
            f"{type(native).__name__} is no table; expected a path, a data frame (pandas, polars, pyarrow, duckdb) or "
            "a mapping of columns"
        ) from None
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect("polars")
    names = [str(n) for n in frame.columns]
    refuse_duplicates(names, label)
    return pl.DataFrame([_native_column(frame[n], str(n)) for n in frame.columns])


def _native_column(column: Any, name: str) -> pl.Series:
    """A column of any frame in polars; in pandas NaN is how a missing value is written."""
    pandas = column.implementation.is_pandas_like()
    try:
        series = column.to_polars().rename(name)
    except Exception:  # each library has its own errors for columns of mixed kinds
        values = column.to_list()
        return series_of(name, [None if pandas and v != v else v for v in values])
    return series.fill_nan(None) if pandas and series.dtype.is_float() else series


def _from_frame(frame: pl.DataFrame, label: str) -> Raw:
    from ._hash import hash_frame

    if frame.height == 0:
        raise DataError(f"{label} has no rows; expected one run a row")
    return Raw(frame, label, hash_frame(frame), "frame")
