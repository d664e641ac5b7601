"""litgpt's output folders: settings are those of the last checkpoint, N, D, batch and length are known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from similitude import read_logs
from similitude.runs._families import counted
from similitude.runs._meanings import setting
from similitude.runs._rows import rows_of

GOLDEN = Path(__file__).resolve().parent.parent / "golden/logs/litgpt"
KEPT = {r["name"]: r["table"] for r in json.loads((GOLDEN / "values.json").read_text())["runs"]}


def test_nothing_has_to_be_asked():
    rows = rows_of(read_logs(GOLDEN / "files").runs)
    assert not rows.questions
    assert not rows.left_out
    assert rows.runs is not None
    told = [KEPT[name] for name in rows.runs.labels("run")]
    assert len(told) == 2
    assert rows.runs.counts == "total"
    assert rows.runs.column("N").tolist() == [t["total"] for t in told]
    assert rows.runs.column("D").tolist() == [t["tokens"] for t in told]


@pytest.mark.parametrize("name", KEPT)
def test_counts_batch_and_length_are_those_of_training(name):
    run = next(r for r in read_logs(GOLDEN / "files").runs if r.name == name)
    counts = counted(run.config)
    assert counts is not None
    assert (counts.total, counts.without_embeddings) == (KEPT[name]["total"], KEPT[name]["without embeddings"])
    for what in ("batch", "length"):
        found = setting(run.config, what)
        assert found is not None
        assert found[1] == KEPT[name][what]


def test_before_the_end_settings_are_of_the_last_step(tmp_path):
    neox = shutil.copytree(GOLDEN / "files/neox", tmp_path / "neox")
    shutil.rmtree(neox / "final")
    last = neox / "step-00000008/hyperparameters.yaml"
    last.write_text(last.read_text().replace("seed: 42", "seed: 43"))
    (run,) = read_logs(tmp_path).runs
    assert (run.config["seed"], run.config["model_config.n_layer"]) == (43, 2)
    (neox / "step-00000008/model_config.yaml").unlink()  # it was stopped while it saved
    (run,) = read_logs(tmp_path).runs
    assert run.config["seed"] == 42
    shutil.rmtree(neox / "step-00000004")
    (run,) = read_logs(tmp_path).runs
    assert not run.config


def test_links_are_not_followed(tmp_path):
    neox = shutil.copytree(GOLDEN / "files/neox", tmp_path / "runs/neox")
    for step in neox.glob("step-*"):
        shutil.rmtree(step)
    (neox / "final").rename(tmp_path / "elsewhere")
    (neox / "final").symlink_to(tmp_path / "elsewhere")
    (run,) = read_logs(tmp_path / "runs").runs
    assert not run.config
