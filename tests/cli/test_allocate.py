"""`similitude allocate`: Chinchilla's approaches 1 and 2 from the command line."""

from __future__ import annotations

import pytest

import similitude as sim

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]
EXPONENT = 0.3658 / (0.3478 + 0.3658)  # beta / (alpha + beta), of the printed coefficients


@pytest.fixture
def isoflops(tmp_path):
    path = tmp_path / "isoflops.csv"
    sim.simulate(TRUTH, design="isoflop", noise=0.0).to_frame("polars").write_csv(path)
    return str(path)


def test_parabolas_with_their_bias(isoflops, run):
    found = run("allocate", isoflops, "--json").document
    assert found["approach"] == 2
    assert found["N"]["exponent"]["value"] == pytest.approx(EXPONENT, abs=5e-4)
    assert all(-0.02 < bias < 0 for bias in found["bias_N"])  # alpha < beta: parabolas put N* too low


def test_bias_taken_out(isoflops, run):
    found = run("allocate", isoflops, "--corrected", "--json").document
    assert found["N"]["exponent"]["value"] == pytest.approx(EXPONENT, abs=1e-6)


def test_envelope_of_curves(tmp_path, run):
    path = tmp_path / "curves.csv"
    sim.simulate(TRUTH, design="curves", noise=0.0).to_frame("polars").write_csv(path)
    found = run("allocate", str(path), "--approach", "1", "--json").document
    assert found["N"]["exponent"]["value"] == pytest.approx(EXPONENT, abs=0.08)


def test_text_names_each_budget(isoflops, run):
    ended = run("allocate", isoflops)
    assert "bias of" in ended.out
    assert ended.out.count("e18") + ended.out.count("e19") + ended.out.count("e20") + ended.out.count("e21") >= 6


def test_options_of_another_approach_are_refused(isoflops, run):
    ended = run("allocate", isoflops, "--approach", "1", "--corrected")
    assert ended.code == 2
    assert "approach 2" in ended.err
