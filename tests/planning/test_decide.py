"""Decisions over all inputs that carry cost, against closed forms, a general optimiser and published numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import minimize

import similitude as sim
from similitude._errors import ArgumentError, QuestionError
from similitude.planning._cost import cost_of
from similitude.planning._optimum import Space

BESIROGLU = sim.laws.chinchilla.published["besiroglu2024"]
MOE = sim.laws.fine_grained_moe.published["krajewski2024"]
PRECISION = sim.laws.precision_training.estimate(**sim.laws.precision_training.example)
REPEATED = sim.laws.data_constrained.published["muennighoff2023"]


def _closed(p, flop):
    """N* and L* of Hoffmann et al. (2022, eq. 4) for 6 N D = flop."""
    g = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    n = g * (flop / 6) ** (p["beta"] / (p["alpha"] + p["beta"]))
    return n, p["E"] + p["A"] / n ** p["alpha"] + p["B"] / (flop / 6 / n) ** p["beta"]


@pytest.mark.parametrize("flop", [1e18, 5.76e23, 1e28])
def test_two_inputs_have_the_closed_form(flop):
    found = sim.decide(BESIROGLU, flop)
    n, loss = _closed(BESIROGLU.values, flop)
    assert found.inputs["N"].value == pytest.approx(n, rel=1e-9)
    assert found.value.value == pytest.approx(loss, rel=1e-12)
    least = sim.decide(BESIROGLU, reach=loss)
    assert least.cost.value == pytest.approx(flop, rel=1e-9)


def test_many_draws_have_the_closed_form_each():
    rng = np.random.default_rng(0)
    draws = {k: v * np.exp(0.05 * rng.standard_normal(2000)) for k, v in BESIROGLU.values.items()}
    cost, _ = cost_of(BESIROGLU.law, None, None, {}, None)
    space = Space(BESIROGLU.law, cost, ("N", "D"), {}, np.log([1e3, 1e3]), np.log([1e18, 1e21]))
    middle = space.least({k: np.array([v]) for k, v in BESIROGLU.values.items()}, np.log(1e23))
    found = space.least(draws, np.log(1e23), middle.z[0])
    assert found.solved.all()
    assert np.exp(found.z[:, 0]) == pytest.approx(_closed(draws, 1e23)[0], rel=1e-9)


def test_encoder_and_decoder_share_parameters_as_their_exponents_do():
    law = sim.laws.nmt_encoder_decoder  # Ghorbani et al. 2021: each gets its exponent's share
    p = {"a": 700.0, "p_e": 0.13, "p_d": 0.31, "E": 1.2}
    found = sim.decide(law.estimate(**p), "2B")
    assert found.inputs["N_e"].value == pytest.approx(0.13 / 0.44 * 2e9, rel=1e-9)
    assert found.inputs["N_d"].value == pytest.approx(0.31 / 0.44 * 2e9, rel=1e-9)
    assert str(found.cost.unit) == "parameters"


def test_bits_go_to_the_end_of_their_range():
    # a bit more costs as much as a parameter more, and N (1 - exp(-P / gamma)) gains less by it
    p = dict(PRECISION.values)
    wide = sim.decide(PRECISION, 1e22, limits={"P": (0.01, 16.0)})

    def loss(z):
        n, bits = np.exp(z[0]), np.exp(z[1])
        d = 1e22 * 16 / (6 * n * bits)
        return p["E"] + p["A"] / (n * (1 - np.exp(-bits / p["gamma"]))) ** p["alpha"] + p["B"] / d ** p["beta"]

    bounds = [(np.log(1e6), np.log(1e14)), (np.log(0.01), np.log(16.0))]
    oracle = min((minimize(loss, [np.log(n), np.log(b)], bounds=bounds, tol=1e-14) for n in (1e9, 1e11)
                  for b in (0.5, 8.0)), key=lambda r: r.fun)  # fmt: skip
    assert wide.value.value <= oracle.fun + 1e-10
    assert wide.value.value == pytest.approx(oracle.fun, abs=1e-6)
    narrow = sim.decide(PRECISION, 1e22)
    assert narrow.inputs["P"].value == pytest.approx(3.0)
    assert next(iter(narrow.binding)).startswith("at least 3")
    assert any("end of its range" in w for w in narrow.warnings)


def test_three_inputs_against_a_general_optimiser():
    p = dict(MOE.values)
    found = sim.decide(MOE, 1.93e20)

    def cost(z):
        n, d, g = np.exp(z)
        width = (64 * n / 516) ** (1 / 3)
        return np.log(6 * n / 43 * d * (1 + 14 * 64 * g / (72 * width))) - np.log(1.93e20)

    def loss(z):
        n, d, g = np.exp(z)
        return p["c"] + (p["g"] / g ** p["gamma"] + p["a"]) / n ** p["alpha"] + p["b"] / d ** p["beta"]

    oracle = minimize(loss, np.log([3e10, 3e10, 8.0]), constraints={"type": "eq", "fun": cost}, method="SLSQP",
                      options={"ftol": 1e-14, "maxiter": 500})  # fmt: skip
    assert found.value.value <= oracle.fun + 1e-9
    assert [found.inputs[k].value for k in "NDG"] == pytest.approx(np.exp(oracle.x), rel=2e-3)
    assert found.rounded.inputs["G"] == 16
    assert 0 < found.rounded.excess < 1e-3
    assert found.rounded.cost == pytest.approx(1.93e20)


def test_repeated_data_come_to_the_papers_worked_example():
    found = sim.decide(REPEATED, 1e22, at={"U": 25e9})  # Muennighoff's released code: 237.34B tokens, 7.022e9 on a grid
    assert found.inputs["D"].value == pytest.approx(237.34e9, rel=0.005)
    assert found.inputs["N"].value == pytest.approx(7.022e9, rel=0.005)


def test_unique_tokens_can_be_bought():
    found = sim.decide(REPEATED, "$5M", cost="6*N*D*5e-18 + U*2e-5")
    n, d, u = (found.inputs[k].value for k in ("N", "D", "U"))
    assert 6 * n * d * 5e-18 + u * 2e-5 == pytest.approx(5e6, rel=1e-9)
    assert str(found.cost.unit) == "$"
    for step in ((1.2, 1.0), (1 / 1.2, 1.0), (1.0, 1.2), (1.0, 1 / 1.2)):  # no neighbour at the same cost is better
        unique, size = u * step[0], n * step[1]
        tokens = (5e6 - unique * 2e-5) / (6 * size * 5e-18)
        assert REPEATED.value(N=size, D=tokens, U=unique) > found.value.value


def test_serving_is_paid_for_as_in_the_plan_of_two_inputs():
    plan = sim.plan(BESIROGLU, flop=1e23, inference_tokens="5T")
    found = sim.decide(BESIROGLU, 1e23, inference_tokens="5T")
    assert found.inputs["N"].value == pytest.approx(plan.N.value, rel=1e-8)
    assert found.value.value == pytest.approx(plan.loss.value, rel=1e-12)


def test_limits_bind_and_say_what_room_is_worth():
    streams = sim.laws.parscale.published["chen2025parscale-pile"]
    found = sim.decide(streams, 2e10, limits={"N": (None, "4B")})
    assert found.inputs["N"].value == pytest.approx(4e9)
    assert found.inputs["P"].value == pytest.approx(2.5)  # 2 N P is the budget
    assert found.rounded.inputs == {"N": pytest.approx(4e9), "P": 2.0}  # four streams would shrink N below its use
    assert found.rounded.cost == pytest.approx(1.6e10)
    (name, gain), *_ = found.binding.items()
    assert name == "at most 4B N"
    more = sim.decide(
        sim.laws.parscale.published["chen2025parscale-pile"], 2e10, limits={"N": (None, 4e9 * np.exp(0.01))}
    )
    assert found.value.value - more.value.value == pytest.approx(gain, rel=1e-6)


def test_a_law_that_turns_leaves_the_budget_unspent():
    turning = sim.formula_law("E + A/N^a + B*N^b + F/D^c", output=sim.laws.chinchilla.output)
    estimate = turning.estimate(E=1.0, A=10.0, a=0.5, B=1e-6, b=0.5, F=10.0, c=0.5)
    found = sim.decide(estimate, 1e30, cost="N + D", limits={"D": (1e6, 1e8)})
    assert found.inputs["N"].value == pytest.approx(1e7, rel=1e-4)  # A / N = B
    assert found.inputs["D"].value == pytest.approx(1e8)
    assert found.cost.value == pytest.approx(1.1e8, rel=1e-4)
    assert any("not spent" in w for w in found.warnings)


def test_scores_are_made_large():
    rising = sim.formula_law("1 - exp(-k * N^a * D^b)", real_parameters=())
    found = sim.decide(rising.estimate(k=1e-9, a=0.5, b=0.5), 1e12, cost="N*D")
    assert found.value.value == pytest.approx(1 - np.exp(-1e-9 * 1e6), rel=1e-9)


def test_intervals_and_regret_of_a_fit():
    runs = sim.simulate(PRECISION, noise=0.002, seed=3)
    fit = sim.fit(PRECISION.law, runs)
    found = sim.decide(fit, 1e21)
    true = sim.decide(PRECISION, 1e21)
    n = found.inputs["N"]
    assert n.low < n.value < n.high
    assert n.high / n.low < 2
    assert found.inputs["P"].low is None  # on the end of its range
    assert 0 < found.regret.loss < found.value.value - 2.7
    assert found.value.low < found.value.value < found.value.high
    assert abs(found.value.value - true.value.value) < 0.01
    band = found.frontier
    assert all(lo <= v <= hi for lo, v, hi in zip(band.low["N"], band.inputs["N"], band.high["N"]))


def test_deviating_costs_what_the_law_says():
    found = sim.decide(BESIROGLU, 1e23)
    half = next(d for d in found.deviations if d.name == "N" and d.factor == 0.5)
    table = {row.factor: row for row in sim.off_optimum(sim.plan(BESIROGLU, flop=1e23))}
    assert half.excess == pytest.approx(table[0.5].excess, rel=1e-6)
    assert half.wasted == pytest.approx(table[0.5].wasted, rel=1e-6)


@pytest.mark.parametrize(
    ("estimate", "asked", "error", "sentence"),
    [
        (BESIROGLU, {}, ArgumentError, "ask one of two questions"),
        (BESIROGLU, {"spend": 1e22, "reach": 2.0}, ArgumentError, "ask one of two questions"),
        (BESIROGLU, {"spend": 1e22, "limits": {"Z": (1, 2)}}, ArgumentError, "no input 'Z'"),
        (BESIROGLU, {"spend": 1e22, "limits": {"N": ("8B", "7B")}}, ArgumentError, "contradict"),
        (BESIROGLU, {"spend": 1e22, "limits": {"N": (1, 2)}, "at": {"N": 1}}, ArgumentError, "choose one"),
        (BESIROGLU, {"spend": 1e22, "at": {"N": 1e9, "D": 1e9}}, ArgumentError, "nothing to choose"),
        (BESIROGLU, {"spend": "3T tokens"}, ArgumentError, "expected compute"),
        (BESIROGLU, {"spend": 1e22, "level": 2.0}, ArgumentError, "level"),
        (BESIROGLU, {"spend": 1e22, "cost": "N", "inference_tokens": 1e9, "at": {"D": 1e9}}, ArgumentError, "tokens D"),
        (BESIROGLU, {"spend": sim.budget(gpus="H100")}, ArgumentError, "rate but no amount"),
        (REPEATED, {"spend": 1e22}, ArgumentError, "also takes U"),
        (BESIROGLU, {"spend": 1e12, "limits": {"N": ("8B", None), "D": ("1T", None)}}, QuestionError, "cheapest"),
        (BESIROGLU, {"reach": 1.5}, QuestionError, "out of reach"),
        (sim.laws.routed.published["clark2022-sbase"], {"spend": 1e9}, QuestionError, "nothing says what"),
        (sim.laws.chinchilla, {"spend": 1e22}, ArgumentError, "not on Law"),
    ],
)
def test_questions_without_an_answer(estimate, asked, error, sentence):
    with pytest.raises(error, match=sentence):
        sim.decide(estimate, **asked)


def test_a_decision_shows_itself_and_is_json():
    found = sim.decide(MOE, 1e21)
    text = str(found)
    assert "in whole numbers" in text
    assert "What it costs to deviate" in text
    document = json.loads(json.dumps(found.to_dict()))
    assert document["N"]["value"] == found.inputs["N"].value
    assert document["loss"]["value"] == found.value.value
    assert document["flop"] == pytest.approx(1e21)
    page = sim.report([found])
    assert any(getattr(v, "title", "") == "Best inputs against cost" for s in page.sections for v in s.items)


@pytest.mark.parametrize("name", [n for n, law in sim.laws.catalogue().items() if law.cost or len(law.inputs) > 3])
def test_every_law_with_a_cost_or_many_inputs_ends_in_an_answer_or_a_sentence(name):
    law = sim.laws.catalogue()[name]
    known = next(iter(law.published.values()), None) or law.estimate(**law.example)
    middle = {k: float(np.sqrt(np.prod(law.span[k]))) for k in law.inputs if k in law.span}
    cost = law.cost or "*".join(law.inputs)
    spend = float(cost_of(law, cost, None, {}, None)[0].of(middle))
    try:
        found = sim.decide(known, spend, cost=cost, extrapolate=True)
    except QuestionError:
        return  # a sentence: any other error fails
    assert found.cost.value <= spend * (1 + 1e-6)
    for factor in (0.7, 1.4):  # no exchange of one input for another at the same cost is better
        a, b = list(found.inputs)[:2]
        moved = {k: v.value for k, v in found.inputs.items()} | dict(found.at)
        moved[a] *= factor
        moved[b] *= spend / float(cost_of(law, cost, None, {}, None)[0].of(moved))
        if not found.binding and not set("(+") & set(cost):
            value = float(known.value(**{k: moved[k] for k in law.inputs}))
            assert value >= found.value.value - 1e-9
