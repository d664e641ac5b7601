"""`similitude plan next` and `similitude plan ladder` as typed."""

from __future__ import annotations

import json

import pytest

import similitude as sim
from similitude.cli import main


@pytest.fixture(scope="module")
def fit_file(tmp_path_factory):
    truth = sim.laws.chinchilla.published["besiroglu2024"]
    found = sim.fit(truth.law, sim.simulate(truth, noise=0.01, seed=0))
    path = tmp_path_factory.mktemp("design") / "fit.json"
    path.write_text(json.dumps(found.to_dict()), encoding="utf-8")
    return path


def _run(capsys, *words: str) -> tuple[int, str, str]:
    try:
        code = main([str(w) for w in words]) or 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_next_prints_one_document(fit_file, capsys):
    words = ("--target", "1e24", "--spend", "1e21", "--runs", "6", "--within", "M=10:80", "--within", "N=:2B")
    code, out, _ = _run(capsys, "plan", "next", fit_file, *words, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["target"] == 1e24
    assert sum(r["seeds"] for r in document["design"]) <= 6
    assert sum(r["seeds"] * r["cost"] for r in document["design"]) <= 1e21 * (1 + 1e-9)
    assert all(r["inputs"]["N"] <= 2e9 * (1 + 1e-9) for r in document["design"])


def test_candidates_come_from_a_table(fit_file, tmp_path, capsys):
    table = tmp_path / "could.csv"
    table.write_text("N,D\n50000000,1000000000\n200000000,4000000000\n1000000000,9000000000\n", encoding="utf-8")
    words = ("--target", "1e24", "--spend", "1e21", "--runs", "3", "--repeats", "1", "--candidates", table, "--json")
    code, out, _ = _run(capsys, "plan", "next", fit_file, *words)
    assert code == 0
    assert {r["inputs"]["N"] for r in json.loads(out)["design"]} == {5e7, 2e8, 1e9}


def test_ladder_and_seeds(capsys):
    code, out, _ = _run(capsys, "plan", "ladder", "chinchilla:besiroglu2024", "--target", "1e24", "--share", "0.1%")
    assert code == 0
    assert "IsoFLOP" in out
    assert "Seeds at equal cost" in out
    code, out, _ = _run(capsys, "plan", "ladder", "--difference", "0.5%", "--noise", "0.005", "--power", "0.8",
                        "--level", "0.95", "--json")  # fmt: skip
    assert code == 0
    assert json.loads(out)["seeds"] == 17  # Cohen (1988), table 2.4.1, a difference of one standard deviation


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("next", "FIT", "--target", "1e24"), 2, "what the runs may cost"),
        (("next", "FIT", "--target", "1e24", "--spend", "1e21", "--within", "N=1"), 2, "INPUT=LOW:HIGH"),
        (("next", "FIT", "--target", "1e24", "--spend", "1e10"), 3, "the cheapest needs"),
        (("next", "chinchilla:besiroglu2024", "--target", "1e24", "--spend", "1e21"), 2, "ladder"),
        (("ladder", "--target", "1e24"), 2, "takes a guess"),
        (("ladder", "chinchilla:besiroglu2024", "--target", "1e24", "--share", "lots"), 2, "such as 1%"),
        (("ladder", "chinchilla:besiroglu2024", "--difference", "1%"), 2, "another question"),
    ],
)
def test_refusals(fit_file, capsys, words, code, said):
    found, _, err = _run(capsys, "plan", *(fit_file if w == "FIT" else w for w in words))
    assert found == code
    assert said in err
