"""Run folders of HELM: names with the model anywhere, one run in two suites, what was perturbed beside what was not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from similitude import read_logs

TINY = Path(__file__).resolve().parent.parent / "golden/logs/helm/files/benchmark_output/runs/tiny"
PARTS = TINY / "parts_model=tiny_parity,data_augmentation=lower"
KEPT = json.loads((TINY.parents[3] / "values.json").read_text())["runs"]


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
    assert len(logs) == 2 * len(KEPT)
    assert len({r.key for r in logs.runs}) == 2 * len(KEPT)
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


@pytest.mark.parametrize("told", KEPT, ids=lambda r: r["name"])
def test_what_was_perturbed_is_named_apart_and_nothing_else_is_there(told):
    (run,) = (r for r in read_logs(TINY).runs if r.name == told["name"])
    altered = {n: v for n, v in told["final"].items() if "@" in n}
    assert {n: v for n, v in run.final.items() if "@" in n} == altered
    assert list(run.final) == sorted(run.final, key=lambda n: "@" in n)  # the plain ones first


def test_the_worst_is_that_of_the_perturbations_and_the_unperturbed_is_not_mixed_with_it():
    (run,) = read_logs(TINY / "altered_model=tiny_parity").runs
    assert run.final["altered/exact_match"] == 0.5
    assert run.final["altered/exact_match@extra_space.perturbed"] == 0.5
    assert run.final["altered/exact_match@robustness.worst"] == 0.25
    # of the one question that this changes
    assert (run.final["altered/exact_match@past.original"], run.final["altered/exact_match@past.perturbed"]) == (1, 0)
    assert run.final["altered/n"] == 3


def test_a_worst_of_perturbations_that_were_not_made_is_left_out():
    stats = json.loads((TINY / "simple_classification_model=tiny_parity/stats.json").read_text())
    assert any((s["name"].get("perturbation") or {}).get("name") == "robustness" for s in stats)
    (run,) = read_logs(TINY / "simple_classification_model=tiny_parity").runs
    assert not any("@" in n for n in run.final)
    (run,) = read_logs(PARTS).runs
    assert {n.partition("@")[2].partition(".")[0] for n in run.final if "@" in n} == {"lowercase", "robustness"}


def test_all_seeds_of_a_perturbation_count_alike(tmp_path):
    folder = shutil.copytree(PARTS, tmp_path / PARTS.name)
    kind = {"name": "typos", "robustness": True, "fairness": False, "computed_on": "perturbed"}
    names = [{"name": "acc", "split": "test", "perturbation": kind | more} for more in ({}, {"seed": 1}, {"prob": 0.5})]
    stats = [{"name": n, "count": c, "sum": s} for n, c, s in zip(names, (1, 2, 1), (1, 0, 0.5), strict=True)]
    (folder / "stats.json").write_text(json.dumps(stats))
    (run,) = read_logs(tmp_path).runs
    assert run.final == {"parts:data_augmentation=lower/acc@typos.perturbed": 1.5 / 4}


def test_scores_of_items_are_of_those_not_perturbed(tmp_path):
    (run,) = read_logs(PARTS).runs
    assert run.samples is not None
    read = pl.concat(list(run.samples()))
    records = json.loads((PARTS / "per_instance_stats.json").read_text())
    assert any("perturbation" in r for r in records)
    assert read.height == sum(len(r["stats"]) for r in records if "perturbation" not in r)
    assert read.height == read.unique(["task", "item", "metric"]).height
    assert set(read["metric"]) == {"exact_match", "exact_match,valid", "length", "length,valid"}
