"""The certified problems themselves: files whole, models as NIST states them."""

from __future__ import annotations

import numpy as np
import pytest

from nist import FOLDER, NAMES, Problem, digits, read
from similitude._dual import Dual


def test_all_27_problems_are_here():
    assert len(NAMES) == 27
    assert {p.stem for p in FOLDER.glob("*.dat")} == set(NAMES)
    difficulties = [read(name).difficulty for name in NAMES]
    assert [difficulties.count(d) for d in ("Lower", "Average", "Higher")] == [8, 11, 8]


@pytest.mark.parametrize("name", NAMES)
def test_model_at_the_certified_values_gives_the_certified_sum_of_squares(name):
    problem = read(name)
    found = np.sum(problem.residuals(problem.certified) ** 2)
    if name == "Lanczos1":  # its residuals (1e-13) are smaller than the rounding of the certified values (1e-11)
        assert found < 1e-19
    else:
        assert found == pytest.approx(problem.residual_sum, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_certified_deviations_follow_from_exact_derivatives(name):
    problem = read(name)
    jacobian = _jacobian(problem)
    scale = np.linalg.norm(jacobian, axis=0)
    triangle = np.linalg.qr(jacobian / scale, mode="r")
    inverse = np.linalg.inv(triangle)
    deviations = problem.residual_deviation * np.linalg.norm(inverse, axis=1) / scale
    np.testing.assert_allclose(deviations, problem.deviations, rtol=5e-8)


@pytest.mark.parametrize("name", NAMES)
def test_sum_and_deviation_agree(name):
    problem = read(name)
    assert problem.residual_deviation**2 * problem.degrees_of_freedom == pytest.approx(problem.residual_sum, rel=1e-9)
    assert all(start.shape == problem.certified.shape for start in problem.starts)


def test_digits_counts_agreement():
    np.testing.assert_allclose(digits([1.0, 1.001, 3.0], [1.0, 1.0, 1.0]), [11.0, 3.0, 0.0], atol=1e-9)


def _jacobian(problem: Problem) -> np.ndarray:
    """The model's derivatives by its parameters at the certified values, (runs, parameters)."""
    seeded = [Dual(value, {i: 1.0}) for i, value in enumerate(problem.certified)]
    partials = problem.model(*problem.predictors, *seeded).partials
    return np.stack([np.broadcast_to(partials[i], problem.observed.shape) for i in range(len(seeded))], axis=1)
