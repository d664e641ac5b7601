"""The functions of formulas: the same values on arrays, dual numbers and expressions; derivatives by the chain rule."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import similitude.math as m
from similitude._dual import Dual

ORACLES = {
    "arctan": math.atan,
    "cos": math.cos,
    "exp": math.exp,
    "expit": lambda x: 1 / (1 + math.exp(-x)),
    "expm1": math.expm1,
    "log": math.log,
    "log1p": math.log1p,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
}
PAIRS = {
    "logaddexp": lambda x, y: max(x, y) + math.log1p(math.exp(-abs(x - y))),
    "maximum": max,
    "minimum": min,
}
FORMULAS = {
    "sum and product": lambda x, y: 3 * x * y - y + 2,
    "quotients": lambda x, y: 1 / x + x / y - 5 / (x * y),
    "powers": lambda x, y: x**y + x**2 + 2.5**y + x**-0.5 - y**3,
    "nested": lambda x, y: m.exp(-x) * m.log(x + y) + m.sqrt(m.tanh(y)),
    "a power law": lambda x, y: 1.7 + 400 / 1e6**x + m.exp(6 - y * math.log(1e9)),
    "choice": lambda x, y: m.where(np.asarray([True, False]), x * y, x / y),
    "signs": lambda x, y: abs(-x) + (+y) - (2 - y) * (-x),
}
inside = st.floats(0.05, 4.0)


def test_every_function_has_an_oracle():
    assert {*ORACLES, *PAIRS, "where", "powersum", "let", "total"} <= set(m.__all__)


def test_total_adds_up_values_and_slopes_along_the_leading_axis():
    x = Dual(np.array([[1.0, 2.0], [3.0, 5.0]]), {0: np.ones((2, 2)), 1: np.array([[2.0], [0.0]])})
    out = m.total(x, over="domain")
    assert out.value.tolist() == [4.0, 7.0]
    assert np.broadcast_to(out.partials[0], (2,)).tolist() == [2.0, 2.0]
    assert np.broadcast_to(out.partials[1], (2,)).tolist() == [2.0, 2.0]


@pytest.mark.parametrize("name", ORACLES)
@given(x=inside)
def test_values_and_slopes_of_one_argument(name, x):
    function, oracle = getattr(m, name), ORACLES[name]
    assert float(function(x)) == pytest.approx(oracle(x), rel=1e-12, abs=1e-14)
    dual = function(Dual(x, {0: 1.0}))
    assert float(dual.value) == pytest.approx(oracle(x), rel=1e-12, abs=1e-14)
    slope = (oracle(x + 1e-5) - oracle(x - 1e-5)) / 2e-5
    assert float(dual.partials[0]) == pytest.approx(slope, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", PAIRS)
@given(x=inside, gap=st.floats(0.01, 3.0), swap=st.booleans())
def test_values_and_slopes_of_two_arguments(name, x, gap, swap):
    pair = (x + gap, x) if swap else (x, x + gap)
    function, oracle = getattr(m, name), PAIRS[name]
    assert float(function(*pair)) == pytest.approx(oracle(*pair), rel=1e-12)
    dual = function(Dual(pair[0], {0: 1.0}), Dual(pair[1], {1: 1.0}))
    step = 1e-5
    slopes = [
        (oracle(pair[0] + step, pair[1]) - oracle(pair[0] - step, pair[1])) / (2 * step),
        (oracle(pair[0], pair[1] + step) - oracle(pair[0], pair[1] - step)) / (2 * step),
    ]
    assert [float(dual.partials.get(k, 0.0)) for k in (0, 1)] == pytest.approx(slopes, rel=1e-5, abs=1e-7)


@given(x=inside, y=inside, q=st.floats(0.2, 2.0))
def test_values_and_slopes_of_powersum(x, y, q):
    def oracle(x, y, q):
        return (x ** (1 / q) + y ** (1 / q)) ** q

    assert float(m.powersum(x, y, q)) == pytest.approx(oracle(x, y, q), rel=1e-11)
    dual = m.powersum(*(Dual(value, {k: 1.0}) for k, value in enumerate((x, y, q))))
    point = np.array([x, y, q])
    for k, step in enumerate(1e-6 * np.eye(3)):
        slope = (oracle(*(point + step)) - oracle(*(point - step))) / 2e-6
        assert float(dual.partials[k]) == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
@given(x=st.floats(0.3, 2.0), y=st.floats(0.3, 2.0))
def test_formulas_follow_the_chain_rule(name, x, y):
    formula, step = FORMULAS[name], 1e-6
    dual = formula(Dual(x, {0: 1.0}), Dual(y, {1: 1.0}))
    np.testing.assert_allclose(dual.value, formula(x, y), rtol=1e-12)
    by_x = (np.asarray(formula(x + step, y)) - formula(x - step, y)) / (2 * step)
    by_y = (np.asarray(formula(x, y + step)) - formula(x, y - step)) / (2 * step)
    scale = 1 + np.abs(dual.value)
    np.testing.assert_allclose(dual.partials[0] / scale, by_x / scale, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(dual.partials[1] / scale, by_y / scale, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", [*ORACLES, *PAIRS])
def test_expressions_have_the_same_value(name):
    symbols = sympy.symbols("x y", positive=True)[: 1 if name in ORACLES else 2]
    values = (0.7, 1.9)[: len(symbols)]
    expression = getattr(m, name)(*symbols)
    assert expression.free_symbols == set(symbols)
    found = float(expression.subs(dict(zip(symbols, values, strict=True))))
    assert found == pytest.approx(float(getattr(m, name)(*values)), rel=1e-12)


def test_large_arguments_do_not_overflow():
    np.testing.assert_allclose(m.logaddexp(np.array([1e4, -1e4]), 0.0), [1e4, 0.0])
    np.testing.assert_allclose(m.expit(np.array([-1e4, 1e4])), [0.0, 1.0])
    both = m.logaddexp(Dual(1e4, {0: 1.0}), Dual(0.0, {1: 1.0}))
    assert (float(both.partials[0]), float(both.partials[1])) == (1.0, 0.0)


def test_batches_broadcast():
    alpha = Dual(np.array([[0.2], [0.4], [0.6]]), {0: 1.0})
    runs = np.array([1e6, 1e8, 1e9, 1e10])
    dual = 2.0 / runs**alpha
    assert dual.value.shape == (3, 4)
    np.testing.assert_allclose(dual.partials[0], -np.log(runs) * dual.value, rtol=1e-13)


def test_arrays_on_the_left_give_dual_numbers():
    x, left = Dual(2.0, {0: 1.0}), np.array([1.0, 3.0])
    for dual in (left + x, left - x, left * x, left / x, left**x):
        assert isinstance(dual, Dual)
        assert dual.value.shape == (2,)


def test_untouched_seeds_stay_absent():
    a, b = Dual(1.5, {0: 1.0}), Dual(2.5, {1: 1.0})
    assert set((a * 3 + 1).partials) == {0}
    assert set((a * b).partials) == {0, 1}
