"""Finding laws and published sets by name, binding forms to fields, and storing laws as JSON."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from similitude import laws
from similitude._errors import ArgumentError, DataError
from similitude._quantity import COUNT, NATS_PER_TOKEN, RATIO, SCORE, TOKENS
from similitude.laws._catalogue import collect


def test_names_of_the_first_families():
    expected = {"power", "power_floor", "kaplan", "chinchilla", "chinchilla_tied", "nested", "overtrained"}
    assert expected | {"data_constrained"} <= set(laws.catalogue())
    assert [k for k, law in laws.catalogue().items() if k != law.name] == []


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError):
        laws.catalogue()["mine"] = laws.power  # pyright: ignore[reportIndexIssue]


def test_a_wrong_name_is_met_with_the_closest():
    with pytest.raises(ArgumentError, match="did you mean 'chinchilla'"):
        laws.get("chinchila")
    with pytest.raises(ArgumentError, match="did you mean 'besiroglu2024'"):
        laws.resolve("chinchilla:besiroglu")
    with pytest.raises(ArgumentError, match="chinchilla:hoffmann2022"):
        laws.resolve("chinchilla")
    with pytest.raises(ArgumentError, match="published: none"):
        laws.resolve("nested:mine")


def test_two_laws_of_one_name_are_an_error():
    one, two = ModuleType("one"), ModuleType("two")
    one.law = laws.power  # pyright: ignore[reportAttributeAccessIssue]
    two.law = replace(laws.power)  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ArgumentError, match="two laws are called 'power'"):
        collect([one, two])
    assert list(collect([one, one])) == ["power"]


def test_a_family_file_does_not_hide_its_law():
    importlib.import_module("similitude.laws.chinchilla")
    importlib.import_module("similitude.laws.power")
    assert isinstance(laws.chinchilla, laws.Law)
    assert isinstance(laws.power, laws.Law)


def test_published_digits_stay_as_printed():
    assert laws.resolve("chinchilla:hoffmann2022").digits["A"] == "406.4"
    tex = laws.resolve("chinchilla:hoffmann2022-tex")
    assert f"{tex.values['A']:.2f} {tex.values['B']:.2f} {tex.values['E']:.5f}" == "406.40 410.72 1.69337"
    tied = laws.resolve("chinchilla_tied:muennighoff2023").values
    assert f"{tied['A']:.2f} {tied['B']:.2f} {tied['E']:.4f}" == "520.82 1487.72 1.8691"


def test_importing_the_catalogue_loads_no_heavy_package():
    heavy = ("scipy", "polars", "sympy", "matplotlib", "rich", "pooch", "tomllib")
    code = f"import sys, similitude.laws; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def learning_curve() -> laws.Law:
    return laws.application(
        laws.power_scale,
        name="learning_curve",
        inputs={"x": ("D", TOKENS)},
        output=NATS_PER_TOKEN,
        source=laws.paper("kaplan2020"),
        published=[laws.published("mine", source="kaplan2020", where="eq. 1.2", x_c="5.4e13", a="0.095")],
    )


def test_an_application_renames_and_inherits_the_formula():
    curve = learning_curve()
    assert curve(D=2.3e10, x_c=5.4e13, a=0.095) == laws.power_scale(2.3e10, x_c=5.4e13, a=0.095)
    assert curve(2.3e10, x_c=5.4e13, a=0.095) == curve(D=2.3e10, x_c=5.4e13, a=0.095)
    assert curve.latex() == r"L(D) = \left(\frac{x_{c}}{D}\right)^{a}"
    assert curve.params["x_c"].relative == "D"
    assert list(curve.published) == ["mine"]
    assert laws.power_scale.published == {}


def test_an_application_of_an_application():
    twice = laws.application(learning_curve(), name="twice", inputs={"D": ("U", TOKENS)})
    assert twice(U=10.0, x_c=1e3, a=0.5) == pytest.approx(10.0)
    assert twice.output is NATS_PER_TOKEN


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": {"z": ("D", TOKENS)}},
        {"params": {"z": laws.positive()}},
        {"published": [laws.published("p", where="t", a="1")]},
        {"published": [laws.published("p", where="t", x_c="1", a="1", z="1")]},
    ],
)
def test_an_application_must_fit_its_form(change):
    options = {"name": "mine", "inputs": {"x": ("D", TOKENS)}, **change}
    with pytest.raises(ArgumentError):
        laws.application(laws.power_scale, **options)


def test_an_application_may_not_merge_inputs():
    with pytest.raises(ArgumentError, match="share a name"):
        laws.application(laws.chinchilla, name="mine", inputs={"N": ("D", TOKENS)})


def through_json(law: laws.Law) -> laws.Law:
    return laws.law_from_dict(json.loads(json.dumps(laws.law_to_dict(law))))


def same(one: laws.Law, two: laws.Law) -> None:
    assert (one.name, one.title, one.counts) == (two.name, two.title, two.counts)
    assert dict(one.inputs) == dict(two.inputs)
    assert one.output == two.output
    assert dict(one.params) == dict(two.params)
    rng = np.random.default_rng(1)
    values = {k: rng.uniform(0.3, 0.9, 4) for k in (*one.inputs, *one.params)}
    np.testing.assert_allclose(one.evaluate(values, values), two.evaluate(values, values), rtol=1e-14)


def test_a_formula_survives_json():
    law = laws.formula_law(
        "E + A/N^alpha - b*min(N, 3)", ("N",), starts={"alpha": (0.2, 0.6)}, real_parameters=("b",), output=RATIO
    )
    same(law, through_json(law))


def test_an_application_survives_json():
    same(learning_curve(), through_json(learning_curve()))


def test_a_law_declared_in_python_survives_json_by_its_formula():
    @laws.law(inputs={"x": COUNT}, output=SCORE, params={"u": laws.unit_interval(), "k": laws.real(-1.0, 1.0)})
    def mine(x, *, u, k):
        return u + k / x

    again = through_json(mine)
    same(mine, again)
    assert again.formula == "u + k/x"


def test_inputs_of_either_sign_survive_json():
    law = replace(laws.formula_law("a*x", ("x",)), positive_inputs=False)
    assert through_json(law).positive_inputs is False
    assert through_json(replace(law, positive_inputs=True)).positive_inputs is True


def test_a_long_formula_of_named_parts_survives_json():
    mine = replace(laws.data_constrained, name="mine")
    assert len(mine.text()) > 400
    same(mine, through_json(mine))


@pytest.mark.parametrize(
    "change",
    [
        {"formula": None},
        {"formula": 3},
        {"inputs": None},
        {"inputs": {"x": "tokens"}},
        {"output": None},
        {"params": {}},
        {"params": {"a": {"transform": "cube"}}},
        {"params": {"a": {"low": 2, "high": 1}}},
        {"params": {"a": {"starts": ["1"]}}},
        {"params": {"a": {"starts": 1.0, "low": None}}},
        {"params": {"a": {"code": "x"}}},
        {"params": {"a": []}},
        {"name": 3},
    ],
)
def test_stored_laws_out_of_order_are_data_errors(change):
    good = laws.law_to_dict(laws.formula_law("a*x", ("x",)))
    with pytest.raises(DataError):
        laws.law_from_dict({**good, **change})


def test_a_stored_application_must_fit_its_form():
    good = laws.law_to_dict(learning_curve())
    for change in ({"renames": {}}, {"renames": {"x": "U"}}, {"params": {"a": {}}}):
        with pytest.raises(DataError):
            laws.law_from_dict({**good, **change})
    with pytest.raises(DataError):
        laws.law_from_dict([])  # pyright: ignore[reportArgumentType]


def test_inputs_may_be_written_as_people_write_them():
    estimate = laws.chinchilla.published["besiroglu2024"]
    assert estimate.value(N="70B", D="1.4T tokens") == estimate.value(N=70e9, D=1.4e12)
    made = estimate.predict(N=["7B", "70B"], D="1.4T")
    assert list(made.value) == list(estimate.value(N=[7e9, 70e9], D=1.4e12))
    assert made.at == {"N": [7e9, 70e9], "D": 1.4e12}
    with pytest.raises(ArgumentError, match="N: 'big' is not a number"):
        estimate.value(N="big", D=1e12)
    with pytest.raises(ArgumentError, match=r"N = \{\}; expected a number"):
        estimate.value(N={}, D=1e12)
