"""What logs leave open is asked once: the answers are kept beside the store, and count from then on everywhere."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from similitude.runs._questions import FEW, Open, questions


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """A folder of three runs that log N and a validation loss, but no tokens."""
    monkeypatch.chdir(tmp_path)
    Path("logs").mkdir()
    for name, size in (("a", 1e6), ("b", 2e6), ("c", 4e6)):
        lines = [{"step": s, "params": size, "val_loss": 3 + 10 / s + 1e3 / size} for s in (10, 20, 40)]
        Path(f"logs/{name}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return "logs"


@pytest.fixture
def answered(run):
    def call(arguments: list[str], given: str = "") -> tuple[int, str, str]:
        ended = run("runs", *arguments, stdin=given)
        return ended.code, ended.out, ended.err

    return call


def test_answers_are_kept_and_make_d(logs, answered):
    code, told, asked = answered(["import", logs, "--ask"], "128\n1K\ntotal\n")
    assert code == 0
    assert "sequences in a step of the 3 table runs" in asked
    assert "Left open" not in told
    (entry,) = tomllib.loads(Path("similitude.toml").read_text())["logs"]
    assert entry == {"match": "table", "batch": 128, "length": 1000, "counts": "total"}
    _, listed, _ = answered(["list", "--json"])
    table = json.loads(listed)["table"]
    assert table["columns"]["D"] == [40 * 128 * 1000] * 3
    assert table["counts"] == "total"
    code, told, asked = answered(["import", logs, "--ask"])
    assert (code, asked) == (0, "")  # nothing is open any more


def test_without_a_terminal_nothing_is_asked_and_what_to_write_is_said(logs, answered):
    code, told, asked = answered(["import", logs])
    assert (code, asked) == (0, "")
    assert "Left open by the logs" in told
    assert "tokens in a sequence of the 3 table runs" in told
    assert not Path("similitude.toml").exists()
    _, document, _ = answered(["import", logs, "--json"])
    opened = json.loads(document)["open"]
    assert [(q["match"], q["answer"], q["runs"]) for q in opened] == [
        ("table", what, ["a", "b", "c"]) for what in ("batch", "length", "counts")
    ]


def test_what_is_no_answer_is_asked_again_and_breaking_off_keeps_the_rest(logs, answered):
    code, _, asked = answered(["import", logs, "--ask"], "many\n-3\n64 GB\n64\n")
    assert code == 130  # the input ended, as by Ctrl-C
    assert "'many' is not a number" in asked
    assert asked.count("expected a positive number") == 2
    assert tomllib.loads(Path("similitude.toml").read_text())["logs"] == [{"match": "table", "batch": 64}]


def test_answers_beside_the_logs_are_put_beside_the_store(logs, answered):
    Path("logs/similitude.toml").write_text('[[logs]]\nmatch = "a"\nbatch = 8\nlength = 16\n')
    Path("kept").mkdir()
    code, _, asked = answered(["import", logs, "--store", "kept/s.db", "--no-ask"])
    assert code == 0
    assert "kept/similitude.toml: 1 answer" in asked
    _, listed, _ = answered(["list", "--json", "--store", "kept/s.db"])
    assert json.loads(listed)["table"]["columns"]["D"] == [40 * 8 * 16, None, None]
    _, _, asked = answered(["import", logs, "--store", "kept/s.db", "--no-ask"])
    assert asked == ""  # once


def test_a_dry_run_asks_nothing_and_writes_nothing(logs, answered):
    code, told, _ = answered(["import", logs, "--dry-run", "--ask"], "1\n1\ntotal\n")
    assert code == 0
    assert "Left open" in told
    assert {p.name for p in Path().iterdir()} == {"logs"}


def test_n_is_asked_run_by_run_of_a_few():
    opened = [Open(f"r{i}", "console", ("N", "length")) for i in range(FEW + 3)]
    asked = questions(opened)
    assert [q.match for q in asked if q.answer == "N"] == [f"r{i}" for i in range(FEW)]
    assert [(q.match, len(q.runs)) for q in asked if q.answer == "length"] == [("console", FEW + 3)]


def test_answers_that_are_none_are_refused_before_anything_is_kept(logs, answered):
    Path("logs/similitude.toml").write_text('[[logs]]\ncounts = "all"\n')
    code, told, said = answered(["import", logs])
    assert (code, told) == (3, "")
    assert "logs/similitude.toml, entry 1: counts = 'all'; expected one of" in said
    assert {p.name for p in Path().iterdir()} == {"logs"}
