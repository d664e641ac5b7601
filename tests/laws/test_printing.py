"""Formulas as text, LaTeX and MathML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from similitude import laws
from similitude._errors import ArgumentError
from similitude._quantity import COUNT, SCORE
from similitude.laws._symbols import Symbol, symbol
from similitude.math import let, log1p, where


def test_laws_in_their_authors_order():
    assert laws.chinchilla.latex() == r"L(N, D) = E + \frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}}"
    assert laws.power_floor.latex() == r"y(x) = E + a x^{-c}"
    assert laws.overtrained.latex() == (r"L(C, M) = E + \left(a M^{\eta} + b M^{-\eta}\right) C^{-\eta}")
    assert laws.kaplan.latex() == (
        r"L(N, D) = \left(\left(\frac{N_{c}}{N}\right)^{\alpha_{N}/\alpha_{D}} + \frac{D_{c}}{D}\right)^{\alpha_{D}}"
    )
    assert laws.nested.latex() == (
        r"L(N, D) = E + \left(\left(\frac{A}{N^{\alpha}}\right)^{1/q} + "
        r"\left(\frac{B}{D^{\beta}}\right)^{1/q}\right)^{q}"
    )


def test_named_parts_have_lines_of_their_own():
    lines = laws.data_constrained.latex().split(r"\\")
    assert lines[0].strip() == (r"\begin{aligned} L(N, D, U) &= E + \frac{A}{N'^{\alpha}} + \frac{B}{D'^{\beta}}")
    assert [line.split("&=")[0].strip() for line in lines[1:]] == ["N'", "U_{N}", "G", "U_{D}", "D'"]
    assert r"U_{N} &= \min\left(N, G \left(G U_{D}\right)^{\beta/\alpha}\right)" in laws.data_constrained.latex()
    root = ElementTree.fromstring(laws.data_constrained.mathml())
    assert sum(e.tag.endswith("}mtr") for e in root.iter()) == 6


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("-(a + b)*x", r"-\left(a + b\right) x"),
        ("a - (b - x)", r"a - \left(b - x\right)"),
        ("a - (-x)", r"a - \left(-x\right)"),
        ("-a/x", r"-\frac{a}{x}"),
        ("(-a)^2*x", r"\left(-a\right)^{2} x"),
        ("(a/x)^2", r"\left(\frac{a}{x}\right)^{2}"),
        ("(a*x)^(b/2)", r"\left(a x\right)^{b/2}"),
        ("(x^a)^b", r"\left(x^{a}\right)^{b}"),
        ("2*x*3*a", r"2 x \cdot 3 a"),
        ("3.1e8*a*x", r"3.1 \times 10^{8} a x"),
        ("a*x*1e-9", r"a x \cdot 10^{-9}"),
        ("log1p(a*x)*b", r"\ln\left(1 + a x\right) b"),
        ("a*logaddexp(x, b)", r"a \ln\left(\exp\left(x\right) + \exp\left(b\right)\right)"),
        ("expm1(a*x)^2", r"\left(\exp\left(a x\right) - 1\right)^{2}"),
        ("sqrt(a*x)^2", r"\sqrt{a x}^{2}"),
        ("log(x)^a", r"\left(\ln\left(x\right)\right)^{a}"),
        ("min(a, x, b)", r"\min\left(\min\left(a, x\right), b\right)"),
        ("R_star^2*x", r"{R^{*}}^{2} x"),
        ("rate*x", r"\mathrm{rate} x"),
        ("λ_max*x", r"\lambda_{\mathrm{max}} x"),
        ("E0 + x*a", r"E_{0} + x a"),
    ],
)
def test_latex(text, latex):
    law = laws.formula_law(text, ("x",))
    assert law.latex() == "y(x) = " + latex
    ElementTree.fromstring(law.mathml())


def test_mathml_of_a_fraction_and_a_power():
    body = laws.formula_law("-a/x^b", ("x",)).mathml()
    assert "<mrow><mo>&#x2212;</mo><mfrac><mi>a</mi><msup><mi>x</mi><mi>b</mi></msup></mfrac></mrow>" in body
    assert "<mn>2.5</mn><mo>&#xD7;</mo><msup><mn>10</mn><mrow><mo>&#x2212;</mo><mn>7</mn></mrow></msup>" in (
        laws.formula_law("2.5e-7*a*x", ("x",)).mathml()
    )


def test_symbols():
    assert symbol("alpha_N") == Symbol("alpha", ("N",))
    assert symbol("R_D_star") == Symbol("R", ("D",), star=True)
    assert symbol("N'") == Symbol("N", primes=1)
    assert symbol("c12") == Symbol("c", ("12",))
    assert symbol("lambda_") == Symbol("lambda")
    assert symbol("lam_0") == Symbol("lambda", ("0",))


def declare(function):
    return laws.law(inputs={"x": COUNT}, output=SCORE, params={"a": laws.positive()})(function)


def test_a_law_that_branches_says_so_when_printed():
    @declare
    def branching(x, *, a):
        return a * x if a else x

    with pytest.raises(ArgumentError, match="cannot branch"):
        branching.latex()


def test_functions_without_a_printed_form_say_so():
    @declare
    def switching(x, *, a):
        return where(True, a * x, x)

    with pytest.raises(ArgumentError, match="where"):
        switching.text()


def test_text_writes_named_parts_out():
    @declare
    def named(x, *, a):
        part = let("P", log1p(a * x))
        return part + part**2

    assert named.text() == "log1p(a*x) + log1p(a*x)^2"
    assert named.latex() == r"\begin{aligned} y(x) &= P + P^{2} \\ P &= \ln\left(1 + a x\right) \end{aligned}"
    assert named.lines() == ("P + P^2", "P = log1p(a*x)")
    assert named(2.0, a=0.0) == 0.0


def test_lines_of_a_law_without_named_parts_are_its_text():
    assert laws.chinchilla.lines() == (laws.chinchilla.text(),)
    assert laws.data_constrained.lines() == (
        "E + A/N'^alpha + B/D'^beta",
        "N' = U_N + U_N*R_N_star*(1 - exp(-(N/U_N - 1)/R_N_star))",
        "U_N = min(N, G*(G*U_D)^(beta/alpha))",
        "G = (alpha*A/(beta*B))^(1/(alpha + beta))",
        "U_D = min(U, D)",
        "D' = U_D + U_D*R_D_star*(1 - exp(-(D/U_D - 1)/R_D_star))",
    )


def test_logarithms_and_squares_are_set_as_papers_print_them():
    assert laws.routed_bilinear.latex() == (
        r"L(N, K) = 10^{a \log_{10}\left(N\right) + b \log_{10}\left(K\right) + "
        r"c \log_{10}\left(N\right) \log_{10}\left(K\right) + d}"
    )
    assert "<msub><mi>log</mi><mn>10</mn></msub>" in laws.routed_bilinear.mathml()
    assert laws.lr_bowl.latex().endswith(
        r"h \left(\ln\left(\eta\right) - \ln\left(\eta_{\mathrm{best}}\right)\right)^{2}"
    )
    assert laws.noisy_channel.latex().startswith(r"L(N, D) = \frac{\ln\left(2\right)}{a N^{\alpha}")


def test_each_break_of_a_broken_law_has_a_line():
    lines = laws.bnsl2.latex().split(r"\\")
    assert (
        lines[0]
        .strip()
        .endswith(r"y(x) &= a + b \exp\left(-c_{0} \ln\left(x\right) - c_{1} s_{1} - c_{2} s_{2}\right)")
    )
    assert [line.split("&=")[0].strip() for line in lines[1:]] == ["s_{1}", "s_{2}"]
    assert r"s_{1} &= f_{1} \ln\left(1 + \exp\left(" in lines[1]


@pytest.mark.parametrize("law", laws.catalogue().values(), ids=laws.catalogue().keys())
def test_no_typeset_formula_holds_a_rounded_logarithm(law):
    assert "2.302585" not in law.latex() + law.mathml()
    assert "0.693147" not in law.latex() + law.mathml()


def test_words_do_not_run_into_the_factor_before_them():
    gap = '<mo lspace="0.17em" rspace="0">&#x2062;</mo>'
    assert f"<mi>b</mi>{gap}<mrow><mi>exp</mi>" in laws.bnsl1.mathml()
    assert f"<mi>C</mi>{gap}<msup><mi>rate</mi>" in laws.multi_power.mathml()
    assert gap not in laws.chinchilla.mathml() + laws.power.mathml()
