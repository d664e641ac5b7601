"""Times in tables: seconds since 1970 whatever they are written in, by pandas and Polars themselves."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from similitude import read_logs

STEPS = [0, 10, 20, 30]
UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def frame_of(zone=None, more="1.25ms", **columns) -> pd.DataFrame:
    times = pd.date_range("2026-03-29", periods=4, freq="90min", tz=zone) + pd.Timedelta(more)
    return pd.DataFrame({"step": STEPS, "timestamp": times, "loss": [4.0, 3.0, 2.5, 2.25], **columns})


def known(frame: pd.DataFrame) -> list[float]:
    """By pandas' own account; what has no zone is UTC there."""
    return [t.timestamp() for t in frame["timestamp"]]


def read(path, name="loss"):
    """Times of the run in a file, and what was assumed."""
    logs = read_logs(path)
    assert not logs.left_out
    (run,) = logs.runs
    curves = run.curves()
    assert curves["metric"].unique().to_list() == [name]
    assert curves["step"].to_list() == STEPS
    return curves["time"].to_list(), run.assumed


@pytest.mark.filterwarnings("ignore:'epoch' date format")
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("unit", UNITS)
def test_times_that_pandas_writes_as_numbers_are_of_the_unit_of_their_size(tmp_path, unit, zone):
    path, frame = tmp_path / "run-a.jsonl", frame_of(zone)
    frame.to_json(path, orient="records", lines=True, date_format="epoch", date_unit=unit)
    times, said = read(path)
    assert times == pytest.approx(known(frame), abs={"s": 1, "ms": 1e-3}.get(unit, 1e-6), rel=0)
    assert said == ((f"'timestamp' is in {UNITS[unit]} since 1970, by its size",) if unit != "s" else ())


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_whole_numbers_of_a_unit_are_told_in_every_kind_of_table(tmp_path, kind):
    frame = frame_of()
    path, counted = tmp_path / f"run-a.{kind}", frame.assign(timestamp=frame["timestamp"].astype("int64"))  # us
    counted.loc[1, "timestamp"] = 0  # known to nobody
    {
        "csv": lambda: counted.to_csv(path, index=False),
        "jsonl": lambda: counted.to_json(path, orient="records", lines=True),
        "parquet": lambda: counted.to_parquet(path),
    }[kind]()
    times, said = read(path)
    assert times[1] is None
    assert [times[i] for i in (0, 2, 3)] == pytest.approx([known(frame)[i] for i in (0, 2, 3)], abs=1e-6, rel=0)
    assert said == ("'timestamp' is in microseconds since 1970, by its size",)


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("more", ["0s", "1.25ms", "123456789ns"])
@pytest.mark.parametrize(
    "written",
    [
        ("csv", lambda f, p: f.to_csv(p, index=False)),
        ("jsonl", lambda f, p: f.to_json(p, orient="records", lines=True, date_format="iso", date_unit="us")),
        ("parquet", lambda f, p: f.to_parquet(p)),
        ("csv", lambda f, p: pl.from_pandas(f).write_csv(p)),
        ("ndjson", lambda f, p: pl.from_pandas(f).write_ndjson(p)),
        ("parquet", lambda f, p: pl.from_pandas(f).write_parquet(p)),
    ],
    ids=["pandas-csv", "pandas-json", "pandas-parquet", "polars-csv", "polars-json", "polars-parquet"],
)
def test_dates_are_times_with_a_zone_or_without(tmp_path, written, more, zone):
    """The nights of summer time are in them, so that the zone's distance changes on the way."""
    kind, write = written
    path, frame = tmp_path / f"run-a.{kind}", frame_of(zone, more)
    write(frame, path)
    times, said = read(path)
    assert times == pytest.approx(known(frame), abs=2e-6, rel=0)
    assert said == (("'timestamp' has no time zone, so it is taken for UTC",) if zone is None else ())


def test_days_alone_are_their_midnights(tmp_path):
    frame = frame_of().assign(timestamp=pd.date_range("2026-01-01", periods=4))
    frame.to_csv(tmp_path / "run-a.csv", index=False)
    assert "2026-01-02," in (tmp_path / "run-a.csv").read_text()
    assert read(tmp_path / "run-a.csv")[0] == known(frame)


@pytest.mark.parametrize("column", ["timestamp", "wall_time", "_timestamp"])
def test_seconds_since_1970_are_left_as_they_are(tmp_path, column):
    seconds = [1.7e9 + 0.123456 * i for i in range(4)]
    frame_of().drop(columns="timestamp").assign(**{column: seconds}).to_json(
        tmp_path / "run-a.jsonl", orient="records", lines=True, double_precision=15
    )
    assert read(tmp_path / "run-a.jsonl") == (seconds, ())


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("column", ["timestamp", "wall_time"])
def test_seconds_since_the_start_are_a_metric_and_no_time(tmp_path, column, kind):
    frame = frame_of().drop(columns="timestamp").assign(**{column: [0, 1, 2.5, 4]})
    path = tmp_path / f"run-a.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    (run,) = read_logs(path).runs
    curves = run.curves()
    assert curves["time"].null_count() == 8
    assert curves.filter(metric=column)["value"].to_list() == [0, 1, 2.5, 4]
    assert curves.filter(metric="loss")["value"].to_list() == [4.0, 3.0, 2.5, 2.25]
    assert run.assumed == (f"'{column}' holds no times since 1970; it is read as a metric",)


def test_one_unit_holds_for_all_runs_and_pieces_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("similitude.runs.readers.tables.RECORDS", 7)
    times = (1_767_225_600_000 + 1000 * np.arange(40)).tolist()
    records = [
        {"run": "ab"[i % 2], "step": i, "loss": 1.0} | ({"timestamp": t} if i >= 10 else {})
        for i, t in enumerate(times)
    ]
    records[-1]["timestamp"] = 1_767_225_600  # of another unit: no time of this column
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    runs = read_logs(tmp_path).runs
    assert [r.name for r in runs] == ["a", "b"]
    for run, first in zip(runs, (0, 1), strict=True):
        expected = [None if i < 10 or i == 39 else 1_767_225_600.0 + i for i in range(first, 40, 2)]
        assert run.curves()["time"].to_list() == expected
        assert run.assumed == ("'timestamp' is in milliseconds since 1970, by its size",)


def test_lightnings_metrics_may_have_times_too(tmp_path):
    (tmp_path / "version_0").mkdir()
    frame = frame_of(epoch=0)
    frame.assign(timestamp=frame["timestamp"].astype("int64") // 1000).to_csv(
        tmp_path / "version_0/metrics.csv", index=False
    )
    (run,) = read_logs(tmp_path).runs
    assert run.kind == "lightning"
    assert run.curves().filter(metric="loss")["time"].to_list() == pytest.approx(known(frame), abs=1e-3, rel=0)
    assert run.assumed == ("'timestamp' is in milliseconds since 1970, by its size",)
