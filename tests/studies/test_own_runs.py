"""Our own runs beside what papers say: each number again from the tables, by other means."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import similitude as sim
from similitude._view import Table
from similitude.studies import Claim, catalogue

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def items():
    return list(catalogue()["similitude2026"].claims(0))


def claim(items, start) -> Claim:
    (found,) = [c for c in items if isinstance(c, Claim) and c.sentence.startswith(start)]
    return found


def table(items, start) -> Table:
    (found,) = [t for t in items if isinstance(t, Table) and t.title.startswith(start)]
    return found


@pytest.mark.parametrize("name", ["standard", "mup"])
def test_the_best_rates_are_those_of_parabolas(items, name):
    """A parabola through the best rate and its neighbours at each width, and a line through their bottoms."""
    runs = sim.datasets.load("ladder", "experiments", group="widths").where(parameterisation=name)
    width, rate, loss = (runs.column(k) for k in ("width", "lr", "loss"))
    bottoms = {}
    for w in np.unique(width):
        x, y = np.log(rate[width == w]), loss[width == w]
        order = np.argsort(x)
        x, y = x[order], y[order]
        i = int(np.clip(np.argmin(y), 1, len(y) - 2))
        a, b, _ = np.polyfit(x[i - 1 : i + 2], y[i - 1 : i + 2], 2)
        bottoms[w] = -b / (2 * a)
    slope = -np.polyfit(np.log(list(bottoms)), list(bottoms.values()), 1)[0]
    found = claim(items, "exponent p of the best rate ~ width^-p, " + name)
    assert found.ours.value == pytest.approx(slope, abs=0.2)
    assert found.ours.low < slope < found.ours.high
    assert found.ours.low > 0.6 if name == "standard" else abs(found.ours.value) < 0.2
    assert found.remark.startswith("does not transfer")  # nor does mup's quite: a drift of a third is told from none


def test_the_critical_batch_balances_steps_and_sequences(items):
    """At the critical batch twice the least steps are needed: read off the steps to a loss by a line in 1/B."""
    points = sim.datasets.load("ladder", "batches").frame
    rows = {float(row[0]): row for row in table(items, "Critical batch").rows}
    for goal in (2.2, 2.0):
        there = points.filter(points["loss"] <= goal)
        steps = {b: int(there.filter(there["batch"] == b)["step"].min()) for b in there["batch"].unique().to_list()}
        b, s = np.array(list(steps), float), np.array(list(steps.values()), float)
        slope, least = np.polyfit(1 / b, s, 1, w=1 / s)
        assert rows[goal][1].value == pytest.approx(slope / least, rel=0.35)
        assert rows[goal][1].low < slope / least < (rows[goal][1].high or np.inf)


def test_the_noise_scale_is_the_trace_over_the_squared_gradient(items):
    row = next(r for r in table(items, "Critical batch").rows if r[0] == "2")
    points = sim.datasets.load("ladder", "batches").frame
    mine = points.filter((points["batch"] == 32) & (points["lr"] == 0.012) & ((points["loss"] - 2.0).abs() < 0.08))
    one, whole = mine["noise_one"].mean(), mine["noise_batch"].mean()
    squared = (32 * whole - one) / 31
    assert row[2].value == pytest.approx((one - whole) / (1 - 1 / 32) / squared, rel=1e-9)


def test_a_cooldown_is_no_worse_than_a_cosine_of_its_own(items):
    cosine = sim.datasets.load("ladder", "experiments", group="cosine")
    ladder = sim.datasets.load("ladder", domain="python", group="ladder").where("width == 32 and layers == 2")
    gaps = []
    for d, y in zip(cosine.column("D"), cosine.column("loss"), strict=True):
        gaps.append(float(ladder.column("loss")[ladder.column("D") == d][0]) - float(y))
    assert len(gaps) == 6
    assert max(gaps) < 0
    found = claim(items, "loss after a cooldown")
    assert found.ours.value == pytest.approx(gaps[int(np.argmax(cosine.column("D")))])
    assert f"{np.mean(gaps):+.3f}" in found.remark


def test_the_next_rung_is_judged_by_what_was_written_before(items):
    told = json.loads((ROOT / "examples" / "ladder" / "prediction.json").read_text())
    found = claim(items, "loss of the next rung")
    assert found.ours.value == pytest.approx(told["predictions"]["chinchilla"]["loss"], rel=1e-6)
    assert found.ours.low == pytest.approx(told["predictions"]["chinchilla"]["new_low"], rel=1e-6)
    top = sim.datasets.load("ladder", "experiments", group="top")
    assert float(top.column("loss")[0]) < found.ours.low  # it came out lower than was foretold
    assert found.verdict == "close"
    assert float(found.printed) == pytest.approx(float(top.column("loss")[0]), abs=5e-5)
    assert (float(top.column("N")[0]), float(top.column("D")[0])) == (told["top"]["N"], told["top"]["D"])


def test_the_page_has_the_numbers_of_the_study(items):
    page = (ROOT / "docs" / "ladder.md").read_text()
    lines = page.splitlines()
    for goal, critical, scale, ratio in table(items, "Critical batch").rows:
        assert f"| {goal} | {critical.text()} | {scale.text()} | {ratio} |" in lines
    for row in table(items, "Cosine runs").rows:
        assert "| " + " | ".join(row) + " |" in lines
    rates = {(name, width): rate.value for name, width, rate in table(items, "The best rate").rows}
    words = " ".join(page.split())
    for name, verb in (("standard", "falls"), ("mup", "rises")):
        exponent = claim(items, f"exponent p of the best rate ~ width^-p, {name}").ours
        ends = rates[name, "16"], rates[name, "128"]
        assert f"{verb} from {ends[0]:.4f} to {ends[1]:.4f}" in words
        assert f"width^{-exponent.value:.2f} [{-exponent.high:.2f}, {-exponent.low:.2f}]" in words
    runs = sim.datasets.load("ladder", "experiments", group="widths").where("width == 128")
    best = {n: runs.where(parameterisation=n).column("loss").min() for n in ("standard", "mup")}
    assert f"{best['standard']:.3f} against {best['mup']:.3f}" in words
    assert f"{rates['standard', '16'] / rates['standard', '128']:.1f} times too high" in words


def test_the_laws_of_low_rank_tuning_and_of_plain_english_are_on_the_page():
    file = json.loads((ROOT / "examples" / "ladder" / "interventions.json").read_text())["lora"]["at"]
    words = " ".join((ROOT / "docs" / "ladder.md").read_text().split())
    told = ["{:.2f} [{:.2f}, {:.2f}]".format(*file[times]["plain"]) for times in ("1", "10")]
    assert " and ".join(told) in words
