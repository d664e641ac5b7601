"""`compare --by` and `compare --trend` as users run them."""

from __future__ import annotations

import numpy as np
import pytest

import similitude as sim


@pytest.fixture
def procedures(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["C,loss,arch,seed,tokens_per_second,D"]
    for name, level, slope in (("a", 3.05, 0.062), ("b", 2.90, 0.048)):
        for i, c in enumerate(np.geomspace(1e18, 1e21, 8)):
            loss = level * (c / 1e19) ** -slope * np.exp(0.003 * rng.standard_normal())
            lines.append(f"{c:.6g},{loss:.6f},{name},s{i},{2e5 if name == 'a' else 1e5},{np.sqrt(c / 6):.6g}")
    path = tmp_path / "procedures.csv"
    path.write_text("\n".join(lines))
    return path


def test_procedures_are_compared(procedures, run):
    ended = run("compare", procedures, "--by", "arch", "--law", "power", "--at", "1e23", "--json")
    document = ended.document
    found = sim.compare(sim.read_runs(str(procedures)), by="arch", law="power", at=1e23)
    assert ended.code == 0
    assert document["pairs"][0]["verdict"] == found.pairs[0].verdict
    assert document["pairs"][0]["crossings"][0]["ahead"] == "a"
    assert [g["at"] for g in document["pairs"][0]["gaps"]] == [g.at for g in found.pairs[0].gaps]
    assert document["pairs"][0]["models"][-1]["p"] is None  # the freest has no test against itself
    text = run("compare", procedures, "--by", "arch", "--law", "power")
    assert "Which wins" in text.out
    assert "What the scale buys" in text.out


def test_equal_hours_and_blocks(procedures, run):
    hours = run("compare", procedures, "--by", "arch", "--law", "power", "--throughput", "tokens_per_second", "--json")
    assert hours.document["unit"] == "hours"
    blocks = run("compare", procedures, "--by", "arch", "--law", "power", "--blocks", "seed", "--json")
    assert blocks.document["pairs"][0]["paired"].startswith("8 blocks")


def test_a_trend_is_classed(procedures, run):
    ended = run("compare", procedures, "--trend", "loss", "--json")
    assert ended.document["kind"] == "falling"
    assert ended.document["scales"] == 8
    assert "Two lines" in run("compare", procedures, "--trend", "loss").out


@pytest.mark.parametrize(
    ("asked", "code", "sentence"),
    [
        ((), 2, "one of --laws, --by and --trend"),
        (("--by", "arch", "--trend", "loss"), 2, "one of --laws, --by and --trend"),
        (("--by", "arch", "--law", "powr"), 2, "power"),
        (("--by", "arch", "--against", "c"), 2, "no procedure 'c'"),
        (("--by", "nothing"), 3, "nothing"),
        (("--trend", "accuracy"), 3, "accuracy"),
        (("--by", "arch", "--blocks", "arch"), 3, "share"),
    ],
)
def test_what_is_refused(procedures, run, asked, code, sentence):
    ended = run("compare", procedures, *asked)
    assert ended.code == code
    assert sentence in ended.err
    assert ended.out == ""
