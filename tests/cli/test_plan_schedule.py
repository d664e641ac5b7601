"""`similitude plan schedule` and `plan forecast` from the command line."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import similitude as sim

PLAN = sim.schedule("cosine", 8000, peak=3e-4, end=3e-5, warm_up=400)
SPEC = "cosine:8000,peak=3e-4,end=3e-5,warm-up=400"
TRUTH = sim.laws.annealing.estimate(L0=2.6, A=0.43, alpha=0.5, C=0.4)


@pytest.fixture
def curve(tmp_path):
    at = np.arange(50, 8001, 50)
    path = tmp_path / "cosine.csv"
    loss = TRUTH.value(**PLAN.areas(at))
    pl.DataFrame({"step": at, "loss": loss, "lr": PLAN.rates[at - 1]}).write_csv(path)
    return path


def test_named_and_logged_schedules_agree(curve, run):
    named = run("plan", "schedule", str(curve), "--schedule", SPEC, "--json").document
    logged = run("plan", "schedule", str(curve), "--lr", "lr", "--json").document
    assert named["best"] == logged["best"]
    for a, b in zip(named["candidates"], logged["candidates"]):
        assert a["final"]["value"] == pytest.approx(b["final"]["value"], rel=2e-3)


def test_a_choice_with_everything_asked_for(curve, run):
    found = run("plan", "schedule", str(curve), "--schedule", SPEC, "--steps", "16k", "--peak", "3e-4", "--end", "0",
                "--cooldown", "0.15", "--compare", "linear:16000,peak=3e-4", "--law", "multi_power",
                "--budgets", "10B,20B,30B", "--json").document  # fmt: skip
    assert found["steps"] == 16_000
    assert {"cooldown 15%", "linear", "optimised"} <= {c["schedule"] for c in found["candidates"]}
    assert found["ladder"]["ratio"] == pytest.approx((30 + 0.15 * 30) / 60)
    assert any("ends below" in n for c in found["candidates"] for n in c["notes"])


def test_text_of_a_choice(curve, run):
    ended = run("plan", "schedule", str(curve), "--schedule", SPEC, "--budgets", "10,20,30")
    assert ended.code == 0
    assert "Schedules for 8000 steps" in ended.out
    assert "36 against 60 of separate runs: 0.60" in ended.out


def half(curve, tmp_path):
    path = tmp_path / "run.csv"
    pl.read_csv(curve).filter(pl.col("step") <= 4000).write_csv(path)
    return str(path)


def test_a_forecast_holds_the_end(curve, tmp_path, run):
    end = float(TRUTH.value(**PLAN.areas([8000]))[0])
    seen = half(curve, tmp_path)
    for more in ((), ("--earlier", str(curve)), ("--earlier", str(curve), "--lr", "lr", "--learn", "law")):
        found = run("plan", "forecast", seen, "--schedule", SPEC, *more, "--json").document
        assert found["final"]["low"] < end < found["final"]["high"]
        assert found["done"] == 0.5


def test_a_forecast_without_a_schedule_says_so(curve, tmp_path, run):
    ended = run("plan", "forecast", half(curve, tmp_path), "--end", "8000")
    assert ended.code == 0
    assert "learning rates to come are not known" in " ".join(ended.out.split())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("forecast", "CURVE"), 2, "say where the run ends"),
        (("forecast", "CURVE", "--end", "8000"), 3, "nothing to forecast"),
        (("forecast", "CURVE", "--schedule", "cosine"), 2, "SHAPE:STEPS"),
        (("forecast", "CURVE", "--schedule", "cosin:9000,peak=1"), 2, "did you mean 'cosine'"),
        (("forecast", "CURVE", "--schedule", "cosine:9000"), 2, "peak rate is missing"),
        (("forecast", "CURVE", "--schedule", "cosine:9000,pek=1"), 2, "no 'pek'"),
        (("forecast", "CURVE", "--end", "9000", "--learn", "law"), 2, "--earlier FILE"),
        (("forecast", "CURVE", "--end", "9000", "--step", "stepp"), 2, "did you mean 'step'"),
        (("schedule", "CURVE"), 3, "needs the learning rates"),
        (("schedule", "CURVE", "--lr", "rate"), 2, "no such column"),
        (("schedule", "CURVE", "--by", "model", "--lr", "lr"), 2, "no such column"),
        (("schedule", "CURVE", "--schedule", "wsd:4000,peak=3e-4"), 3, "schedule ends at 4000"),
        (("schedule", "CURVE", "--schedule", "wsd:4000,peak=3e-4", "--schedule", "wsd:4000,peak=3e-4"),
         2, "once for each"),
        (("schedule", "nowhere.csv", "--lr", "lr"), 3, "no such file"),
    ],
)  # fmt: skip
def test_refusals(curve, run, arguments, code, words):
    ended = run("plan", *(str(curve) if a == "CURVE" else a for a in arguments))
    assert ended.code == code
    assert words in " ".join(ended.err.split())
