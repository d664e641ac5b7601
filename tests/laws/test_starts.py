"""Declared starting values: what they mean in the runs' units, and that a plain optimiser gets home from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import least_squares

from similitude import laws
from similitude._dual import Dual
from similitude._errors import ArgumentError

INPUTS = {
    "kaplan": {"N": (1e6, 1e9), "D": (2e7, 2e10)},
    "kaplan_n": {"N": (1e5, 1e9)},
    "nested": {"N": (1e7, 1e10), "D": (1e8, 1e11)},
    "data_constrained": {"N": (1e7, 1e10), "D": (1e9, 2e11), "U": (1e8, 2e10)},
    "power_scale": {"x": (1.0, 1e4)},
}
TRUTH = {
    "kaplan": dict(laws.resolve("kaplan:kaplan2020").values),
    "kaplan_n": dict(laws.resolve("kaplan_n:kaplan2020").values),
    "nested": {"E": 1.8, "A": 480.0, "alpha": 0.35, "B": 2000.0, "beta": 0.36, "q": 0.6},
    "data_constrained": dict(laws.resolve("data_constrained:muennighoff2023").values),
    "power_scale": {"x_c": 50.0, "a": 0.7},
}


def simulated(name: str, scale: float = 1.0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(11)
    inputs = {k: np.exp(rng.uniform(*np.log(r), 80)) for k, r in INPUTS[name].items()}
    output = laws.get(name).evaluate(inputs, TRUTH[name])
    return {k: v * scale for k, v in inputs.items()}, output


def best_start(law: laws.Law, inputs: dict[str, np.ndarray], output: np.ndarray) -> dict[str, float]:
    """The start of least squared log residual, floors being started like the others."""
    grid = laws.start_grid(law, inputs, output, law.params)
    with np.errstate(all="ignore"):
        values = law.evaluate(inputs, {k: v[:, None] for k, v in grid.items()})
        misfit = np.sum(np.log(values / output) ** 2, axis=1)
    best = int(np.nanargmin(misfit))
    return {k: float(v[best]) for k, v in grid.items()}


def polish(law: laws.Law, inputs: dict[str, np.ndarray], output: np.ndarray, start: dict[str, float]) -> Any:
    names = tuple(start)

    def both(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dual = {k: Dual(np.exp(line[j]), {j: np.exp(line[j])}) for j, k in enumerate(names)}
        value = law.evaluate(inputs, dual)
        columns = [np.broadcast_to(value.partials[j], output.shape) / value.value for j in range(len(names))]
        return np.log(value.value / output), np.stack(columns, axis=1)

    line = np.log([start[k] for k in names])
    return least_squares(
        lambda z: both(z)[0], line, lambda z: both(z)[1], method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15
    )


@pytest.mark.parametrize("name", TRUTH)
def test_the_best_declared_start_leads_to_the_truth(name):
    law = laws.get(name)
    inputs, output = simulated(name)
    result = polish(law, inputs, output, best_start(law, inputs, output))
    assert 2 * result.cost < 1e-12
    found = dict(zip(law.params, np.exp(result.x)))
    assert found == pytest.approx(TRUTH[name], rel=1e-3)


@pytest.mark.parametrize("name", ["kaplan", "nested", "data_constrained"])
def test_starts_do_not_depend_on_the_unit_of_the_inputs(name):
    law = laws.get(name)
    for scale in (1.0, 1e-6):
        inputs, output = simulated(name, scale)
        grid = laws.start_grid(law, inputs, output, law.params)
        values = law.evaluate(inputs, {k: v[:, None] for k, v in grid.items()})
        if scale == 1.0:
            reference = values
        else:
            np.testing.assert_allclose(values, reference, rtol=1e-9)


def test_relative_starts_mean_what_they_say():
    law = laws.nested
    inputs = {"N": np.array([1e8, 1e10]), "D": np.array([1e9, 1e11])}
    grid = laws.start_grid(law, inputs, np.array([4.0, 2.0]), law.params)
    term = grid["A"] / 1e9 ** grid["alpha"]
    assert set(np.round(term, 12)) == {0.2, 1.0}
    assert set(np.round(grid["E"], 12)) == {1.0, 1.6, 1.9}
    assert len(grid["E"]) == 3 * 2 * 3 * 2 * 3 * 3


def test_a_scale_starts_around_the_middle_of_its_input():
    inputs = {"x": np.array([10.0, 1000.0])}
    grid = laws.start_grid(laws.power_scale, inputs, [1.0, 2.0])
    assert sorted(set(grid["x_c"])) == pytest.approx([1.0, 1e2, 1e4, 1e7, 1e10])


def test_starts_of_an_amplitude_need_its_exponent():
    inputs = {"N": [1e8], "D": [1e9]}
    with pytest.raises(ArgumentError, match="'alpha'"):
        laws.start_grid(laws.nested, inputs, [3.0], ["A"])
    with pytest.raises(ArgumentError, match="no parameter"):
        laws.start_grid(laws.nested, inputs, [3.0], ["Z"])
