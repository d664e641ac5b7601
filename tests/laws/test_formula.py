"""A user's formula: what is read, what is refused, and how its parameters are declared."""

from __future__ import annotations

import ast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from similitude import laws
from similitude._errors import ArgumentError
from similitude.laws import formula_law, formula_names
from similitude.laws._expression import (
    FUNCTIONS,
    Binary,
    Call,
    Expression,
    Name,
    Negative,
    Number,
    evaluate,
    names,
    walk,
)
from similitude.laws._formula import parse_formula
from similitude.laws._print import plain

CHINCHILLA = "E + A/N^alpha + B/D^beta"


def test_reads_chinchilla():
    law = formula_law(CHINCHILLA)
    values = laws.chinchilla.published["besiroglu2024"].values
    N, D = np.geomspace(1e7, 1e11, 5), np.geomspace(1e12, 1e9, 5)
    np.testing.assert_array_equal(law(N, D, **values), laws.chinchilla(N, D, **values))
    assert law.text() == CHINCHILLA
    assert law.formula == CHINCHILLA
    assert law.linear == ("E", "A", "B")
    assert law.inputs["N"].kind == "parameters"
    assert law.inputs["D"].kind == "tokens"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2*a^-x", 2 * 3.0**-2),
        ("-x^2 + a", -4 + 3.0),
        ("2^x^a", 2.0**8),
        ("x**2*a", 12.0),
        ("a - x - 1", 0.0),
        ("a/x/2", 0.75),
        ("+a*x", 6.0),
        ("1e-3*a*x + .5", 0.506),
        ("min(a, x, 7)", 2.0),
        ("max(a, x)", 3.0),
        ("exp(log(a)) + 0*x", 3.0),
        ("sqrt(a*x*6)", 6.0),
        ("powersum(a, 2*x, 0.5)", 5.0),
        ("logaddexp(a, x)", np.log(np.exp(3) + np.exp(2))),
        ("log1p(a*x) + expm1(0)", np.log(7)),
        ("expit(a - a) * x", 1.0),
        ("tanh(0)+arctan(0)+sin(0)+cos(0) + a*x", 7.0),
        ("a *\n  x", 6.0),
        ("α*x", 6.0),
    ],
)
def test_arithmetic(text, value):
    law = formula_law(text, ("x",))
    (parameter,) = law.params
    assert law(x=2.0, **{parameter: 3.0}) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("__import__('os').system('ls')", "__import__('os').system"),
        ("N.real + a", "N.real"),
        ("a*N if a else N", "a*N if a else N"),
        ("[n for n in N]", "[n for n in N]"),
        ("lambda: N", "lambda: N"),
        ("a*N + 1j", "1j"),
        ("a*N + True", "True"),
        ("a*N + 'x'", "'x'"),
        ("a*N + f'{N}'", "f'{N}'"),
        ("a*N + f(3)", "'f'"),
        ("alpha(N + 1)", "write products with *"),
        ("exp(N, a)", "exp takes 1 argument"),
        ("exp(x=N)", "exp takes 1 argument"),
        ("sqrt(*N)", "*N"),
        ("a < N", "a < N"),
        ("a and N", "a and N"),
        ("not N", "not N"),
        ("~N", "~N"),
        ("a@N", "a@N"),
        ("a//N", "a//N"),
        ("a%N", "a%N"),
        ("N[0]*a", "N[0]"),
        ("await N", "await N"),
        ("(a, N)", "(a, N)"),
        ("{a: N}", "{a: N}"),
        ("...", "..."),
        ("9^9^9^9 + a*N", "9^9^9"),
        ("1/0 + a*N", "1/0"),
        ("log(-1)*a*N", "log(-1)"),
        ("1e999*a*N", "1e999"),
        ("9" * 400 + "*a*N", "too large"),
        ("_a*N", "_a"),
        ("exp*N", "exp is a function"),
        ("2N*a", "2N"),
        ("a*N;1", ";1"),
        ("(a*N", "(a*N"),
        ("a*N^^2", "^2"),
        ("a*N # note", "#"),
        ("L = a*N", "right of the '='"),
        ("(a := N)", "a := N"),
        ("1if N else a", "1if"),
        ("0x1for a in N", "for a in N"),
        ("\x00a*N", "cannot read"),
        ("a*N" + "+a*N" * 120, "nested more than 100 deep"),
        ("-" * 300 + "a*N", "nested more than 100 deep"),
        ("(" * 300 + "a*N" + ")" * 300, "cannot read"),
        ("a*N+" * 300 + "1", "limit is 1,000"),
        ("", "empty"),
        ("  \n", "empty"),
        ("2*N", "no parameter"),
        ("a*b", "does not use the input N"),
    ],
)
def test_refuses_anything_but_arithmetic_and_shows_the_piece(text, piece):
    with pytest.raises(ArgumentError) as error:
        formula_law(text, ("N",))
    assert piece in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2
    assert len(str(error.value)) < 400


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="aNx0123456789.+-*/^() eE_,'\"[]{}:=<>!@#~\\\n\tlogexpmin", max_size=40))
def test_any_text_is_read_or_refused_in_a_sentence(text):
    try:
        tree = parse_formula(text)
    except ArgumentError:
        return
    assert isinstance(tree, Expression)


@given(st.sampled_from(sorted(n for n in dir(ast) if isinstance(getattr(ast, n), type))))
def test_words_of_python_are_only_names(word):
    try:
        law = formula_law(f"{word.lower()}*N", ("N",))
    except ArgumentError:
        return
    assert tuple(law.params) == (word.lower(),)


def trees() -> st.SearchStrategy[Expression]:
    leaves = st.sampled_from([Name("a"), Name("b"), Name("x")]) | st.floats(0.5, 2.0).map(
        lambda v: Number(np.float64(v))
    )

    def grow(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        joined = st.builds(Binary, st.sampled_from("+-*/^"), inner, inner)
        called = st.sampled_from(sorted(FUNCTIONS)).flatmap(
            lambda f: st.builds(Call, st.just(f), st.tuples(*[inner] * FUNCTIONS[f][0]))
        )
        return joined | called | st.builds(Negative, inner)

    return st.recursive(leaves, grow, max_leaves=12)


def constants_are_finite(tree: Expression) -> bool:
    parts = [n for n in walk(tree) if isinstance(n, (Binary, Call)) and not names(n)]
    with np.errstate(all="ignore"):
        return all(np.isfinite(evaluate(part, {})) for part in parts)


@settings(max_examples=150, deadline=None)
@given(trees())
def test_printed_text_reads_back_to_the_same_text_and_value(tree):
    text = plain(tree)
    if not constants_are_finite(tree):
        with pytest.raises(ArgumentError, match="no finite value"):
            parse_formula(text, 100_000)
        return
    again = parse_formula(text, 100_000)
    assert plain(again) == text
    values = {"a": np.array([0.7, 1.3]), "b": np.array([1.9, 0.4]), "x": np.array([0.3, 2.2])}
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(evaluate(again, values), evaluate(tree, values))


def test_parameters_are_declared_by_their_place():
    law = formula_law("E + A*(D/d_0)^-alpha*exp(-k*N)")
    assert (law.params["E"].relative, law.params["E"].starts) == ("output", (0.5, 0.8, 0.95))
    assert law.params["d_0"].relative == "D"
    assert law.params["alpha"].starts == (0.1, 0.3, 0.6, 1.0)
    assert law.params["k"].starts == (0.1, 1.0, 10.0)
    assert all(p.transform == "log" for p in law.params.values())


def test_a_ceiling_is_not_taken_for_a_floor():
    assert formula_law("e - k*exp(-g*x)", ("x",)).params["e"].relative is None
    assert formula_law("a + b*log(x)", ("x",)).params["a"].relative is None


def test_starts_and_signs_can_be_given():
    law = formula_law("a + b*x^c", ("x",), starts={"c": (0.2, 0.6), "a": (-1, 1)}, real_parameters=("b",))
    assert law.params["c"].starts == (0.2, 0.6)
    assert [law.params[k].transform for k in "abc"] == ["real", "real", "log"]


@pytest.mark.parametrize(
    "options",
    [{"starts": {"z": (1.0,)}}, {"starts": {"c": ()}}, {"starts": {"c": (np.nan,)}}, {"real_parameters": ("z",)}],
)
def test_starts_that_cannot_be_are_refused(options):
    with pytest.raises(ArgumentError):
        formula_law("a*x^c", ("x",), **options)


def test_one_string_is_not_a_sequence_of_inputs():
    with pytest.raises(ArgumentError, match=r"\('ND',\)"):
        formula_law(CHINCHILLA, "ND")


def test_greek_letters_are_spelled():
    assert formula_names("λ*x^-α + σ_x") == ("lambda_", "x", "alpha", "sigma_x")


def test_names_in_reading_order():
    assert formula_names("b*x^-a + b") == ("b", "x", "a")


def test_a_formula_law_takes_exactly_its_names():
    law = formula_law("a*x", ("x",))
    with pytest.raises(TypeError, match="takes x, a"):
        law(x=1.0)
    with pytest.raises(TypeError, match="takes x, a"):
        law(x=1.0, a=1.0, b=1.0)
