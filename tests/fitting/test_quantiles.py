"""Our quantiles of Student's t against scipy's."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.special import fdtri, stdtrit

from similitude.fitting._quantiles import t_quantile

P = (np.arange(199) + 0.5) / 199


@pytest.mark.parametrize("freedom", [1, 1.5, 2, 3, 4.7, 10, 30, 100, 240, 999, 1000, 3000, 2e4, 1e6])
def test_quantiles_are_those_of_scipy(freedom):
    np.testing.assert_allclose(t_quantile(freedom, P), stdtrit(freedom, P), rtol=3e-9, atol=1e-11)
    tails = np.array([0.001, 0.005, 0.025, 0.05, 0.95, 0.975, 0.995, 0.999])
    np.testing.assert_allclose(t_quantile(freedom, tails), stdtrit(freedom, tails), rtol=3e-9)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9, 0.99])
def test_the_square_is_the_quantile_of_f(level):
    for freedom in (1, 5, 15, 235):
        assert float(t_quantile(freedom, 0.5 + level / 2)) ** 2 == pytest.approx(fdtri(1, freedom, level), rel=1e-10)


def test_the_centre_is_zero_and_the_shape_is_kept():
    assert t_quantile(7, 0.5) == 0
    assert t_quantile(7, np.full((2, 3), 0.9)).shape == (2, 3)


def test_a_million_degrees_of_freedom_take_no_time():
    begun = time.perf_counter()
    t_quantile(1e6, P)
    assert time.perf_counter() - begun < 0.5
