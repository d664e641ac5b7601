"""Eight kinds of logs in one folder: imported by one command, fitted and planned by two more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

LADDER = Path(__file__).resolve().parent.parent / "golden" / "logs" / "ladder"
PLANNED = {r["name"]: r for r in json.loads((LADDER / "values.json").read_text())["runs"]}
ANSWERS = '[[logs]]\ncounts = "total"\n\n[[logs]]\nmatch = "console"\nbatch = 256\nlength = 1024\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(LADDER / "files", tmp_path / "logs")
    (tmp_path / "logs" / "similitude.toml").write_text(ANSWERS)
    return "logs"


def test_one_command_reads_all_eight_kinds_as_they_were_logged(run, folder):
    ended = run("runs", "import", folder, "--json")
    assert ended.code == 0
    document = ended.document
    assert (document["left_out"], document["open"]) == ([], [])
    assert {r["kind"] for r in document["runs"]} == {
        "wandb", "tensorboard", "mlflow", "huggingface", "lightning", "console", "table"
    }  # fmt: skip
    columns = document["table"]["columns"]
    rows = {n.partition("/")[0]: row for n, *row in zip(*(columns[c] for c in ("run", "N", "D", "loss")), strict=True)}
    assert rows.keys() == PLANNED.keys()
    assert document["table"]["counts"] == "total"
    for name, (n, d, loss) in rows.items():
        told = PLANNED[name]
        assert n == told["N"], name
        single = 1e-7 if told["kind"] == "tensorboard" else 1e-15  # of 32 bits, or of a sum of digits
        assert d == pytest.approx(told["D"], rel=single), name
        digits = 5e-5 if told["kind"] == "console" else single * loss  # four digits are printed
        assert loss == pytest.approx(told["loss"], abs=digits), name


def test_then_a_fit_and_a_plan(run, folder):
    assert run("runs", "import", folder).code == 0
    fitted = run("fit", "similitude.db", "--law", "chinchilla", "-o", "law.json", "--json")
    assert fitted.code == 0
    assert fitted.document["runs"] == len(PLANNED) == 24
    known = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}
    for name, found in fitted.document["parameters"].items():
        assert found["low"] < known[name] < found["high"], name
    planned = run("plan", "law.json", "--flop", "1e20", "--json")
    assert planned.code == 0
    assert "total" in " ".join(planned.document["assumptions"])


def test_without_the_answers_it_says_what_is_open(run, folder):
    (Path(folder) / "similitude.toml").unlink()
    ended = run("runs", "import", folder, "--json")
    assert ended.code == 0
    asked = {(q["match"], q["answer"]) for q in ended.document["open"]}
    assert {("console", "batch"), ("console", "length"), ("wandb", "counts")} <= asked
    assert not any(answer == "N" for _, answer in asked)
