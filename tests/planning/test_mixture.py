"""Mixtures under limits against a general optimiser; laws from runs; what binds and what it is worth."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import minimize

import similitude as sim
from similitude._errors import ArgumentError, DataError, QuestionError
from similitude.planning._simplex import projected

NAMES = ("web", "code", "books")
LAW = sim.laws.data_mixture.sized(domain=NAMES)
TRUE = {
    "web": LAW.estimate(c=2.0, k=1.0, t_web=-1.5, t_code=0.3, t_books=-0.4),
    "code": LAW.estimate(c=1.0, k=1.2, t_web=0.2, t_code=-4.0, t_books=0.1),
    "books": LAW.estimate(c=2.5, k=0.8, t_web=-0.5, t_code=0.2, t_books=-2.0),
}


def loss(r, weights=(1, 1, 1)):
    inputs = {f"r_{k}": v for k, v in zip(NAMES, r)}
    return sum(w * e.value(**inputs) for w, e in zip(weights, TRUE.values())) / sum(weights)


def oracle(bounds, weights=(1, 1, 1)):
    starts = ([0.3, 0.3, 0.4], [0.6, 0.2, 0.2], [0.1, 0.1, 0.8])
    made = [
        minimize(loss, s, (weights,), method="SLSQP", bounds=bounds, options={"ftol": 1e-14, "maxiter": 500},
                 constraints={"type": "eq", "fun": lambda r: np.sum(r) - 1})
        for s in starts
    ]  # fmt: skip
    return min(made, key=lambda m: m.fun)


def test_the_least_loss_is_that_of_a_general_optimiser():
    found = sim.mixture(TRUE)
    told = oracle([(0, 1)] * 3)
    assert found.value.value == pytest.approx(told.fun, abs=1e-9)
    assert list(found.shares.values()) == pytest.approx(told.x, abs=1e-4)
    heavy = sim.mixture(TRUE, weights={"web": 3, "code": 1, "books": 0})
    assert heavy.value.value == pytest.approx(oracle([(0, 1)] * 3, (3, 1, 0)).fun, abs=1e-9)


def test_epochs_limit_a_domain_and_room_has_a_price():
    found = sim.mixture(TRUE, tokens="100B", unique={"books": "2B", "code": "50B"})
    told = oracle([(0, 1), (0, 1), (0, 0.08)])
    assert found.shares["books"] == pytest.approx(0.08)
    assert found.value.value == pytest.approx(told.fun, abs=1e-9)
    books = found.proportions[2]
    assert books.epochs == pytest.approx(4.0)
    assert books.price == pytest.approx(told.fun - oracle([(0, 1), (0, 1), (0, 0.09)]).fun, rel=1e-3)
    assert found.proportions[0].price is None
    assert found.unlimited < found.value.value
    assert any("diagnostic" in w for w in found.warnings)


def test_the_worst_loss_can_be_made_least():
    found = sim.mixture(TRUE, worst=True)
    assert found.value.value == pytest.approx(max(v.value for v in found.losses.values()))
    assert found.value.value <= max(v.value for v in sim.mixture(TRUE).losses.values()) + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_the_least_worst_loss_is_that_of_a_general_optimiser(seed):
    """Where the losses are nearly alike the answer lies on their kinks; as one level above all of them it is smooth."""
    rng = np.random.default_rng(seed)
    laws = {
        k: LAW.estimate(c=2 + 0.1 * rng.random(), k=1.0,
                        **{f"t_{n}": (-1.5 if n == k else 0.3) + 0.3 * rng.standard_normal() for n in NAMES})
        for k in NAMES
    }  # fmt: skip

    def losses(r):
        return np.array([e.value(**{f"r_{k}": v for k, v in zip(NAMES, r)}) for e in laws.values()])

    for high in (1.0, 0.37):
        told = minimize(
            lambda z: z[3], [0.3, 0.35, 0.35, 5.0], method="SLSQP", bounds=[(0, high)] * 3 + [(0, 9)],
            options={"ftol": 1e-14, "maxiter": 500},
            constraints=[{"type": "eq", "fun": lambda z: z[:3].sum() - 1},
                         {"type": "ineq", "fun": lambda z: z[3] - losses(z[:3])}],
        )  # fmt: skip
        found = sim.mixture(laws, worst=True, most=dict.fromkeys(NAMES, high))
        assert found.value.value == pytest.approx(told.fun, abs=1e-9)
        assert list(found.shares.values()) == pytest.approx(told.x[:3], abs=1e-5)


def test_the_nearest_shares_within_limits_are_a_general_optimisers():
    rng = np.random.default_rng(0)
    low, high = np.array([0.0, 0.1, 0.0, 0.05]), np.array([0.3, 1.0, 0.5, 0.05])
    r = 2 * rng.standard_normal((20, 4))
    for given, found in zip(r, projected(r, low, high), strict=True):
        told = minimize(lambda x, given=given: np.sum((x - given) ** 2), [0.2, 0.45, 0.3, 0.05], method="SLSQP",
                        bounds=list(zip(low, high)), options={"ftol": 1e-15, "maxiter": 200},
                        constraints={"type": "eq", "fun": lambda x: x.sum() - 1})  # fmt: skip
        assert found.sum() == pytest.approx(1, abs=1e-14)
        assert found == pytest.approx(told.x, abs=1e-6)


def test_the_usual_mixture_is_compared():
    usual = {"web": 0.8, "code": 0.1, "books": 0.1}
    found = sim.mixture(TRUE, usual=usual)
    assert found.usual == pytest.approx(loss(list(usual.values())))
    assert found.value.value < found.usual


def runs(noise=0.002, count=24, seed=0):
    rng = np.random.default_rng(seed)
    r = rng.dirichlet([1, 1, 1], count)
    table = dict(zip(NAMES, r.T))
    for name, e in TRUE.items():
        told = e.value(**{f"r_{k}": v for k, v in zip(NAMES, r.T)})
        table[f"loss_{name}"] = told * np.exp(noise * rng.standard_normal(count))
    return sim.read_runs(table, loss="loss_web", check=False)


def test_laws_from_runs_come_with_intervals_and_regret():
    laws = sim.mixture_laws(runs(), NAMES, [f"loss_{n}" for n in NAMES])
    found = sim.mixture(laws)
    true = oracle([(0, 1)] * 3)
    for p, share in zip(found.proportions, true.x):
        assert p.share.low <= p.share.value <= p.share.high
        assert p.share.low - 0.05 < share < p.share.high + 0.05
    assert 0 <= found.regret < 0.01
    assert loss(list(found.shares.values())) < true.fun + 0.01
    document = json.loads(json.dumps(found.to_dict()))
    assert document["proportions"][0]["name"] == "web"
    assert "Shares of the domains" in str(found)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"tokens": "1T", "unique": {"web": "50B", "code": "50B", "books": "50B"}}, QuestionError, "400B tokens short"),
        ({"unique": {"web": "50B"}}, ArgumentError, "give tokens="),
        ({"least": {"web": 0.6, "code": 0.6}}, QuestionError, "add up to 120.0%"),
        ({"least": {"web": 0.6}, "most": {"web": 0.5}}, QuestionError, "leaves nothing"),
        ({"weights": {"cod": 1}}, ArgumentError, "did you mean 'code'"),
        ({"weights": {"web": 0}}, ArgumentError, "at least one"),
        ({"most": {"boks": 0.1}}, ArgumentError, "did you mean 'books'"),
        ({"usual": {"web": 0.5}}, ArgumentError, "add up to 0.500"),
    ],
)
def test_mixtures_that_are_none(options, error, sentence):
    with pytest.raises(error, match=sentence):
        sim.mixture(TRUE, **options)


def test_a_law_without_shares_is_no_mixture():
    with pytest.raises(QuestionError, match="shares r_name"):
        sim.mixture(sim.laws.chinchilla.published["besiroglu2024"])


def test_runs_whose_shares_do_not_add_up_are_refused():
    bad = sim.read_runs({"a": [0.5] * 9, "b": [0.6] * 9, "loss": [2.0] * 9}, check=False)
    with pytest.raises(DataError, match=r"add up to 1\.100"):
        sim.mixture_laws(bad, ["a", "b"], ["loss"])
    few = sim.read_runs({"a": [0.5] * 9, "b": [0.5] * 9, "loss": [2.0] * 9}, check=False)
    with pytest.raises(DataError, match="1 different mixtures"):
        sim.mixture_laws(few, ["a", "b"], ["loss"])
