"""A fit written and read again is the same fit; a damaged document is a sentence, not a traceback."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

import similitude as sim
from similitude._errors import DataError

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]


def _fits():
    ladder = sim.simulate(TRUTH, noise=0.004, seed=1)
    n, d, y = (ladder.column(k) for k in ("N", "D", "loss"))
    crashed = sim.read_runs({"N": n, "D": d, "loss": np.where(n > 1e9, y * 0.8, y), "crashed": n > 1e9}, check=False)
    weighted = sim.read_runs({"N": n, "D": d, "loss": y, "w": n**0.1}, check=False)
    iso = sim.simulate(TRUTH, design="isoflop", noise=0.003, seed=2)
    curves = sim.simulate(TRUTH, design="curves", noise=0.002, offset=0.005, seed=1)
    formula = sim.laws.formula_law("E + A/N^alpha + B/D^beta")
    law = sim.laws.chinchilla
    yield "default", lambda: sim.fit(law, ladder)
    yield "small delta", lambda: sim.fit(law, ladder, delta=1e-3, intervals="delta")
    yield (
        "constraints",
        lambda: sim.fit(
            law, ladder, fix={"E": 1.8}, tie=[("alpha", "beta")], bound={"A": (1.0, None)}, intervals="delta"
        ),
    )
    yield "prior", lambda: sim.fit(law, ladder, prior={"E": (1.8, 0.05)}, objective="squares_log")
    yield "censored", lambda: sim.fit(law, crashed, intervals="delta")
    yield "weights", lambda: sim.fit(law, weighted, objective=sim.Objective("raw", "squares", weights="w"))
    yield "scale", lambda: sim.fit(law, iso, intervals=sim.Intervals(noise="scale"))
    yield "clusters", lambda: sim.fit(law, curves)
    yield "bootstrap", lambda: sim.fit(law, ladder, intervals=sim.Intervals("residual", resamples=40), seed=4)
    yield "formula", lambda: sim.fit(formula, ladder, intervals="delta")
    ray = np.geomspace(1e7, 1e9, 20)
    on_ray = sim.simulate(TRUTH, points={"N": ray, "D": 20 * ray}, seed=2)
    yield "ray", lambda: sim.fit(law, on_ray)


FITS = dict(_fits())


@pytest.mark.parametrize("name", FITS)
def test_a_fit_read_again_predicts_the_same(name):
    fit = FITS[name]()
    text = json.dumps(fit.to_dict(), allow_nan=False)
    again = sim.Fit.from_dict(json.loads(text))
    assert again.values == pytest.approx(fit.values, rel=1e-12)
    assert again.ends == fit.ends
    assert again.method == fit.method
    assert again.warnings == fit.warnings
    assert again.objective_value == fit.objective_value
    at = {"N": 3e8, "D": 6e9} if name == "ray" else {"N": 7e10, "D": 1.4e12}
    one, other = fit.predict(**at), again.predict(**at)
    for field in ("value", "low", "high", "new_low", "new_high", "extrapolation"):
        expected = getattr(other, field)
        assert getattr(one, field) == (None if expected is None else pytest.approx(expected, rel=1e-9)), field
    assert str(again) == str(fit)
    assert json.dumps(again.to_dict(), allow_nan=False) == text


def test_a_fit_of_noise_free_runs_is_valid_json():
    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.0))
    document = json.loads(json.dumps(fit.to_dict(), allow_nan=False))
    assert sim.Fit.from_dict(document).values["E"] == pytest.approx(1.8172, rel=1e-6)


def test_without_runs_a_fit_cannot_be_read_again():
    document = FITS["default"]().to_dict(runs=False)
    assert "data" not in document
    with pytest.raises(DataError, match="without its runs"):
        sim.Fit.from_dict(document)


@pytest.mark.parametrize("document", [{}, [], None, "fit", {"schema": "other"}, {"schema": "similitude/fit"}])
def test_what_is_no_fit_is_said_to_be_none(document):
    with pytest.raises(DataError):
        sim.Fit.from_dict(document)


def test_a_fit_of_the_future_is_refused():
    document = FITS["small delta"]().to_dict()
    for version in (99, "2", None):
        with pytest.raises(DataError):
            sim.Fit.from_dict({**document, "schema_version": version})


def _paths(value, at=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            if at[:1] not in (("data",), ("formula",)):
                yield (*at, key)
            yield from _paths(inner, (*at, key))


def test_any_damage_is_a_sentence():
    """Each entry in turn removed, or replaced by something of another kind."""
    document = json.loads(json.dumps(FITS["constraints"]().to_dict()))
    for path in _paths(document):
        for junk in ("missing", None, "text", [1.0], {"a": 1}, -5):
            broken = copy.deepcopy(document)
            inner = broken
            for key in path[:-1]:
                inner = inner[key]
            if junk == "missing":
                del inner[path[-1]]
            else:
                inner[path[-1]] = junk
            try:
                sim.Fit.from_dict(broken)
            except sim.SimilitudeError:
                continue
