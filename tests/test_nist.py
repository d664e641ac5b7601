"""The certified problems themselves: files whole, models as NIST states them."""

from __future__ import annotations

import numpy as np
import pytest

from nist import FOLDER, NAMES, Problem, digits, read


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
def test_certified_deviations_follow_from_the_model(name):
    problem = read(name)
    jacobian = _central_differences(problem)
    scale = np.linalg.norm(jacobian, axis=0)
    inverse = np.linalg.inv((jacobian / scale).T @ (jacobian / scale))
    deviations = problem.residual_deviation * np.sqrt(np.diag(inverse)) / scale
    np.testing.assert_allclose(deviations, problem.deviations, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_sum_and_deviation_agree(name):
    problem = read(name)
    assert problem.residual_deviation**2 * problem.degrees_of_freedom == pytest.approx(problem.residual_sum, rel=1e-9)
    assert all(start.shape == problem.certified.shape for start in problem.starts)


def test_digits_counts_agreement():
    np.testing.assert_allclose(digits([1.0, 1.001, 3.0], [1.0, 1.0, 1.0]), [11.0, 3.0, 0.0], atol=1e-9)


def _central_differences(problem: Problem) -> np.ndarray:
    columns = []
    for i, value in enumerate(problem.certified):
        step = np.zeros_like(problem.certified)
        step[i] = 1e-5 * abs(value)
        ahead, behind = problem.residuals(problem.certified + step), problem.residuals(problem.certified - step)
        columns.append((behind - ahead) / (2 * step[i]))
    return np.stack(columns, axis=1)
