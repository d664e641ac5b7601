"""Whatever a file holds, it is read or refused with one sentence; nothing else ever leaves the reader."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from similitude._errors import DataError, SimilitudeError
from similitude.runs import read_runs

CELLS = st.sampled_from(
    [
        "1",
        "1e8",
        "1.3B",
        "",
        "-",
        "nan",
        "inf",
        "-3",
        "x",
        '"1,000"',
        '"a""b"',
        "NaN",
        "0",
        "2 weeks",
        "é",
        '"',
        "#",
        "\x00",
    ]
)
NAMES = st.sampled_from(
    ["N", "params", "D", "loss", "C", "Tokens (B)", "", "x", "diverged", '"a,b"', "run", "step", "2"]
)
TABLES = st.builds(
    lambda names, rows, sep, end: end.join([sep.join(names), *(sep.join(row) for row in rows)]),
    st.lists(NAMES, min_size=1, max_size=5),
    st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=4),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\n\n", "\r"]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_or_refuse(path) -> None:
    runs = refused = None
    try:
        runs = read_runs(path)
    except SimilitudeError as error:
        refused = error
    if runs is None:
        assert isinstance(refused, DataError)
        assert "\n" not in str(refused)
        return
    assert len(runs) > 0
    assert len(runs.row_numbers) == len(runs)
    assert (np.diff(runs.row_numbers) > 0).all()
    for name in ("N", "D", "C"):
        if name in runs.names:
            values = runs.column(name)
            assert (values[~np.isnan(values)] > 0).all()
    str(runs)


@RELAXED
@given(text=TABLES)
def test_any_table_of_text(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    read_or_refuse(path)


@RELAXED
@given(data=st.binary(max_size=60), name=st.sampled_from(["a.csv", "a.json", "a.jsonl", "a.parquet", "a.arrow", "a"]))
def test_any_bytes(tmp_path, data, name):
    path = tmp_path / name
    path.write_bytes(data)
    read_or_refuse(path)


@RELAXED
@given(document=JSON, lines=st.booleans())
def test_any_json(tmp_path, document, lines):
    import json

    path = tmp_path / "a.jsonl"
    records = document if lines and isinstance(document, list) else [document]
    path.write_text("\n".join(map(json.dumps, records)))
    read_or_refuse(path)


@RELAXED
@given(cut=st.floats(0, 1), flip=st.integers(0, 10**6))
@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv.gz"])
def test_damaged_files(tmp_path, kind, cut, flip):
    import polars as pl

    frame = pl.DataFrame({"N": [1e8, 2e8], "D": [2e9, 4e9], "loss": [3.1, 2.9], "run": ["a", "b"]})
    path = tmp_path / f"a.{kind}"
    if kind == "csv.gz":
        path.write_bytes(gzip.compress(frame.write_csv().encode()))
    else:
        (frame.write_parquet if kind == "parquet" else frame.write_ipc)(path)
    data = bytearray(path.read_bytes())
    data[flip % len(data)] ^= 1 << flip % 8
    path.write_bytes(data[: max(1, round(cut * len(data)))])
    read_or_refuse(path)
