"""The first screen says what the intervals were worth on the runs held out."""

from __future__ import annotations

from dataclasses import replace

import pytest

import similitude as sim


@pytest.fixture(scope="module")
def results():
    runs = sim.simulate(sim.laws.chinchilla.published["besiroglu2024"], design="isoflop", seed=3)
    fit = sim.fit(sim.laws.chinchilla, runs)
    return fit, sim.plan(fit, flop=1e23), sim.compare_laws([sim.laws.chinchilla], runs)


def _sure(results, inside):
    fit, plan, comparison = results
    score = replace(comparison.scores[0], inside=inside, judged=50)
    return str(sim.report([fit, plan, replace(comparison, scores=(score,))]).first)


def test_intervals_that_held_are_said_to_have(results):
    text = " ".join(_sure(results, 0.92).split())
    assert "held 46 of the 50 largest" in text
    assert "too narrow" not in text


def test_intervals_that_did_not_hold_are_called_too_narrow(results):
    text = " ".join(_sure(results, 0.46).split())
    assert "held 23 of the 50 largest" in text
    assert "too narrow there" in text


def test_a_few_misses_prove_nothing(results):
    """4 of 6 inside happens to sound intervals once in nine times."""
    fit, plan, comparison = results
    score = replace(comparison.scores[0], inside=4 / 6, judged=6)
    text = str(sim.report([fit, plan, replace(comparison, scores=(score,))]).first)
    assert "held 4 of the 6 largest" in " ".join(text.split())
    assert "too narrow" not in text
