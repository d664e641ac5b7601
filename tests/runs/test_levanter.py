"""Levanter's JSON logger: what is cut off, damaged or resumed. Values are those of the golden logs."""

from __future__ import annotations

from pathlib import Path

from similitude.runs._logs import read_logs

LOG = Path(__file__).resolve().parent.parent / "golden" / "logs" / "levanter" / "files" / "ladder-s.log"


def read(tmp_path, text: str):
    (tmp_path / "run.log").write_text(text)
    return read_logs(tmp_path)


def test_times_are_those_at_the_head_of_lines(tmp_path):
    lines = LOG.read_text().splitlines(keepends=True)
    text = "".join("2024-01-01T10:00:00" + line[19:] for line in lines)
    (run,) = read(tmp_path, text).runs
    assert run.curves()["time"].unique().to_list() == [1704103200.0]


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path):
    (whole,) = read_logs(LOG).runs
    text = LOG.read_text()
    (run,) = read(tmp_path, text[: text.index('"event": "finish"') + 40]).runs
    assert run.state == "unknown"
    assert run.curves().equals(whole.curves())


def test_a_damaged_line_is_told(tmp_path):
    found = read(tmp_path, LOG.read_text().replace('"step": 20,', '"step": 20;'))
    assert not found.runs
    (said,) = found.left_out
    assert "run.log, line 6" in said


def test_a_run_that_was_taken_up_again_is_not_finished(tmp_path):
    text = LOG.read_text()
    (run,) = read(tmp_path, text + text[: text.index('"event": "finish"') - 200]).runs
    assert run.state == "unknown"


def test_lines_of_others_are_passed_over(tmp_path):
    (whole,) = read_logs(LOG).runs
    lines = LOG.read_text().splitlines(keepends=True)
    (run,) = read(tmp_path, "".join(f"{line}2024-01-01 INFO :: step 7 loss: 3.5\n" for line in lines)).runs
    assert run.kind == "levanter"
    assert run.curves().equals(whole.curves())
