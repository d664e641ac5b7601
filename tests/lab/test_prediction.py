"""What was foretold of the top rung is what the ladder in the package gives, in the file and on the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

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


def test_the_page_says_how_it_came_out():
    page = " ".join((ROOT / "docs" / "ladder.md").read_text().split())
    top = sim.datasets.load("ladder", "experiments", group="top")
    loss = float(top.column("loss")[0])
    assert top.labels("run").tolist() == [FORETOLD["top"]["id"]]
    assert f"**{loss:.4f}** nats a byte" in page
    told = {law: p["loss"] / loss - 1 for law, p in FORETOLD["predictions"].items()}
    assert (
        f"{FORETOLD['predictions']['chinchilla']['loss']:.3f}, {told['chinchilla']:.1%} too much".replace("%", " %")
        in page
    )
    assert f"one exponent is {100 * told['chinchilla_tied']:.1f} % too high" in page
    assert f"Farseer {100 * told['farseer']:.1f} % too high" in page
    assert f"Kaplan {-100 * told['kaplan']:.1f} % too low" in page
    assert loss < FORETOLD["predictions"]["chinchilla"]["new_low"]  # missed


def test_the_page_says_what_the_pairs_of_interventions_say():
    """Each row's mean difference and interval again from the table, by SciPy's t interval."""
    page = (ROOT / "docs" / "ladder.md").read_text().splitlines()
    runs = sim.datasets.load("ladder", "interventions")
    names = sorted(set(runs.labels("intervention").tolist()) - {"plain"})
    assert len(names) == 10
    for name in names:
        plain = runs.where(intervention="plain", domain="english" if name == "lora" else "python")
        other = runs.where(intervention=name)
        loss = other.column("int4_loss" if name == "quantised after" else "loss")
        at = {(w, d): y for w, d, y in zip(*(plain.column(k) for k in ("width", "D", "loss")), strict=True)}
        gaps = [y - at[w, d] for w, d, y in zip(other.column("width"), other.column("D"), loss, strict=True)]
        assert len(gaps) == 9
        low, high = stats.t.interval(0.9, 8, np.mean(gaps), stats.sem(gaps))
        (line,) = [text for text in page if text.startswith(f"| {name} | ")]
        assert f"| {np.mean(gaps):+.3f} [{low:+.3f}, {high:+.3f}] |" in line


def test_the_laws_of_interventions_are_those_of_the_file():
    """The plain decoder's law and one other's, again; the page has the file's numbers."""
    file = json.loads((ROOT / "examples" / "ladder" / "interventions.json").read_text())
    page = (ROOT / "docs" / "ladder.md").read_text()
    runs = sim.datasets.load("ladder", "interventions")
    for name in ("plain", "moe"):
        mine = runs.where(intervention=name, domain="python")
        n = mine.column("C") / (6 * mine.column("D"))
        fit = sim.fit(sim.laws.chinchilla, sim.read_runs({"N": n, "D": mine.column("D"), "loss": mine.column("loss")}))
        plain = runs.where(intervention="plain", domain="python")
        most = float((plain.column("C") / (6 * plain.column("D"))).max())
        told = fit.predict(N=most * 10**0.5, D=float(plain.column("D").max()) * 10**0.5)
        value, low, high = file["moe"]["at"]["10"][name]
        assert (told.value, told.low, told.high) == pytest.approx((value, low, high), rel=1e-4)
        assert f"{value:.2f} [{low:.2f}, {high:.2f}]" in page


def test_every_run_of_the_ladder_is_one_that_the_files_describe():
    files = {
        "runs": ("ladder/ladder", "ladder/tuning"),
        "experiments": ("ladder/top", "ladder/widths", "ladder/cosine"),
        "batches": ("ladder/batches",),
        "interventions": ("interventions",),
    }
    for table, names in files.items():
        ids = {r.id for name in names for r in sim.lab.read_ladder(ROOT / "examples" / f"{name}.toml").runs}
        assert ids == set(sim.datasets.load("ladder", table).labels("run")), table
