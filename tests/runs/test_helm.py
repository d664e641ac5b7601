"""Run folders of HELM: names with the model anywhere, one run in two suites, what was perturbed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from similitude import read_logs

TINY = Path(__file__).resolve().parent.parent / "golden/logs/helm/files/benchmark_output/runs/tiny"
PARTS = TINY / "parts_model=tiny_parity,data_augmentation=lower"


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("boolq:model=openai_gpt2,data_augmentation=canonical", "boolq:data_augmentation=canonical"),
        (
            "mmlu:subject=anatomy,method=multiple_choice_joint,model=a_b",
            "mmlu:subject=anatomy,method=multiple_choice_joint",
        ),
        ("gsm:model=a_b", "gsm"),
        ("gsm:model=a_b,model_deployment=here_b", "gsm"),
        ("gsm:base_model=x,model=a_b", "gsm:base_model=x"),
        ("gsm", "gsm"),
    ],
)
def test_a_task_is_the_run_less_its_model(tmp_path, name, task):
    folder = shutil.copytree(PARTS, tmp_path / name)
    spec = json.loads((PARTS / "run_spec.json").read_text()) | {"name": name}
    (folder / "run_spec.json").write_text(json.dumps(spec))
    (run,) = read_logs(tmp_path).runs
    assert run.name == f"tiny/parity on {task}"
    assert {n.partition("/")[0] for n in run.final} == {task}
    assert run.tags == (task,)


def test_a_run_of_two_suites_is_two_runs_and_of_one_suite_one(tmp_path):
    for suite in ("v1", "v2"):
        shutil.copytree(TINY, tmp_path / "runs" / suite)
    logs = read_logs(tmp_path)
    assert len(logs) == 6
    assert len({r.key for r in logs.runs}) == 6
    (alone,) = read_logs(tmp_path / "runs/v1" / PARTS.name).runs
    assert alone.key == next(r.key for r in logs.runs if r.source == f"runs/v1/{PARTS.name}")


@pytest.mark.parametrize(
    ("inside", "given"), [("v1", PARTS.name), (f"v1/{PARTS.name}", "."), (f"v1/{PARTS.name}", "..")]
)
def test_the_key_does_not_depend_on_where_the_folder_is_read_from(tmp_path, monkeypatch, inside, given):
    shutil.copytree(PARTS, tmp_path / "v1" / PARTS.name)
    (there,) = read_logs(tmp_path).runs
    monkeypatch.chdir(tmp_path / inside)
    (here,) = read_logs(given).runs
    assert here.key == there.key


def test_what_was_perturbed_is_left_out(tmp_path):
    (run,) = read_logs(PARTS).runs
    assert run.samples is not None
    read = pl.concat(list(run.samples()))
    records = json.loads((PARTS / "per_instance_stats.json").read_text())
    assert any("perturbation" in r for r in records)
    assert read.height == sum(len(r["stats"]) for r in records if "perturbation" not in r)
    assert read.height == read.unique(["task", "item", "metric"]).height
    assert set(read["metric"]) == {"exact_match", "exact_match,valid", "length", "length,valid"}
