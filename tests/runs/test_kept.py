"""Points that were read once are given again as they were, from memory and from the file for what is too much."""

from __future__ import annotations

import gc

import polars as pl
import pytest

from similitude.runs.readers import _kept
from similitude.runs.readers._kept import Kept, kept
from similitude.runs.readers.tables import _frames_of_text, _kinds, _parsed


def frame(start: int, rows: int = 100) -> pl.DataFrame:
    step = pl.Series("step", range(start, start + rows))
    return pl.DataFrame({"metric": ["loss"] * rows, "step": step, "value": step / 3})


@pytest.mark.parametrize("room", [0, 5_000, 1 << 20])
def test_frames_are_given_as_they_were_as_often_as_they_are_asked_for(monkeypatch, room):
    monkeypatch.setattr(_kept, "ROOM", room)
    first, second = Kept(lambda: iter(())), Kept(lambda: iter(()))
    for i in range(10):
        first.add(frame(i))
        second.add(frame(-i))
    for _ in range(2):
        assert all(a.equals(frame(i)) for i, a in enumerate(first()))
        assert all(a.equals(frame(-i)) for i, a in enumerate(second()))
    assert len(list(first())) == 10


def test_room_is_given_back(monkeypatch):
    monkeypatch.setattr(_kept, "_current", lambda: None)
    found = kept([frame(0)], lambda: iter(()))
    pool = found._pool
    assert pool.held > 0
    other = Kept(lambda: iter(()))
    assert other._pool is pool
    del found
    gc.collect()
    assert pool.held == 0


def test_a_full_disk_means_reading_again(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_kept, "ROOM", 0)
    monkeypatch.setattr(_kept._Pool, "put", full)
    found = kept([frame(0), frame(1)], lambda: iter([frame(0), frame(1)]))
    assert [f.equals(frame(i)) for i, f in enumerate(found())] == [True, True]


def test_a_table_is_read_as_numbers_where_it_holds_them_and_as_words_where_not(tmp_path):
    path = tmp_path / "a.csv"
    lines = ["step,loss,phase,run", *(f"{i},{i / 7!r},warm,00{i % 2}" for i in range(50))]
    path.write_text("\n".join(lines) + "\n")
    (found,) = _frames_of_text(path)
    assert found.schema == {"step": pl.Float64, "loss": pl.Float64, "phase": pl.String, "run": pl.String}
    assert found["loss"].to_list() == [i / 7 for i in range(50)]
    assert found["run"][1] == "001"
    path.write_text("\n".join([*lines, "50, 0.5 ,warm,000"]) + "\n")
    (found,) = _frames_of_text(path)
    assert found["loss"][50] == " 0.5 "


def test_what_looks_like_numbers_is_decided_by_the_first_lines():
    data = b"1,2.5,,x\n2,nan,,1\n"
    assert _kinds(data, ["step", "a", "b", "c"], ",") == {
        "step": pl.Float64, "a": pl.String, "b": pl.Float64, "c": pl.String
    }  # fmt: skip
    assert _parsed(data, ["step", "a", "b", "c"], ",", None).height == 2
