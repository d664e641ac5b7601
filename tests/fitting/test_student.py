"""Quantiles of Student's t against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtrit

from similitude.fitting._student import student_quantile

FREEDOMS = [1, 2, 3, 5, 10, 30, 99, 100, 101, 235, 1_000, 20_000, 1_000_000]


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_quantiles_are_scipys(freedom):
    p = np.concatenate([np.linspace(5e-4, 1 - 5e-4, 200), [0.5]])
    assert student_quantile(freedom, p) == pytest.approx(stdtrit(freedom, p), rel=1e-10, abs=1e-15)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_far_tails_are_scipys(freedom):
    p = np.array([1e-6, 1e-5, 1 - 1e-5, 1 - 1e-6])
    assert student_quantile(freedom, p) == pytest.approx(stdtrit(freedom, p), rel=2e-9)


def test_shape_follows_the_probabilities():
    assert student_quantile(7, 0.9).shape == ()
    assert student_quantile(7, np.full((2, 3), 0.9)).shape == (2, 3)
