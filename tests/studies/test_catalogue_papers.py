"""Studies of the catalogue's papers: independent refits and evaluations of the same released data."""

from __future__ import annotations

import pytest

from similitude._errors import DataError
from similitude.runs import datasets
from similitude.studies import Study, catalogue, reproduce


def whole(name: str) -> Study:
    try:
        for data in catalogue()[name].data:
            datasets.load(data)
    except DataError:
        pytest.skip("published data not reachable")
    return reproduce(name)


def ours(name: str) -> dict[str, float]:
    return {c.sentence: c.ours.value for c in whole(name).claims}


def test_parallel_streams_as_fitted_elsewhere():
    found = ours("chen2025parscale")
    expected = {"E, pile": 1.2886, "A, in billions, pile": 0.1975, "alpha, pile": 0.1963, "k, pile": 0.3344}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=6e-5), name
    assert found["k, stack-v2-python"] == pytest.approx(0.3935, abs=6e-5)
    assert found["R2, pile"] == pytest.approx(0.99868, abs=1e-5)


# least squares on log10 loss, computed elsewhere on the same rows
ROUTED = {
    "S-Base": (-0.083025, -0.118044, 0.009925, 1.113580, 2.074568, 238.674859),
    "RL-R": (-0.082730, -0.123417, 0.011233, 1.107013, 1.721926, 470.053321),
    "Hash": (-0.087357, -0.138364, 0.012635, 1.159531, 4.268770, 427.323026),
}


@pytest.mark.parametrize("router", ROUTED)
def test_routed_law_as_fitted_elsewhere(router):
    found = ours("clark2022")
    for name, value in zip(("a", "b", "c", "d", "E_start", "E_max"), ROUTED[router]):
        assert found[f"{name}, {router}"] == pytest.approx(value, rel=1e-4), name


def test_broken_law_on_the_addition_task():
    found = ours("caballero2023")
    error = "root mean squared log error"
    assert found[f"{error} on the 14 points fitted, released parameters"] == pytest.approx(5.985e-4, abs=5e-8)
    assert found[f"{error} on the 3 points beyond, released parameters"] == pytest.approx(1.0916e-2, abs=5e-7)
    assert found[f"{error} on the 14 points, our optimum"] <= 5.985e-4


def test_step_law_on_the_released_rows_as_fitted_elsewhere():
    found = ours("li2025steplaw")
    assert found["a of the best learning rate"] == pytest.approx(77.7, rel=1e-3)
    assert found["alpha of the best learning rate"] == pytest.approx(0.7662, abs=6e-5)
    assert found["beta of the best learning rate"] == pytest.approx(0.1970, abs=6e-5)
    assert found["amplitude of the best batch"] == pytest.approx(0.209, abs=6e-4)
    assert found["exponent of the best batch"] == pytest.approx(0.6125, abs=6e-5)
    assert found["excess loss at the printed law, mean over groups, %"] == pytest.approx(0.096, abs=6e-4)


@pytest.mark.parametrize("name", ["kaplan2020", "hoffmann2022", "busbridge2025", "luo2024sparsing", "du2024"])
def test_fixtures_follow_from_their_constants_and_count_as_no_reproduction(name):
    study = reproduce(name)
    assert {c.evidence for c in study.claims} == {"constants"}
    assert all(c.verdict == "reproduced" for c in study.claims)
    assert sum(study.counts.values()) == 0


def test_critical_batches_as_the_notebook_prints_them():
    found = ours("zhang2024critical")
    assert found["critical batch by the rule of 20 % more steps, sequences, 85M"] == pytest.approx(745.32, rel=1e-4)
    assert found["critical batch by the rule of 20 % more steps, sequences, 1.2B"] == pytest.approx(2533.41, rel=1e-4)
    assert found["exponent of the critical batch in size"] == pytest.approx(0.46828, abs=2e-5)


def test_clip_slopes_of_the_front_as_computed_elsewhere():
    found = ours("cherti2023")
    expected = {
        "slope of OpenCLIP, imagenet1k": -0.111,
        "slope of CLIP, imagenet1k": -0.164,
        "slope of OpenCLIP, imagenet_robustness": -0.121,
        "slope of OpenCLIP, mscoco_captions": -0.082,
        "slope of CLIP, flickr30k": -0.103,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=6e-4), name


def test_laws_of_training_sets_are_the_released_ones():
    found = ours("brandfonbrener2024")
    assert found["E of the loss on C4, trained on fineweb-100b"] == pytest.approx(2.2852, abs=1e-3)
    assert found["forecast for 3.3e9 parameters, fineweb-100b"] == pytest.approx(2.5277, abs=1e-3)
    assert found["forecast for 3.3e9 parameters, slimpajama-chunk1"] == pytest.approx(2.7608, abs=1e-3)


def test_mixing_law_of_two_domains_as_fitted_elsewhere():
    found = ours("ye2024")
    assert found["c, 70M model, loss on Github"] == pytest.approx(1.11001, abs=2e-3)
    assert found["t, 70M model, loss on Github"] == pytest.approx(-1.64331, abs=2e-2)
    assert found["t, 160M model, loss on Github"] == pytest.approx(-1.76661, abs=2e-2)


def test_every_difference_is_explained():
    unexplained = [c.sentence for c in whole("besiroglu2024").differing if not c.remark]
    assert unexplained == []
