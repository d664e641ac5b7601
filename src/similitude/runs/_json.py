"""JSON and JSONL: one object a run; nested objects become columns with dots, as experiment trackers write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from similitude._errors import DataError

if TYPE_CHECKING:
    import polars as pl


def parse_json(data: bytes, label: str) -> pl.DataFrame:
    """A list of objects, one a run, or an object of lists, one a column."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{label} is not complete JSON: {error}; expected a list of objects, one a run") from None
    return _frame_of_document(found, label)


def parse_lines(data: bytes, label: str) -> pl.DataFrame:
    """One JSON object a line; a single object over several lines is read as a document."""
    if (frame := _read_flat(data)) is not None:
        return frame
    records = _decode_fast(data)
    if records is None:
        lines = [line for line in data.split(b"\n") if line.strip()]
        if not _is_json(lines[0]) and _is_json(data):
            return parse_json(data, label)
        records = [_decode_line(line, row, label) for row, line in enumerate(lines, 1)]
    return _frame_of_document(records, label)


def _read_flat(data: bytes) -> pl.DataFrame | None:
    """Many lines of plain values read by polars; None when something in them needs a closer look."""
    import polars as pl

    try:
        frame = pl.read_ndjson(data, infer_schema_length=None)
    except (pl.exceptions.PolarsError, ValueError):
        return None
    plain = all(t.is_numeric() or t in (pl.String, pl.Boolean, pl.Null) for t in frame.dtypes)
    return frame if plain and frame.height > 1 else None


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _decode_fast(data: bytes) -> list[dict[str, Any]] | None:
    """All lines at once; None when a line is not strict JSON (NaN, say) and must be looked at alone."""
    import msgspec

    try:
        return msgspec.json.Decoder(dict[str, Any]).decode_lines(data)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        return None


def _decode_line(line: bytes, row: int, label: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{label}, row {row}: not complete JSON ({error}); expected one object a line") from None


def _frame_of_document(found: Any, label: str) -> pl.DataFrame:
    """A list of objects, or an object of lists of one length (also as the only member of a list)."""
    import polars as pl

    from ._open import series_of

    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, Mapping):
        if not isinstance(found, list):
            raise DataError(f"{label} is a JSON {type(found).__name__}; expected a list of objects, one a run")
        return frame_of_records(found, label)
    if not found or not all(isinstance(v, list) for v in found.values()):
        return frame_of_records([found], label)
    lengths = {len(v) for v in found.values()}
    if len(lengths) > 1:
        raise DataError(f"{label}: the columns have {sorted(lengths)} values; expected as many in each")
    return pl.DataFrame([series_of(n, v) for n, v in found.items()])


def frame_of_records(records: list[Any], label: str) -> pl.DataFrame:
    """A frame with the union of the records' keys; a key missing in a record is missing in that row."""
    import polars as pl

    from ._open import series_of

    if not records:
        raise DataError(f"{label} has no rows; expected one object a run")
    for row, record in enumerate(records, 1):
        if not isinstance(record, Mapping):
            raise DataError(f"{label}, row {row}: {record!r:.60}; expected an object with named values")
    flat = [_flatten(record) for record in records]
    names = dict.fromkeys(name for record in flat for name in record)
    return pl.DataFrame([series_of(name, [record.get(name) for record in flat]) for name in names])


def _flatten(record: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, Mapping) and depth < 8:
            flat |= _flatten(value, f"{prefix}{key}.", depth + 1)
        else:
            flat[prefix + str(key)] = json.dumps(value) if isinstance(value, (list, Mapping)) else value
    return flat
