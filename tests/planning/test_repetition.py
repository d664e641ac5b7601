"""Repeated data: the authors' worked example and factors, and what fresh tokens are worth."""

from __future__ import annotations

import json

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError, QuestionError
from similitude.planning._repetition import _worth, effective_tokens

KNOWN = sim.laws.data_constrained.published["muennighoff2023"]
UNIQUE = 25e9


def test_the_worked_example():
    found = sim.repetition(KNOWN, "25B", flop=1e22).rows[0]
    assert found.D.value == pytest.approx(237.34e9, rel=0.005)  # the grid optimum of the released code
    assert found.N.value == pytest.approx(7.022e9, rel=0.005)
    assert found.epochs == pytest.approx(9.49, abs=0.02)
    assert found.fresh_loss < found.loss.value


def test_repeated_tokens_are_worth_what_the_paper_says():
    # D'/U at 4, 16 and 60 epochs, and exp(-R / R_D*), for a model small enough that size is not in excess
    tokens = np.array([4, 16, 60]) * UNIQUE
    assert effective_tokens(KNOWN, 1e8, tokens, UNIQUE) / UNIQUE == pytest.approx([3.726, 10.582, 16.055], abs=6e-4)
    worth = _worth(KNOWN, 1e8, tokens, UNIQUE)
    assert worth == pytest.approx(np.exp(-np.array([3, 15, 59]) / 15.387756), rel=1e-6)


def test_twice_the_data_saves_what_a_plan_says():
    row = sim.repetition(KNOWN, UNIQUE, flop=1e22).rows[0]
    twice = sim.plan(KNOWN, loss=row.loss.value, unique_tokens=2 * UNIQUE)
    assert row.doubled == pytest.approx(1 - twice.flop / 1e22)
    means = sim.budget(gpus="64xH100", days=10)
    paid = sim.repetition(KNOWN, UNIQUE, budget=means).rows[0]
    assert paid.price == pytest.approx(means.dollars_for(paid.doubled * means.flop) / UNIQUE)


def test_laws_stand_side_by_side_and_disagree():
    v = KNOWN.values
    other = sim.laws.deff_repetition.estimate(
        E=v["E"], A=v["A"], alpha=v["alpha"], B=v["B"], beta=v["beta"], s=15.0, d=0.0
    )
    found = sim.repetition([KNOWN, other], "100B", flop=6.6e22)
    assert [r.label for r in found.rows] == [KNOWN.label, "given coefficients"]
    assert found.rows[0].epochs > 1.4 * found.rows[1].epochs
    assert any("disagree" in w for w in found.warnings)
    assert "epochs" in str(found)
    document = json.loads(json.dumps(found.to_dict()))
    assert document["rows"][0]["epochs"] == found.rows[0].epochs


def test_more_compute_goes_to_epochs_and_size():
    found = sim.repetition(KNOWN, UNIQUE, flop=1e22)
    assert all(a <= b * (1 + 1e-9) for a, b in zip(found.epochs, found.epochs[1:]))
    assert all(a <= b * (1 + 1e-9) for a, b in zip(found.sizes, found.sizes[1:]))


@pytest.mark.parametrize(
    ("estimate", "options", "error", "sentence"),
    [
        (KNOWN, {}, ArgumentError, "a budget is missing"),
        (sim.laws.chinchilla.published["besiroglu2024"], {"flop": 1e22}, QuestionError, "no unique tokens U"),
        ([], {"flop": 1e22}, ArgumentError, "takes a fit"),
    ],
)
def test_what_cannot_be_answered(estimate, options, error, sentence):
    with pytest.raises(error, match=sentence):
        sim.repetition(estimate, "25B", **options)
