"""What was foretold of the top rung is what the ladder in the package gives, in the file and on the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import similitude as sim
from similitude.lab._train import training_flop

ROOT = Path(__file__).resolve().parents[2]
FORETOLD = json.loads((ROOT / "examples" / "ladder" / "prediction.json").read_text())


@pytest.fixture(scope="module")
def runs():
    return sim.datasets.load("ladder", domain="python").where("group == 'ladder' or group == 'seeds'")


def test_the_top_rung_is_the_one_foretold_and_beyond_all_others(runs):
    (top,) = sim.lab.read_ladder(ROOT / "examples" / "ladder" / "top.toml").runs
    said = FORETOLD["top"]
    assert (said["id"], said["N"], said["D"]) == (top.id, top.shape.parameters("total"), top.tokens)
    assert said["C"] == training_flop(top)
    assert said["C"] > 8 * runs.column("C").max()


def test_the_law_that_counts_foretells_it_so(runs):
    assert FORETOLD["law"] == "chinchilla"
    assert FORETOLD["runs"] == len(runs) == 49
    found = sim.fit(sim.laws.chinchilla, runs, seed=0).predict(
        N=FORETOLD["top"]["N"], D=FORETOLD["top"]["D"], level=FORETOLD["level"]
    )
    told = FORETOLD["predictions"]["chinchilla"]
    for ours, name in ((found.value, "loss"), (found.low, "low"), (found.high, "high"), (found.new_high, "new_high")):
        assert ours == pytest.approx(told[name], rel=1e-6), name


def test_the_page_says_what_the_file_says():
    page = (ROOT / "docs" / "ladder.md").read_text()
    names = {
        "Chinchilla (": "chinchilla",
        "Chinchilla, one": "chinchilla_tied",
        "Farseer": "farseer",
        "Kaplan": "kaplan",
    }
    for row, law in names.items():
        (line,) = [text for text in page.splitlines() if text.startswith(f"| {row}")]
        told = FORETOLD["predictions"][law]
        low = "…" if told["low"] is None else f"{told['low']:.3f}"
        assert f"{told['loss']:.3f} [{low}, {told['high']:.3f}]" in line
        new = "not known" if told["new_low"] is None else f"[{told['new_low']:.3f}, {told['new_high']:.3f}]"
        assert new in line
        assert f"{100 * FORETOLD['held_out'][law]:.1f} %" in line


def test_every_run_of_the_ladder_is_one_that_the_files_describe():
    files = ("ladder", "tuning")
    ids = {r.id for name in files for r in sim.lab.read_ladder(ROOT / "examples" / "ladder" / f"{name}.toml").runs}
    assert ids == set(sim.datasets.load("ladder").labels("run"))
