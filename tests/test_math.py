"""Dual numbers and the functions that formulas are written with, against the complex step, SymPy and differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from similitude import math
from similitude._dual import Dual

X = np.array([0.2, 0.9, 1.7, 3.1])
Y = np.array([0.4, 2.5, 0.8, 1.1])


def seed(value, key: int = 0) -> Dual:
    return Dual(value, {key: 1.0})


ANALYTIC = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "arctan": np.arctan,
    "expit": lambda x: 1 / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("name", ANALYTIC)
def test_slopes_of_one_argument_agree_with_the_complex_step(name):
    dual = getattr(math, name)(seed(X))
    expected = ANALYTIC[name](X + 1e-30j)
    np.testing.assert_allclose(dual.value, expected.real, rtol=1e-14)
    np.testing.assert_allclose(dual.partials[0], expected.imag / 1e-30, rtol=1e-13)


TWO = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "power": lambda x, y: x**y,
    "chained": lambda x, y: (x * y - x / y) ** 2 - (-x) * (y + 2.0) / (3.0 - y) + 2.0**x + 1.5 / y - 4.0 * x**0.5,
}


@pytest.mark.parametrize("name", TWO)
def test_arithmetic_agrees_with_the_complex_step(name):
    function = TWO[name]
    dual = function(seed(X, 0), seed(Y, 1))
    np.testing.assert_allclose(dual.value, function(X, Y), rtol=1e-14)
    np.testing.assert_allclose(dual.partials[0], function(X + 1e-30j, Y).imag / 1e-30, rtol=1e-12)
    np.testing.assert_allclose(dual.partials[1], function(X, Y + 1e-30j).imag / 1e-30, rtol=1e-12)


@pytest.mark.parametrize("name", TWO)
def test_one_side_may_be_a_plain_array_or_number(name):
    function = TWO[name]
    for x, y in ((seed(X), Y), (seed(X), 1.25), (seed(2.0), Y)):
        dual = function(x, y)
        plain = function(x.value, y)
        np.testing.assert_allclose(dual.value, plain, rtol=1e-14)
        expected = function(x.value + 1e-30j, y).imag / 1e-30
        np.testing.assert_allclose(np.broadcast_to(dual.partials[0], np.shape(plain)), expected, rtol=1e-12)
    for x, y in ((X, seed(Y)), (1.25, seed(Y)), (X, seed(2.0)), (np.float64(0.7), seed(Y))):
        dual = function(x, y)
        expected = function(x, y.value + 1e-30j).imag / 1e-30
        np.testing.assert_allclose(np.broadcast_to(dual.partials[0], np.shape(expected)), expected, rtol=1e-12)


def central(function, x, step=1e-6):
    return (function(x + step) - function(x - step)) / (2 * step)


@pytest.mark.parametrize("name", ["logaddexp", "maximum", "minimum"])
def test_functions_of_two_agree_with_differences(name):
    function = getattr(math, name)
    dual = function(seed(X, 0), seed(Y, 1))
    np.testing.assert_allclose(dual.value, getattr(np, name)(X, Y), rtol=1e-14)
    one = dual.partials.get(0, 0.0)
    two = dual.partials.get(1, 0.0)
    np.testing.assert_allclose(one, central(lambda x: function(x, Y), X), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(two, central(lambda y: function(X, y), Y), rtol=1e-7, atol=1e-9)


def test_powersum_agrees_with_the_complex_step():
    def plain(x, y, q):
        return (x ** (1 / q) + y ** (1 / q)) ** q

    q = np.array([0.2, 0.7, 1.0, 2.3])
    dual = math.powersum(seed(X, 0), seed(Y, 1), seed(q, 2))
    np.testing.assert_allclose(dual.value, plain(X, Y, q), rtol=1e-13)
    np.testing.assert_allclose(math.powersum(X, Y, q), plain(X, Y, q), rtol=1e-13)
    for key, shifted in enumerate([(X + 1e-30j, Y, q), (X, Y + 1e-30j, q), (X, Y, q + 1e-30j)]):
        np.testing.assert_allclose(dual.partials[key], plain(*shifted).imag / 1e-30, rtol=1e-11, atol=1e-14)


def test_powersum_neither_overflows_nor_loses_its_slopes():
    dual = math.powersum(seed(3.0, 0), seed(4.0, 1), seed(1e-4, 2))
    assert (dual.value, dual.partials[0], dual.partials[1]) == pytest.approx((4.0, 0.0, 1.0))
    assert math.powersum(1e-200, 1e200, 0.01) == pytest.approx(1e200)


def test_where_takes_the_slope_of_the_side_chosen():
    dual = math.where(X > 1, seed(X) ** 2, 5.0)
    np.testing.assert_array_equal(dual.value, np.where(X > 1, X**2, 5.0))
    np.testing.assert_array_equal(dual.partials[0], np.where(X > 1, 2 * X, 0.0))
    other = math.where(X > 1, seed(X, 0), seed(Y, 1))
    np.testing.assert_array_equal(other.partials[1], np.where(X > 1, 0.0, 1.0))


def test_absolute_value_and_signs():
    dual = abs(seed(np.array([-2.0, 3.0])))
    np.testing.assert_array_equal(dual.value, [2.0, 3.0])
    np.testing.assert_array_equal(dual.partials[0], [-1.0, 1.0])
    assert (+seed(2.0)).value == 2.0


def test_powers_of_zero_and_negative_bases():
    assert (seed(0.0) ** 2).partials[0] == 0.0
    dual = np.array([0.0, 2.0]) ** seed(3.0)
    np.testing.assert_allclose(dual.partials[0], [0.0, 8 * np.log(2)])
    np.testing.assert_allclose((seed(np.array([-2.0])) ** 3).partials[0], [12.0])


def test_a_seed_that_an_expression_does_not_hold_is_absent():
    x, y = seed(X, 0), seed(Y, 1)
    assert set((x + 1).partials) == {0}
    assert set((x * y).partials) == {0, 1}


def test_parameters_broadcast_against_runs():
    a, c = seed(np.array([[1.0], [2.0]]), 0), seed(np.array([[0.3], [0.6]]), 1)
    dual = a * X**-c
    assert dual.value.shape == (2, 4)
    np.testing.assert_allclose(dual.partials[0] * np.ones((2, 4)), X ** -np.array([[0.3], [0.6]]))
    np.testing.assert_allclose(dual.partials[1], -np.log(X) * dual.value, rtol=1e-13)


positive = st.floats(0.05, 20.0)


@settings(max_examples=200, deadline=None)
@given(positive, positive)
def test_identities_of_values_and_slopes(a, b):
    x, y = seed(a, 0), seed(b, 1)
    pairs = [
        (math.exp(math.log(x)), x),
        (math.log(x * y), math.log(x) + math.log(y)),
        (x**y, math.exp(y * math.log(x))),
        (math.sqrt(x), x**0.5),
        (math.log1p(x), math.log(1 + x)),
        (math.logaddexp(math.log(x), math.log(y)), math.log(x + y)),
        (math.tanh(x), 2 * math.expit(2 * x) - 1),
        (math.powersum(x, y, 1.0), x + y),
        (math.maximum(x, y) + math.minimum(x, y), x + y),
        ((x - y) * (x + y), x**2 - y**2),
        (x / y, x * y**-1),
    ]
    for one, two in pairs:
        scale = 1e-12 * (1 + abs(a) + abs(b)) ** 2
        assert one.value == pytest.approx(two.value, rel=1e-11, abs=scale)
        for key in (0, 1):
            assert one.partials.get(key, 0.0) == pytest.approx(two.partials.get(key, 0.0), rel=1e-9, abs=10 * scale)


@settings(max_examples=100, deadline=None)
@given(st.floats(-700, 700), st.floats(-700, 700))
def test_logaddexp_is_safe_far_out(a, b):
    dual = math.logaddexp(seed(a, 0), seed(b, 1))
    assert dual.value == np.logaddexp(a, b)
    assert dual.partials[0] + dual.partials[1] == pytest.approx(1.0)
    assert 0.0 <= dual.partials[0] <= 1.0


def test_a_tie_counts_each_side_once():
    x, y = seed(1.0, 0), seed(1.0, 1)
    total = math.maximum(x, y) + math.minimum(x, y)
    assert (total.partials[0], total.partials[1]) == (1.0, 1.0)


def test_expit_far_out():
    assert math.expit(np.array([-800.0, 0.0, 800.0])) == pytest.approx([0.0, 0.5, 1.0], abs=1e-15)


def test_sympy_follows_the_same_names():
    sympy = pytest.importorskip("sympy")
    x, y = sympy.symbols("x y", positive=True)
    at = {x: sympy.Float(0.7, 30), y: sympy.Float(1.9, 30)}
    for name in [*ANALYTIC, "logaddexp", "maximum", "minimum", "powersum"]:
        count = 1 if name in ANALYTIC else 3 if name == "powersum" else 2
        symbols, numbers = (x, y, sympy.Rational(1, 2))[:count], (0.7, 1.9, 0.5)[:count]
        symbolic = getattr(math, name)(*symbols)
        assert float(symbolic.subs(at)) == pytest.approx(float(getattr(math, name)(*numbers)), rel=1e-13)
        dual = getattr(math, name)(seed(0.7), *numbers[1:])
        assert float(symbolic.diff(x).subs(at)) == pytest.approx(float(dual.partials.get(0, 0.0)), rel=1e-12)


def test_a_function_without_a_rule_says_so():
    with pytest.raises(NotImplementedError, match="no derivative rule for cbrt"):
        seed(1.0).__similitude__("cbrt", (seed(1.0),))


def test_names_are_sorted_and_public():
    assert sorted(math.__all__) == math.__all__
    assert all(callable(getattr(math, name)) for name in math.__all__)


def test_let_is_transparent_to_numbers():
    assert math.let("U", 3.0) == 3.0
    dual = seed(2.0)
    assert math.let("U", dual) is dual
