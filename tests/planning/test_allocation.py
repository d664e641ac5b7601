"""Compute-optimal allocation against published tables, closed forms and scipy."""

from __future__ import annotations

import numpy as np
import pytest

from similitude import laws
from similitude._errors import QuestionError
from similitude.planning import budget, plan

# (C, N*, D*, D/N, L*) derived by hand from the printed coefficients, four figures
TEX = [
    (1e20, 7.749e8, 2.151e10, 27.76, 2.55342),
    (1e21, 2.217e9, 7.518e10, 33.91, 2.29549),
    (5.76e23, 4.036e10, 2.379e12, 58.93, 1.91841),
    (3.8e25, 2.732e11, 2.318e13, 84.83, 1.81101),
]
BESIROGLU = [
    (1e20, 8.535e8, 1.953e10, 22.88, 2.55340),
    (1e21, 2.778e9, 5.999e10, 21.59, 2.30553),
    (5.76e23, 7.225e10, 1.329e12, 18.39, 1.97444),
    (3.8e25, 6.187e11, 1.024e13, 16.55, 1.89171),
]
ROUNDED = [(1e20, 40.08), (1e21, 50.08), (5.76e23, 92.65), (3.8e25, 138.96)]
TABLE = [("hoffmann2022-tex", *row) for row in TEX] + [("besiroglu2024", *row) for row in BESIROGLU]


@pytest.mark.parametrize(("key", "flop", "n", "d", "ratio", "loss"), TABLE)
def test_published_allocations(key, flop, n, d, ratio, loss):
    made = plan(laws.chinchilla.published[key], flop=flop)
    assert made.N.value == pytest.approx(n, rel=5e-4)
    assert made.D.value == pytest.approx(d, rel=5e-4)
    assert made.tokens_per_parameter.value == pytest.approx(ratio, rel=5e-4)
    assert made.loss.value == pytest.approx(loss, abs=6e-6)
    assert made.flop == pytest.approx(flop, rel=1e-12)
    assert made.check is not None
    assert made.check.agrees


@pytest.mark.parametrize(("flop", "ratio"), ROUNDED)
def test_rounded_digits_give_another_ratio(flop, ratio):
    made = plan(laws.chinchilla.published["hoffmann2022"], flop=flop)
    assert made.tokens_per_parameter.value == pytest.approx(ratio, rel=5e-4)


@pytest.mark.parametrize("flop", [1e19, 1e22, 1e26])
def test_tied_exponents_keep_one_ratio(flop):
    made = plan(laws.chinchilla_tied.published["muennighoff2023"], flop=flop)
    assert made.tokens_per_parameter.value == pytest.approx(19.61, abs=0.005)
    assert made.check is not None
    assert made.check.agrees


@pytest.mark.parametrize(("key", "ratio"), [("c4", 3.36), ("redpajama", 7.42), ("refinedweb", 5.85)])
def test_overtraining_law_has_its_own_ratio(key, ratio):
    chosen = laws.overtrained.published[f"gadre2024-{key}"]
    a, b, eta = (chosen.values[k] for k in ("a", "b", "eta"))
    for flop in (1e20, 1e24):
        made = plan(chosen, flop=flop)
        # three printed digits move the ratio by a few per cent from that of the unrounded fit
        assert made.tokens_per_parameter.value == pytest.approx(ratio, rel=0.05)
        assert made.tokens_per_parameter.value == pytest.approx((b / a) ** (1 / (2 * eta)), rel=1e-9)
        assert made.check is not None
        assert made.check.agrees


def test_repeated_data_optimum():
    made = plan(laws.data_constrained.published["muennighoff2023"], flop=1e22, at={"U": 25e9})
    assert made.D.value == pytest.approx(2.3734e11, rel=2e-3)  # the published figure is read off a grid
    assert made.N.value == pytest.approx(7.022e9, rel=2e-3)
    assert made.check is None


def test_kaplan_misapplied_to_6nd_grows_with_exponent_0575():
    sizes = [plan(laws.kaplan.published["kaplan2020"], flop=c).N.value for c in (1e20, 1e24)]
    assert np.log(sizes[1] / sizes[0]) / np.log(1e4) == pytest.approx(1 / (1 + 0.076 / 0.103), rel=1e-6)


@pytest.mark.parametrize("flop", [1e20, 1e23])
def test_generic_optimum_agrees_with_scipy(flop):
    from scipy.optimize import minimize_scalar

    law = laws.nested
    values = {"E": 1.7, "A": 400.0, "alpha": 0.33, "B": 900.0, "beta": 0.31, "q": 0.7}
    made = plan(law.estimate(**values), flop=flop)
    found = minimize_scalar(
        lambda x: float(law.evaluate({"N": np.exp(x), "D": flop / 6 / np.exp(x)}, values)),
        bounds=(np.log(1e6), np.log(1e14)),
        options={"xatol": 1e-9},
    )
    assert made.loss.value == pytest.approx(found.fun, abs=1e-12)
    assert np.log(made.N.value) == pytest.approx(found.x, abs=1e-5)


def test_a_law_in_one_input_has_nothing_to_divide():
    with pytest.raises(QuestionError, match="fit a law in both N and D"):
        plan(laws.kaplan_n.published["kaplan2020"], flop=1e22)


def test_loss_below_the_floor_names_the_floor():
    with pytest.raises(QuestionError, match=r"E = 1\.8172"):
        plan(laws.chinchilla.published["besiroglu2024"], loss=1.5)


def test_a_loss_is_held_against_what_may_be_spent():
    known = laws.chinchilla.published["besiroglu2024"]
    with pytest.raises(QuestionError, match=r"the budget allows 1e22 FLOP; for the budget it comes to 2.141 at best"):
        plan(known, flop=1e22, loss=2.1)
    least, free = plan(known, flop=1e23, loss=2.1), plan(known, loss=2.1)
    assert least.flop == free.flop
    smallest = next(a for a in least.assumptions if a.startswith("The budget allows"))
    n = float(smallest.split("a model of ")[1].split("B")[0]) * 1e9
    assert known.value(N=n, D=1e23 / 6 / n) == pytest.approx(2.1, abs=1e-3)
    assert n < least.N.value


def test_memory_and_parameters_cap_together():
    known = laws.chinchilla.published["besiroglu2024"]
    assert plan(known, flop=1e24, memory="80GB").N.value == pytest.approx(40e9)
    assert plan(known, flop=1e24, memory="80GB", bytes_per_parameter=16).N.value == pytest.approx(5e9)
    assert plan(known, flop=1e24, memory="80GB", max_parameters="8B").N.value == pytest.approx(8e9)
    repeated = laws.data_constrained.published["muennighoff2023"]
    with_u = plan(repeated, flop=1e22, unique_tokens="25B")
    assert with_u.D.value == pytest.approx(237.34e9, rel=0.005)  # the authors' grid


def test_hours_of_accelerators_are_a_budget():
    known = laws.chinchilla.published["besiroglu2024"]
    hours = plan(known, budget=budget(gpu_hours="21504 H100"))
    days = plan(known, budget=budget(gpus="64xH100", days=14))
    assert hours.flop == pytest.approx(days.flop)
    faster = budget(gpu_hours="21504 H100", precision="fp8")
    assert faster.flop == pytest.approx(hours.flop * 1978.9 / 989.4)


def test_a_branch_below_the_optimum_is_not_taken_but_said():
    from similitude._quantity import NATS_PER_TOKEN, PARAMETERS, TOKENS
    from similitude.math import minimum

    @laws.law(
        inputs={"N": PARAMETERS, "D": TOKENS},
        output=NATS_PER_TOKEN,
        params={"E": laws.below_output(), "A": laws.positive(), "B": laws.positive(), "top": laws.positive()},
    )
    def saturating(N, D, *, E, A, B, top):
        return E + A / N**0.34 + minimum(B / D**0.34, top)  # few tokens cost no more than `top`

    made = plan(saturating.estimate(E=1.7, A=400.0, B=400.0, top=0.2), flop=1e21)
    assert made.tokens_per_parameter.value == pytest.approx(1, rel=1e-6)
    assert made.loss.value > 1.9  # where a huge model without data would be
    assert any("falls below its own optimum" in w for w in made.warnings)


def test_repeated_data_says_its_epochs():
    made = plan(laws.data_constrained.published["muennighoff2023"], flop=1e22, at={"U": 25e9})
    assert any("9.4" in s and "epochs of 25B unique tokens" in s for s in made.assumptions)
    sizes = [
        plan(laws.data_constrained.published["muennighoff2023"], flop=1e22, at={"U": u}).loss.value
        for u in (1e10, 3e10, 1e11, 1e12)
    ]
    assert sizes == sorted(sizes, reverse=True)  # more unique data never hurts


def test_many_draws_and_budgets_are_solved_as_one_by_one():
    from similitude.planning._solve import minimise
    from similitude.planning._surface import Surface

    rng = np.random.default_rng(0)
    values = {"E": 1.7, "A": 400.0, "alpha": 0.33, "B": 900.0, "beta": 0.31, "q": 0.7}
    draws = {k: v * np.exp(0.05 * rng.standard_normal(40)) for k, v in values.items()}
    costs = np.linspace(np.log(1e18), np.log(1e26), 50)
    for served in (None, 1e12):
        surface = Surface.of(laws.nested, None, served)
        together = minimise(surface, draws, costs)
        apart = minimise(surface, draws, np.broadcast_to(costs, (40, 50)))
        np.testing.assert_allclose(together.log_n, apart.log_n, atol=1e-8)
        np.testing.assert_allclose(together.loss, apart.loss, rtol=1e-12)


@pytest.mark.parametrize("cap", ["1B", "3B", "7B", "30B", "200B"])
def test_whole_sizes_keep_to_a_cap(cap):
    made = plan(laws.chinchilla.published["besiroglu2024"], flop=1e25, max_parameters=cap)
    assert made.round is not None
    assert made.N.value >= made.round.N


def test_what_a_budget_comes_to_keeps_to_the_cap():
    known = laws.chinchilla.published["besiroglu2024"]
    capped = plan(known, flop=1e21, max_parameters="300M").loss.value
    with pytest.raises(QuestionError, match=rf"comes to {capped:.4g} at best"):
        plan(known, flop=1e21, loss=2.42, max_parameters="300M")
    held = plan(known, flop=1e21, at={"N": "300M"}).loss.value
    with pytest.raises(QuestionError, match=rf"comes to {held:.4g} at best"):
        plan(known, flop=1e21, loss=2.42, at={"N": "300M"})


def test_a_held_size_is_not_called_the_smallest_that_reaches_a_loss():
    known = laws.chinchilla.published["besiroglu2024"]
    made = plan(known, flop=1e23, loss=2.4, at={"N": "1B"})
    assert not any("the smallest that does" in a for a in made.assumptions)
