"""Honest Parquet files of several writers are read as polars reads them, whole and in pieces."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from similitude.runs.readers._parquet import check, frame_of, frames_of, names_of

ROWS = 3000
PLAIN = pa.table({"step": range(ROWS), "loss": np.linspace(4, 2, ROWS), "run": [f"run-{i % 7}" for i in range(ROWS)]})
NESTED = pa.table(
    {
        "list": [[1.5] * (i % 4) for i in range(ROWS)],
        "struct": [{"a": i, "b": None} for i in range(ROWS)],
        "map": pa.array([[("k", i)] for i in range(ROWS)], pa.map_(pa.string(), pa.int64())),
    }
)
KINDS = pa.table(
    {
        "date": pa.array([datetime.date(2026, 1, 1)] * ROWS),
        "when": pa.array([datetime.datetime(2026, 1, 1)] * ROWS, pa.timestamp("ns", "Europe/Berlin")),
        "time": pa.array([datetime.time(1)] * ROWS),
        "decimal": pa.array([decimal.Decimal("1.25")] * ROWS, pa.decimal128(12, 2)),
        "half": pa.array(np.linspace(0, 1, ROWS).astype(np.float16)),
        "byte": pa.array([255] * ROWS, pa.uint8()),
        "flag": pa.array([True, False, None] * (ROWS // 3)),
        "none": pa.array([None] * ROWS),
        "bytes": pa.array([b"xx"] * ROWS),
        "fixed": pa.array([b"abcd"] * ROWS, pa.binary(4)),
        "category": pa.array(["a", "b"] * (ROWS // 2)).dictionary_encode(),
        "duration": pa.array([1] * ROWS, pa.duration("ms")),
    }
)
DELTAS = {"step": "DELTA_BINARY_PACKED", "loss": "BYTE_STREAM_SPLIT", "run": "DELTA_BYTE_ARRAY"}


def same(path: Path) -> None:
    check(path)
    expected = pl.read_parquet(path)
    assert names_of(path) == expected.columns
    assert frame_of(path, path.name).equals(expected)
    pieces = list(frames_of(path))
    assert (pl.concat(pieces) if pieces else expected.clear()).equals(expected)


@pytest.mark.parametrize("table", [PLAIN, NESTED, KINDS, PLAIN.slice(0, 0), KINDS.slice(0, 0)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "none", "use_dictionary": False},
        {"compression": "zstd", "data_page_version": "2.0", "row_group_size": 700},
        {"compression": "gzip", "version": "1.0"},
        {"compression": "brotli", "store_schema": False},
        {"compression": "lz4", "data_page_size": 64, "dictionary_pagesize_limit": 64, "write_page_index": True},
        {"use_deprecated_int96_timestamps": True, "write_page_checksum": True},
    ],
)
def test_files_of_pyarrow(tmp_path, table, options):
    pq.write_table(table, tmp_path / "a.parquet", **options)
    same(tmp_path / "a.parquet")


def test_encodings_by_differences(tmp_path):
    pq.write_table(PLAIN, tmp_path / "a.parquet", use_dictionary=False, column_encoding=DELTAS)
    same(tmp_path / "a.parquet")


def test_columns_of_one_value_are_small_for_their_rows(tmp_path):
    pq.write_table(pa.table({"step": np.zeros(2_000_000, int), "loss": np.ones(2_000_000)}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 20_000
    same(tmp_path / "a.parquet")


def test_few_long_words_in_many_cells_are_honest(tmp_path):
    """As in tables of items: three million answers of a hundred models, one of which has a name of 400 letters."""
    words = pl.Series("model", ["x" * 400, *(f"model-{i}" for i in range(99))])
    frame = words.gather(np.arange(3_000_000) // 30_000).cast(pl.Categorical).to_frame().with_columns(right=True)
    frame.write_parquet(tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    same(tmp_path / "a.parquet")


@pytest.mark.parametrize("compression", ["uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4"])
def test_files_of_polars(tmp_path, compression):
    frame = pl.from_arrow(PLAIN)
    assert isinstance(frame, pl.DataFrame)
    frame.write_parquet(tmp_path / "a.parquet", compression=compression, row_group_size=1000)
    same(tmp_path / "a.parquet")


@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("compression", ["uncompressed", "zstd", "lz4_raw"])
def test_files_of_duckdb(tmp_path, compression, version):
    columns = (
        "range as a, range / 7.0 as b, 'r' || (range % 9) as c, [1, 2, 3] as d, {'x': 1, 'y': null} as e, "
        "null::double as f, date '2026-01-01' as g, timestamp '2026-01-01' as h, true as i, 1.5::decimal(9, 2) as j"
    )
    duckdb.execute(
        f"copy (select {columns} from range(150000)) to '{tmp_path / 'a.parquet'}' "
        f"(format parquet, compression {compression}, parquet_version {version})"
    )
    same(tmp_path / "a.parquet")
