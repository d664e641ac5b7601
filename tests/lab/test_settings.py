"""Settings and ladders: ids from content, sentences for what is wrong."""

from __future__ import annotations

import json

import pytest

import similitude as sim
from similitude._errors import DataError
from similitude.lab import Config, _settings, config_from, ladder_from
from similitude.lab._jobs import jobs_of
from similitude.lab._ladder import nearest_shape
from similitude.lab._settings import TrainSettings


def test_equal_runs_have_equal_ids_however_they_are_written():
    by_tokens = config_from({"train": {"tokens": 2048 * 100, "batch": 16}, "data": {"sequence": 128}})
    by_steps = config_from({"train": {"steps": 100}})
    said = config_from({"train": {"steps": 100, "warm_up": 5, "lr": 0.003}, "model": {"feed_forward": 176}})
    assert by_tokens.id == by_steps.id == said.id
    others = [{"seed": 1}, {"model": {"layers": 3}}, {"train": {"lr": 0.004, "steps": 100}}, {"base_width": 32}]
    ids = {by_steps.id, *(config_from({"train": {"steps": 100}, **o}).id for o in others)}
    assert len(ids) == 5


def test_settings_that_came_later_leave_the_ids_of_earlier_runs_as_they_were(monkeypatch):
    plain, wide = Config(), Config(base_width=32)
    spectra = Config(train=TrainSettings(spectra=True))
    before = plain.id, wide.id, spectra.id
    monkeypatch.setattr(_settings, "ADDED", ("train.spectra", "base_width"))
    assert plain.id not in before  # neither is hashed where it is the default, as before there was such a setting
    assert wide.id not in (*before, plain.id)
    assert spectra.id not in (*before, plain.id, wide.id)
    assert Config(base_width=32, train=TrainSettings(spectra=True)).id not in (plain.id, wide.id, spectra.id)


def test_tokens_per_parameter_count_all_parameters():
    config = config_from({"train": {"tokens_per_parameter": 20}})
    n = config.shape.parameters("total")
    assert n == 256 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 176 + 2 * 64) + 64
    assert config.tokens == pytest.approx(20 * n, rel=1e-2)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"trian": {}}, "there is no setting 'trian'; did you mean 'train'?"),
        ({"train": {"leraning_rate": 1}}, "train: there is no setting 'leraning_rate'"),
        ({"train": {"lr": "high"}}, "train.lr: expected `float`, got `str`"),
        ({"train": {"lr": -1.0}}, "train.lr = -1; expected a positive number"),
        ({"train": {"lr": float("inf")}}, "train.lr = inf; expected a positive number"),
        ({"train": {"steps": 5, "tokens": 9.0}}, "train: give one of steps, tokens and tokens_per_parameter"),
        ({"train": {"schedule": "cosin"}}, "train.schedule = 'cosin'; the schedules are: constant"),
        ({"model": {"width": 30, "heads": 4}}, "model.width = 30 with 4 heads: expected heads of one even width"),
        ({"model": {"layers": 0}}, "model.layers = 0; expected 1 or more"),
        ({"data": {"domains": {}}}, "data.domains: expected at least one domain"),
        ({"data": {"tokenizer": "gpt2"}}, "data.tokenizer = 'gpt2'; expected bytes"),
        ({"interventions": {"mixture": {}}}, "interventions: there is no 'mixture'"),
        ({"seed": -1}, "seed = -1; expected 0 or more"),
    ],
)
def test_settings_that_make_no_run_are_named(settings, sentence):
    with pytest.raises(DataError, match=r"^ladder\.toml: ") as error:
        config_from(settings, "ladder.toml")
    assert sentence in str(error.value)


def test_a_sweep_is_every_combination_and_each_run_is_there_once():
    ladder = ladder_from({
        "run": {"train": {"steps": 10, "lr": 0.1}},
        "sweep": [
            {"seed": [0, 1], "model": [{"width": 16, "heads": 1}, {"width": 32, "heads": 2}]},
            {"train": {"lr": [0.1, 0.2]}, "model": {"width": 16, "heads": 1}},
        ],
        "runs": [{"seed": 5}],
    })  # fmt: skip
    found = {(r.model.width, r.train.lr, r.seed) for r in ladder.runs}
    assert found == {(16, 0.1, 0), (32, 0.1, 0), (16, 0.1, 1), (32, 0.1, 1), (16, 0.2, 0), (64, 0.1, 5)}
    assert len(ladder) == 6


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"sweeps": []}, "there is no entry 'sweeps'; did you mean 'sweep'?"),
        ({}, "has no runs"),
        ({"sweep": {"seed": 1}}, "'sweep' must be tables, written [[sweep]]"),
        ({"sweep": [{"train": {"lr": []}}]}, "train.lr is an empty list"),
        ({"run": {}, "fit": {"laws": "chinchilla"}}, "fit: there is no entry 'laws'; did you mean 'law'?"),
        ({"sweep": [{"train": {"lr": [0.1, "x"]}}]}, "[[sweep]] 1: train.lr: expected `float`, got `str`"),
    ],
)
def test_ladders_that_make_no_sense_are_told_where(values, sentence):
    with pytest.raises(DataError) as error:
        ladder_from(values)
    assert sentence in str(error.value)


def test_a_plan_becomes_the_nearest_shapes(tmp_path):
    rows = [{"inputs": {"N": 2e5, "D": 4e6}, "seeds": 2}, {"inputs": {"N": 1e6, "D": 2e7}, "seeds": 1}]
    (tmp_path / "next.json").write_text(json.dumps({"runs": rows}))
    (tmp_path / "ladder.toml").write_text('[plan]\nfile = "next.json"\n[run]\ntrain = {lr = 0.01}\n')
    ladder = sim.lab.read_ladder(tmp_path / "ladder.toml")
    assert [(r.seed, r.train.lr) for r in ladder.runs] == [(0, 0.01), (1, 0.01), (0, 0.01)]
    for run, (n, d) in zip(ladder.runs, [(2e5, 4e6), (2e5, 4e6), (1e6, 2e7)], strict=True):
        assert run.shape.parameters("total") == pytest.approx(n, rel=0.1)
        assert run.tokens == pytest.approx(d, rel=1e-3)


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        ({"N": -5, "D": 1e6}, "next.json, run 2: N is -5; expected a positive number"),
        ({"N": 1e5, "D": "many"}, "next.json, run 2: D is 'many'; expected a positive number"),
        ({"N": 1e5, "D": 1e6, "seeds": 0}, "next.json, run 2: seeds is 0; expected a positive number"),
        ({"N": float("nan"), "D": 1e6}, "next.json, run 2: N is nan; expected a positive number"),
    ],
)
def test_a_plan_with_numbers_that_make_no_run_is_refused(tmp_path, run, sentence):
    (tmp_path / "next.json").write_text(json.dumps({"runs": [{"N": 1e5, "D": 1e6}, run]}))
    with pytest.raises(DataError) as error:
        ladder_from({"plan": {"file": str(tmp_path / "next.json")}})
    assert sentence in str(error.value)


def test_the_design_of_next_runs_is_read_as_it_is_printed(tmp_path, monkeypatch):
    fit = sim.laws.chinchilla.published["besiroglu2024"]
    design = sim.ladder(fit, 1e18, share=0.01, runs=12)
    (tmp_path / "plan.json").write_text(json.dumps(design.to_dict(), default=float))
    ladder = ladder_from({"plan": {"file": str(tmp_path / "plan.json")}})
    best = design.best
    assert len(ladder) == sum(int(r.seeds) for r in best.runs)
    found = sorted(r.tokens for r in ladder.runs)
    assert found == pytest.approx(sorted(r.inputs["D"] for r in best.runs for _ in range(int(r.seeds))), rel=1e-2)


@pytest.mark.parametrize("n", [2e4, 3e5, 5e6])
def test_the_nearest_shape_is_near(n):
    shape = config_from({"model": nearest_shape(n, {})}).shape
    assert shape.parameters("total") == pytest.approx(n, rel=0.15)


def test_runs_that_differ_in_length_alone_go_on_from_one_another():
    ladder = ladder_from({"sweep": [{"train": {"steps": [100, 200, 400], "lr": [0.1, 0.2], "warm_up": 10}}]})
    jobs = jobs_of(ladder.runs, ladder.names)
    assert sorted(len(j.runs) for j in jobs) == [3, 3]
    for job in jobs:
        assert [r.steps for r in job.runs] == [400, 200, 100]
        assert job.begins == (0, 160, 80)  # where a cooldown of a fifth begins
    cosine = ladder_from({"sweep": [{"train": {"steps": [100, 200], "schedule": "cosine", "warm_up": 10}}]})
    assert [len(j.runs) for j in jobs_of(cosine.runs, cosine.names)] == [1, 1]
