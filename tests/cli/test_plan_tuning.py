"""`similitude plan tuning` as people type it."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def rates(write) -> str:
    rows = [
        [f"{n:g}", f"{20 * n:g}", f"{lr:g}", f"{3 * np.exp(0.02 * np.log(lr / (2e-3 * (n / 1e8) ** -0.4)) ** 2):.5f}"]
        for n in (5e7, 1e8, 2e8, 4e8)
        for lr in (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
    ]
    return write("rates.csv", rows, "params,tokens,lr,val_loss")


def test_a_target_from_a_sweep(run, rates):
    ended = run("plan", "tuning", rates, "--at", "N=1.6B,D=32B", "--json")
    assert ended.code == 0
    assert ended.document["lr"]["value"] == pytest.approx(2e-3 * 16**-0.4, rel=0.02)
    assert {r["name"] for r in ended.document["rules"]} >= {"Step law", "DeepSeek"}


def test_the_sweep_alone_as_text(run, rates):
    ended = run("plan", "tuning", rates)
    assert ended.code == 0
    assert "The law of the best settings" in ended.out


def test_rules_alone(run):
    ended = run("plan", "tuning", "--at", "N=1B,D=100B", "--json")
    assert ended.document["rules"][0]["lr"] == pytest.approx(1.632e-3, rel=1e-3)


def test_other_questions(run, rates):
    assert run("plan", "tuning", "--widths", "256:4096", "--json").document["rules"][1]["lr"] == pytest.approx(1 / 16)
    changed = run("plan", "tuning", "--batches", "1M:4M", "--rate", "1e-3", "--ema", "0.9999", "--json")
    assert changed.document["kappa"] == pytest.approx(4)
    steady = run("plan", "tuning", rates, "--stability", "7B", "--initial-loss", "10", "--json")
    assert len(steady.document["sensitivity"]) == 4
    moved = run("plan", "tuning", rates, "--transfer", "params", "--json")
    assert moved.document["verdict"] == "does not transfer"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "--at N=7B,D=1.4T"),
        (["--at", "N=7B"], 2, "need N and D"),
        (["--at", "N=7B,D=-1"], 2, "positive"),
        (["--widths", "256"], 2, "256:4096"),
        (["--batches", "1M:4M"], 2, "--rate"),
        (["--widths", "1:2", "--batches", "1:2"], 2, "one at a time"),
        (["--transfer", "width"], 2, "name a table"),
        (["rates.csv", "--widths", "1:2"], 2, "needs no RUNS"),
        (["rates.csv", "--lr", "eta"], 3, "no column 'eta'"),
        (["rates.csv", "--at", "D=1T"], 2, "needs N"),
    ],
)
def test_refusals(run, rates, arguments, code, says):
    ended = run("plan", "tuning", *arguments)
    assert ended.code == code
    assert says in ended.err
    assert ended.out == ""
