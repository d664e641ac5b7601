"""Run folders of Weights & Biases without their history, and exports of its history that were sampled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import similitude as sim
from similitude.runs.readers._yaml import blocks

PLAIN = next((Path(__file__).resolve().parent.parent / "golden/logs/wandb/files/wandb").glob("*-plain/*.wandb"))

# as PyYAML and as Go's yaml.v3 write the same settings
PYTHON = """\
wandb_version: 1

_wandb:
  desc: null
  value:
    python_version: 3.10.12
    t:
      1:
      - 1
      - 41
betas:
  desc: null
  value:
  - 0.9
  - 0.95
lr:
  desc: null
  value: 1.0e-05
model:
  desc: null
  value:
    name: 'tiny: it''s'
    width: 64
note:
  desc: null
  value: a text that is longer than eighty characters is broken where it is written by
    the library
tied:
  desc: null
  value: true
"""
GO = """\
_wandb:
    value:
        m: []
        t:
            "1":
                - 1
                - 41
betas:
    value:
        - 0.9
        - 0.95
lr:
    value: 1e-05
model:
    value:
        name: "tiny: it's"
        width: 64
note:
    value: a text that is longer than eighty characters is broken where it is written by the library
tied:
    value: true
"""
SETTINGS = {
    "betas": "[0.9, 0.95]",
    "lr": 1e-5,
    "model.name": "tiny: it's",
    "model.width": 64,
    "note": "a text that is longer than eighty characters is broken where it is written by the library",
    "tied": True,
}


def run_folder(tmp_path, config: str | None = PYTHON, summary: str | None = None) -> Path:
    folder = tmp_path / "wandb" / "offline-run-20240101_000000-abc"
    (folder / "files").mkdir(parents=True)
    if config is not None:
        (folder / "files" / "config.yaml").write_text(config)
    if summary is None:
        summary = json.dumps({"_step": 29, "_wandb": {"runtime": 3}, "loss": 2.5, "eval": {"acc": 0.5}, "said": "x"})
    (folder / "files" / "wandb-summary.json").write_text(summary)
    started = {"startedAt": "2024-01-01T00:00:00.123456789Z", "program": "train.py"}
    (folder / "files" / "wandb-metadata.json").write_text(json.dumps(started))
    return folder


@pytest.mark.parametrize("config", [PYTHON, GO])
def test_a_run_without_its_history_keeps_settings_and_final_values(tmp_path, config):
    folder = run_folder(tmp_path, config)
    logs = sim.read_logs(tmp_path)
    (run,) = logs.runs
    assert (run.kind, run.name, run.state, run.points) == ("wandb", "abc", "unknown", None)
    assert dict(run.config) == SETTINGS
    assert dict(run.final) == {"loss": 2.5, "eval.acc": 0.5}
    assert run.started == pytest.approx(1704067200.123456)
    source = folder.relative_to(tmp_path)
    assert logs.left_out == (f"{source}: the history is not there: run-*.wandb is missing",)
    with sim.Store(tmp_path / "s.db") as store:
        store.add(logs)
        assert store["abc"].final == run.final


def test_a_history_that_cannot_be_read_is_said_and_one_that_can_is_read(tmp_path):
    folder = run_folder(tmp_path)
    (folder / "run-abc.wandb").write_bytes(b"\0" * 100)
    logs = sim.read_logs(tmp_path)
    assert [r.config["lr"] for r in logs.runs] == [1e-5]
    assert "the history is not there: run-abc.wandb does not begin as a .wandb file does" in logs.left_out[0]
    shutil.copy(PLAIN, folder / "run-abc.wandb")
    (run,) = sim.read_logs(tmp_path).runs
    assert run.curves().height
    assert run.config["n_layer"] == 2


def test_settings_that_are_not_understood_are_one_sentence(tmp_path):
    run_folder(tmp_path, "lr:\n  desc: null\n  value: !!python/object:x {}\n")
    logs = sim.read_logs(tmp_path)
    assert [r.final["loss"] for r in logs.runs] == [2.5]
    assert any("config.yaml, line 3: expected 'name: value' as the library writes settings" in s for s in logs.left_out)


def test_nothing_is_made_of_a_folder_that_says_nothing(tmp_path):
    run_folder(tmp_path, "lr: 3\n", "[]")
    logs = sim.read_logs(tmp_path)
    assert logs.runs == ()
    (said,) = logs.left_out
    assert "config.yaml is not as wandb writes it" in said
    assert "wandb-summary.json holds no values by name" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb:\n  c: .inf\n  d: 'x # y'\n", {"a": 1, "b": {"c": float("inf"), "d": "x # y"}}),
        ("a:\n- b: 1\n  c:\n  - 2\n  - - 3\n    - 4\n-\n- d\n", {"a": [{"b": 1, "c": [2, [3, 4]]}, None, "d"]}),
        ('"a: b": "\\x41\\u00e9"\nnull: ~\n', {"a: b": "Aé", "null": None}),
        ("a: {}\nb: []\nc: 12e3\nd: -7\ne: 1.2.3\n", {"a": {}, "b": [], "c": 12000.0, "d": -7, "e": "1.2.3"}),
    ],
)
def test_the_layout_of_settings(tmp_path, text, expected):
    (tmp_path / "config.yaml").write_text(text)
    assert blocks(tmp_path / "config.yaml") == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "- a\n", "  a: 1\n", "a: &x 1\n", "a: *x\n", "a: |\n  b\n", "a: {b: 1}\n", "a: 'b\n", "a\n", "a: b: c\n"),
        *("a: 1\n   b: 2\n", "a:\n    b: 1\n  c: 2\n", "".join(f"{' ' * i}a:\n" for i in range(90)), "<<: 1\n? a\n"),
    ],
)
def test_what_is_not_of_that_layout_is_refused(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(sim.SimilitudeError, match=r"config\.yaml, line \d+: expected 'name: value'"):
        blocks(tmp_path / "config.yaml")


# -- exports --------------------------------------------------------------------------------------------------------


def said_of(tmp_path, steps, names=("_step", "_runtime", "_timestamp")) -> str:
    columns = dict.fromkeys(names, steps) | {"loss": [4 / (s + 1) ** 0.5 for s in steps]}
    if "_timestamp" in names:
        columns["_timestamp"] = [1.7e9 + s for s in steps]
    pl.DataFrame(columns).write_csv(tmp_path / "history.csv")
    (run,) = sim.read_logs(tmp_path / "history.csv").runs
    assert run.curves().filter(pl.col("metric") == "loss").height == len(steps)
    return " ".join(run.assumed)


HISTORIES = Path(__file__).resolve().parent.parent / "golden/logs/wandb_history"


@pytest.mark.parametrize("told", json.loads((HISTORIES / "values.json").read_text())["runs"], ids=lambda r: r["name"])
def test_a_history_that_the_api_gave_has_its_times_and_says_where_it_is_sampled(told):
    (run,) = (r for r in sim.read_logs(HISTORIES / "files").runs if r.name == told["name"])
    times = run.curves()["time"]
    if told["first and last"]:
        assert [times.min(), times.max()] == pytest.approx(told["first and last"], abs=1e-6, rel=0)
    else:
        assert times.null_count() == len(times)
    sampled = "it has 500 rows, as many as history() of Weights & Biases samples; scan_history() gives all"
    assert run.assumed == ((sampled,) if told["name"].startswith("sampled") else ())


@pytest.mark.parametrize(("rows", "samples"), [(2000, 300), (1234, 500), (10_000, 1700), (700, 480), (5000, 137)])
def test_a_history_sampled_evenly_is_said(tmp_path, rows, samples):
    steps = np.linspace(0, rows - 1, samples).astype(int).tolist()
    said = said_of(tmp_path, steps)
    assert "scan_history() gives all" in said
    assert samples == 500 or f"history(samples={samples})" in said
    assert samples == 500 or said_of(tmp_path, steps, ("_step",)) == ""


@pytest.mark.parametrize(
    "steps",
    [
        range(400),
        range(0, 4000, 10),
        [*range(0, 4000, 10), 3997],
        [s + s // 100 for s in range(1, 400)],  # an evaluation takes a step of its own now and then
        [2 * s + s // 7 for s in range(400)],
        sorted(np.random.default_rng(0).choice(4000, 400, replace=False).tolist()),
        [*range(200), *range(200, 2000, 9)],
        np.linspace(0, 1233, 60).astype(int).tolist(),
        [*range(300), *range(250, 500)],
        [0] * 300,
    ],
)
def test_logs_that_are_whole_raise_no_alarm(tmp_path, steps):
    assert said_of(tmp_path, list(steps)) == ""
