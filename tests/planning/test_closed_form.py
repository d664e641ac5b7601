"""The closed form: read off any law that has it, right in all its inversions, exact in its derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from similitude import laws
from similitude._dual import Dual
from similitude.planning._power import PowerSum, is_power_sum
from similitude.planning._question import Question
from similitude.planning._solve import minimise
from similitude.planning._surface import Surface

TEX = laws.chinchilla.published["hoffmann2022-tex"].values
SURFACE = Surface.of(laws.chinchilla)
exponent = st.floats(0.1, 0.8)
amplitude = st.floats(10.0, 1e5)


@pytest.mark.parametrize(
    ("key", "log_k", "gamma"),
    [("hoffmann2022-tex", 1075, 0.1548), ("besiroglu2024", 2708, 0.1783), ("hoffmann2022", 1071, 0.1535)],
)
def test_frontier_constants(key, log_k, gamma):
    form = PowerSum.read(SURFACE, laws.chinchilla.published[key].values)
    assert float(np.exp(form.log_k)) == pytest.approx(log_k, rel=1e-3)
    assert float(form.gamma) == pytest.approx(gamma, abs=6e-5)


@given(exponent, exponent, amplitude, amplitude, st.floats(0.5, 3.0))
def test_reads_its_own_numbers(alpha, beta, a, b, floor):
    values = {"E": floor, "A": a, "alpha": alpha, "B": b, "beta": beta}
    form = PowerSum.read(SURFACE, values)
    assert is_power_sum(SURFACE, values)
    for name in values:
        assert getattr(form, name) == pytest.approx(values[name], rel=1e-9)


@given(exponent, exponent, amplitude, amplitude, st.floats(18, 27))
def test_numeric_optimum_is_the_closed_form(alpha, beta, a, b, log10_flop):
    values = {"E": 1.7, "A": a, "alpha": alpha, "B": b, "beta": beta}
    log_flop = log10_flop * np.log(10)
    form = PowerSum.read(SURFACE, values)
    ratio = form.log_tokens(log_flop) - form.log_parameters(log_flop)
    found = minimise(SURFACE, values, log_flop)
    if abs(ratio / np.log(10)) < 5:  # within the range that is searched
        assert found.log_n[0, 0] == pytest.approx(form.log_parameters(log_flop), abs=1e-7)
        assert found.loss[0, 0] == pytest.approx(form.least_loss(log_flop), rel=1e-12)


@given(exponent, exponent, st.floats(18, 27))
def test_inversions_undo_each_other(alpha, beta, log10_flop):
    form = PowerSum(1.7, 400.0, alpha, 900.0, beta)
    log_flop = log10_flop * np.log(10)
    log_n, log_d = form.log_parameters(log_flop), form.log_tokens(log_flop)
    assert log_n + log_d + np.log(6) == pytest.approx(log_flop, rel=1e-12)
    assert form.log_tokens_for(log_n) == pytest.approx(log_d, rel=1e-9)
    assert form.log_parameters_for(log_d) == pytest.approx(log_n, rel=1e-9)
    assert form.log_flop_for(form.least_loss(log_flop)) == pytest.approx(log_flop, rel=1e-6)


@given(exponent, exponent, st.floats(18, 26))
def test_more_compute_never_hurts_and_grows_both(alpha, beta, log10_flop):
    form = PowerSum(1.7, 400.0, alpha, 900.0, beta)
    here, more = log10_flop * np.log(10), (log10_flop + 0.3) * np.log(10)
    assert form.least_loss(more) < form.least_loss(here)
    assert form.log_parameters(more) > form.log_parameters(here)
    assert form.log_tokens(more) > form.log_tokens(here)


@pytest.mark.parametrize("law", [laws.kaplan, laws.data_constrained, laws.nested])
def test_other_laws_are_not_taken_for_it(law):
    held = {"U": 25e9} if "U" in law.inputs else {}
    values = {k: 0.5 + 0.1 * j for j, k in enumerate(law.params)}
    if law.published:
        values = next(iter(law.published.values())).values
    assert not is_power_sum(Surface.of(law, held), values)


def test_a_users_law_of_this_shape_has_it():
    from similitude._quantity import NATS_PER_TOKEN, PARAMETERS, TOKENS

    @laws.law(
        inputs={"N": PARAMETERS, "D": TOKENS},
        output=NATS_PER_TOKEN,
        params={"floor": laws.below_output(), "p": laws.positive(), "u": laws.positive(), "v": laws.positive()},
    )
    def mine(N, D, *, floor, p, u, v):
        return floor + (u / N) ** p + 3 * v * D ** (-2 * p)

    form = PowerSum.read(Surface.of(mine), {"floor": 1.5, "p": 0.2, "u": 1e4, "v": 10.0})
    assert is_power_sum(Surface.of(mine), {"floor": 1.5, "p": 0.2, "u": 1e4, "v": 10.0})
    assert form.alpha == pytest.approx(0.2)
    assert form.beta == pytest.approx(0.4)
    assert pytest.approx(1e4**0.2) == form.A
    assert pytest.approx(30.0) == form.B


@pytest.mark.parametrize("closed", [True, False])
def test_target_follows_dual_numbers(closed):
    question = Question(SURFACE, log_flop=np.log(1e23), closed=closed)
    target = question.target(lambda n, d: n)
    seeded = {k: Dual(np.array([v]), {j: 1.0}) for j, (k, v) in enumerate(TEX.items())}
    slopes = target(seeded).partials
    a, b, alpha, beta = (TEX[k] for k in ("A", "B", "alpha", "beta"))
    # log N* = (log(alpha A) - log(beta B) + beta log(C/6)) / (alpha + beta)
    log_n = float(target({k: np.array([v]) for k, v in TEX.items()})[0])
    exact = {
        "A": 1 / a / (alpha + beta),
        "B": -1 / b / (alpha + beta),
        "alpha": (1 / alpha - log_n) / (alpha + beta),
        "beta": (-1 / beta + np.log(1e23 / 6) - log_n) / (alpha + beta),
    }
    for name, slope in exact.items():
        assert float(np.ravel(slopes[list(TEX).index(name)])[0]) == pytest.approx(slope, rel=1e-6)
