"""Inverse questions, inference, caps, fixed sizes, what being off costs; and every sentence that refuses."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from similitude import laws
from similitude._errors import ArgumentError, QuestionError
from similitude.planning import Plan, budget, largest_model, off_optimum, plan

BESIROGLU = laws.chinchilla.published["besiroglu2024"]
TEX = laws.chinchilla.published["hoffmann2022-tex"]
REPEATED = laws.data_constrained.published["muennighoff2023"]
# the nesting family at q = 1 is Chinchilla's law, but has no closed form as declared: the numeric path
NESTED = laws.nested.estimate(**BESIROGLU.values, q=1.0)


@pytest.mark.parametrize(("flop", "loss"), [(1e21, 2.29549), (5.76e23, 1.91841)])
def test_least_compute_for_a_loss_inverts_the_published_table(flop, loss):
    made = plan(TEX, loss=loss)
    # the table's loss has six figures; compute answers to it with 1 / gamma of its relative error
    assert made.flop == pytest.approx(flop, rel=2e-4)
    assert made.loss.value == pytest.approx(loss, abs=1e-12)


@pytest.mark.parametrize("loss", [2.6, 2.1, 1.9])
def test_least_compute_found_numerically_is_that_of_the_closed_form(loss):
    found, closed = plan(NESTED, loss=loss), plan(BESIROGLU, loss=loss)
    assert found.check is None
    assert found.flop == pytest.approx(closed.flop, rel=1e-8)
    assert found.N.value == pytest.approx(closed.N.value, rel=1e-6)


def test_least_compute_with_repeated_data_agrees_with_scipy():
    from scipy.optimize import brentq, minimize_scalar

    def least(log_flop):
        curve = lambda x: REPEATED.value(N=np.exp(log_flop - x) / 6, D=np.exp(x), U=25e9)  # noqa: E731
        return minimize_scalar(curve, bounds=(22, 30), options={"xatol": 1e-8}).fun

    log_flop = brentq(lambda c: least(c) - 2.25, np.log(1e20), np.log(1e24), xtol=1e-9)
    assert plan(REPEATED, loss=2.25, at={"U": "25B"}).flop == pytest.approx(np.exp(log_flop), rel=1e-6)


@given(st.floats(20, 25), st.floats(9, 13.5))
@settings(max_examples=25, deadline=None)
def test_inference_satisfies_the_first_order_condition(log10_flop, log10_served):
    served = 10**log10_served
    made = plan(BESIROGLU, flop=10**log10_flop, inference_tokens=served)
    v = BESIROGLU.values
    # eps_N / eps_D = 1 + D_inf / (3 D): elasticities of the reducible loss
    ratio = (v["alpha"] * v["A"] * made.N.value ** -v["alpha"]) / (v["beta"] * v["B"] * made.D.value ** -v["beta"])
    assert ratio == pytest.approx(1 + served / (3 * made.D.value), rel=1e-6)
    assert 6 * made.N.value * made.D.value + 2 * made.N.value * served == pytest.approx(made.flop, rel=1e-10)


def test_serving_more_makes_the_model_smaller_and_longer_trained():
    plans = [plan(BESIROGLU, loss=2.0, inference_tokens=t) for t in (1e9, 1e12, 1e13)]
    sizes, tokens = [p.N.value for p in plans], [p.D.value for p in plans]
    assert sizes == sorted(sizes, reverse=True)
    assert tokens == sorted(tokens)
    assert all(p.loss.value == pytest.approx(2.0, abs=1e-9) for p in plans)


def test_lifetime_and_loss_are_two_sides_of_one_question():
    by_loss = plan(BESIROGLU, loss=2.0, inference_tokens="5T")
    by_flop = plan(BESIROGLU, flop=by_loss.flop, inference_tokens="5T")
    assert by_flop.N.value == pytest.approx(by_loss.N.value, rel=1e-5)
    assert by_flop.loss.value == pytest.approx(2.0, abs=1e-9)


def test_fixed_sizes():
    optimum = plan(BESIROGLU, flop=1e23)
    tokens = plan(BESIROGLU, at={"N": optimum.N.value})
    size = plan(BESIROGLU, at={"D": optimum.D.value})
    assert tokens.D.value == pytest.approx(optimum.D.value, rel=1e-6)
    assert size.N.value == pytest.approx(optimum.N.value, rel=1e-6)
    spent = plan(BESIROGLU, flop=1e23, at={"N": "7B"})
    assert spent.N.value == 7e9
    assert spent.D.value == pytest.approx(1e23 / 6 / 7e9)
    reached = plan(BESIROGLU, loss=2.2, at={"N": 7e9})
    assert BESIROGLU.value(N=7e9, D=reached.D.value) == pytest.approx(2.2, abs=1e-9)
    fewer = plan(BESIROGLU, loss=2.2, at={"D": 1e12})
    assert BESIROGLU.value(N=fewer.N.value, D=1e12) == pytest.approx(2.2, abs=1e-9)


def test_a_cap_binds_only_above_it():
    free = plan(BESIROGLU, flop=1e24)
    assert plan(BESIROGLU, flop=1e24, max_parameters=1e12).N.value == pytest.approx(free.N.value, rel=1e-9)
    capped = plan(BESIROGLU, flop=1e24, max_parameters="8B")
    assert capped.N.value == pytest.approx(8e9, rel=1e-12)
    assert capped.excess is not None
    assert capped.excess.excess == pytest.approx(capped.loss.value - free.loss.value, abs=1e-10)


@given(st.floats(19, 26), st.floats(0.1, 10))
@settings(max_examples=25, deadline=None)
def test_waste_is_the_compute_that_the_optimum_would_save(log10_flop, factor):
    made = plan(BESIROGLU, flop=10**log10_flop)
    (row,) = off_optimum(made, [factor])
    cheaper = plan(BESIROGLU, loss=row.loss)
    assert 1 - cheaper.flop / made.flop == pytest.approx(row.wasted, abs=1e-6)
    assert row.excess == pytest.approx(row.loss - made.loss.value, abs=1e-12)


def test_twice_too_large_and_too_small_found_numerically():
    rows = off_optimum(plan(NESTED, flop=1e23))
    exact = off_optimum(plan(BESIROGLU, flop=1e23))
    assert [r.factor for r in rows] == [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8]
    for row, other in zip(rows, exact, strict=True):
        assert row.wasted == pytest.approx(other.wasted, abs=1e-7)
    assert rows[3].wasted == pytest.approx(0, abs=1e-9)


def test_llama3_tokens_taken_from_parabolas_waste_six_per_cent():
    # the over-long plan that isoFLOP parabolas gave: 16.1T tokens at 3.8e25, where the surface says 10.2T
    estimate = laws.chinchilla.published["czech2026-llama3"]
    made = plan(estimate, flop=3.8e25)
    assert made.D.value == pytest.approx(10.2e12, rel=5e-3)
    assert made.N.value == pytest.approx(621.6e9, rel=5e-3)
    (row,) = off_optimum(made, [made.D.value / 16.1e12])
    assert row.wasted == pytest.approx(0.063, abs=0.002)


def test_largest_model_for_two_weeks():
    weeks = budget(gpus="64xH100", days=14)
    assert weeks.flop == pytest.approx(64 * 989.4e12 * 0.4 * 14 * 86400)
    made = largest_model(BESIROGLU, weeks, tokens_per_parameter=20)
    assert made.tokens_per_parameter.value == pytest.approx(20)
    assert made.flop == pytest.approx(weeks.flop, rel=1e-12)
    assert largest_model(BESIROGLU, weeks).N.value == pytest.approx(plan(BESIROGLU, flop=weeks.flop).N.value)
    served = largest_model(BESIROGLU, 1e24, tokens_per_parameter=100, inference_tokens=1e12)
    assert served.tokens_per_parameter.value == pytest.approx(100, rel=1e-9)


def test_days_and_dollars_for_a_loss():
    rate = budget(gpus="512xH100", mfu=0.5, price=3.0)
    made = plan(BESIROGLU, loss=2.1, budget=rate)
    hours = made.flop / (512 * 989.4e12 * 0.5) / 3600
    assert made.days is not None
    assert made.dollars is not None
    assert made.days.value == pytest.approx(hours / 24)
    assert made.dollars.value == pytest.approx(512 * hours * 3)


def test_money_buys_compute_and_the_scarcer_limit_binds():
    rich = budget(gpus="H100", dollars="$200k", price=2.0)
    assert rich.flop == pytest.approx(1e5 * 3600 * 989.4e12 * 0.4)
    both = budget(gpus="64xH100", days=1, dollars="2M", price=2.0)
    assert both.flop == pytest.approx(budget(gpus="64xH100", days=1).flop)
    assert any("days is what binds" in s for s in both.assumptions)


def test_accelerators_have_dense_peaks_and_a_source():
    from similitude.planning import accelerators

    known = accelerators()
    # makers' sparse figures for the same chips, twice the dense ones
    for key, sparse in {"h100": 1978.9, "h200": 1979.0, "b200": 4500.0, "a100": 624.0, "mi300x": 2614.9}.items():
        assert known[key].peak_tflops == pytest.approx(sparse / 2, rel=1e-3)
    for chip in known.values():
        assert chip.document
        assert 2017 < int(chip.date) < 2100
        assert chip.memory_gb >= 16


def test_counting_matters_for_small_models_only():
    small, large = (plan(laws.kaplan.published["kaplan2020"], flop=c) for c in (1e17, 1e25))
    assert any("counting of N" in s.what for s in small.sensitivity)
    assert not any("counting of N" in s.what for s in large.sensitivity)


def test_json_round_trip_keeps_everything():
    made = plan(BESIROGLU, budget=budget(gpus="64xH100", days=14), max_parameters=2e9)
    document = json.loads(json.dumps(made.to_dict()))
    assert Plan.from_dict(document).to_dict() == made.to_dict()
    assert document["N"] == {"value": made.N.value, "low": None, "high": None, "unit": "parameters"}
    assert isinstance(document["flop"], float)
    assert list(document)[1:6] == ["N", "D", "loss", "flop", "tokens_per_parameter"]
    with pytest.raises(ArgumentError, match="no longer has its law"):
        off_optimum(Plan.from_dict(document))


def test_warnings_say_what_matters():
    rounded = plan(laws.chinchilla.published["hoffmann2022"], flop=5.76e23)
    assert any("digits matter" in w and "hoffmann2022-tex gives 58.9" in w for w in rounded.warnings)
    precise = plan(TEX, flop=5.76e23)
    assert not any("digits matter" in w for w in precise.warnings)
    assert any("times the compute of the largest run" in w for w in rounded.warnings)
    kaplan = plan(laws.kaplan.published["kaplan2020"], flop=1e22)
    assert any("6 N D is not its training compute" in w for w in kaplan.warnings)
    sardana = plan(laws.chinchilla.published["sardana2024"], flop=1e22)
    assert any("do not declare" in w for w in sardana.warnings)


def test_a_plan_shows_itself():
    made = plan(BESIROGLU, flop=1e23, inference_tokens=1e12)
    assert "serving 1T tokens" in str(made)
    assert "\n" not in repr(made)
    titles = [getattr(item, "title", "") for item in made.view().items]
    assert "Best size and tokens against compute" in titles
    assert made.first_screen().run.startswith("Train ")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, "nothing to plan for"),
        ({"flop": -1.0}, "expected a positive number"),
        ({"flop": "1e22 tokens"}, "expected compute"),
        ({"flop": 1e22, "at": {"U": 1e9}}, "no input 'U'"),
        ({"flop": 1e22, "at": {"N": 1e9, "D": 1e9}}, "nothing to choose"),
        ({"flop": 1e22, "at": {"N": 1e9}, "max_parameters": 1e9}, "fixed here"),
        ({"flop": 1e22, "memory": "80"}, "such as 80GB"),
        ({"flop": 1e22, "memory": "80B"}, "such as 80GB"),
        ({"flop": 1e22, "memory": "80GB", "bytes_per_parameter": 0.0}, "bytes_per_parameter"),
        ({"flop": 1e22, "level": 90}, "between 0 and 1"),
        ({"loss": float("nan")}, "expected a positive number"),
    ],
)
def test_questions_that_are_not_questions(asked, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        plan(BESIROGLU, **asked)


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        (laws.chinchilla, "take a published set"),
        ({"dense": BESIROGLU, "sparse": TEX}, "one of 'dense', 'sparse'"),
        (3.0, "not on a float"),
    ],
)
def test_a_plan_needs_coefficients(thing, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        plan(thing, flop=1e22)


def test_missing_input_is_asked_for():
    with pytest.raises(ArgumentError, match="also needs U"):
        plan(REPEATED, flop=1e22)


@pytest.mark.parametrize(
    ("estimate", "asked", "sentence"),
    [
        (NESTED, {"loss": 1.5}, r"E = 1\.8172"),
        (BESIROGLU, {"loss": 1.9, "at": {"N": 1e9}}, "cannot be reached with this size"),
        (BESIROGLU, {"loss": 1.9, "at": {"D": 1e9}}, "cannot be reached with these tokens"),
        (BESIROGLU, {"loss": 1.9, "max_parameters": 1e9}, "at most 1B parameters reaches loss 1.9.* needs 66.9B"),
        (BESIROGLU, {"flop": 1e20, "at": {"N": 1e11}, "inference_tokens": 1e12}, "costs more than the budget"),
    ],
)
def test_questions_without_an_answer(estimate, asked, sentence):
    with pytest.raises(QuestionError, match=sentence):
        plan(estimate, **asked)


def test_a_surface_without_a_minimum_is_refused():
    # kaplan's form with a data term that never bites: the best model is the largest, at any budget
    lopsided = laws.chinchilla.estimate(E=1.0, A=1e30, alpha=2.0, B=1e-30, beta=0.01)
    with pytest.raises(QuestionError, match="no best division"):
        plan(laws.nested.estimate(**lopsided.values, q=1.0), flop=1e22)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"gpus": "64xH10"}, "did you mean 'h100'"),
        ({"gpus": "0xH100", "days": 1}, "must be positive"),
        ({"gpus": "H100", "days": 1}, "days need a number"),
        ({"days": 3}, "need accelerators"),
        ({"gpus": "8xTPUv4", "dollars": 1e5}, "need a price"),
        ({"gpus": "8xH100", "days": 1, "mfu": 40}, "share of peak"),
        ({}, "needs flop="),
    ],
)
def test_budgets_that_are_not(parts, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        budget(**parts)


def test_what_changes_the_answer_pairs_each_size_with_its_own_loss():
    made = plan(BESIROGLU, flop=1e23)
    (dearer,) = (s for s in made.sensitivity if "6 N D" in s.what)
    truly = plan(BESIROGLU, flop=1e23 / 1.2)
    assert pytest.approx((made.N.value, truly.N.value), rel=1e-9) == dearer.N
    assert dearer.loss == pytest.approx((made.loss.value, truly.loss.value), rel=1e-12)
    assert dearer.loss[0] < dearer.loss[1]  # less compute: smaller model, higher loss
    (other,) = (s for s in plan(TEX, flop=1e23).sensitivity if "instead of" in s.what)
    rounded = plan(laws.chinchilla.published["hoffmann2022"], flop=1e23)
    assert pytest.approx((plan(TEX, flop=1e23).N.value, rounded.N.value), rel=1e-9) == other.N
    assert other.loss == pytest.approx((plan(TEX, flop=1e23).loss.value, rounded.loss.value), rel=1e-12)


def test_the_ends_of_printed_digits_are_answers_of_one_set_of_digits():
    estimate = laws.chinchilla.published["hoffmann2022"]
    (digits,) = (s for s in plan(estimate, flop=1e23).sensitivity if "digit" in s.what)
    half = {"E": 0.005, "A": 0.05, "alpha": 0.005, "B": 0.05, "beta": 0.005}
    answers = []
    for signs in itertools.product((-1, 1), repeat=5):
        moved = {k: estimate.values[k] + s * h for (k, h), s in zip(half.items(), signs, strict=True)}
        found = plan(laws.chinchilla.estimate(**moved), flop=1e23)
        answers.append((found.N.value, found.loss.value))
    for end in zip(digits.N, digits.loss, strict=True):
        assert any(end == pytest.approx(a, rel=1e-6) for a in answers)
    assert pytest.approx((min(a[0] for a in answers), max(a[0] for a in answers)), rel=1e-6) == digits.N


def test_a_plan_names_whole_sizes_near_it():
    made = plan(BESIROGLU, flop=1e23)
    near = made.round
    assert near is not None
    assert near.width % 128 == 0
    assert near.width % near.heads == 0
    assert pytest.approx(made.N.value, rel=0.1) == near.N
    assert near.batch * near.context * near.steps == near.D
    assert pytest.approx(1e23, rel=1e-4) == 6 * near.N * near.D  # the same compute
    assert near.loss == pytest.approx(BESIROGLU.value(N=near.N, D=near.D))
    assert near.excess < 1e-3
    assert plan(BESIROGLU, flop=1e15).round is None  # no decoder is that small
