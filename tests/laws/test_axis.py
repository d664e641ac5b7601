"""Laws whose inputs or parameters run along an axis."""

from __future__ import annotations

import json

import numpy as np
import pytest

import similitude as sim
from similitude._dual import Dual
from similitude._errors import ArgumentError
from similitude._quantity import NATS_PER_TOKEN, RATIO
from similitude.laws import Law, along, law, real
from similitude.math import exp, total


def make(count: int = 3) -> Law:
    @law(
        inputs={"r": along("domain", RATIO)},
        output=NATS_PER_TOKEN,
        params={"c": sim.positive(), "k": sim.positive(), "t": along("domain", real(-1.0, 0.1, 1.0))},
        sizes={"domain": count},
        span={"r": (0.05, 0.9)},
        example={"c": 1.5, "k": 0.4, "t": -2.0},
    )
    def mixture(r, *, c, k, t):
        """Loss against a mixture."""
        return c + k * exp(total(t * r, over="domain"))

    return mixture


def test_entries_become_plain_inputs_and_parameters():
    mixture = make()
    assert list(mixture.inputs) == ["r_1", "r_2", "r_3"]
    assert list(mixture.params) == ["c", "k", "t_1", "t_2", "t_3"]
    assert mixture.sized(domain=("web", "code")).example == {"c": 1.5, "k": 0.4, "t_web": -2.0, "t_code": -2.0}


def test_value_is_that_of_the_sum_written_out():
    mixture = make()
    r, t = np.array([[0.2, 0.3], [0.5, 0.1], [0.3, 0.6]]), np.array([-1.0, 0.4, -2.0])
    got = mixture(r_1=r[0], r_2=r[1], r_3=r[2], c=1.5, k=0.4, t_1=t[0], t_2=t[1], t_3=t[2])
    np.testing.assert_allclose(got, 1.5 + 0.4 * np.exp(t @ r), rtol=1e-15)
    assert np.ndim(mixture(r_1=0.2, r_2=0.3, r_3=0.5, c=1.5, k=0.4, t_1=-1.0, t_2=0.0, t_3=1.0)) == 0


def test_derivative_by_an_entry_is_that_of_the_closed_form():
    mixture = make(2)
    out = mixture(r_1=np.array([0.2, 0.7]), r_2=np.array([0.8, 0.3]), c=1.0, k=0.5, t_1=Dual(0.3, {0: 1.0}), t_2=-1.0)
    expected = 0.5 * np.array([0.2, 0.7]) * np.exp(0.3 * np.array([0.2, 0.7]) - np.array([0.8, 0.3]))
    np.testing.assert_allclose(out.partials[0], expected, rtol=1e-14)


def test_a_mixture_of_named_domains_is_fitted_and_survives_json():
    named = make().sized(domain=("web", "code"))
    rng = np.random.default_rng(0)
    web, code = rng.uniform(0.1, 0.9, (2, 40))
    loss = named(r_web=web, r_code=code, c=1.5, k=0.4, t_web=-2.0, t_code=0.7)
    runs = sim.read_runs({"r_web": web, "r_code": code, "loss": loss}, check=False)
    found = sim.fit(named, runs, objective="squares_log")
    assert found.values["t_web"] == pytest.approx(-2.0, rel=1e-6)
    assert found.values["t_code"] == pytest.approx(0.7, rel=1e-6)
    again = Law.from_dict(json.loads(json.dumps(named.to_dict())))
    values = {"c": 1.5, "k": 0.4, "t_web": -2.0, "t_code": 0.7}
    np.testing.assert_allclose(again.evaluate({"r_web": web, "r_code": code}, values), loss, rtol=1e-14)


def test_a_sized_law_of_the_catalogue_survives_json_by_name():
    sized = sim.laws.multi_power.sized(segment=("warm", "cool"))
    stored = json.loads(json.dumps(sized.to_dict()))
    assert stored["law"] == "multi_power"
    assert list(Law.from_dict(stored).inputs) == list(sized.inputs)


def test_sums_are_printed_as_sums():
    assert make().lines() == ("c + k*exp(sum over domain of (t*r))",)
    assert "\\sum_{\\mathrm{domain}}" in make().latex()


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [({"step": 2}, "no axis 'step'"), ({"domain": ("a", "a")}, "different names"), ({"domain": ()}, "different names")],
)
def test_bad_entries_are_refused(labels, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        make().sized(**labels)


def test_an_axis_without_a_size_is_refused():
    declare = law(
        inputs={"r": along("domain", RATIO)}, output=RATIO, params={"a": along("other", real())}, sizes={"domain": 2}
    )

    def formula(r, *, a):
        return total(a, over="other") * total(r, over="domain")

    with pytest.raises(ArgumentError, match="size is not declared"):
        declare(formula)
