"""The compute-optimal point in closed form against printed tables and against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from similitude.laws import get
from similitude.studies._chinchilla import exponent, optimal_loss, optimal_tokens, wasted_compute

PUBLISHED = get("chinchilla").published


@pytest.mark.parametrize(
    ("key", "flop", "n", "d", "loss"),
    [
        ("besiroglu2024", 5.76e23, 7.225e10, 1.329e12, 1.97444),
        ("besiroglu2024", 1e21, 2.778e9, 5.999e10, 2.30553),
        ("hoffmann2022-tex", 5.76e23, 4.036e10, 2.379e12, 1.91841),
        ("hoffmann2022-tex", 3.8e25, 2.732e11, 2.318e13, 1.81101),
    ],
)
def test_the_optimum_of_published_coefficients(key, flop, n, d, loss):
    values = PUBLISHED[key].values
    found = optimal_tokens(values, flop)
    assert found == (pytest.approx(n, rel=1e-3), pytest.approx(d, rel=1e-3))
    assert optimal_loss(values, flop) == pytest.approx(loss, abs=2e-5)


def test_no_other_division_of_the_budget_is_better():
    values = PUBLISHED["besiroglu2024"].values
    n, d = optimal_tokens(values, 1e22)
    tried = n * np.geomspace(0.1, 10, 2001)
    losses = get("chinchilla").evaluate({"N": tried, "D": 1e22 / 6 / tried}, values)
    assert losses.min() == pytest.approx(optimal_loss(values, 1e22), rel=1e-7)
    assert tried[np.argmin(losses)] == pytest.approx(n, rel=0.01)
    assert 6 * n * d == pytest.approx(1e22)
    assert exponent(values) == pytest.approx(0.3658 / (0.3478 + 0.3658))


def test_wasted_compute_is_what_the_same_loss_would_not_have_cost():
    values = PUBLISHED["besiroglu2024"].values
    _, d = optimal_tokens(values, 1e24)
    assert wasted_compute(values, 1e24, d) == pytest.approx(0, abs=1e-12)
    share = wasted_compute(values, 1e24, 2 * d)
    loss = get("chinchilla").evaluate({"N": 1e24 / 6 / (2 * d), "D": 2 * d}, values)
    assert 0.01 < share < 0.2
    assert optimal_loss(values, 1e24 * (1 - share)) == pytest.approx(float(loss), rel=1e-12)


def test_decisions_that_papers_worked_out():
    from similitude.studies import reproduce

    serving = {c.sentence: c.ours.value for c in reproduce("sardana2024").claims}
    assert serving["parameters, 1e9"] == pytest.approx(6, abs=0.5)  # the paper rounds to one digit
    experts = {c.sentence: (c.ours.value, c.published) for c in reproduce("krajewski2024").claims}
    for sentence, (ours, printed) in experts.items():
        assert ours == pytest.approx(printed, rel=0.03), sentence
    (vocabulary,) = reproduce("tao2024").claims
    assert vocabulary.ours.value == pytest.approx(0.83, rel=0.1)  # three approaches of the paper: 0.83 to 0.84
    ratios = {c.sentence: (c.ours.value, c.published) for c in reproduce("chinchilla-variants").claims}
    for sentence, (ours, printed) in ratios.items():
        assert ours == pytest.approx(printed, abs=5e-3), sentence
